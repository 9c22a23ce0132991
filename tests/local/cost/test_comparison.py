"""The lake with Airflow on MWAA, on an instance, on a laptop."""

from decimal import Decimal

import pytest

from local.cost import comparison, estimate, price_list, report
from tests.local.cost.test_estimate import RUN

LISTED = price_list.read()
PLACES = {place.name: place for place in comparison.places(LISTED)}
LAKE = sum(estimate.session(RUN, LISTED).values(), Decimal(0))
HOUR_OF_THE_NETWORK = Decimal("0.045") + Decimal("0.005") + 2 * Decimal("0.01")


def test_a_month_of_mwaa_is_that_of_the_table_above_it():
    fixed = sum(
        part(LISTED)
        for part in (estimate.mwaa_month, estimate.database_month, estimate.endpoint_month, estimate.network_month)
    )

    assert PLACES["MWAA, mw1.small"].month == fixed


def test_the_micro_environment_differs_by_its_hour_alone():
    small, micro = PLACES["MWAA, mw1.small"], PLACES["MWAA, mw1.micro"]

    assert small.month - micro.month == 730 * (LISTED["mwaa_small_hour"] - LISTED["mwaa_micro_hour"])


def test_an_environment_made_for_each_run_is_billed_with_its_network_while_it_is_there():
    assert PLACES["MWAA, mw1.small, made for each run and deleted"].month == 21 * Decimal("1.5") * (
        Decimal("0.49") + HOUR_OF_THE_NETWORK
    )


def test_an_instance_pays_its_disk_on_or_off():
    always, started = PLACES["one instance, always on"], PLACES["one instance, started for each run"]
    hour = Decimal("0.0416") + Decimal("0.005")

    assert always.month == 730 * hour + 20 * Decimal("0.08")
    assert started.month == 21 * hour + 20 * Decimal("0.08")


def test_a_laptop_pays_for_the_lake_and_for_a_year_of_it_in_s3():
    session, with_crawlers, with_tasks, history = comparison.rows(RUN, LISTED, str)[-1][1:]
    cheap = sum(estimate.session_without_crawls(RUN, LISTED).values(), Decimal(0))

    kept = 250 * estimate.kept_bytes(RUN) * LISTED["s3_gb_month"] / 1024**3
    assert [Decimal(text) for text in (session, with_crawlers, with_tasks)] == [
        cheap, 21 * LAKE + kept, 21 * cheap + kept,
    ]  # fmt: skip
    assert Decimal(history) == comparison.history(RUN, LISTED, crawls=False)


def test_the_history_is_a_run_a_year_with_two_crawls_or_none():
    with_crawls, without = (comparison.history(RUN, LISTED, crawls=crawls) for crawls in (True, False))

    # Of RUN's folders b3_history writes one, an object for each session.
    assert float(with_crawls - without) == pytest.approx(
        float(40 * (2 * estimate.crawl(LISTED) - 250 * Decimal(1) / 1_000_000))
    )
    assert without > 40 * estimate.job(1800, 2, Decimal("0.44"), LISTED)


def test_the_history_costs_airflow_an_hour_a_year():
    for place, row in zip(PLACES.values(), comparison.rows(RUN, LISTED, str), strict=True):
        assert Decimal(row[4]) == 40 * place.hour + comparison.history(RUN, LISTED, crawls=False)


def test_the_document_has_a_row_for_each():
    document = report.document(RUN, LISTED)

    for name in PLACES:
        assert f"\n| {name} | " in document
