"""Start the Glue job for each session whose raw quotes or portfolios come, where no Airflow runs.

The job gets the arguments that b3_daily gives it. A session whose portfolios are not there yet is refined without them,
and again when they come.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from b3.lake import layout
from b3.lake.layout import Lake
from infra.lambdas import messages
from infra.lambdas.messages import Arrived, BadMessage, Event

# A line for each year, see infra.lambdas.calendar_file.
CALENDAR = Path(__file__).with_name("calendar.txt")


def handler(event: Event, context: object) -> dict[str, Any]:
    """Start a job run for each session that a batch of messages tells of; Lambda calls this."""
    found, failed = messages.read_all(event)
    sessions: dict[dt.date, list[Arrived]] = {}
    for item in found:
        try:
            sessions.setdefault(session_of(item), []).append(item)
        except BadMessage as error:
            messages.log(f"{item.key}: {error}")
            failed.append(item.message)
    full = False
    for session, items in sorted(sessions.items()):
        if full:
            messages.log(f"{session}: waits for a run to end")
            failed += [item.message for item in items]
            continue
        try:
            run = start(session)
            messages.log(f"{session}: {run or 'no raw quotes yet'}")
        except Exception as error:
            # The messages come again. Glue refuses every session alike while it runs as many as it may.
            full = _code(error) == "ConcurrentRunsExceededException"
            messages.log(f"{session}: {type(error).__name__}: {error}")
            failed += [item.message for item in items]
    return messages.failures(failed)


def session_of(item: Arrived) -> dt.date:
    """Return the trade date of a raw object.

    Raises:
        BadMessage: it is no object of raw quotes or portfolios, or of a day that is no session.
    """
    try:
        session = layout.date_of(item.key)
    except ValueError:
        raise BadMessage(f"expected a partition of a trade date, found {item.key}") from None
    keys = (layout.raw_quotes_key(session), layout.raw_index_portfolio_key(session))
    if item.bucket != os.environ["BUCKET"] or item.key not in keys:
        raise BadMessage(f"expected {' or '.join(keys)} in {os.environ['BUCKET']}, found {item.bucket}/{item.key}")
    if not is_session(session):
        raise BadMessage(f"expected a session of B3, found {session}, a day on which it is closed")
    return session


def start(session: dt.date) -> str | None:
    """Start a job run and return its id; None if the session has no raw quotes yet, whose event starts it."""
    bucket = os.environ["BUCKET"]
    if not _is_there(bucket, layout.raw_quotes_key(session)):
        return None
    with_portfolio = _is_there(bucket, layout.raw_index_portfolio_key(session))
    run = _client("glue").start_job_run(
        JobName=os.environ["JOB"], Arguments=arguments(Lake(bucket), session, with_portfolio=with_portfolio)
    )
    return str(run["JobRunId"])


def arguments(lake: Lake, session: dt.date, *, with_portfolio: bool) -> dict[str, str]:
    """Return the arguments of the job for one session, see include/glue/refine/arguments.py."""
    given = {
        "--sessions": str(session),
        "--previous_session": str(previous_session(session)),
        "--source": lake.all_raw_quotes,
        "--target": lake.all_refined_quotes,
        "--findings": lake.all_findings,
    }
    if with_portfolio:
        given |= {
            "--portfolio": lake.raw_index_portfolio(session),
            "--index_target": lake.refined_index_stocks(session),
            "--last_rebalance": str(last_rebalance(session)),
        }
    return given


def is_session(date: dt.date) -> bool:
    """Return whether B3 is open on a date.

    Raises:
        BadMessage: the calendar does not know the year.
    """
    year = _year(date.year)
    return date.weekday() < 5 and date not in year.closed


def previous_session(session: dt.date) -> dt.date:
    """Return the session before one."""
    date = session - dt.timedelta(days=1)
    while not is_session(date):
        date -= dt.timedelta(days=1)
    return date


def last_rebalance(session: dt.date) -> dt.date:
    """Return the first session of the portfolios in force."""
    return max(day for year in (session.year - 1, session.year) for day in _year(year).changes if day <= session)


class Year(NamedTuple):
    """The sessions on which portfolios change, and the weekdays without a session."""

    changes: tuple[dt.date, ...]
    closed: frozenset[dt.date]


def _year(year: int) -> Year:
    years = _years()
    if year not in years:
        raise BadMessage(f"expected a year from {min(years)} to {max(years)}, found {year}")
    return years[year]


@cache
def _years() -> Mapping[int, Year]:
    found = {}
    for line in CALENDAR.read_text().splitlines():
        number, *words = line.split()
        days = [dt.date(int(number), int(word[:2]), int(word[2:])) for word in words if word != "closed"]
        changes = words.index("closed")
        found[int(number)] = Year(tuple(days[:changes]), frozenset(days[changes:]))
    return found


def _code(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _is_there(bucket: str, key: str) -> bool:
    s3 = _client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        return False
    return True


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)
