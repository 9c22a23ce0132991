"""Compare two versions of a session's quotes, and refuse a correction that loses too many rows.

`b3.lake.landed` keeps the bytes of both, and `b3.quotes.raw` notices that they differ.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from b3.errors import RecordsLost
from b3.quotes.quality import KEY

# B3 corrects single rows. If a file lacks more of a session's rows than this, it is probably not whole.
MOST_LOST_PERCENT = 10

Row = dict[str, Any]


class Change(NamedTuple):
    """A row before and after a correction. `before` is None for a new row, `after` for a removed one."""

    before: Row | None
    after: Row | None


@dataclass(frozen=True)
class Correction:
    """The differences between two versions of a session's quotes.

    Attributes:
        rows: number of rows before and after.
        volumes: financial volume before and after.
        changes: rows that were added, removed or changed, sorted by ticker, market type and forward days.
    """

    rows: tuple[int, int]
    volumes: tuple[Decimal, Decimal]
    changes: list[Change]

    @property
    def added(self) -> list[Change]:
        """Rows that are new."""
        return [change for change in self.changes if change.before is None]

    @property
    def gone(self) -> list[Change]:
        """Rows that were removed."""
        return [change for change in self.changes if change.after is None]

    @property
    def changed(self) -> list[Change]:
        """Rows with the same key, and a change in another column."""
        return [change for change in self.changes if change.before and change.after]

    def before(self) -> str:
        """Return the former version as text."""
        return f"{self.rows[0]} rows, volume {self.volumes[0]}"

    def after(self) -> str:
        """Return the present version and the number of changes as text."""
        return (
            f"{self.rows[1]} rows, volume {self.volumes[1]}: {len(self.added)} added, {len(self.gone)} gone, "
            f"{len(self.changed)} changed"
        )


def compare(before: pa.Table, after: pa.Table) -> Correction:
    """Compare two versions of a session's quotes; the order of rows does not matter.

    Args:
        before: raw quotes of one session, with the columns of KEY and financial_volume.
        after: the new version. Columns that only one version has are left out.
    """
    names = [name for name in after.schema.names if name in before.schema.names]
    former, present = before.select(names), after.select(names)
    volumes = tuple(pc.sum(table["financial_volume"]).as_py() or Decimal(0) for table in (former, present))
    changes = [] if former.equals(present) else _changes(former, present)
    return Correction((len(before), len(after)), volumes, changes)  # type: ignore[arg-type]


def refuse_loss(rows: int, former: int, trade_date: dt.date, source: str) -> None:
    """Raise RecordsLost if a session would lose more than MOST_LOST_PERCENT of its rows.

    Args:
        rows: number of rows of the new version.
        former: number of rows of the version that readers see.
        trade_date: the session.
        source: name of the new version's file in the message.
    """
    if 100 * (former - rows) > MOST_LOST_PERCENT * former:
        raise RecordsLost(
            source=source,
            expected=f"most of the {former:,} quotes that {trade_date} has, {100 - MOST_LOST_PERCENT} % at least",
            found=f"{rows:,}",
            hint="The file is in landing/ and readers keep the former quotes. If B3 did take back so many, trigger the "
            "DAG again with accept_loss.",
        )


def _changes(before: pa.Table, after: pa.Table) -> list[Change]:
    names = after.schema.names
    rows = [Counter(zip(*(column.to_pylist() for column in table.columns), strict=True)) for table in (before, after)]
    by_key: defaultdict[tuple[Any, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for side, different in enumerate((rows[0] - rows[1], rows[1] - rows[0])):
        for values in sorted(different.elements(), key=repr):
            row = dict(zip(names, values, strict=True))
            by_key[tuple(row[name] for name in KEY)][side].append(row)
    changes = []
    for key in sorted(by_key, key=_order):
        former, present = by_key[key]
        for number in range(max(len(former), len(present))):
            changes.append(Change(*(side[number] if number < len(side) else None for side in (former, present))))
    return changes


def _order(key: tuple[Any, ...]) -> tuple[str, str, int]:
    ticker, market_type, forward_days = key
    return ticker, market_type, -1 if forward_days is None else forward_days
