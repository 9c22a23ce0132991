"""The figures of a session's report: what the queries of include/sql/report/ return."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import groupby

from b3.errors import SourceError
from b3.lake.athena import Row

# How a query asks for a session: it stands once in each, so that the files run in Athena's console as they are.
LAST_SESSION = '(SELECT max(trade_date) FROM "quotes$partitions")'
# Queries at a time.
_QUERIES = 4


@dataclass(frozen=True)
class Figures:
    """The answers to the queries, by the name of their file; each file says what its rows are."""

    trade_date: dt.date
    totals: list[Row]
    sessions: list[Row]
    movers: list[Row]
    sector_changes: list[Row]
    options: list[Row]
    index_members: list[Row]
    quality: list[Row]
    findings: list[Row]

    def ranked(self, rank: str) -> list[Row]:
        """Return the movers that have a rank, first the first: `volume_rank`, `gainer_rank` or `loser_rank`."""
        return sorted((row for row in self.movers if row[rank] is not None), key=lambda row: row[rank])

    def indexes(self) -> dict[str, list[Row]]:
        """Return the members of each index on the session and on its former one, by the index's code."""
        return {code: list(rows) for code, rows in groupby(self.index_members, key=lambda row: row["index_code"])}

    @property
    def session(self) -> Row:
        """The session's row of `sessions`: breadth and volume of stocks and units. Zeros if none of them traded."""
        none = {"advancers": 0, "decliners": 0, "unchanged": 0, "financial_volume": Decimal("0.00")}
        return next((row for row in self.sessions if row["trade_date"] == self.trade_date), none)

    @property
    def currency(self) -> str:
        """The currency of the session's prices, as B3 wrote it, such as `R$`."""
        return self.totals[0]["currency"] or ""


def for_session(sql: str, trade_date: dt.date) -> str:
    """Return a query that asks for the last session as one that asks for `trade_date`.

    Raises:
        ValueError: it does not ask for the last session in the way that the files of include/sql do.
    """
    if sql.count(LAST_SESSION) != 1:
        raise ValueError(f"expected {LAST_SESSION} once, to put DATE in its place; found it {sql.count(LAST_SESSION)}x")
    return sql.replace(LAST_SESSION, f"date '{trade_date}'")


def gather(ask: Callable[[str], list[Row]], queries: Mapping[str, str], trade_date: dt.date) -> Figures:
    """Run all queries for a session, several at a time.

    Args:
        ask: runs a query, see `b3.lake.athena.ask`.
        queries: the texts of the files of include/sql/report, by their names without `.sql`.
        trade_date: the session.

    Raises:
        SourceError: the table `quotes` has no row of the session.
    """
    names = [field.name for field in fields(Figures) if field.name != "trade_date"]
    texts = [for_session(queries[name], trade_date) for name in names]
    with ThreadPoolExecutor(_QUERIES) as pool:
        figures = Figures(trade_date, **dict(zip(names, pool.map(ask, texts), strict=True)))
    if not figures.totals:
        raise SourceError(
            source="the table quotes",
            expected=f"quotes of {trade_date}, to report on",
            found="no row",
            hint="Run b3_daily for that session, or b3_history for its year, first.",
        )
    return figures
