"""Tasks that bring Bitcoin's minutes to landing/, to raw_bitcoin/ and to refined_bitcoin/."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, lineage, registering, run_hours, run_source, summaries
from b3.airflow.failing import for_good, without_retry

if TYPE_CHECKING:
    from b3.lake.layout import Lake

log = logging.getLogger(__name__)

# Minutes that a line names; the XCom has all.
_NAMED = 10


@task
def scrape(dag_run: Any, ti: Any) -> dict[str, list[str]]:
    """Bring the candles of the run's hours to landing/, and those of earlier hours that lack minutes.

    Returns:
        `landed`, the hours that have landed; and `errors`, a text for each that did not.
    """
    from b3.bitcoin import land, raw
    from b3.bitcoin.hook import CandleHook
    from b3.bitcoin.land import Hour
    from b3.errors import NotServed, Refused, SourceError, TransientError

    chosen, lake, run = settings.bitcoin(), settings.read().lake, run_hours.hours_of(dag_run)
    wanted = [Hour(symbol, begin) for begin in run for symbol in chosen.symbols]
    s3 = aws.s3_client()
    if run_source.from_landing(dag_run):
        return _from_landing(s3, lake, wanted, ti)
    _wait_for_the_end_of(run[-1])
    hook = CandleHook(chosen.provider)
    gaps = [gap for symbol in chosen.symbols for gap in raw.hours_with_gaps(s3, lake, symbol, run[0])]
    asked = [*wanted, *gaps]
    landed: list[str] = []
    errors: list[SourceError] = []
    unasked: list[Hour] = []
    not_served: set[str] = set()
    for number, hour in enumerate(asked, 1):
        if hour.symbol in not_served:
            continue
        try:
            land.capture_hour(hook, s3, lake, hour)
        except (Refused, TransientError) as error:
            # The next hour would be refused as well.
            errors.append(error)
            unasked = asked[number:]
            break
        except NotServed as error:
            # The provider has no such market.
            not_served.add(hour.symbol)
            errors.append(error)
        except SourceError as error:
            errors.append(error)
        else:
            landed.append(str(hour))
    for each in errors:
        log.error("%s", each)
    if errors and not landed:
        raise for_good(errors[0]) if isinstance(errors[0], Refused) else errors[0]
    lineage.record(ti, written=_answers(lake, landed))
    again = f", of which {len(gaps)} lacked minutes" if gaps else ""
    summaries.tell(ti, f"{len(landed)} hours landed{again}: {landed[0]} to {landed[-1]}")
    texts = [str(each) for each in errors]
    if unasked:
        texts.append(f"after that, {len(unasked)} hours were not asked for: {unasked[0]} to {unasked[-1]}")
    return {"landed": landed, "errors": texts}


@task
def upload(captured: dict[str, list[str]], ti: Any) -> list[str]:
    """Write the raw object of each hour that landed, and register the partitions.

    Returns:
        The hours.
    """
    from b3.bitcoin import raw
    from b3.bitcoin.land import Hour
    from b3.lake import layout

    s3, lake = aws.s3_client(), settings.read().lake
    written = [raw.write_hour(s3, lake, Hour.of(hour)) for hour in captured["landed"]]
    uris = [each.uri for each in written]
    registering.always(layout.RAW_BTC_MINUTES_TABLE, uris)
    lineage.record(ti, read=_answers(lake, captured["landed"]), written=uris)
    summaries.tell(ti, f"{sum(each.rows for each in written):,} minutes of {len(written)} hours")
    return captured["landed"]


@task
def refine(uploaded: list[str], ti: Any) -> list[dict[str, Any]]:
    """Merge the hours of each day and market into one object, register it, and tell which minutes are missing.

    Returns:
        The days, see `b3.bitcoin.refined.RefinedDay`, with `symbol` and `trade_date`.
    """
    from b3.bitcoin import refined
    from b3.bitcoin.land import Hour
    from b3.lake import layout

    s3, lake = aws.s3_client(), settings.read().lake
    days = dict.fromkeys((hour.symbol, hour.trade_date) for hour in map(Hour.of, uploaded))
    written = {day: refined.write_day(s3, lake, *day) for day in days}
    uris = [each.uri for each in written.values()]
    registering.always(layout.BTC_MINUTES_TABLE, uris)
    raw = [lake.uri(layout.raw_btc_minutes_prefix(date, symbol)) for symbol, date in days]
    lineage.record(ti, read=raw, written=uris)
    lines = [_line(symbol, date, each.rows, each.missing) for (symbol, date), each in written.items()]
    summaries.tell(ti, "; ".join(lines))
    return [
        {"symbol": symbol, "trade_date": date.isoformat(), **asdict(each)} for (symbol, date), each in written.items()
    ]


@task
def compare_stream(dag_run: Any, ti: Any) -> None:
    """Compare the stream, if the lake has one, with the candles of the hour before each of the run's hours.

    Of that hour the stream has all that it will have. Minutes that one side lacks are told; amounts that differ fail.
    """
    from b3.bitcoin import hours, stream
    from b3.errors import SourceError

    lake, s3 = settings.read().lake, aws.s3_client()
    if not stream.is_there(s3, lake):
        summaries.tell(ti, "the lake has no stream")
        return
    compared = [hour - hours.HOUR for hour in run_hours.hours_of(dag_run)]
    found = stream.compare_hours(s3, lake, settings.bitcoin().symbols, compared)
    if found.differing:
        raise for_good(
            SourceError(
                source=f"the stream of Bitcoin below {lake.uri('stream/bitcoin/')}",
                expected="the amounts of btc_minutes",
                found=f"{len(found.differing)} minutes that differ, as {found.differing[0]}",
                hint="The provider changed these minutes after they were polled; btc_minutes is right.",
            )
        )
    summaries.tell(
        ti,
        f"{found.equal} minutes are equal; the stream lacks {len(found.lacking)}, and has {len(found.beyond)} that "
        "btc_minutes lacks",
    )


@task
def complete(captured: dict[str, list[str]], ti: Any) -> None:
    """Fail if the candles of an hour did not land while those of others did."""
    from b3.errors import SourceError

    errors = captured["errors"]
    if errors:
        found = " ".join(f"[{number}] {text}" for number, text in enumerate(errors, 1))
        raise for_good(
            SourceError(
                source="the candles of Bitcoin",
                expected="every hour landed",
                found=f"some that did not: {found}",
                hint="The hours that landed are published. Runs of the next four days ask for hours that are missing; "
                "trigger older ones with hour and hours.",
            )
        )
    summaries.tell(ti, f"{len(captured['landed'])} hours are there, and none is missing")


def _from_landing(s3: Any, lake: Any, wanted: list[Any], ti: Any) -> dict[str, list[str]]:
    """Return the hours that landing/ has as landed, and a text for the others as error.

    Raises:
        AirflowFailException: NotPublished: it has none of them.
    """
    from b3.bitcoin import land
    from b3.errors import NotPublished

    landed = [hour for hour in wanted if land.has_landed(s3, lake, hour)]
    missing = [hour for hour in wanted if hour not in landed]
    if not landed:
        raise for_good(
            NotPublished(
                source=lake.uri("landing/bitcoin/"),
                expected=f"answers with the candles of {wanted[0]} to {wanted[-1]}",
                found="none",
                hint="Trigger the run without `source: landing`, which asks the provider.",
            )
        )
    summaries.tell(ti, f"{len(landed)} hours are taken from landing/, which lacks {len(missing)}")
    errors = [f"landing/ lacks {len(missing)} hours: {missing[0]} to {missing[-1]}"] if missing else []
    return {"landed": [str(hour) for hour in landed], "errors": errors}


def _answers(lake: Lake, hours: Iterable[str]) -> list[str]:
    """Return where the answers with these hours lie."""
    from b3.bitcoin.land import Hour
    from b3.lake import layout

    return [
        lake.uri(layout.landing_bitcoin_prefix(hour.trade_date, hour.symbol, hour.begin.hour))
        for hour in map(Hour.of, hours)
    ]


def _wait_for_the_end_of(begin: dt.datetime) -> None:
    """Sleep for the few seconds until an hour's last candle is settled; raise if the hour is not over.

    Raises:
        AirflowFailException: NotOver.
    """
    from b3.bitcoin import hours, land
    from b3.calendar import publication

    left = (begin + hours.HOUR + land.SETTLED - publication.now()).total_seconds()
    if 0 < left <= land.SETTLED.total_seconds():
        time.sleep(left)
    with without_retry(land.NotOver):
        land.check_over(begin, publication.now())


def _line(symbol: str, trade_date: dt.date, rows: int, missing: list[str]) -> str:
    line = f"{symbol} {trade_date}: {rows:,} minutes"
    if not missing:
        return f"{line}, none missing"
    rest = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return f"{line}, {len(missing)} missing: {', '.join(missing[:_NAMED])}{rest}"
