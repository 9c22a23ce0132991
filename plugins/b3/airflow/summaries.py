"""What a task did, as one line: in its log, and in its XCom `summary`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

SUMMARY = "summary"


def tell(ti: Any, text: str) -> None:
    """Print a line to the task's log, and keep it as XCom `summary`.

    Args:
        ti: the task instance of the task's context.
        text: what the task did.
    """
    print(text)
    ti.xcom_push(SUMMARY, text)


def of_files(uris: Iterable[str]) -> str:
    """Return which files have landed: the URI of one, the number of several and the first."""
    found = list(uris)
    if not found:
        return "nothing landed"
    return f"landed: {found[0]}" + (f" and {len(found) - 1} more" if len(found) > 1 else "")


def of_quotes(written: Mapping[str, Any]) -> str:
    """Return what an upload of quotes wrote: rows and volume, and from where to where.

    Args:
        written: `b3.quotes.raw.RawQuotes` as a dict.
    """
    partitions: Sequence[Mapping[str, Any]] = written["partitions"]
    rows = sum(each["rows"] for each in partitions)
    volume = sum((Decimal(each["financial_volume"]) for each in partitions), Decimal())
    if len(partitions) == 1:
        (one,) = partitions
        what, where = one["trade_date"], f"{one['source']} is in {one['uri']}"
    else:
        what = f"{len(partitions)} sessions"
        where = f"{partitions[0]['uri']} to {partitions[-1]['trade_date']}" if partitions else "nothing written"
    kept = f"; kept, since the file lacks them: {', '.join(written['kept'])}" if written["kept"] else ""
    return f"{what}: {rows:,} rows, financial volume {volume:,}; {where}{kept}"
