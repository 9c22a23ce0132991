import pytest

from infra.checkout import template
from infra.deploy import templates
from local.lake import home, query_client, servers
from local.lake.query_client import Result


def a_result(columns: dict[str, str], *rows: list[str | None]) -> Result:
    return Result(list(columns), list(columns.values()), list(rows), bytes_scanned=0, milliseconds=0)


class TestTable:
    def test_aligns_text_to_the_left_and_numbers_to_the_right(self):
        quotes = a_result(
            {"ticker": "varchar", "close": "decimal", "quantity": "bigint"},
            ["PETR4", "18.05", "91800000"],
            ["SINT11", "1045.99", "3"],
        )

        assert query_client.table(quotes).splitlines() == [
            "ticker    close  quantity",
            "------  -------  --------",
            "PETR4     18.05  91800000",
            "SINT11  1045.99         3",
        ]

    def test_leaves_nulls_blank_and_no_blanks_at_the_end(self):
        found = query_client.table(
            a_result({"ticker": "varchar", "expiry_date": "date"}, ["PETR4", None], [None, "2020-05-04"])
        )

        assert found.splitlines() == [
            "ticker  expiry_date",
            "------  -----------",
            "PETR4",
            "        2020-05-04",
        ]

    def test_of_no_rows_is_its_head(self):
        assert query_client.table(a_result({"one": "integer"})) == "one\n---"


class TestQuery:
    """On the local Athena."""

    @pytest.fixture
    def lake(self, aws_server, tmp_path, monkeypatch):
        for name, value in aws_server.environment("sa-east-1").items():
            monkeypatch.setenv(name, value)
        outputs = servers.provision.provision(aws_server.endpoint, "lake-of-queries")
        return servers.Lake(home.Home(home.REAL, tmp_path), aws_server.endpoint, outputs)

    def test_gives_names_types_and_values_as_athena_prints_them(self, lake):
        found = query_client.query(
            lake, "SELECT 'PETR4' AS ticker, CAST(18.05 AS decimal(13, 2)) AS close, CAST(NULL AS date) AS expiry_date"
        )

        assert found.columns == ["ticker", "close", "expiry_date"]
        assert found.types == ["varchar", "decimal", "date"]
        assert found.rows == [["PETR4", "18.05", None]]

    def test_gives_every_row_of_many_pages(self, lake):
        found = query_client.query(lake, "SELECT n FROM UNNEST(sequence(1, 2500)) AS t (n) ORDER BY n")

        assert [int(row[0]) for row in found.rows] == list(range(1, 2501))

    def test_of_the_catalog_has_no_header_to_drop(self, lake):
        declared = templates.read(template("lake"))[0]["Resources"].values()
        tables = [one["Properties"]["TableInput"]["Name"] for one in declared if one["Type"] == "AWS::Glue::Table"]

        assert sorted(row[0] for row in query_client.query(lake, "SHOW TABLES").rows) == sorted(tables)

    def test_fails_with_athenas_reason(self, lake):
        with pytest.raises(query_client.QueryFailed, match="3 keys repeat"):
            query_client.query(lake, "SELECT CAST('3 keys repeat' AS integer)")

    @pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM no_such_table"])
    def test_of_what_is_no_query_fails(self, lake, sql):
        with pytest.raises(query_client.QueryFailed):
            query_client.query(lake, sql)
