from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from local.cost import estimate, measure, price_list, report
from local.cost.measure import Measured

LISTED = price_list.read()
MB = 1024**2
RUN = Measured(
    session="2024-03-14", measured_on="2026-11-21", machine="", job_seconds=9, workers=2, crawls=2,
    query_bytes=[0, MB, 10 * MB, 20 * MB], objects={"raw/quotes": 1, "athena": 9}, stored_bytes={"raw/quotes": 1024**3,
    "athena": 5 * MB}, s3_reads=100, s3_lists=10, catalog_calls=50, partitions={"quotes": 1, "index_stocks": 90},
    quotes=6764,
)  # fmt: skip


def test_a_job_is_billed_for_a_minute_at_least_and_by_the_second_from_there():
    minute = Decimal("0.44") * 2 / 60

    assert estimate.job(9, 2, Decimal("0.44"), LISTED) == estimate.job(60, 2, Decimal("0.44"), LISTED)
    assert float(estimate.job(60, 2, Decimal("0.44"), LISTED)) == pytest.approx(float(minute))
    assert float(estimate.job(90, 2, Decimal("0.44"), LISTED)) == pytest.approx(float(minute) * 1.5)


def test_a_crawl_is_billed_for_ten_minutes():
    assert float(estimate.crawl(LISTED)) == pytest.approx(2 * 0.44 / 6)


def test_a_query_is_billed_for_ten_megabytes_at_least_and_ddl_for_nothing():
    assert estimate.query(0, LISTED) == 0
    assert estimate.query(1, LISTED) == estimate.query(10 * MB, LISTED) == Decimal(10 * MB) / 1024**4 * 5
    assert estimate.query(1024**4, LISTED) == 5


def test_a_session_is_the_sum_of_what_it_uses():
    parts = estimate.session(RUN, LISTED)

    assert float(parts["Glue crawlers"]) == pytest.approx(2 * 2 * 0.44 / 6)
    assert parts["Athena"] == Decimal(40 * MB) / 1024**4 * 5
    assert parts["S3 requests"] == 20 * Decimal("0.005") / 1000 + 100 * Decimal("0.0004") / 1000
    assert parts["Data Catalog requests"] == Decimal(50) / 1_000_000


def test_a_session_whose_tasks_register_costs_the_requests_in_place_of_the_crawls():
    with_crawls, without = estimate.session(RUN, LISTED), estimate.session_without_crawls(RUN, LISTED)

    assert with_crawls.keys() - without.keys() == {"Glue crawlers"}
    assert without["Data Catalog requests"] == Decimal(50 + 91) / 1_000_000
    assert f"With `B3_REGISTER=tasks` it costs **{sum(without.values()):.4f}**" in report.document(RUN, LISTED)


def test_query_results_are_not_kept():
    assert estimate.kept_bytes(RUN) == 1024**3
    assert estimate.storage_month([1024**3], LISTED) == Decimal("0.023")


def test_mwaa_is_billed_whether_anything_runs_or_not():
    assert estimate.mwaa_month(LISTED) == 730 * Decimal("0.49")


def test_its_database_and_the_endpoint_to_it_are_billed_beside_it():
    """MWAA makes the endpoint in the VPC, in each of the two zones of the environment."""
    assert estimate.database_month(LISTED) == 10 * Decimal("0.10")
    assert estimate.endpoint_month(LISTED) == 730 * 2 * Decimal("0.01")


def test_a_second_worker_is_billed_while_it_is_there():
    assert estimate.second_worker_month(LISTED) == 21 * Decimal("0.055")
    assert "second worker (MaxWorkers=2), reckoned as 1 hour of each session | 1.16 |" in report.document(RUN, LISTED)


def test_its_nat_gateway_and_the_address_of_it_are_billed_by_the_hour_as_well():
    assert estimate.network_month(LISTED) == Decimal("36.50")


def test_the_month_in_all_has_mwaa_its_nat_gateway_and_the_sessions():
    run = sum(estimate.session(RUN, LISTED).values())
    month = Decimal("357.70") + Decimal("1.00") + Decimal("14.60") + Decimal("36.50") + 21 * run

    assert f"| a month in all: MWAA, NAT gateway and 21 sessions | {month:.2f} |" in report.document(RUN, LISTED)


def test_a_year_of_history_is_250_sessions():
    run = sum(estimate.session(RUN, LISTED).values())

    assert f"| a year of history, 250 sessions run one by one | {250 * run:.2f} |" in report.document(RUN, LISTED)


def test_a_megabyte_is_a_million_bytes():
    document = report.document(replace(RUN, query_bytes=[1_200_000, 1_200_000]), LISTED)

    assert "2 queries, 2.4 MB scanned" in document


def test_a_price_that_is_not_exact_is_refused(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text("region: x\nas_of: 2026-11-21\nprices:\n  a: {usd: 0.1, unit: u, page: p, checked: c}\n")

    with pytest.raises(ValueError, match="in quotes"):
        price_list.read(file)


def test_every_price_names_awss_page_and_what_it_was_checked_against():
    for price in LISTED.entries.values():
        assert price.page.startswith(("https://aws.amazon.com/", "https://docs.aws.amazon.com/"))
        assert price.checked
    assert "$0.29" in report.document(RUN, LISTED)
    assert "not checked" in report.document(RUN, LISTED)


def test_the_document_is_the_one_that_the_figures_and_prices_give():
    assert report.document(measure.read(), LISTED) == Path(report.FILE).read_text(encoding="utf-8"), "run `make cost`"


def test_the_document_follows_the_figures():
    assert report.document(RUN, LISTED) != report.document(replace(RUN, crawls=0), LISTED)


def test_the_measured_queries_are_the_dags_one_for_each_check_view_and_figure_and_the_summarys():
    files = [
        file
        for folder in ("validate", "views", "report")
        for file in (report.ROOT / "include/sql" / folder).rglob("*.sql")
        if file.parent.name not in ("bitcoin", "visual")  # of other DAGs, which the session does without
    ]

    assert len(measure.read().query_bytes) == len(files) + 1
