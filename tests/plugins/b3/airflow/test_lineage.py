"""What a task tells Airflow's collector of lineage."""

import pytest
from airflow.sdk import lineage as of_airflow

from b3.airflow import lineage


@pytest.fixture
def collector(monkeypatch):
    """A collector that keeps what it is told, as where a plugin reads it."""
    kept = of_airflow.HookLineageCollector()
    monkeypatch.setattr("airflow.providers.common.compat.lineage.hook.get_hook_lineage_collector", lambda: kept)
    return kept


TASK = object()


@pytest.mark.parametrize(
    ("uri", "data_set"),
    [
        ("s3://lake/raw/quotes/trade_date=2020-04-30/quotes.parquet", "s3://lake/raw/quotes"),
        ("s3://lake/refined/index_stocks/trade_date=2020-04-30/", "s3://lake/refined/index_stocks"),
        ("s3://lake/landing/quotes/COTAHIST_D30042020.ZIP", "s3://lake/landing/quotes"),
        ("s3://lake/landing/bitcoin/trade_date=2020-04-30/symbol=BTCBRL/13.", "s3://lake/landing/bitcoin"),
        ("s3://lake/raw/quotes/", "s3://lake/raw/quotes"),
    ],
)
def test_a_data_set_is_a_folder_without_partitions(uri, data_set):
    assert lineage.data_set(uri) == data_set


def test_sessions_of_a_year_are_one_data_set(collector):
    uris = [f"s3://lake/raw/quotes/trade_date=2020-04-{day}/quotes.parquet" for day in (29, 30)]
    lineage.record(TASK, read=["s3://lake/landing/quotes/COTAHIST_A2020.ZIP"], written=uris)

    collected = collector.collected_assets
    assert [each.asset.uri for each in collected.inputs] == ["s3://lake/landing/quotes"]
    assert [each.asset.uri for each in collected.outputs] == ["s3://lake/raw/quotes"]


def test_where_no_plugin_reads_lineage_nothing_is_kept():
    lineage.record(TASK, written=["s3://lake/raw/quotes/"])
    assert not of_airflow.get_hook_lineage_collector().has_collected


def test_what_cannot_be_recorded_fails_no_task(monkeypatch, caplog):
    def broken():
        raise RuntimeError("no collector here")

    monkeypatch.setattr("airflow.providers.common.compat.lineage.hook.get_hook_lineage_collector", broken)
    lineage.record(TASK, written=["s3://lake/raw/quotes/"])
    assert "could not record what the task read and wrote" in caplog.text
