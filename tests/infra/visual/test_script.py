"""The script that is written from the nodes: a call for each, in order."""

import ast
import copy

import pytest

from infra.visual import nodes, script
from infra.visual.nodes import BadNodes


@pytest.fixture
def found():
    return nodes.read(nodes.path_of(), LakeBucket="lake", Database="b3")


def calls(body: bytes) -> list[ast.Call]:
    """The calls of `run`, in order."""
    (block,) = [each for each in ast.parse(body).body if isinstance(each, ast.With)]
    made = [each.value for each in block.body if isinstance(each, ast.Assign | ast.Expr)]
    return [each for each in made if isinstance(each, ast.Call)]


def test_calls_for_each_node_what_its_type_does(found):
    made = [ast.unparse(call.func) for call in calls(script.write(found))]

    assert sorted(made) == sorted(
        [
            "run.catalog_source", "run.catalog_source", "run.sql", "run.sql", "run.aggregate", "run.rename_field",
            "run.rename_field", "run.parquet_target",
        ]
    )  # fmt: skip


def test_hands_each_query_on_whole(found):
    queries = [
        ast.literal_eval(call.args[0]) for call in calls(script.write(found)) if ast.unparse(call.func) == "run.sql"
    ]
    wanted = [found[node]["SparkSQL"]["SqlQuery"] for node in ("node-2", "node-7")]

    assert [query.split() for query in queries] == [query.split() for query in wanted]


def test_is_the_same_however_often_it_is_written(found):
    assert script.write(found) == script.write(copy.deepcopy(found))


def test_is_another_one_for_another_lake(found):
    other = nodes.read(nodes.path_of(), LakeBucket="other", Database="b3")

    assert b"s3://other/refined_visual/index_stocks/" in script.write(other)
    assert script.write(other) != script.write(found)


def test_a_type_that_it_does_not_know_is_refused(found):
    found["node-5"] = {"DropFields": {"Name": "x", "Inputs": ["node-4"], "Paths": [["company"]]}}

    with pytest.raises(BadNodes, match=r"expected a node of S3CatalogSource, .*, found DropFields node-5"):
        script.write(found)


def test_a_source_of_some_partitions_is_refused(found):
    found["node-1"]["S3CatalogSource"]["PartitionPredicate"] = "trade_date > '2024-01-01'"

    with pytest.raises(BadNodes, match="expected no PartitionPredicate"):
        script.write(found)


def test_a_target_that_changes_the_tables_schema_is_refused(found):
    found["node-8"]["S3GlueParquetTarget"]["SchemaChangePolicy"]["UpdateBehavior"] = "UPDATE_IN_DATABASE"

    with pytest.raises(BadNodes, match="expected node-8 to add partitions and leave the table's schema"):
        script.write(found)


def test_a_query_that_would_end_its_quotes_is_refused(found):
    found["node-2"]["SparkSQL"]["SqlQuery"] = 'SELECT """'

    with pytest.raises(BadNodes, match="found one in node node-2"):
        script.write(found)
