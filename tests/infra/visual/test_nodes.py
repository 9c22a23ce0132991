"""The nodes of the visual job: what Glue's API takes, and what the course asks for."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from infra.visual import nodes
from infra.visual.nodes import BadNodes
from tests.aws_models.misfits import misfits
from tests.aws_models.reading import model
from tests.infra.templates import LAKE, load

Nodes = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def found() -> Nodes:
    return nodes.read(nodes.path_of(), LakeBucket="lake", Database="b3")


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    resource = load(LAKE)["Resources"]["VisualIndexStocks"]
    taken: dict[str, Any] = resource["Properties"]["TableInput"]
    return taken


def of_kind(found: Nodes, kind: str) -> list[dict[str, Any]]:
    return [node.fields for node in nodes.in_order(found) if node.kind == kind]


def refusals(operation: str, parameters: dict[str, Any]) -> str:
    """What the API's model has against a request."""
    return "\n".join(misfits(parameters, model("glue").operation_model(operation).input_shape))


class TestTheNodesOfTheRepository:
    def test_are_what_the_api_takes_of_a_new_job_and_of_a_changed_one(self, found):
        job = {"Role": "arn", "Command": {}, "JobMode": "VISUAL", "CodeGenConfigurationNodes": found}

        assert refusals("CreateJob", {"Name": "b3-visual", **job}) == ""
        assert refusals("UpdateJob", {"JobName": "b3-visual", "JobUpdate": job}) == ""

    def test_would_be_refused_without_one_of_their_fields(self, found):
        lacking = copy.deepcopy(found)
        del lacking["node-8"]["S3GlueParquetTarget"]["Path"]

        job = {"Name": "b3-visual", "Role": "arn", "Command": {}, "CodeGenConfigurationNodes": lacking}
        assert "Path" in refusals("CreateJob", job)

    @pytest.mark.parametrize(
        ("node", "kind", "field", "value"),
        [
            ("node-3", "Aggregate", "Aggs", [{"Column": ["quantity"], "AggFunc": "total"}]),
            ("node-8", "S3GlueParquetTarget", "Compression", "zstd"),
            ("node-2", "SparkSQL", "SqlAliases", [{"From": "node 1", "Alias": "quotes"}]),
        ],
    )
    def test_would_be_refused_with_a_value_that_the_model_does_not_have(self, found, node, kind, field, value):
        other = copy.deepcopy(found)
        other[node][kind][field] = value

        job = {"Name": "b3-visual", "Role": "arn", "Command": {}, "CodeGenConfigurationNodes": other}
        assert field in refusals("CreateJob", job)

    def test_are_connected_each_to_a_source_and_to_the_target(self, found):
        ordered = [node.id for node in nodes.in_order(found)]

        assert sorted(ordered) == sorted(found)
        for node in nodes.in_order(found):
            assert all(ordered.index(each) < ordered.index(node.id) for each in node.inputs)

    def test_read_the_raw_tables(self, found):
        assert [source["Table"] for source in of_kind(found, "S3CatalogSource")] == [
            "raw_quotes", "raw_index_portfolio",
        ]  # fmt: skip

    def test_group_and_sum_numeric_columns(self, found):
        (aggregate,) = of_kind(found, "Aggregate")

        assert aggregate["Groups"] == [["trade_date"], ["ticker"]]
        sums = [agg["Column"] for agg in aggregate["Aggs"] if agg["AggFunc"] == "sum"]
        assert sums == [["quantity"], ["financial_volume"]]

    def test_rename_two_columns_that_are_not_those_of_the_groups(self, found):
        renamed = {node["SourcePath"][0]: node["TargetPath"][0] for node in of_kind(found, "RenameField")}
        (aggregate,) = of_kind(found, "Aggregate")

        assert renamed == {"index": "index_code", "company": "company_name"}
        assert not renamed.keys() & {column for (column,) in aggregate["Groups"]}

    def test_calculate_with_dates(self, found):
        *_, last = of_kind(found, "SparkSQL")

        assert "datediff(p.trade_date, p.period_start) AS days_since_period_start" in last["SqlQuery"]

    def test_write_the_table_of_the_template_partitioned_by_date_and_ticker(self, found, table):
        (target,) = of_kind(found, "S3GlueParquetTarget")
        location = table["StorageDescriptor"]["Location"]["Fn::Sub"]

        assert target["Path"] == location.replace("${LakeBucket}", "lake")
        assert target["SchemaChangePolicy"]["Table"] == table["Name"]
        assert [key for (key,) in target["PartitionKeys"]] == [key["Name"] for key in table["PartitionKeys"]]
        assert target["PartitionKeys"] == [["trade_date"], ["ticker"]]

    def test_tell_glue_studio_the_columns_of_the_table(self, found, table):
        *_, last = of_kind(found, "SparkSQL")
        told = {column["Name"]: column["Type"] for column in last["OutputSchemas"][0]["Columns"]}

        declared = [*table["PartitionKeys"], *table["StorageDescriptor"]["Columns"]]
        assert told == {column["Name"]: column["Type"] for column in declared}


class TestReading:
    def test_fills_in_the_lake(self, tmp_path):
        path = tmp_path / "nodes.json"
        path.write_text('{"node-1": {"S3CatalogSource": {"Name": "${Database} in ${LakeBucket}"}}}')

        assert nodes.read(path, LakeBucket="lake", Database="b3") == {
            "node-1": {"S3CatalogSource": {"Name": "b3 in lake"}}
        }

    def test_refuses_a_placeholder_that_has_no_value(self, tmp_path):
        path = tmp_path / "nodes.json"
        path.write_text('{"node-1": "${Account}"}')

        with pytest.raises(BadNodes, match=r"expected one of \['Database'\] in nodes.json, found \$\{Account\}"):
            nodes.read(path, Database="b3")


def rename(found: Nodes) -> None:
    found["node 1"] = found.pop("node-1")


def give_two_types(found: Nodes) -> None:
    found["node-5"]["Filter"] = {}


def drop_a_source(found: Nodes) -> None:
    del found["node-4"]


def turn_back(found: Nodes) -> None:
    found["node-2"]["SparkSQL"]["Inputs"] = ["node-3"]
    found["node-2"]["SparkSQL"]["SqlAliases"][0]["From"] = "node-3"
    found["node-7"]["SparkSQL"]["Inputs"].append("node-1")
    found["node-7"]["SparkSQL"]["SqlAliases"].append({"From": "node-1", "Alias": "more"})


def leave_loose(found: Nodes) -> None:
    found["node-6"]["RenameField"]["Inputs"] = ["node-4"]


def feed_a_source(found: Nodes) -> None:
    found["node-1"]["S3CatalogSource"]["Inputs"] = ["node-4"]


def alias_another(found: Nodes) -> None:
    found["node-2"]["SparkSQL"]["SqlAliases"][0]["From"] = "node-4"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (rename, "expected a node's id of letters, digits, - and _, found 'node 1'"),
        (give_two_types, r"expected one type of node node-5, found \['Filter', 'RenameField'\]"),
        (drop_a_source, "found none for node-4"),
        (turn_back, "expected no circle of nodes"),
        (leave_loose, "expected every node but a target to be an input, found otherwise of RenameField node-5"),
        (feed_a_source, "expected inputs of every node but a source"),
        (alias_another, r"expected aliases for \['node-1'\], found \['node-4'\] in node node-2"),
    ],
)
def test_nodes_that_make_no_job_are_refused(found: Nodes, spoil: Callable[[Nodes], None], said: str):
    spoiled = copy.deepcopy(found)
    spoil(spoiled)

    with pytest.raises(BadNodes, match=said):
        nodes.in_order(spoiled)
