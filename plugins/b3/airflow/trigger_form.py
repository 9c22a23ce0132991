"""The fields of the trigger form, and their values in a run's conf."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param

from b3.airflow.run_dates import BY_LOGICAL_DATE, MOST_YEARS
from b3.airflow.run_source import B3, LANDING
from b3.airflow.run_starter import AT_ONCE
from b3.bitcoin.hours import MOST_HOURS
from b3.calendar.sessions import FIRST_YEAR, LAST_YEAR
from b3.quotes.accepted import CONF, NOTHING, Accepted

# Title and description, by field of Accepted.
_ACCEPT = {
    "flood": (
        "Accept odd rows",
        "Publish a session in which most rows break a rule. First compare the file with B3's layout.",
    ),
    "loss": (
        "Accept lost records",
        "Publish a correction that lacks more than a tenth of a session's records, or whole sessions.",
    ),
}


def _source() -> dict[str, Param]:
    return {
        "source": Param(
            B3,
            enum=[B3, LANDING],
            title="Source",
            description=f"{B3}: ask B3. {LANDING}: write the tables again from the files in landing/; B3 is not asked.",
        )
    }


def _trade_date() -> dict[str, Param]:
    return {
        "trade_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Trade date",
            description="The session to run, as 2020-04-30. If empty: the day of the logical date.",
        )
    }


def _accept() -> dict[str, Param]:
    return {
        CONF[name]: Param(False, type="boolean", title=title, description=description)
        for name, (title, description) in _ACCEPT.items()
    }


def daily() -> dict[str, Param]:
    """Return the fields of b3_daily: trade date, source, accept_flood, accept_loss."""
    return {
        **_trade_date(),
        **_source(),
        **_accept(),
    }


def arrivals() -> dict[str, Param]:
    """Return the field of b3_arrivals: at_once."""
    return {
        AT_ONCE: Param(
            False,
            type="boolean",
            title="Start all runs at once",
            description="If set, all runs are queued at once. Until they have ended, Airflow makes no nightly run of "
            "b3_daily, and that session's portfolios are lost. If not, one run is started after the other.",
        )
    }


def visual() -> dict[str, Param]:
    """Return the field of b3_visual: trade date."""
    return _trade_date()


def minutes() -> dict[str, Param]:
    """Return the fields of btc_minutes: hour, hours, source."""
    return {
        "hour": Param(
            None,
            type=["null", "string"],
            title="Hour",
            description="The first hour to run, in UTC, as 2026-10-31T13. If empty: the last hour that is over.",
        ),
        "hours": Param(
            1,
            type="integer",
            minimum=1,
            maximum=MOST_HOURS,
            title="Hours",
            description="How many hours to run, from that one on: 24 for a day.",
        ),
        **_source(),
    }


def history() -> dict[str, Param]:
    """Return the fields of b3_history: year, last_year, source, accept_flood, accept_loss."""
    return {
        "year": Param(
            None,
            type=["null", "integer"],
            minimum=FIRST_YEAR,
            maximum=LAST_YEAR,
            title="Year",
            description=f"{FIRST_YEAR} or later. If empty: the year of the logical date.",
        ),
        "last_year": Param(
            None,
            type=["null", "integer"],
            minimum=FIRST_YEAR,
            maximum=LAST_YEAR,
            title="Last year",
            description=f"To run several years at once, {MOST_YEARS} at most: the last of them. If empty: one year.",
        ),
        **_source(),
        **_accept(),
    }


def verify() -> dict[str, Param]:
    """Return the fields of b3_verify: from, to."""
    ends = {"from": ("first", "2020-01-02"), "to": ("last", "2020-12-30")}
    return {
        name: Param(
            None,
            type=["null", "string"],
            format="date",
            title=name.capitalize(),
            description=f"The {which} session to verify, as {example}. If empty: the lake's {which}.",
        )
        for name, (which, example) in ends.items()
    }


def accepted(dag_run: Any) -> Accepted:
    """Return what the conf of a DAG run accepts; scheduled and backfilled runs accept nothing.

    Raises:
        ValueError: `accept_flood` or `accept_loss` of the conf is neither true nor false.
    """
    if dag_run.run_type in BY_LOGICAL_DATE:
        return NOTHING
    return Accepted(**{name: _flag(dag_run, key) for name, key in CONF.items()})


def _flag(dag_run: Any, name: str) -> bool:
    given = (dag_run.conf or {}).get(name)
    if given not in (None, True, False):
        raise ValueError(f"expected {name} in the run's conf as true or false, found {given!r}: trigger it again")
    return bool(given)
