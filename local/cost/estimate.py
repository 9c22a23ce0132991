"""Dollars, from what a session uses and what AWS asks for it. Exact decimals throughout."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from local.cost.measure import Measured
from local.cost.price_list import PriceList

SESSIONS_A_YEAR = 250
SESSIONS_A_MONTH = 21
HOURS_A_MONTH = 730
# Guesses: MWAA says neither how large its database is at first, nor how long a worker stays that it added.
DATABASE_GB = 10
WORKER_HOURS = 1
_HOUR, _GB, _TB = Decimal(3600), Decimal(1024**3), Decimal(1024**4)
# Expire after days, so that they are not kept for a year.
TRANSIENT = ("athena",)


def session(measured: Measured, prices: PriceList) -> dict[str, Decimal]:
    """Dollars of one session by what they are for, but for its storage and for MWAA."""
    return {
        "Glue job": job(measured.job_seconds, measured.workers, prices["glue_dpu_hour"], prices),
        "Glue crawlers": measured.crawls * crawl(prices),
        "Athena": sum((query(scanned, prices) for scanned in measured.query_bytes), Decimal(0)),
        "S3 requests": requests(
            sum(measured.objects.values()) + measured.s3_lists, measured.s3_reads, prices
        ),
        "Data Catalog requests": measured.catalog_calls * prices["glue_catalog_million_requests"] / 1_000_000,
    }  # fmt: skip


def session_without_crawls(measured: Measured, prices: PriceList) -> dict[str, Decimal]:
    """The same with B3_REGISTER=tasks: tasks register the partitions in place of the crawls."""
    parts = session(measured, prices)
    del parts["Glue crawlers"]
    parts["Data Catalog requests"] += registering(measured, prices)
    return parts


def job(seconds: int, workers: int, dpu_hour: Decimal, prices: PriceList) -> Decimal:
    """A job run: G.1X workers, one DPU each, by the second from a minimum on."""
    return max(Decimal(seconds), prices["glue_job_minimum_seconds"]) * workers / _HOUR * dpu_hour


def crawl(prices: PriceList) -> Decimal:
    """A crawl of less than the minimum that is billed, as all of ours are."""
    return prices["glue_crawler_minimum_seconds"] / _HOUR * prices["glue_crawler_dpus"] * prices["glue_dpu_hour"]


def query(scanned: int, prices: PriceList) -> Decimal:
    """A query by the bytes that it scans; one that scans nothing is DDL, and free."""
    return max(Decimal(scanned), prices["athena_minimum_bytes"]) / _TB * prices["athena_tb"] if scanned else Decimal(0)


def requests(writes: int, reads: int, prices: PriceList) -> Decimal:
    """Requests of S3; `writes` are PUTs and LISTs."""
    return writes * prices["s3_thousand_writes"] / 1000 + reads * prices["s3_thousand_reads"] / 1000


def storage_month(stored: Iterable[int], prices: PriceList) -> Decimal:
    """A month of keeping so many bytes."""
    return Decimal(sum(stored)) / _GB * prices["s3_gb_month"]


def kept_bytes(measured: Measured) -> int:
    """What a session leaves for good."""
    return sum(size for folder, size in measured.stored_bytes.items() if folder not in TRANSIENT)


def mwaa_month(prices: PriceList) -> Decimal:
    """The small environment with its one worker, without its database and its endpoint."""
    return HOURS_A_MONTH * prices["mwaa_small_hour"]


def database_month(prices: PriceList) -> Decimal:
    """The database of the environment, reckoned as DATABASE_GB."""
    return DATABASE_GB * prices["mwaa_database_gb_month"]


def endpoint_month(prices: PriceList) -> Decimal:
    """The interface endpoint by which the environment reaches its database, in its two zones."""
    return HOURS_A_MONTH * 2 * prices["interface_endpoint_zone_hour"]


def second_worker_month(prices: PriceList) -> Decimal:
    """The second worker of MaxWorkers=2, for WORKER_HOURS of each session."""
    return SESSIONS_A_MONTH * WORKER_HOURS * prices["mwaa_worker_hour"]


def network_month(prices: PriceList) -> Decimal:
    """The one NAT gateway that MWAA is given, and its address, without the data that goes through."""
    return HOURS_A_MONTH * (prices["nat_gateway_hour"] + prices["public_address_hour"])


def registering(measured: Measured, prices: PriceList) -> Decimal:
    """The same partitions registered in place of the crawls, each reckoned as a request, though a call takes many."""
    return sum(measured.partitions.values()) * prices["glue_catalog_million_requests"] / 1_000_000


def by_ticker(measured: Measured, prices: PriceList) -> Decimal:
    """What more the quotes of a session cost to write, register and read whole once, an object for each of them."""
    extra = measured.quotes - 1
    catalog = extra * prices["glue_catalog_million_requests"] / 1_000_000
    return requests(extra, extra, prices) + catalog
