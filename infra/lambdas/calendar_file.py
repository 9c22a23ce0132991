"""Write calendar.txt, by which start_job knows B3's sessions: the calendar itself is too large for a function.

PYTHONPATH=plugins .venv/bin/python -m infra.lambdas.calendar_file
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from b3.calendar import sessions

FILE = Path(__file__).with_name("calendar.txt")
FIRST_YEAR, LAST_YEAR = sessions.CALENDAR_IS_SURE_FROM, 2040


def text() -> str:
    """Return a line for each year: the year, the sessions on which portfolios change, and the weekdays without one."""
    return "".join(f"{line(year)}\n" for year in range(FIRST_YEAR, LAST_YEAR + 1))


def line(year: int) -> str:
    """Return the line of a year."""
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    open_on = sessions.sessions(first, last)
    days = (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    closed = sorted({day for day in days if day.weekday() < 5} - set(open_on))
    changes = [sessions.last_rebalance(dt.date(year, month, 28)) for month in sessions.REBALANCE_MONTHS]
    return " ".join([str(year), *(f"{day:%m%d}" for day in changes), "closed", *(f"{day:%m%d}" for day in closed)])


if __name__ == "__main__":
    FILE.write_text(text())
