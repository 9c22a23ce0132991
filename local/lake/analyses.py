"""What a person asks an analysis for: DATE, TICKER and INDEX, put in the place of the defaults in its SQL.

The files of include/sql/analysis/ are whole statements with a default for each of the three. So the same file runs in
Athena's console, where a person edits the same places.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from b3.errors import ClosedDay
from b3.report.figures import LAST_SESSION, for_session
from local.lake import query_client, session_given
from local.lake.query_client import Answer
from local.lake.servers import Lake

TICKER = "CAST(NULL AS varchar) AS ticker"
INDEX = "CAST(NULL AS varchar) AS index_code"
PLACES = {"DATE": LAST_SESSION, "TICKER": TICKER, "INDEX": INDEX}
# As B3 writes them. Nothing else gets into SQL.
_CODE = re.compile(r"[A-Z0-9]{4,12}")
_LAST_SESSION = 'SELECT max(trade_date) FROM "quotes$partitions"'
_NEIGHBOURS = """
SELECT count_if(trade_date = date '{date}'),
       max(CASE WHEN trade_date < date '{date}' THEN trade_date END),
       min(CASE WHEN trade_date > date '{date}' THEN trade_date END)
FROM "quotes$partitions"
"""


class NotInTheLake(Exception):
    """The lake has no such session, ticker or index; the message says what it has."""


@dataclass(frozen=True)
class Asked:
    """The session, ticker and index that an analysis is asked for; None where its default holds."""

    date: dt.date | None = None
    ticker: str | None = None
    index: str | None = None

    @classmethod
    def of(cls, date: str, ticker: str, index: str) -> Asked:
        """Return what was typed after DATE=, TICKER= and INDEX=, where small letters will do; empty is a default.

        Raises:
            ValueError: a text is no date, or cannot be a code of B3.
        """
        session = session_given.parse(date) if date else None
        return cls(session, _code("TICKER", ticker, "PETR4"), _code("INDEX", index, "IBOV"))

    def fill(self, sql: str, name: str) -> str:
        """Return a statement that asks for this.

        Args:
            sql: the statement, with its defaults.
            name: the statement's name, for a person.

        Raises:
            ValueError: it has no place, or several, for a variable that was given.
        """
        given = {"DATE": self.date, "TICKER": self.ticker, "INDEX": self.index}
        for variable, value in given.items():
            if value is not None and sql.count(PLACES[variable]) != 1:
                takes = ", ".join(each for each, place in PLACES.items() if sql.count(place) == 1)
                raise ValueError(
                    f"{name} does not take {variable}={value}: it takes {takes or 'no variable'}. "
                    f"Expected {PLACES[variable]} once, to put it there; found it {sql.count(PLACES[variable])}x"
                )
        if self.ticker:
            sql = sql.replace(TICKER, f"'{self.ticker}' AS ticker")
        if self.index:
            sql = sql.replace(INDEX, f"'{self.index}' AS index_code")
        return for_session(sql, self.date) if self.date else sql

    def check_session(self, lake: Lake) -> None:
        """Raise NotInTheLake if the lake has no quotes of the session that is asked for."""
        if self.date is None:
            return
        ((count, before, after),) = query_client.query(lake, _NEIGHBOURS.format(date=self.date)).rows
        if count != "0":
            return
        found = [day for day in (before, after) if day]
        has = f"the nearest that it has: {' and '.join(found)}" if found else "it has no session at all"
        try:
            session_given.check(self.date, dt.datetime.now(dt.UTC))
        except (ClosedDay, ValueError) as error:
            raise NotInTheLake(f"{error}\nThe lake has no quotes of {self.date}; {has}") from None
        raise NotInTheLake(
            f"expected a session of the lake, found DATE={self.date}, of which it has no quotes; {has}. "
            f"`make run DATE={self.date}` brings it"
        )

    def check_found(self, lake: Lake, answer: Answer) -> None:
        """Raise NotInTheLake if nothing was found for a ticker or an index that is asked for."""
        if (self.ticker is None and self.index is None) or next(answer.rows(), None) is not None:
            return
        session = self.date or query_client.query(lake, _LAST_SESSION).rows[0][0]
        if session is None:
            raise NotInTheLake("the lake has no session yet: `make run` brings one")
        asked = " and ".join(
            f"{name}={value}" for name, value in (("TICKER", self.ticker), ("INDEX", self.index)) if value
        )
        table, column = ("index_stocks", "index_code") if self.index else ("quotes", "ticker")
        raise NotInTheLake(
            f"expected rows for {asked} up to {session}, found none in the lake. To see what there is: "
            f"make query SQL=\"SELECT DISTINCT {column} FROM {table} WHERE trade_date = date '{session}' ORDER BY 1\""
        )


def _code(variable: str, text: str, example: str) -> str | None:
    if not text:
        return None
    code = text.strip().upper()
    if not _CODE.fullmatch(code):
        raise ValueError(f"expected {variable}= as B3 writes it, such as {example}; found {text!r}")
    return code
