"""What Bitcoin by the minute costs: an hourly DAG as it is, and a DAG of each minute for comparison."""

from __future__ import annotations

from decimal import Decimal

from b3.bitcoin.hours import MINUTES
from infra.checkout import sql
from local.cost import estimate
from local.cost.estimate import HOURS_A_MONTH
from local.cost.price_list import PriceList

SYMBOLS = 2
# Requests of a run for one symbol, at noon and with the day before in the lake; tests/plugins/b3/airflow/tasks counts.
WRITES = 4
LISTS = 10
READS = 42
# Of a run, with those by which Athena finds tables and partitions.
CATALOG_CALLS = 19
TASKS_BESIDE_CHECKS = 5


def checks() -> int:
    """Return the number of checks of a run."""
    return len(list((sql() / "validate" / "bitcoin").glob("*.sql")))


def run(prices: PriceList) -> Decimal:
    """Return the dollars of one run; each query scans less than Athena's minimum."""
    requests = estimate.requests(SYMBOLS * (WRITES + LISTS), SYMBOLS * READS, prices)
    catalog = CATALOG_CALLS * prices["glue_catalog_million_requests"] / 1_000_000
    return requests + catalog + checks() * estimate.query(1, prices)


def rows(prices: PriceList) -> list[tuple[str, int, int, Decimal]]:
    """Return the choices: what it is, runs and tasks a month, and dollars a month."""
    tasks = TASKS_BESIDE_CHECKS + checks()
    hourly, minutely = HOURS_A_MONTH, HOURS_A_MONTH * MINUTES
    crawls = 2 * estimate.crawl(prices)
    return [
        ("an hourly DAG, as it is", hourly, hourly * tasks, hourly * run(prices)),
        ("the same with two crawls a run", hourly, hourly * (tasks + 2), hourly * (run(prices) + crawls)),
        ("a DAG of each minute", minutely, minutely * tasks, minutely * run(prices)),
    ]
