import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.aws.harness import Aws, parquet, quote

DAY = "trade_date = DATE '2020-04-30'"


def test_only_registered_partitions_are_seen_and_only_needed_ones_read(b3: Aws) -> None:
    assert b3.rows("SELECT trade_date, count(*) FROM quotes GROUP BY 1 ORDER BY 1") == [
        ["2020-04-29", "2"],
        ["2020-04-30", "2"],
    ]
    sizes = {}
    for day in ("2020-04-29", "2020-04-30"):
        sizes[day] = b3.s3.head_object(Bucket="lake", Key=f"b3/quotes/trade_date={day}/part-0.parquet")["ContentLength"]

    def scanned(sql: str) -> int:
        return int(b3.execute(sql)["Statistics"]["DataScannedInBytes"])

    assert scanned("SELECT * FROM quotes") == sum(sizes.values())
    assert scanned(f"SELECT * FROM quotes WHERE {DAY}") == sizes["2020-04-30"]
    assert (
        scanned(
            "WITH q AS (SELECT trade_date AS day, ticker FROM quotes) SELECT * FROM q WHERE day = DATE '2020-04-30'"
        )
        == sizes["2020-04-30"]
    )
    assert scanned("SELECT * FROM quotes WHERE trade_date < DATE '2000-01-01'") == 0
    # A filter above a window must not reach the rows that the window looks at.
    window = "lag(close) OVER (PARTITION BY ticker ORDER BY trade_date)"
    sql = f"SELECT b FROM (SELECT trade_date, ticker, {window} AS b FROM quotes)"
    assert b3.rows(f"{sql} WHERE {DAY} AND ticker = 'PETR4'") == [["17.10"]]
    # Nor one on the empty side of an outer join the side that it comes from.
    join = f"quotes a LEFT JOIN quotes b ON a.ticker = b.ticker AND b.{DAY}"
    sql = f"SELECT count(*) FROM {join} WHERE b.trade_date IS NULL"
    assert b3.rows(sql) == [["0"]]
    assert b3.rows(f'SELECT "$path" FROM quotes WHERE {DAY} LIMIT 1') == [
        ["s3://lake/b3/quotes/trade_date=2020-04-30/part-0.parquet"]
    ]


def test_the_partitions_of_a_table_are_a_table_that_costs_no_scan(b3: Aws) -> None:
    found = b3.execute('SELECT * FROM "quotes$partitions" ORDER BY 1')
    assert found["Statistics"]["DataScannedInBytes"] == 0
    assert b3.rows('SELECT * FROM "quotes$partitions" ORDER BY 1') == [["2020-04-29"], ["2020-04-30"]]
    assert b3.rows('SELECT max(p.trade_date) FROM b3."quotes$partitions" AS p') == [["2020-04-30"]]
    assert b3.rows("SELECT date_add('day', 1, max(trade_date)) FROM \"quotes$partitions\"") == [["2020-05-01"]]
    assert "COLUMN_NOT_FOUND" in b3.reason('SELECT ticker FROM "quotes$partitions"')
    assert "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.b3.nothing" in b3.reason(
        'SELECT * FROM "nothing$partitions"'
    )
    b3.table("b3", "unpartitioned", keys=())
    assert "TABLE_NOT_FOUND" in b3.reason('SELECT * FROM "unpartitioned$partitions"')
    b3.execute("CREATE OR REPLACE VIEW seen AS SELECT * FROM quotes")
    assert "TABLE_NOT_FOUND" in b3.reason('SELECT * FROM "seen$partitions"')
    b3.table("b3", "two_keys", keys=(("trade_date", "date"), ("ticker", "string")), columns=[("close", "double")])
    b3.register("b3", "two_keys", "2020-04-30", "PETR4")
    b3.register("b3", "two_keys", "2020-04-29", "A=B/C")
    assert b3.rows("SELECT trade_date, ticker FROM \"two_keys$partitions\" WHERE ticker LIKE 'A%'") == [
        ["2020-04-29", "A=B/C"]
    ]


LAST = '(SELECT max(trade_date) FROM "quotes$partitions")'
ASKED = f"WITH asked AS (SELECT {LAST} AS day, date_add('day', -1, {LAST}) AS before)"


@pytest.mark.parametrize(
    ("sql", "days"),
    [
        (f"SELECT * FROM quotes WHERE trade_date = {LAST}", ["30"]),
        (f"SELECT * FROM quotes WHERE trade_date < {LAST}", ["29"]),
        (f"SELECT * FROM quotes WHERE trade_date = {LAST} OR ticker = 'VALE3'", ["29", "30"]),
        ('SELECT * FROM quotes WHERE trade_date IN (SELECT max(trade_date) FROM "quotes$partitions")', ["30"]),
        (f"{ASKED} SELECT * FROM quotes q JOIN asked a ON q.trade_date = a.day", ["30"]),
        (f"{ASKED} SELECT * FROM asked, quotes WHERE trade_date = before", ["29"]),
        (f"{ASKED} SELECT * FROM quotes JOIN asked ON trade_date BETWEEN before AND day", ["29", "30"]),
        (f"{ASKED} SELECT * FROM quotes JOIN asked ON trade_date > date_add('day', -1, asked.day)", ["30"]),
        (f"{ASKED}, q AS (SELECT * FROM quotes) SELECT * FROM q JOIN asked ON q.trade_date = day", ["30"]),
        (f"{ASKED}, b AS (SELECT before AS d FROM asked) SELECT * FROM quotes JOIN b ON trade_date = d", ["29"]),
        (
            'SELECT * FROM quotes q JOIN (SELECT trade_date AS d FROM "quotes$partitions" ORDER BY d LIMIT 1) s '
            "ON q.trade_date = s.d",
            ["29"],
        ),
        # Of the right side of a LEFT JOIN what cannot match is not read; of the left side everything is.
        (f"{ASKED} SELECT * FROM asked LEFT JOIN quotes ON trade_date = day", ["30"]),
        (f"{ASKED} SELECT * FROM quotes LEFT JOIN asked ON trade_date = day", ["29", "30"]),
        (f"{ASKED} SELECT * FROM quotes LEFT JOIN asked ON trade_date = day WHERE day = trade_date", ["29", "30"]),
        # What data decide, no catalog knows beforehand.
        (
            "SELECT * FROM quotes WHERE trade_date = (SELECT max(trade_date) FROM quotes WHERE close > 0)",
            ["29", "30"] * 2,
        ),
        (
            "SELECT * FROM quotes q WHERE EXISTS "
            '(SELECT 1 FROM "quotes$partitions" p WHERE p.trade_date > q.trade_date)',
            ["29", "30"],
        ),
    ],
)
def test_a_date_that_the_catalog_gives_prunes_as_a_literal_does(b3: Aws, sql: str, days: list[str]) -> None:
    execution = b3.execute(sql)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    sizes = [
        b3.s3.head_object(Bucket="lake", Key=f"b3/quotes/trade_date=2020-04-{day}/part-0.parquet")["ContentLength"]
        for day in days
    ]
    assert execution["Statistics"]["DataScannedInBytes"] == sum(sizes)


def test_pruning_changes_no_answer(b3: Aws) -> None:
    sql = f"{ASKED} SELECT ticker, close, a.day FROM quotes q %s JOIN asked a ON q.trade_date = a.%s ORDER BY 1, 2"
    assert b3.rows(sql % ("", "before")) == [["PETR4", "17.10", "2020-04-30"], ["VALE3", "45.00", "2020-04-30"]]
    assert [row[2] for row in b3.rows(sql % ("LEFT", "day"))] == [None, "2020-04-30", "2020-04-30", None]


def test_a_filter_passes_below_a_window_by_what_the_window_is_partitioned_by_alone(b3: Aws) -> None:
    size = b3.s3.head_object(Bucket="lake", Key="b3/quotes/trade_date=2020-04-30/part-0.parquet")["ContentLength"]
    both = int(b3.execute("SELECT * FROM quotes")["Statistics"]["DataScannedInBytes"])
    by_day = "count(*) OVER (PARTITION BY trade_date) AS n"
    by_ticker = "count(*) OVER (PARTITION BY ticker) AS m"
    for windows, scanned, row in (
        (by_day, size, ["PETR4", "2"]),
        (f"{by_day}, rank() OVER (PARTITION BY trade_date, ticker ORDER BY close) AS r", size, ["PETR4", "2", "1"]),
        (f"{by_day}, {by_ticker}", both, ["PETR4", "2", "2"]),
        ("count(*) OVER () AS n", both, ["PETR4", "4"]),
    ):
        b3.execute(f"CREATE OR REPLACE VIEW windowed AS SELECT trade_date, ticker, {windows} FROM quotes")
        names = ", ".join(word for word in ("n", "r", "m") if f" AS {word}" in windows)
        sql = f"SELECT ticker, {names} FROM windowed WHERE {DAY} AND ticker = 'PETR4'"
        assert b3.rows(sql) == [row]
        assert b3.execute(sql)["Statistics"]["DataScannedInBytes"] == scanned


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("DECIMAL '27789440838.27'", "27789440838.27"),
        ("DECIMAL '-0.50' + decimal '1'", "0.50"),
        ("DECIMAL '10' / 4", "3"),
        ("CAST('12.34' AS decimal)", "12"),
        ("CAST(1 AS decimal(10,2)) / 3", "0.33"),
        ("CAST(2 AS decimal(10,2)) / 3", "0.67"),
        ("CAST(-2 AS decimal(10,2)) / 3", "-0.67"),
        ("1 / 3.000", "0.333"),
        ("1e0 / 0", "Infinity"),
        ("is_nan(0e0 / 0)", "true"),
        ("is_nan(1e0 / 0)", "false"),
        ("is_infinite(1e0 / 0)", "true"),
        ("is_infinite(0e0 / 0)", "false"),
        ("is_finite(1e0 / 4)", "true"),
        ("is_finite(1e0 / 0)", "false"),
        ("codepoint('á')", "225"),
        ("(SELECT every(x > 1) FROM (VALUES 1, 2) AS v (x))", "false"),
        ("round(CAST(17.155 AS decimal(10,3)), 2)", "17.160"),
        ("round(2.5e0)", "3.0"),
        ("CAST(2.5e0 AS integer)", "3"),
        ("CAST(1e0 AS varchar)", "1.0E0"),
        ("1e10", "1.0E10"),
        ("DATE '2020-01-31' + INTERVAL '1' MONTH", "2020-02-29"),
        ("date_add('day', 3, DATE '2020-02-27')", "2020-03-01"),
        ("date_diff('day', DATE '2020-02-27', DATE '2020-03-01')", "3"),
        ("date_trunc('month', DATE '2020-02-27')", "2020-02-01"),
        ("day_of_week(DATE '2020-01-05')", "7"),
        ("CAST(TIMESTAMP '2020-01-01 10:00:00' AS varchar)", "2020-01-01 10:00:00.000"),
        ("concat('a', NULL)", None),
        ("concat_ws(',', 'a', 'b')", "a,b"),
        ("greatest(1, NULL)", None),
        ("try_cast('1.5' AS integer)", None),
        ("regexp_replace('a1', '([0-9])', '<$1>')", "a<1>"),
        ("element_at(ARRAY[1, 2], -1)", "2"),
        ("true AND NULL", None),
        ("(SELECT count_if(n > 1) FROM (VALUES 1) AS t(n) WHERE n > 5)", "0"),
    ],
)
def test_expressions_mean_what_they_mean_in_trino(b3: Aws, expression: str, expected: str | None) -> None:
    assert b3.rows(f"SELECT {expression}") == [[expected]]


def test_money_stays_exact_through_aggregates_and_windows(b3: Aws) -> None:
    assert b3.rows("SELECT sum(close), avg(close), sum(close) / count(*), sum(quantity) FROM quotes") == [
        ["125.10", "31.28", "31.28", "600"]
    ]
    assert b3.rows("SELECT DISTINCT ticker, avg(close) OVER (PARTITION BY ticker) FROM quotes ORDER BY 1") == [
        ["PETR4", "17.58"],
        ["VALE3", "44.98"],
    ]
    assert b3.rows("SELECT avg(close) FILTER (WHERE quantity > 100) FROM quotes") == [["31.53"]]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT strftime(trade_date, '%Y') FROM quotes", "FUNCTION_NOT_FOUND"),
        ('SELECT "list"(ticker) FROM quotes', "FUNCTION_NOT_FOUND"),
        ("SELECT ifnull(ticker, 'x') FROM quotes", "FUNCTION_NOT_FOUND"),
        ("SELECT * FROM read_parquet('/etc/hostname')", "NOT_SUPPORTED|FUNCTION_NOT_FOUND"),
        ("SELECT * FROM '/etc/hostname'", "TABLE_NOT_FOUND|SYNTAX_ERROR"),
        ('SELECT * FROM "/etc/hostname"', "TABLE_NOT_FOUND"),
        ("SELECT ticker::varchar FROM quotes", "SYNTAX_ERROR"),
        ("SELECT * EXCLUDE (ticker) FROM quotes", "SYNTAX_ERROR"),
        ("SELECT ticker, count(*) FROM quotes GROUP BY ALL", "SYNTAX_ERROR"),
        ("SELECT ticker FROM quotes QUALIFY row_number() OVER (ORDER BY ticker) = 1", "SYNTAX_ERROR"),
        ("SELECT [x FOR x IN ARRAY[1]]", "SYNTAX_ERROR"),
        ("FROM quotes", "SYNTAX_ERROR"),
        ("SELECT 1 LIMIT 1 OFFSET 1", "SYNTAX_ERROR"),
        ("SELECT INTERVAL 1 DAY", "SYNTAX_ERROR"),
        ("SELECT 5 // 2", "SYNTAX_ERROR"),
        ("SELECT ticker ILIKE 'p%' FROM quotes", "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR"),
        ("SELECT CAST(1 AS string)", "TYPE_NOT_FOUND"),
        ("SELECT * FROM quotes WHERE trade_date = '2020-04-30'", "TYPE_MISMATCH: .*date = varchar"),
        ("SELECT ticker || 1 FROM quotes", "TYPE_MISMATCH"),
        ("SELECT trade_date + 1 FROM quotes", "TYPE_MISMATCH"),
        ("SELECT coalesce(ticker, 0) FROM quotes", "TYPE_MISMATCH"),
        ("SELECT sum(ticker) FROM quotes", "TYPE_MISMATCH"),
        ("SELECT 1 UNION SELECT 'a'", "TYPE_MISMATCH"),
        ("SELECT close AS c FROM quotes WHERE c > 1", "COLUMN_NOT_FOUND: .*'c'"),
        ("SELECT ticker AS t, count(*) FROM quotes GROUP BY t", "COLUMN_NOT_FOUND"),
        ("SELECT ticker, close FROM quotes GROUP BY ticker", "EXPRESSION_NOT_AGGREGATE"),
        ("SELECT * FROM nothing", "TABLE_NOT_FOUND"),
        ("SELECT * FROM nowhere.quotes", "SCHEMA_NOT_FOUND"),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO"),
        ("SELECT 1.0 / 0", "DIVISION_BY_ZERO"),
        ("SELECT CAST('12.7' AS integer)", "INVALID_CAST_ARGUMENT: Cannot cast '12.7' to INT"),
        ("SELECT CAST('x' AS date)", "INVALID_CAST_ARGUMENT"),
        ("SELECT (SELECT ticker FROM quotes)", "SUBQUERY_MULTIPLE_ROWS"),
        ("SELECT map(ARRAY['a'], ARRAY[1])", "NOT_SUPPORTED"),
        ("SELECT format('%d', 1)", "NOT_SUPPORTED"),
        ("SELECT greatest_common_divisor(4, 6)", "FUNCTION_NOT_FOUND"),
        ("EXPLAIN SELECT 1", "NOT_SUPPORTED"),
        ("INSERT INTO quotes SELECT * FROM quotes", "NOT_SUPPORTED"),
        ("CREATE TABLE t AS SELECT 1 AS a", "NOT_SUPPORTED"),
        ("CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET LOCATION 's3://lake/t/'", "NOT_SUPPORTED"),
        ("CREATE DATABASE other", "NOT_SUPPORTED"),
        ("DROP TABLE quotes", "NOT_SUPPORTED"),
        ("DROP VIEW quotes", "GENERIC_USER_ERROR: .*is a table"),
        ("MSCK REPAIR TABLE quotes", "NOT_SUPPORTED"),
        ("ALTER TABLE quotes ADD PARTITION (trade_date = '2020-05-04')", "NOT_SUPPORTED"),
        ("UNLOAD (SELECT 1) TO 's3://lake/u/' WITH (format = 'PARQUET')", "NOT_SUPPORTED"),
        ("SELECT * FROM information_schema.tables", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_what_athena_refuses_or_this_cannot_do_fails_with_a_reason(b3: Aws, sql: str, reason: str) -> None:
    assert re.match(reason, b3.reason(sql)), b3.reason(sql)


def test_a_violated_check_fails_with_its_sentence(b3: Aws) -> None:
    sql = """
        SELECT CASE WHEN count(*) = {} THEN 1
               ELSE CAST(CAST(count(*) AS varchar) || ' rows of quotes on 2020-04-30, it''s too few: volume '
                         || coalesce(CAST(sum(close * quantity) AS varchar), 'null') AS integer) END AS ok
        FROM quotes WHERE trade_date = DATE '2020-04-30'"""
    assert b3.rows(sql.format(2)) == [["1"]]
    expected = (
        "INVALID_CAST_ARGUMENT: Cannot cast '2 rows of quotes on 2020-04-30, it's too few: volume 5415.00' to INT"
    )
    assert b3.reason(sql.format(3)) == expected


def test_files_that_contradict_the_table_fail_and_columns_are_matched_by_name(aws: Aws) -> None:
    aws.database("odd")
    aws.table("odd", "t", columns=[("quantity", "decimal(20,0)"), ("ticker", "string"), ("added", "bigint")])
    aws.put("odd/t/trade_date=2020-01-01/x.parquet", parquet([quote("PETR4", "1.00", 5)]))
    aws.register("odd", "t", "2020-01-01")
    assert aws.rows("SELECT ticker, quantity, added FROM t", "odd") == [["PETR4", "5", None]]
    aws.table("odd", "wrong", columns=[("ratio", "bigint")])
    aws.put("odd/wrong/trade_date=2020-01-01/x.parquet", parquet([quote("PETR4", "1.00", 5)]))
    aws.register("odd", "wrong", "2020-01-01")
    assert re.match("HIVE_BAD_DATA: .*ratio.*double.*x.parquet.*bigint", aws.reason("SELECT * FROM wrong", "odd"))


def test_an_overwritten_object_is_read_anew(aws: Aws) -> None:
    aws.database("fresh")
    aws.table("fresh", "t", keys=())
    for price in ("1.00", "2.00"):
        aws.put("fresh/t/x.parquet", parquet([quote("PETR4", price, 5)]))
        aws.put("fresh/t/same.parquet", parquet([quote("PETR4", price, 5)]))
        assert aws.rows("SELECT close, count(*) FROM t GROUP BY close", "fresh") == [[price, "2"]]


def test_views_and_statements(b3: Aws) -> None:
    b3.execute(
        "CREATE OR REPLACE VIEW daily AS "
        "SELECT trade_date, sum(close * quantity) AS volume FROM quotes GROUP BY trade_date"
    )
    view = b3.glue.get_table(DatabaseName="b3", Name="daily")["Table"]
    assert view["TableType"] == "VIRTUAL_VIEW" and view["ViewOriginalText"].startswith("/* Presto View: ")
    assert b3.rows(f"SELECT volume FROM daily WHERE {DAY}") == [["5415.00"]]
    assert "already exists" in b3.reason("CREATE VIEW daily AS SELECT 1 AS a")
    assert {"quotes", "daily"} <= {row[0] for row in b3.rows("SHOW TABLES")}
    assert b3.rows("SHOW PARTITIONS quotes") == [["trade_date=2020-04-29"], ["trade_date=2020-04-30"]]
    assert b3.rows("SHOW COLUMNS IN quotes")[-1] == ["trade_date"]
    assert b3.rows("DESCRIBE quotes")[0][0].split() == ["ticker", "string"]
    assert b3.execute("DROP VIEW daily")["Status"]["State"] == "SUCCEEDED"
    assert "daily" not in {row[0] for row in b3.rows("SHOW VIEWS")}
    assert b3.execute("DROP VIEW IF EXISTS daily")["Status"]["State"] == "SUCCEEDED"


def test_results_are_paged_and_written_where_the_workgroup_says(b3: Aws) -> None:
    b3.athena.create_work_group(
        Name="strict",
        Configuration={
            "EnforceWorkGroupConfiguration": True, "BytesScannedCutoffPerQuery": 10_000_000,
            "ResultConfiguration": {"OutputLocation": "s3://lake/strict/"},
        },
    )  # fmt: skip
    sql = "SELECT n, CASE WHEN n = 2 THEN NULL ELSE 'a\"b' END AS t FROM UNNEST(sequence(1, 2500)) AS u(n) ORDER BY n"
    token = "token-of-at-least-thirty-two-characters"
    execution = b3.execute(sql, WorkGroup="strict", ClientRequestToken=token)
    identity = execution["QueryExecutionId"]
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://lake/strict/{identity}.csv"
    again = b3.execute(sql, WorkGroup="strict", ClientRequestToken=token)
    assert again["QueryExecutionId"] == identity
    pages = b3.athena.get_paginator("get_query_results").paginate(QueryExecutionId=identity)
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert len(rows) == 2501 and rows[0][0]["VarCharValue"] == "n" and rows[-1][0]["VarCharValue"] == "2500"
    body = b3.s3.get_object(Bucket="lake", Key=f"strict/{identity}.csv")["Body"].read().decode().splitlines()
    assert body[:3] == ['"n","t"', '"1","a""b"', '"2",']
    assert identity in b3.athena.list_query_executions(WorkGroup="strict")["QueryExecutionIds"]
    assert b3.rows("SELECT ?".replace("?", "1")) == [["1"]]
    given = b3.execute("SELECT ticker FROM quotes WHERE close > ? AND ticker <> '?'", ExecutionParameters=["44.98"])
    assert given["Status"]["State"] == "SUCCEEDED"


def test_limits_and_requests_that_cannot_be(b3: Aws) -> None:
    unchecked = boto3.client(
        "athena", endpoint_url=b3.server.endpoint, region_name="us-east-1", aws_access_key_id="test",
        aws_secret_access_key=b3.server.secret, config=Config(parameter_validation=False),
    )  # fmt: skip
    output = {"ResultConfiguration": {"OutputLocation": "s3://lake/t/"}}
    unchecked.create_work_group(Name="tight", Configuration={"BytesScannedCutoffPerQuery": 100, **output})
    failed = b3.execute("SELECT * FROM quotes", WorkGroup="tight")["Status"]
    assert failed["State"] == "FAILED" and "Bytes scanned limit" in failed["StateChangeReason"]
    with pytest.raises(ClientError, match="No output location"):
        b3.athena.start_query_execution(QueryString="SELECT 1")
    failed = b3.execute("SELECT 1", ResultConfiguration={"OutputLocation": "s3://no-such-bucket/x/"})["Status"]
    assert failed["State"] == "FAILED"
    identity = b3.execute("SELECT nope")["QueryExecutionId"]
    with pytest.raises(ClientError, match="did not finish successfully"):
        b3.athena.get_query_results(QueryExecutionId=identity)
    with pytest.raises(ClientError, match="was not found"):
        b3.athena.get_query_execution(QueryExecutionId="00000000-0000-0000-0000-000000000000")
