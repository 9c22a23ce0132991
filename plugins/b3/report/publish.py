"""Write the report of a session to the lake."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b3.lake import layout
from b3.lake.athena import Row
from b3.lake.commit import has_bytes, head, put, until_committed
from b3.lake.layout import Lake
from b3.report.figures import gather
from b3.report.page import Origin, Outcome, render

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """A session's report in the lake.

    Attributes:
        uri: of the page.
        summary: its main figures, in a sentence.
    """

    uri: str
    summary: str


def write_report(
    ask: Callable[[str], list[Row]],
    s3: Any,
    lake: Lake,
    queries: Mapping[str, str],
    trade_date: dt.date,
    outcomes: Sequence[Outcome] | None,
) -> Report:
    """Query the figures of a session, make the page, and put it unless the lake has these bytes.

    Args:
        ask: runs a query, see `b3.lake.athena.ask`.
        s3: a boto3 S3 client.
        lake: the lake.
        queries: see `b3.report.figures.gather`.
        trade_date: the session.
        outcomes: of the tasks of the run that makes the page; None outside a run.

    Raises:
        SourceError: the session has no quotes.
    """
    figures = gather(ask, queries, trade_date)
    metadata = (head(s3, lake, layout.raw_quotes_key(trade_date)) or {}).get("Metadata", {})
    origin = Origin(*(metadata.get(name, "") for name in ("source", "source-url", "source-sha256")))
    page = render(figures, origin, outcomes)
    key = layout.report_key(trade_date)
    until_committed(lambda: _put(s3, lake, key, page, {"source": origin.source}), lake.uri(key))
    quotes = sum(row["quotes"] for row in figures.totals)
    session = figures.session
    return Report(
        lake.uri(key),
        f"{quotes:,} quotes of {trade_date}; stocks and units {figures.currency} {session['financial_volume']:,}, "
        f"{session['advancers']} up, {session['decliners']} down; report: {lake.uri(key)}",
    )


def _put(s3: Any, lake: Lake, key: str, page: bytes, metadata: Mapping[str, str]) -> None:
    former = head(s3, lake, key)
    if former and has_bytes(former, page):
        log.info("%s already holds these bytes", lake.uri(key))
        return
    put(s3, lake, key, page, metadata, former, content_type="text/html; charset=utf-8")
    log.info("%s: %s bytes", lake.uri(key), len(page))
