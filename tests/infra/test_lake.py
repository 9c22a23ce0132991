import ast
import datetime as dt
import io
import json
import zipfile
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from b3 import settings
from b3.airflow.run_metrics import FIGURES, NAMESPACE
from b3.bitcoin import candles
from b3.indexes import portfolio
from b3.lake import athena, layout
from b3.monitoring import run_metrics
from b3.quotes import cotahist
from b3.sectors import workbook
from infra.checkout import ROOT, sql
from infra.deploy import templates
from local.commands.columns import SEPARATOR, declared
from local.lake import provision
from tests.infra.templates import LAKE, load, strings

DATE = dt.date(2020, 4, 30)
# What B3 does not give again.
KEPT_FOR_EVER = (
    layout.landing_quotes_key("x"),
    layout.landing_index_key("IBOV", "portfolio_day", DATE),
    layout.landing_sectors_key(DATE),
    layout.landing_bitcoin_key(DATE, "BTCBRL", 13, "binance", "0"),
    layout.rejected_key("0", "x"),
)
CRAWLED = ["RawQuotes", "RawIndexPortfolio", "RawSectors", "Quotes", "Findings", "IndexStocks"]
TABLES = [*CRAWLED, "VisualIndexStocks", "RunMetrics", "RawBtcMinutes", "BtcMinutes"]
REFINED_COLUMNS = [
    *(
        (f"unit_{price}", "decimal(19,8)")
        for price in ("open", "high", "low", "average", "close", "best_bid", "best_ask")
    ),
    ("asset_class", "string"),
    ("days_to_expiry", "int"),
    ("previous_session", "date"),
    ("change_pct", "decimal(13,4)"),
    ("finding_count", "int"),
]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load(LAKE)


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
        pa.timestamp("ms"): "timestamp",
    }[kind]


class TestTables:
    def test_raw_quotes_has_the_columns_the_parser_writes(self, properties):
        written = [(field.name, glue_type(field.type)) for field in cotahist.RAW_SCHEMA]

        assert columns(properties["RawQuotes"]) == written
        assert written[0] == ("source_date", "date")

    def test_quotes_adds_the_refined_columns(self, properties):
        assert columns(properties["RawQuotes"])[-1] == ("unreadable", "string")
        assert columns(properties["Quotes"]) == columns(properties["RawQuotes"])[:-1] + REFINED_COLUMNS

    def test_raw_index_portfolio_has_the_columns_the_parser_writes(self, properties):
        # The partition says whose portfolio it is; source_date, which session the answer itself named.
        written = [("source_date", "date")] + [
            (field.name, glue_type(field.type)) for field in portfolio.SCHEMA if field.name != "trade_date"
        ]

        assert portfolio.SCHEMA.field("trade_date").type == pa.date32()
        assert columns(properties["RawIndexPortfolio"]) == written

    def test_raw_sectors_has_the_columns_the_parser_writes(self, properties):
        assert columns(properties["RawSectors"]) == [(field.name, glue_type(field.type)) for field in workbook.SCHEMA]

    def test_run_metrics_has_the_columns_that_a_run_writes(self, properties):
        written = [(field.name, glue_type(field.type)) for field in run_metrics.SCHEMA]

        assert columns(properties["RunMetrics"]) == written

    @pytest.mark.parametrize("table", ["RawBtcMinutes", "BtcMinutes"])
    def test_of_minutes_have_the_columns_the_reader_writes_and_their_own_keys(self, properties, table):
        keys = [(key["Name"], key["Type"]) for key in properties[table]["TableInput"]["PartitionKeys"]]

        assert columns(properties[table]) == [(field.name, glue_type(field.type)) for field in candles.SCHEMA]
        assert keys == [("trade_date", "date"), ("symbol", "string")]

    @pytest.mark.parametrize("table", ["IndexStocks", "VisualIndexStocks"])
    def test_of_constituents_are_partitioned_by_trade_date_and_ticker(self, properties, table):
        keys = [(key["Name"], key["Type"]) for key in properties[table]["TableInput"]["PartitionKeys"]]

        assert keys == [("trade_date", "date"), ("ticker", "string")]
        assert not {"trade_date", "ticker"} & dict(columns(properties[table])).keys()

    def test_every_column_is_explained_in_both_languages_as_far_as_glue_keeps_it(self, template, properties):
        explained = list(declared(template))
        comments = [f"{column.english}{SEPARATOR}{column.portuguese}" for column in explained]

        assert {column.table for column in explained} == {properties[table]["TableInput"]["Name"] for table in TABLES}
        assert [comment for comment in comments if len(comment.encode()) > 255] == []
        assert [column for column in explained if column.english == column.portuguese] == []
        assert all(column.english.strip() and column.portuguese.strip() for column in explained)

    def test_shared_columns_are_explained_alike(self, properties):
        raw, refined = (
            properties[table]["TableInput"]["StorageDescriptor"]["Columns"] for table in ("RawQuotes", "Quotes")
        )

        assert refined[: len(raw) - 1] == raw[:-1]

    @pytest.mark.parametrize(
        "table", ["RawQuotes", "Quotes", "Findings", "RawIndexPortfolio", "RawSectors", "RunMetrics"]
    )
    def test_are_partitioned_by_trade_date_which_no_file_repeats(self, properties, table):
        keys = [(key["Name"], key["Type"]) for key in properties[table]["TableInput"]["PartitionKeys"]]

        assert keys == [("trade_date", "date")]
        assert "trade_date" not in dict(columns(properties[table]))

    @pytest.mark.parametrize(
        ("table", "name", "key"),
        [
            ("RawQuotes", layout.RAW_QUOTES_TABLE, layout.raw_quotes_key(DATE)),
            ("RawIndexPortfolio", layout.RAW_INDEX_PORTFOLIO_TABLE, layout.raw_index_portfolio_key(DATE)),
            ("RawSectors", layout.RAW_SECTORS_TABLE, layout.raw_sectors_key(DATE)),
            ("Quotes", layout.QUOTES_TABLE, layout.refined_quotes_key(DATE)),
            ("Findings", layout.FINDINGS_TABLE, layout.findings_key(DATE)),
            ("IndexStocks", layout.INDEX_STOCKS_TABLE, layout.refined_index_stocks_prefix(DATE)),
            ("RunMetrics", layout.RUN_METRICS_TABLE, layout.run_metrics_key(DATE, "b3_daily")),
            ("RawBtcMinutes", layout.RAW_BTC_MINUTES_TABLE, layout.raw_btc_minutes_prefix(DATE, "BTCBRL")),
            ("BtcMinutes", layout.BTC_MINUTES_TABLE, layout.btc_minutes_key(DATE, "BTCBRL")),
        ],
    )
    def test_lie_where_the_lake_writes_them(self, properties, table, name, key):
        found = properties[table]["TableInput"]
        prefix = key.partition("trade_date=")[0]

        assert found["Name"] == name
        assert found["StorageDescriptor"]["Location"] == {"Fn::Sub": f"s3://${{LakeBucket}}/{prefix}"}

    @pytest.mark.parametrize("table", TABLES)
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
            ("RefinedCrawler", ["Quotes", "Findings", "IndexStocks"]),
        ],
    )
    def test_add_partitions_to_tables_of_the_catalog_and_change_no_schema(self, properties, crawler, tables):
        found = properties[crawler]

        # AWS takes one target alone where crawlers go by events.
        (target,) = found["Targets"]["CatalogTargets"]
        assert target["DatabaseName"] == {"Ref": "GlueDatabase"}
        assert target["Tables"] == [{"Ref": table} for table in tables]
        assert found["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
        assert json.loads(found["Configuration"])["CrawlerOutput"] == {
            "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}
        }

    @pytest.mark.parametrize(
        ("crawler", "queue", "layer"),
        [("RawCrawler", "RawEvents", "raw/"), ("RefinedCrawler", "RefinedEvents", "refined/")],
    )
    def test_are_told_what_is_written_to_their_tables(self, properties, crawler, queue, layer):
        (target,) = properties[crawler]["Targets"]["CatalogTargets"]
        notified = {
            told["Queue"]["Fn::GetAtt"]: told
            for told in properties["Bucket"]["NotificationConfiguration"]["QueueConfigurations"]
        }

        assert target["EventQueueArn"]["Fn::If"][:2] == ["CrawlByEvents", {"Fn::GetAtt": f"{queue}.Arn"}]
        told = notified[f"{queue}.Arn"]
        assert told["Event"] == "s3:ObjectCreated:*"
        assert told["Filter"] == {"S3Key": {"Rules": [{"Name": "prefix", "Value": layer}]}}
        for table in target["Tables"]:
            location = properties[table["Ref"]]["TableInput"]["StorageDescriptor"]["Location"]["Fn::Sub"]
            assert location.startswith(f"s3://${{LakeBucket}}/{layer}")

    @pytest.mark.parametrize("queue", ["RawEvents", "RefinedEvents"])
    def test_are_told_by_the_lakes_bucket_alone(self, properties, template, queue):
        policy = properties[f"{queue}Policy"]
        allowed, denied = policy["PolicyDocument"]["Statement"]

        assert policy["Queues"] == [{"Ref": queue}]
        assert (allowed["Principal"], allowed["Action"]) == ({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")
        assert allowed["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"].endswith(":s3:::${LakeBucket}")
        assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert f"{queue}Policy" in template["Resources"]["Bucket"]["DependsOn"]

    def test_lose_no_event_to_a_weekend_or_a_crawl_that_failed(self, properties):
        for queue in ("RawEvents", "RefinedEvents", "UnreadEvents"):
            assert properties[queue]["MessageRetentionPeriod"] == 14 * 24 * 3600
            assert properties[queue]["SqsManagedSseEnabled"] is True
        for queue in ("RawEvents", "RefinedEvents"):
            redrive = properties[queue]["RedrivePolicy"]
            assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": "UnreadEvents.Arn"}, "maxReceiveCount": 200}


class TestArrivals:
    def test_are_told_by_the_bucket_to_a_rule_on_the_inbox_alone(self, properties):
        told = properties["Bucket"]["NotificationConfiguration"]["EventBridgeConfiguration"]
        pattern = properties["Arrivals"]["EventPattern"]

        assert told == {"EventBridgeEnabled": True}
        assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
        assert pattern["detail"] == {
            "bucket": {"name": [{"Ref": "LakeBucket"}]}, "object": {"key": [{"prefix": layout.INBOX_PREFIX}]}
        }  # fmt: skip

    def test_wait_in_a_queue_of_their_own_into_which_the_rule_alone_may_send(self, properties):
        (target,) = properties["Arrivals"]["Targets"]

        assert target["Arn"] == {"Fn::GetAtt": "ArrivalsQueue.Arn"}
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": "DeadArrivals.Arn"}}
        for queue, policy in (("ArrivalsQueue", "ArrivalsPolicy"), ("DeadArrivals", "DeadArrivalsPolicy")):
            allowed, denied = properties[policy]["PolicyDocument"]["Statement"]
            assert properties[policy]["Queues"] == [{"Ref": queue}]
            assert properties[queue]["SqsManagedSseEnabled"] is True
            assert (allowed["Principal"], allowed["Action"]) == ({"Service": "events.amazonaws.com"}, "sqs:SendMessage")
            assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": "Arrivals.Arn"}}}
            assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})

    def test_that_could_not_be_told_raise_an_alarm(self, properties):
        alarm = properties["LostArrivals"]

        redrive = properties["ArrivalsQueue"]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": "DeadArrivals.Arn"}
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": "DeadArrivals.QueueName"}}]
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 1)
        assert alarm["AlarmActions"] == [{"Ref": "AlertTopic"}]

    def test_of_crawls_that_nobody_reads_raise_an_alarm(self, properties):
        alarm = properties["LostCrawlEvents"]

        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": "UnreadEvents.QueueName"}}]
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 1)
        assert alarm["AlarmActions"] == [{"Ref": "AlertTopic"}]

    def test_that_could_not_even_be_kept_raise_an_alarm(self, properties):
        alarm = properties["UnkeptArrivals"]

        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Events", "InvocationsFailedToBeSentToDlq")
        assert alarm["Dimensions"] == [{"Name": "RuleName", "Value": {"Ref": "Arrivals"}}]
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)
        assert alarm["AlarmActions"] == [{"Ref": "AlertTopic"}]


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

    def test_expires_nothing_but_query_results_and_answers_before_they_are_read(self, properties):
        rules = properties["Bucket"]["LifecycleConfiguration"]["Rules"]
        expired = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}

        assert expired == {"athena/": 7, "landing/received/": 30, "alerts/": 90}
        assert layout.received_key("0", "x").startswith("landing/received/")
        for key in (layout.raw_quotes_key(DATE), layout.refined_quotes_key(DATE), *KEPT_FOR_EVER):
            assert not key.startswith(tuple(expired))

    def test_drops_former_versions_of_what_can_be_made_again_and_never_those_of_what_came_from_b3(self, properties):
        rules = properties["Bucket"]["LifecycleConfiguration"]["Rules"]
        days = {
            rule["Prefix"]: rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules
            if "NoncurrentVersionExpiration" in rule
        }

        assert days == {
            "athena/": 1, "landing/received/": 1, "inbox/": 30, "raw/": 30, "refined/": 30, "refined_visual/": 30,
            "reports/": 30, "code/": 30, "alerts/": 1, "metrics/": 30, "raw_bitcoin/": 30, "refined_bitcoin/": 30,
            "stream/": 30, "backup/": 30,
        }  # fmt: skip
        for key in KEPT_FOR_EVER:
            assert not key.startswith(tuple(days))

    def test_talks_tls_alone(self, properties):
        (statement,) = properties["BucketPolicy"]["PolicyDocument"]["Statement"]

        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        assert statement["Action"] == "s3:*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert [text.rpartition(":")[2] for text in strings(statement["Resource"]) if ":s3:" in text] == [
            "${LakeBucket}",
            "${LakeBucket}/*",
        ]


class TestTheJob:
    def test_ends_by_itself_and_runs_as_often_at_once_as_the_dags_ask(self, properties, template):
        job = properties["RefineJob"]

        assert job["Timeout"] == {"Ref": "GlueTimeoutMinutes"}
        assert template["Parameters"]["GlueTimeoutMinutes"]["Default"] == 30
        assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 4}
        assert job["MaxRetries"] == 0

    def test_may_be_flexible(self, properties, template):
        assert properties["RefineJob"]["ExecutionClass"] == {"Ref": "GlueExecutionClass"}
        assert template["Parameters"]["GlueExecutionClass"]["AllowedValues"] == ["STANDARD", "FLEX"]

    def test_tells_spark_the_region_of_the_bucket(self, properties):
        """Hadoop 3.4.1 of Glue 5.1 takes us-east-2 where nobody says another."""
        assert properties["RefineJob"]["DefaultArguments"]["--conf"] == {
            "Fn::Sub": "spark.hadoop.fs.s3a.endpoint.region=${AWS::Region}"
        }

    def test_has_spark_write_nothing_so_that_its_role_needs_no_rights_of_multipart_uploads(self, properties):
        package = provision.REFINE_SCRIPT.parent / "refine"
        writes = {
            (path.name, node.attr)
            for path in package.glob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr in ("write", "writeTo", "writeStream", "put_object", "upload_file", "upload_fileobj")
        }

        assert {attribute for _, attribute in writes} == {"put_object"}
        for action in ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads"):
            assert objects(properties, "RefineRole", action) == set()

    def test_logs_where_the_runbook_looks(self, properties):
        runbook = (ROOT / "dags" / "b3_daily.py").read_text()
        log = properties["RefineOutputLog"]["LogGroupName"]["Fn::Sub"].replace("${Database}-refine", "<job>")

        assert f"`{log}`" in runbook

    def test_logs_where_the_stack_forgets(self, properties):
        prefix = properties["RefineJob"]["DefaultArguments"]["--custom-logGroup-prefix"]["Fn::Sub"]

        for log, name in (("RefineOutputLog", "output"), ("RefineErrorLog", "error")):
            assert properties[log]["LogGroupName"] == {"Fn::Sub": f"{prefix}/{name}"}
            assert properties[log]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


class TestTheWorkgroup:
    def test_limits_what_a_query_scans_and_encrypts_its_results(self, properties, template):
        configuration = properties["Workgroup"]["WorkGroupConfiguration"]

        assert configuration["EnforceWorkGroupConfiguration"] is True
        assert configuration["BytesScannedCutoffPerQuery"] == {"Ref": "AthenaScanLimitBytes"}
        assert template["Parameters"]["AthenaScanLimitBytes"]["Default"] == 100 * 2**30
        assert configuration["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}


class TestAlerts:
    def test_are_mailed_only_if_an_address_is_given(self, template):
        assert template["Resources"]["AlertSubscription"]["Condition"] == "AlertsByMail"
        assert template["Parameters"]["AlertEmail"]["Default"] == ""

    def test_come_over_tls_from_this_account(self, properties):
        denied, *allowed = properties["AlertTopicPolicy"]["PolicyDocument"]["Statement"]

        assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert [one["Principal"]["Service"] for one in allowed] == ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
        for one in allowed:
            assert one["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}

    def test_tell_of_a_budget_only_if_an_amount_is_given(self, template, properties):
        assert template["Parameters"]["BudgetDollars"]["Default"] == 0
        assert template["Resources"]["Budget"]["Condition"] == "HasBudget"
        assert template["Conditions"]["HasBudget"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "BudgetDollars"}, 0]}]}
        assert properties["Budget"]["Budget"]["BudgetLimit"] == {"Amount": {"Ref": "BudgetDollars"}, "Unit": "USD"}

    def test_of_a_budget_come_before_it_is_spent_and_go_where_the_others_go(self, properties):
        told = {
            (one["Notification"]["NotificationType"], one["Notification"]["Threshold"]): one["Subscribers"]
            for one in properties["Budget"]["NotificationsWithSubscribers"]
        }

        topic = [{"SubscriptionType": "SNS", "Address": {"Ref": "AlertTopic"}}]
        assert told == {("ACTUAL", 80): topic, ("FORECASTED", 100): topic}


class TestRoles:
    def test_are_the_crawlers_the_jobs_and_the_tasks(self, template):
        trusts = {
            name: resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::IAM::Role"
        }

        services = {name: statement["Principal"] for name, (statement,) in trusts.items()}
        assert services == {
            "CrawlerRole": {"Service": "glue.amazonaws.com"},
            "RefineRole": {"Service": "glue.amazonaws.com"},
            "ExecutionRole": {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]},
        }
        (tasks,) = trusts["ExecutionRole"]
        assert tasks["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}

    def test_pass_no_role_on(self, template):
        assert not [text for text in strings(template) if text.lower().startswith("iam:")]

    def test_write_only_where_their_layer_is(self, properties):
        assert objects(properties, "CrawlerRole", "s3:PutObject") == set()
        assert objects(properties, "RefineRole", "s3:PutObject") == {
            "refined/quotes/*",
            "refined/findings/*",
            "refined/index_stocks/*",
            "refined_visual/index_stocks/*",
        }
        assert objects(properties, "ExecutionRole", "s3:PutObject") == {
            "landing/*", "raw/*", "raw_bitcoin/*", "refined_bitcoin/*", "reports/*", "athena/*", "alerts/*",
            "metrics/*",
        }  # fmt: skip

    def test_delete_nothing_but_constituents_arrivals_and_notes_of_alerts_and_no_version_of_anything(self, properties):
        roles = ("CrawlerRole", "RefineRole", "ExecutionRole")

        assert set().union(*(objects(properties, role, "s3:DeleteObject") for role in roles)) == {
            "refined/index_stocks/*", "refined_visual/index_stocks/*", "inbox/*", "alerts/*",
        }  # fmt: skip
        assert not set().union(*(objects(properties, role, "s3:DeleteObjectVersion") for role in roles))

    def test_let_tasks_ask_about_versions_of_landed_quotes_alone(self, properties):
        assert objects(properties, "ExecutionRole", "s3:GetObjectVersion") == {"landing/quotes/*"}

    def test_let_crawlers_read_every_table_they_crawl_and_its_objects(self, properties):
        readable = objects(properties, "CrawlerRole", "s3:GetObject")
        crawled = [
            target["Ref"]
            for crawler in ("RawCrawler", "RefinedCrawler")
            for target in properties[crawler]["Targets"]["CatalogTargets"][0]["Tables"]
        ]

        assert sorted(crawled) == sorted(CRAWLED)
        for table in crawled:
            location = properties[table]["TableInput"]["StorageDescriptor"]["Location"]["Fn::Sub"]
            assert location.removeprefix("s3://${LakeBucket}/").startswith(tuple(p.rstrip("*") for p in readable))
            assert f"${{{table}}}" in " ".join(strings(properties["CrawlerRole"]["Policies"]))

    def test_let_tasks_replace_the_views_and_no_table(self, properties):
        views = {path.stem for path in (sql() / "views").glob("*.sql")}
        changeable = {
            text.rpartition("/")[2]
            for statement in properties["ExecutionRole"]["Policies"][0]["PolicyDocument"]["Statement"]
            if {"glue:CreateTable", "glue:UpdateTable"} & set(statement["Action"])
            for text in strings(statement["Resource"])
            if ":table/" in text
        }

        assert changeable == views


def objects(properties: dict[str, dict[str, Any]], role: str, action: str) -> set[str]:
    """The keys of the lake's bucket that a role may do `action` on."""
    return {
        text.rpartition("${LakeBucket}/")[2]
        for statement in properties[role]["Policies"][0]["PolicyDocument"]["Statement"]
        if action in statement["Action"]
        for text in strings(statement["Resource"])
        if "s3:::" in text
    }


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
    def test_athena_describes_the_columns_in_both_languages(self, outputs, client):
        """CloudFormation gets the accents escaped: they arrive as they are in the template."""
        asked = client("athena")
        execution = athena.execute(
            asked, "DESCRIBE quotes", outputs["GlueDatabase"], outputs["AthenaWorkgroup"], poll_seconds=0.1
        )
        answer = asked.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["Rows"]
        described = [row["Data"][0]["VarCharValue"].split("\t") for row in answer]
        comments = {parts[0].strip(): parts[2].strip() for parts in described if len(parts) == 3}

        assert comments["ticker"] == "Trading code / Código de negociação"
        assert comments["trade_date"] == "Session / Data do pregão"

    """Made for real, on the local AWS."""

    def test_its_outputs_are_the_settings(self, outputs, derived):
        given = {
            "B3_LAKE_BUCKET": outputs["LakeBucket"],
            "B3_GLUE_DATABASE": outputs["GlueDatabase"],
            "B3_RAW_CRAWLER": outputs["RawCrawler"],
            "B3_REFINED_CRAWLER": outputs["RefinedCrawler"],
            "B3_GLUE_JOB": outputs["GlueJob"],
            "B3_ATHENA_WORKGROUP": outputs["AthenaWorkgroup"],
        }

        assert settings.read(given) == derived
        assert outputs.keys() == {
            "LakeBucket", "GlueDatabase", "RawCrawler", "RefinedCrawler", "GlueJob", "GlueRoleArn", "AthenaWorkgroup",
            "AlertTopicArn",
            "ArrivalsQueueUrl",
            "ExecutionRoleArn",
        }  # fmt: skip

    def test_its_topic_takes_alerts(self, outputs, client):
        assert client("sns").publish(TopicArn=outputs["AlertTopicArn"], Subject="x", Message="y")["MessageId"]

    def test_nobody_is_mailed_unless_asked(self, outputs, client):
        topic = outputs["AlertTopicArn"]

        assert client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []

    def test_its_job_and_workgroup_have_their_limits(self, outputs, client):
        job = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]
        workgroup = client("athena").get_work_group(WorkGroup=outputs["AthenaWorkgroup"])["WorkGroup"]

        assert (int(job["Timeout"]), job["ExecutionClass"]) == (30, "STANDARD")
        assert job["ExecutionProperty"]["MaxConcurrentRuns"] == 4
        assert int(workgroup["Configuration"]["BytesScannedCutoffPerQuery"]) == 100 * 2**30

    def test_its_logs_are_forgotten_after_a_month(self, outputs, client):
        groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws-glue/jobs/b3-refine/")["logGroups"]

        assert {group["logGroupName"].rpartition("/")[2]: int(group["retentionInDays"]) for group in groups} == {
            "output": 30,
            "error": 30,
        }

    def test_its_crawlers_go_by_what_the_bucket_tells_them(self, outputs, client):
        glue, sqs, s3 = client("glue"), client("sqs"), client("s3")
        bucket = outputs["LakeBucket"]

        for name, layer in (("raw", "raw/"), ("refined", "refined/")):
            crawler = glue.get_crawler(Name=f"b3-{name}")["Crawler"]
            assert crawler["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVENT_MODE"}
            url = sqs.get_queue_url(QueueName=f"b3-{name}-events")["QueueUrl"]
            sqs.purge_queue(QueueUrl=url)
            s3.put_object(Bucket=bucket, Key=f"{layer}somewhere/x.txt", Body=b"-")
            s3.put_object(Bucket=bucket, Key="landing/x.txt", Body=b"-")
            (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
            assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == f"{layer}somewhere/x.txt"
            (target,) = crawler["Targets"]["CatalogTargets"]
            assert target["EventQueueArn"].endswith(f":b3-{name}-events")
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def test_a_file_in_its_inbox_wakes_whoever_reads_the_queue(self, outputs, client):
        sqs, s3 = client("sqs"), client("s3")
        url = outputs["ArrivalsQueueUrl"]
        for key in ("landing/x.txt", "raw/x.txt", "inbox/a b/ação.ZIP", "inboxes/x.txt"):
            s3.put_object(Bucket=outputs["LakeBucket"], Key=key, Body=b"-")

        (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]

        event = json.loads(message["Body"])
        assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
        assert event["detail"]["object"]["key"] == "inbox/a b/ação.ZIP"
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def test_its_buckets_rules_are_those_of_the_template(self, outputs, client, properties):
        found = client("s3").get_bucket_lifecycle_configuration(Bucket=outputs["LakeBucket"])["Rules"]

        assert {rule["ID"] for rule in found} == {
            rule["Id"] for rule in properties["Bucket"]["LifecycleConfiguration"]["Rules"]
        }
        policy = json.loads(client("s3").get_bucket_policy(Bucket=outputs["LakeBucket"])["Policy"])
        assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_its_crawlers_have_the_names_the_dag_calls(self, derived, client):
        glue = client("glue")

        for crawler in (derived.raw_crawler, derived.refined_crawler):
            assert glue.get_crawler(Name=crawler)["Crawler"]["State"] == "READY"

    def test_its_job_runs_the_script_that_was_uploaded(self, outputs, client):
        job = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]
        bucket, _, key = job["Command"]["ScriptLocation"].removeprefix("s3://").partition("/")

        assert job["Role"] == outputs["GlueRoleArn"]
        assert client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == provision.REFINE_SCRIPT.read_bytes()

    def test_its_job_has_the_package_on_its_python_path(self, outputs, client):
        arguments = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]["DefaultArguments"]
        bucket, _, key = arguments["--extra-py-files"].removeprefix("s3://").partition("/")

        archive = zipfile.ZipFile(io.BytesIO(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()))
        folder = provision.REFINE_SCRIPT.parent
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/*.py")
        }

    def test_its_bucket_is_versioned(self, outputs, client):
        assert client("s3").get_bucket_versioning(Bucket=outputs["LakeBucket"])["Status"] == "Enabled"

    def test_made_again_it_is_the_same(self, outputs, aws_server):
        assert provision.provision(aws_server.endpoint, "lake-of-the-stack") == outputs

    def test_follows_a_changed_script(self, outputs, aws_server, client, tmp_path):
        script = tmp_path / "refine_job.py"
        script.write_text("print('another')\n")

        provision.provision(aws_server.endpoint, "lake-of-the-stack", script=script)

        location = client("glue").get_job(JobName=outputs["GlueJob"])["Job"]["Command"]["ScriptLocation"]
        key = location.partition("lake-of-the-stack/")[2]
        assert client("s3").get_object(Bucket="lake-of-the-stack", Key=key)["Body"].read() == script.read_bytes()
        provision.provision(aws_server.endpoint, "lake-of-the-stack")


ANOTHER = {"LakeBucket": "another-lake", "Database": "another", "AlertEmail": "data@example.com"}


@pytest.fixture(scope="module")
def stack(outputs, client) -> str:
    apply(client, "create", ANOTHER)
    return "another-lake"


class TestAnotherStack:
    """With other parameters, changed and deleted, beside the first."""

    def test_shares_no_name_with_the_first(self, stack, client, outputs):
        own = describe(client)

        assert own["GlueJob"] == "another-refine"
        assert not set(own.values()) & set(outputs.values())

    def test_mails_to_the_address(self, stack, client):
        (subscription,) = client("sns").list_subscriptions_by_topic(TopicArn=describe(client)["AlertTopicArn"])[
            "Subscriptions"
        ]

        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "data@example.com")

    def test_follows_a_changed_parameter_and_keeps_what_did_not_change(self, stack, client):
        before = describe(client)
        apply(client, "update", {**ANOTHER, "GlueExecutionClass": "FLEX", "GlueTimeoutMinutes": "60"})
        job = client("glue").get_job(JobName="another-refine")["Job"]

        assert (job["ExecutionClass"], int(job["Timeout"])) == ("FLEX", 60)
        assert describe(client) == before

        apply(client, "update", ANOTHER)
        assert client("glue").get_job(JobName="another-refine")["Job"]["ExecutionClass"] == "STANDARD"

    def test_lets_the_tasks_register_partitions_only_where_they_are_to(self, stack, client):
        def may_register() -> bool:
            found = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
            (role,) = [one["PhysicalResourceId"] for one in found if one["LogicalResourceId"] == "ExecutionRole"]
            return "register" in client("iam").list_role_policies(RoleName=role)["PolicyNames"]

        assert not may_register()
        apply(client, "update", {**ANOTHER, "Register": "tasks"})
        assert may_register()

        apply(client, "update", ANOTHER)
        assert not may_register()

    def test_lets_its_crawlers_list_in_place_of_events(self, stack, client):
        apply(client, "update", {**ANOTHER, "CrawlBy": "LISTING"})
        crawler = client("glue").get_crawler(Name="another-raw")["Crawler"]

        assert crawler["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVERYTHING"}
        assert "EventQueueArn" not in crawler["Targets"]["CatalogTargets"][0]

        apply(client, "update", ANOTHER)
        crawler = client("glue").get_crawler(Name="another-raw")["Crawler"]
        assert crawler["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVENT_MODE"}

    def test_deleted_leaves_the_data_and_nothing_else(self, stack, client):
        client("s3").put_object(Bucket="another-lake", Key="landing/quotes/x.ZIP", Body=b"-")
        topic = describe(client)["AlertTopicArn"]
        client("cloudformation").delete_stack(StackName=stack)
        client("cloudformation").get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

        assert client("s3").get_object(Bucket="another-lake", Key="landing/quotes/x.ZIP")["Body"].read() == b"-"
        for gone in (
            lambda: client("glue").get_job(JobName="another-refine"),
            lambda: client("glue").get_crawler(Name="another-raw"),
            lambda: client("glue").get_database(Name="another"),
            lambda: client("athena").get_work_group(WorkGroup="another"),
            lambda: client("sns").get_topic_attributes(TopicArn=topic),
            lambda: client("sqs").get_queue_url(QueueName="another-raw-events"),
        ):
            with pytest.raises(ClientError, match=r"(?i)not ?found|does not exist|no such"):
                gone()
        names = [role["RoleName"] for role in client("iam").list_roles()["Roles"]]
        assert not [name for name in names if name.startswith(stack)]


def apply(client: Any, what: str, parameters: dict[str, str]) -> None:
    """Create or update the stack another-lake."""
    cloudformation = client("cloudformation")
    getattr(cloudformation, f"{what}_stack")(
        StackName="another-lake",
        **templates.argument(client("s3"), provision.TEMPLATES, "another-lake", templates.read(LAKE)[1]),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter(f"stack_{what}_complete").wait(
        StackName="another-lake", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def describe(client: Any) -> dict[str, str]:
    """The outputs of the stack another-lake."""
    (stack,) = client("cloudformation").describe_stacks(StackName="another-lake")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class TestMetrics:
    """What CloudWatch is told, where it is looked at."""

    def test_the_dashboard_shows_each_of_them(self, properties):
        widgets = json.loads(properties["Dashboard"]["DashboardBody"]["Fn::Sub"])["widgets"]
        shown = [metric for widget in widgets for metric in widget["properties"].get("metrics", [])]

        assert {metric[0] for metric in shown} == {NAMESPACE}
        assert {metric[1] for metric in shown} == {*FIGURES, "sessions_behind"}
        assert {tuple(metric[2:4]) for metric in shown} == {("Database", "${Database}")}

    def test_a_task_may_put_metrics_of_this_namespace_alone(self, properties):
        (allowed,) = [
            statement
            for statement in properties["ExecutionRole"]["Policies"][0]["PolicyDocument"]["Statement"]
            if "cloudwatch:PutMetricData" in statement["Action"]
        ]

        assert allowed["Condition"] == {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}
