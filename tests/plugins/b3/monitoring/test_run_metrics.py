"""What a run brought: one row for a DAG and a session, in a lake on the local AWS."""

import dataclasses
import datetime as dt
from types import SimpleNamespace

import pytest

from b3.monitoring import run_metrics

DAY = dt.date(2024, 3, 14)
KEY = "metrics/run_metrics/trade_date=2024-03-14/b3_daily.parquet"
# 23:10 in São Paulo: 40 minutes after B3 usually has published.
NOW = dt.datetime(2024, 3, 15, 2, 10, tzinfo=dt.UTC)


YEARS_AGO = NOW - dt.timedelta(days=900)
MINUTES_AGO = NOW - dt.timedelta(minutes=5)


@pytest.fixture
def measured_run(s3, lake, put_landed):
    """The metrics of a run that wrote two sessions from one file, by its start and by when it was due."""
    landed = put_landed("landing/quotes/COTAHIST_M032024.ZIP", b"seven b")
    partitions = [
        {"trade_date": "2024-03-13", "rows": 3, "source": landed.uri},
        {"trade_date": "2024-03-14", "rows": 4, "source": landed.uri},
    ]

    def measure(started, due):
        run = SimpleNamespace(
            dag_id="b3_daily", run_id="manual__1", run_type="manual", start_date=started, run_after=due
        )
        return run_metrics.measure(s3, lake, run, partitions, 2, NOW)

    return measure


@pytest.fixture
def measured(measured_run):
    return measured_run(MINUTES_AGO, MINUTES_AGO)


@pytest.mark.parametrize(
    ("started", "due"),
    [(MINUTES_AGO, YEARS_AGO), (YEARS_AGO, MINUTES_AGO), (None, MINUTES_AGO)],
    ids=["a backfill, due years ago", "dag.test, which starts at the logical date", "a start that is not known"],
)
def test_counts_what_came_and_how_long_it_took(measured_run, started, due):
    assert measured_run(started, due) == run_metrics.RunMetrics(
        dag_id="b3_daily",
        run_id="manual__1",
        run_type="manual",
        first_session=dt.date(2024, 3, 13),
        last_session=DAY,
        sessions=2,
        rows=7,
        bytes=7,
        findings=2,
        seconds=300,
        lag_seconds=2400,
        ended_at="2024-03-15T02:10:00+00:00",
    )


def test_is_a_row_below_its_last_session(s3, lake, table, measured):
    assert run_metrics.write(s3, lake, measured) == KEY

    (row,) = table(KEY).to_pylist()
    assert row == {name: value for name, value in dataclasses.asdict(measured).items() if name != "last_session"}


class TestARerun:
    def test_that_brings_the_same_leaves_the_object_as_it_is(self, s3, lake, versions, table, measured):
        run_metrics.write(s3, lake, measured)

        run_metrics.write(
            s3, lake, dataclasses.replace(measured, run_id="manual__2", bytes=8, seconds=1, lag_seconds=9)
        )

        assert len(versions()[KEY]) == 1
        assert table(KEY)["run_id"].to_pylist() == ["manual__1"]

    @pytest.mark.parametrize("changed", [{"rows": 8}, {"findings": 0}, {"sessions": 1}])
    def test_that_brings_something_else_replaces_it(self, s3, lake, table, measured, changed):
        run_metrics.write(s3, lake, measured)

        run_metrics.write(s3, lake, dataclasses.replace(measured, run_id="manual__2", **changed))

        assert table(KEY)["run_id"].to_pylist() == ["manual__2"]

    def test_of_another_dag_has_its_own_row(self, s3, lake, versions, measured):
        run_metrics.write(s3, lake, measured)

        run_metrics.write(s3, lake, dataclasses.replace(measured, dag_id="b3_history"))

        assert len([key for key in versions() if key.startswith("metrics/")]) == 2
