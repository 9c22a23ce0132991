"""The settings of the lake, read from the environment when a task runs; those that shape a DAG at parse time.

A setting such as `B3_LAKE_BUCKET` is an environment variable. On MWAA, set an Airflow configuration option such as
`b3.lake_bucket`: MWAA turns it into `AIRFLOW__B3__LAKE_BUCKET`, which is read as well.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from b3.bitcoin import providers
from b3.calendar.publication import DEADLINE_HOURS, LONGEST_DEADLINE_HOURS, PUBLISHED_AT
from b3.lake.layout import Lake

NO_INDEX = "none"
# Who registers partitions in the catalog.
BY_CRAWLER, BY_TASKS = "crawler", "tasks"
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_BITCOIN_SYMBOL = re.compile(r"BTC[A-Z]{3,5}")
_INDEX_CODE = re.compile(r"[A-Z0-9]{3,12}")


class MissingSetting(KeyError):
    """A setting that has no default is not set."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError adds."""
        return str(self.args[0])


@dataclass(frozen=True)
class Settings:
    """Names of the lake's resources, as infra/lake.yaml outputs them, and options of the DAGs."""

    lake_bucket: str
    glue_database: str
    raw_crawler: str
    refined_crawler: str
    glue_job: str
    athena_workgroup: str
    indexes: tuple[str, ...] = ("IBOV",)
    alert_topic_arn: str | None = None
    publication_deadline_hours: float = DEADLINE_HOURS
    register: str = BY_CRAWLER
    arrivals_queue_url: str | None = None

    @property
    def crawls(self) -> bool:
        """Whether crawlers register partitions; else the tasks that write them do."""
        return self.register == BY_CRAWLER

    @property
    def lake(self) -> Lake:
        """The lake in the configured bucket."""
        return Lake(self.lake_bucket)

    @property
    def visual_job(self) -> str:
        """Name of the visual Glue job, as `make deploy` makes it."""
        return f"{self.glue_database}-visual"


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in `environ`, by default the environment of the process.

    Raises:
        MissingSetting: B3_LAKE_BUCKET is not set; all other settings have a default.
        ValueError: B3_INDEXES has something other than index codes, B3_PUBLICATION_DEADLINE_HOURS is no number of
            hours, or B3_REGISTER names neither crawler nor tasks.
    """
    setting = _reader(environ)
    bucket = setting("LAKE_BUCKET")
    if not bucket:
        raise MissingSetting(
            "expected the lake's bucket in B3_LAKE_BUCKET (on MWAA: configuration option b3.lake_bucket), found "
            "nothing; it is output LakeBucket of the stack made from infra/lake.yaml"
        )
    database = setting("GLUE_DATABASE") or "b3"
    return Settings(
        lake_bucket=bucket,
        glue_database=database,
        raw_crawler=setting("RAW_CRAWLER") or f"{database}-raw",
        refined_crawler=setting("REFINED_CRAWLER") or f"{database}-refined",
        glue_job=setting("GLUE_JOB") or f"{database}-refine",
        athena_workgroup=setting("ATHENA_WORKGROUP") or database,
        indexes=_indexes(setting("INDEXES") or "IBOV"),
        alert_topic_arn=setting("ALERT_TOPIC_ARN"),
        publication_deadline_hours=_hours(setting("PUBLICATION_DEADLINE_HOURS")),
        register=_register(setting("REGISTER") or BY_CRAWLER),
        arrivals_queue_url=setting("ARRIVALS_QUEUE_URL"),
    )


@dataclass(frozen=True)
class BitcoinSettings:
    """The settings of btc_minutes alone: no other DAG fails for them.

    Attributes:
        symbols: the markets.
        provider: name of who is asked for their candles.
    """

    symbols: tuple[str, ...]
    provider: str


def bitcoin(environ: Mapping[str, str] | None = None) -> BitcoinSettings:
    """Return the settings of btc_minutes in `environ`, by default the environment of the process.

    Raises:
        ValueError: B3_BTC_SYMBOLS has something other than markets of Bitcoin, or B3_BTC_PROVIDER names no provider.
    """
    setting = _reader(environ)
    return BitcoinSettings(
        symbols=_symbols(setting("BTC_SYMBOLS") or "BTCBRL,BTCUSDT"),
        provider=_provider(setting("BTC_PROVIDER") or "binance"),
    )


def published_at(environ: Mapping[str, str] | None = None) -> dt.time:
    """Return the time of the trade date, São Paulo, from which a run may start. This setting shapes a DAG.

    Raises:
        ValueError: B3_PUBLISHED_AT is not HH:MM.
    """
    setting = _reader(environ)
    text = setting("PUBLISHED_AT")
    if text is None:
        return PUBLISHED_AT
    if not _TIME.fullmatch(text):
        raise ValueError(f"expected a time of day in B3_PUBLISHED_AT, as 22:30; found {text!r}")
    return dt.time.fromisoformat(text)


def arrivals_wait(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a run of b3_arrivals always waits; else something outside starts its runs. It shapes the DAG.

    Raises:
        ValueError: B3_ARRIVALS_WAIT is neither yes nor no.
    """
    setting = _reader(environ)
    text = setting("ARRIVALS_WAIT") or "yes"
    if text not in ("yes", "no"):
        raise ValueError(f"expected yes or no in B3_ARRIVALS_WAIT, whether a run always waits; found {text!r}")
    return text == "yes"


def tags(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return further tags of all DAGs from B3_TAGS, separated by commas; a local lake has SIMULATED there."""
    return [tag.strip() for tag in (_reader(environ)("TAGS") or "").split(",") if tag.strip()]


def _reader(environ: Mapping[str, str] | None) -> Callable[[str], str | None]:
    found = os.environ if environ is None else environ
    return lambda name: found.get(f"B3_{name}") or found.get(f"AIRFLOW__B3__{name}")


def _indexes(text: str) -> tuple[str, ...]:
    if text == NO_INDEX:
        return ()
    codes = tuple(dict.fromkeys(code.strip() for code in text.split(",") if code.strip()))
    wrong = [code for code in codes if not _INDEX_CODE.fullmatch(code)]
    if wrong or not codes:
        raise ValueError(
            f"expected B3's codes of indexes in B3_INDEXES, separated by commas, as IBOV,SMLL, or {NO_INDEX}; "
            f"found {text!r}"
        )
    return codes


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(dict.fromkeys(symbol.strip() for symbol in text.split(",") if symbol.strip()))
    if not symbols or not all(_BITCOIN_SYMBOL.fullmatch(symbol) for symbol in symbols):
        raise ValueError(
            f"expected markets of Bitcoin in B3_BTC_SYMBOLS, separated by commas, as BTCBRL,BTCUSDT; found {text!r}"
        )
    return symbols


def _provider(text: str) -> str:
    try:
        providers.named(text)
    except ValueError as error:
        raise ValueError(f"B3_BTC_PROVIDER: {error}") from None
    return text


def _register(text: str) -> str:
    if text not in (BY_CRAWLER, BY_TASKS):
        raise ValueError(
            f"expected {BY_CRAWLER} or {BY_TASKS} in B3_REGISTER, who registers partitions; found {text!r}"
        )
    return text


def _hours(text: str | None) -> float:
    if text is None:
        return DEADLINE_HOURS
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 <= hours <= LONGEST_DEADLINE_HOURS:
        raise ValueError(
            "expected hours from the beginning of the session's day in B3_PUBLICATION_DEADLINE_HOURS, as 36 for noon "
            f"of the day after, or 0 for no waiting, {LONGEST_DEADLINE_HOURS} at most; found {text!r}"
        )
    return hours
