import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
import yaml

from b3 import cotahist, lake, settings
from local import provision

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "lake.yaml"
DATE = dt.date(2020, 4, 30)
REFINED_COLUMNS = [
    *(
        (f"unit_{price}", "decimal(19,8)")
        for price in ("open", "high", "low", "average", "close", "best_bid", "best_ask")
    ),
    ("asset_class", "string"),
    ("days_to_expiry", "int"),
    ("previous_session", "date"),
    ("change_pct", "decimal(13,4)"),
]


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _intrinsic(loader: Template, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node)  # type: ignore[arg-type]
    return {"Ref" if name == "Ref" else f"Fn::{name}": value}


Template.add_multi_constructor("!", _intrinsic)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return yaml.load(TEMPLATE.read_text(), Template)


@pytest.fixture(scope="module")
def properties(template) -> dict[str, dict[str, Any]]:
    """Properties of each resource, by logical id."""
    return {name: resource["Properties"] for name, resource in template["Resources"].items()}


def columns(table: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["Name"], column["Type"]) for column in table["TableInput"]["StorageDescriptor"]["Columns"]]


def glue_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return {
        pa.date32(): "date",
        pa.string(): "string",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
    }[kind]


def strings(node: Any) -> Iterator[str]:
    """Every text in a part of the template."""
    if isinstance(node, dict):
        node = [*node.keys(), *node.values()]
    if isinstance(node, list):
        for item in node:
            yield from strings(item)
    elif isinstance(node, str):
        yield node


class TestTables:
    def test_raw_quotes_has_the_columns_the_parser_writes(self, properties):
        written = [(field.name, glue_type(field.type)) for field in cotahist.RAW_SCHEMA]

        assert columns(properties["RawQuotes"]) == written
        assert written[0] == ("source_date", "date")

    def test_quotes_adds_the_refined_columns(self, properties):
        assert columns(properties["Quotes"]) == columns(properties["RawQuotes"]) + REFINED_COLUMNS

    def test_shared_columns_are_explained_alike(self, properties):
        raw, refined = (
            properties[table]["TableInput"]["StorageDescriptor"]["Columns"] for table in ("RawQuotes", "Quotes")
        )

        assert refined[: len(raw)] == raw

    @pytest.mark.parametrize("table", ["RawQuotes", "Quotes"])
    def test_are_partitioned_by_trade_date_which_no_file_repeats(self, properties, table):
        keys = [(key["Name"], key["Type"]) for key in properties[table]["TableInput"]["PartitionKeys"]]

        assert keys == [("trade_date", "date")]
        assert "trade_date" not in dict(columns(properties[table]))

    @pytest.mark.parametrize(
        ("table", "name", "key"),
        [
            ("RawQuotes", lake.RAW_QUOTES_TABLE, lake.raw_quotes_key(DATE)),
            ("Quotes", lake.QUOTES_TABLE, lake.refined_quotes_key(DATE)),
        ],
    )
    def test_lie_where_the_lake_writes_them(self, properties, table, name, key):
        found = properties[table]["TableInput"]
        prefix = key.partition("trade_date=")[0]

        assert found["Name"] == name
        assert found["StorageDescriptor"]["Location"] == {"Fn::Sub": f"s3://${{LakeBucket}}/{prefix}"}

    @pytest.mark.parametrize("table", ["RawQuotes", "Quotes"])
    def test_are_parquet(self, properties, table):
        storage = properties[table]["TableInput"]["StorageDescriptor"]

        assert storage["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
        assert storage["InputFormat"].endswith("MapredParquetInputFormat")
        assert properties[table]["TableInput"]["Parameters"]["classification"] == "parquet"


class TestCrawlers:
    @pytest.mark.parametrize(
        ("crawler", "tables"),
        [
            ("RawCrawler", ["RawQuotes", "RawIndexPortfolio", "RawSectors"]),
            ("RefinedCrawler", ["Quotes", "IndexStocks"]),
        ],
    )
    def test_add_partitions_to_tables_of_the_catalog_and_change_no_schema(self, properties, crawler, tables):
        found = properties[crawler]

        (target,) = found["Targets"]["CatalogTargets"]
        assert target == {"DatabaseName": {"Ref": "GlueDatabase"}, "Tables": [{"Ref": table} for table in tables]}
        assert found["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
        assert json.loads(found["Configuration"])["CrawlerOutput"] == {
            "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}
        }


class TestTheBucket:
    def test_keeps_every_version_encrypted_and_out_of_public_sight(self, properties):
        bucket = properties["Bucket"]

        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4

    def test_outlives_the_stack(self, template):
        assert template["Resources"]["Bucket"]["DeletionPolicy"] == "Retain"
        assert template["Resources"]["Bucket"]["UpdateReplacePolicy"] == "Retain"

    def test_expires_nothing_but_query_results_and_staging(self, properties):
        rules = properties["Bucket"]["LifecycleConfiguration"]["Rules"]
        expired = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}

        assert expired == {"athena/", "staging/"}
        assert lake.refine_staging_prefix(DATE).startswith("staging/")
        for key in (lake.raw_quotes_key(DATE), lake.refined_quotes_key(DATE), lake.landing_quotes_key("x")):
            assert not key.startswith(tuple(expired))
        assert {rule["Prefix"] for rule in rules if "NoncurrentVersionExpiration" in rule} == expired


class TestRoles:
    @pytest.fixture
    def statements(self, template) -> list[dict[str, Any]]:
        return [
            statement
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::Role"
            for policy in resource["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def test_name_actions_and_resources(self, statements):
        assert statements
        for statement in statements:
            assert statement["Effect"] == "Allow"
            assert not [action for action in strings(statement["Action"]) if "*" in action]
            assert "*" not in strings(statement["Resource"])

    def test_are_glues_alone(self, template):
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Role":
                (trust,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                assert trust["Principal"] == {"Service": "glue.amazonaws.com"}

    def test_write_no_layer_but_refined_and_delete_nothing_but_staging(self, properties):
        allowed: dict[str, set[str]] = {}
        for role in ("CrawlerRole", "RefineRole"):
            for statement in properties[role]["Policies"][0]["PolicyDocument"]["Statement"]:
                for action in strings(statement["Action"]):
                    allowed.setdefault(action, set()).update(
                        text.rpartition("${LakeBucket}/")[2]
                        for text in strings(statement["Resource"])
                        if "s3:::" in text
                    )

        assert allowed["s3:PutObject"] == {"staging/*", "refined/index_stocks/*", "refined/*"}
        assert allowed["s3:DeleteObject"] == {"staging/*", "refined/index_stocks/*"}


@pytest.fixture(scope="module")
def client(aws_server):
    return lambda name: boto3.client(name, endpoint_url=aws_server.endpoint)


@pytest.fixture(scope="module")
def outputs(aws_server):
    with pytest.MonkeyPatch.context() as environment:
        for name, value in aws_server.environment("sa-east-1").items():
            environment.setenv(name, value)
        yield provision.provision(aws_server.endpoint, "lake-of-the-stack")


@pytest.fixture(scope="module")
def derived(outputs) -> settings.Settings:
    """What the DAGs make of the bucket's name alone."""
    return settings.read({"B3_LAKE_BUCKET": outputs["LakeBucket"]})


class TestTheStack:
    """Made for real, on the local AWS."""

    def test_its_outputs_are_the_settings(self, outputs, derived):
        given = {
            "B3_LAKE_BUCKET": outputs["LakeBucket"],
            "B3_GLUE_DATABASE": outputs["GlueDatabase"],
            "B3_GLUE_JOB": outputs["GlueJob"],
            "B3_ATHENA_WORKGROUP": outputs["AthenaWorkgroup"],
        }

        assert settings.read(given) == derived
        assert outputs.keys() == {"LakeBucket", "GlueDatabase", "GlueJob", "GlueRoleArn", "AthenaWorkgroup"}

    def test_its_crawlers_have_the_names_the_dag_calls(self, derived, client):
        glue = client("glue")

        for crawler in (derived.raw_crawler, derived.refined_crawler):
            assert glue.get_crawler(Name=crawler)["Crawler"]["State"] == "READY"

    def test_its_job_runs_the_script_that_was_uploaded(self, outputs, client):
        job = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]
        bucket, _, key = job["Command"]["ScriptLocation"].removeprefix("s3://").partition("/")

        assert job["Role"] == outputs["GlueRoleArn"]
        assert client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == provision.REFINE_SCRIPT.read_bytes()

    def test_its_bucket_is_versioned(self, outputs, client):
        assert client("s3").get_bucket_versioning(Bucket=outputs["LakeBucket"])["Status"] == "Enabled"

    def test_made_again_it_is_the_same(self, outputs, aws_server):
        assert provision.provision(aws_server.endpoint, "lake-of-the-stack") == outputs

    def test_follows_a_changed_script(self, outputs, aws_server, client, tmp_path):
        script = tmp_path / "refine.py"
        script.write_text("print('another')\n")

        provision.provision(aws_server.endpoint, "lake-of-the-stack", script=script)

        location = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]["Command"]["ScriptLocation"]
        key = location.partition("lake-of-the-stack/")[2]
        assert client("s3").get_object(Bucket="lake-of-the-stack", Key=key)["Body"].read() == script.read_bytes()
        provision.provision(aws_server.endpoint, "lake-of-the-stack")
