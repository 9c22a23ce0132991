"""Athena's answers as Python values, asked of the local Athena over HTTP."""

import datetime as dt
from decimal import Decimal

import boto3
import pytest

from b3.lake import athena
from local.aws import launch
from local.lake import provision


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask the Athena of an AWS that no other lake is in: they would share their database."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        outputs = provision.provision(server.endpoint, "lake-that-answers")
        client = boto3.client("athena", endpoint_url=server.endpoint)
        yield lambda sql: athena.ask(client, sql, outputs["GlueDatabase"], outputs["AthenaWorkgroup"])


def test_values_have_the_types_of_their_columns(ask):
    (row,) = ask(
        "SELECT 1 AS whole, CAST('12.30' AS decimal(18,2)) AS money, date '2024-03-14' AS day, 0.5e0 AS double_, "
        "true AS flag, 'a b' AS words, CAST(NULL AS decimal(18,2)) AS nothing"
    )

    assert row == {
        "whole": 1, "money": Decimal("12.30"), "day": dt.date(2024, 3, 14), "double_": 0.5, "flag": True,
        "words": "a b", "nothing": None,
    }  # fmt: skip
    assert str(row["money"]) == "12.30"


def test_an_answer_of_several_pages_is_whole(ask):
    rows = ask("SELECT n FROM UNNEST(sequence(1, 2500)) AS t (n) ORDER BY n")

    assert [row["n"] for row in rows] == list(range(1, 2501))


def test_no_rows_are_an_empty_list(ask):
    assert ask("SELECT 1 AS one WHERE 1 = 0") == []


def test_a_failed_query_is_told_with_athenas_reason(ask):
    with pytest.raises(RuntimeError, match=r"found FAILED: .*nowhere"):
        ask("SELECT * FROM nowhere")
