"""What the lake costs with Airflow in one place or another: on MWAA, on an instance, on a laptop. Exact decimals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from local.cost import estimate
from local.cost.estimate import HOURS_A_MONTH, SESSIONS_A_MONTH, SESSIONS_A_YEAR
from local.cost.measure import Measured
from local.cost.price_list import PriceList

HISTORY_YEARS = 40
# Guesses. An environment takes about half an hour to come up, and is billed until it is gone.
ENVIRONMENT_HOURS = Decimal("1.5")
INSTANCE_HOURS = Decimal(1)
YEAR_HOURS = Decimal(1)
YEAR_JOB_SECONDS = 1800
DISK_GB = 20
# What b3_history writes, an object for each session.
_OF_HISTORY = ("raw/quotes", "refined/quotes", "refined/findings")


@dataclass(frozen=True)
class Place:
    """Where Airflow runs.

    Attributes:
        name: in words.
        hour: dollars of an hour in which it is there.
        month_hours: hours of a month in which it is there, given the sessions of the month.
        month_more: dollars of a month beside the hours.
    """

    name: str
    hour: Decimal
    month_hours: Decimal
    month_more: Decimal = Decimal(0)

    @property
    def month(self) -> Decimal:
        """Dollars of a month, without the lake."""
        return self.hour * self.month_hours + self.month_more

    @property
    def history(self) -> Decimal:
        """Dollars of the hours in which b3_history takes all years, one after another, without the lake."""
        return self.hour * HISTORY_YEARS * YEAR_HOURS


def places(prices: PriceList) -> list[Place]:
    """Return where Airflow can run, the dearest first."""
    network = prices["nat_gateway_hour"] + prices["public_address_hour"] + 2 * prices["interface_endpoint_zone_hour"]
    small, micro = prices["mwaa_small_hour"] + network, prices["mwaa_micro_hour"] + network
    instance = prices["instance_hour"] + prices["public_address_hour"]
    always, database = Decimal(HOURS_A_MONTH), estimate.database_month(prices)
    disk = DISK_GB * prices["disk_gb_month"]
    return [
        Place("MWAA, mw1.small", small, always, database),
        Place("MWAA, mw1.micro", micro, always, database),
        Place("MWAA, mw1.small, made for each run and deleted", small, ENVIRONMENT_HOURS * SESSIONS_A_MONTH),
        Place("one instance, always on", instance, always, disk),
        Place("one instance, started for each run", instance, INSTANCE_HOURS * SESSIONS_A_MONTH, disk),
        Place("a laptop", Decimal(0), Decimal(0)),
    ]


def history(measured: Measured, prices: PriceList, *, crawls: bool) -> Decimal:
    """Return what the lake costs for HISTORY_YEARS by b3_history, a run each, each year as large as today's.

    Args:
        measured: a session's use; a year's checks scan that of all its sessions.
        prices: the price list.
        crawls: whether crawlers register the partitions, or the tasks.
    """
    objects = SESSIONS_A_YEAR * sum(measured.objects.get(folder, 0) for folder in _OF_HISTORY)
    partitions = objects * prices["glue_catalog_million_requests"] / 1_000_000
    year = (
        estimate.job(YEAR_JOB_SECONDS, measured.workers, prices["glue_dpu_hour"], prices)
        + sum((estimate.query(SESSIONS_A_YEAR * scanned, prices) for scanned in measured.query_bytes), Decimal(0))
        + estimate.requests(objects, objects, prices)
        + (measured.crawls * estimate.crawl(prices) if crawls else partitions)
    )
    return HISTORY_YEARS * year


def keeping(measured: Measured, prices: PriceList, *, years: int) -> Decimal:
    """Return what S3 takes a month for keeping so many years of sessions, each as large as one of today."""
    return estimate.storage_month([years * SESSIONS_A_YEAR * estimate.kept_bytes(measured)], prices)


def rows(measured: Measured, prices: PriceList, usd: Callable[[Decimal], str]) -> list[tuple[str, ...]]:
    """Return a row for each place: a session, a month with crawlers and with tasks, and the history.

    The month keeps a year of sessions.
    """
    run = sum(estimate.session(measured, prices).values(), Decimal(0))
    cheap = sum(estimate.session_without_crawls(measured, prices).values(), Decimal(0))
    kept = keeping(measured, prices, years=1)
    past = history(measured, prices, crawls=False)
    return [
        (
            place.name,
            usd(place.month / SESSIONS_A_MONTH + cheap),
            usd(place.month + SESSIONS_A_MONTH * run + kept),
            usd(place.month + SESSIONS_A_MONTH * cheap + kept),
            usd(place.history + past),
        )
        for place in places(prices)
    ]
