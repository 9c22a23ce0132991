"""The queries of docs/course.md run, and show what they claim."""

import re

import pytest

from tests.include.sql.lab import Market
from tests.places import ROOT

QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "course.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def viewed(market: Market) -> Market:
    for path in sorted((ROOT / "include" / "sql" / "views").glob("*.sql")):
        market.lab.ask(path.read_text())
    return market


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_has_an_answer(viewed: Market, query: str):
    assert viewed.lab.ask(query).rows


def test_sums_are_the_same_when_they_are_made_again(viewed: Market):
    rows = viewed.lab.ask(QUERIES[0]).rows
    assert len(rows) == 5
    assert all(row["total_financial_volume"] == row["summed_again"] for row in rows)


def test_renamed_columns_have_the_same_values(viewed: Market):
    rows = viewed.lab.ask(QUERIES[2]).rows
    assert all(
        row["index_before"] == row["index_code"] and row["company_before"] == row["company_name"] for row in rows
    )


def test_days_to_expiry_are_the_days_between_the_dates(viewed: Market):
    rows = viewed.lab.ask(QUERIES[4]).rows
    assert all(row["days_to_expiry"] == row["again"] for row in rows)
