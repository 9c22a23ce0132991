"""Charts of the page on Bitcoin, drawn as those of `b3.report.charts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from b3.lake.athena import Row
from b3.report.charts import WIDTH, lite
from b3.report.wording import Language

_MINUTES_OF_A_DAY = 1440


def prices(minutes: Sequence[Row], language: Language) -> str:
    """Return the closes of a market's minutes as a line over the day; a missing minute breaks the line.

    Args:
        minutes: rows of minutes.sql of one market.
        language: of the numbers.
    """
    closes = {_minute(row["time_of_day"]): float(row["close"]) for row in minutes}
    values = [{"minute": minute, "close": closes.get(minute)} for minute in range(_MINUTES_OF_A_DAY)]
    hours = {"values": list(range(0, _MINUTES_OF_A_DAY + 1, 120)), "labelExpr": "format(datum.value / 60, '02d') + 'h'"}
    spec: dict[str, Any] = {
        "data": {"values": values},
        "width": WIDTH - 120,
        "height": 220,
        "mark": {"type": "line", "strokeWidth": 1.2, "stroke": "var(--up-ink)", "invalid": "break-paths-show-domains"},
        "encoding": {
            "x": {
                "field": "minute",
                "type": "quantitative",
                "axis": {**hours, "title": None, "grid": False},
                "scale": {"domain": [0, _MINUTES_OF_A_DAY], "nice": False},
            },
            "y": {
                "field": "close",
                "type": "quantitative",
                "axis": {"title": None, "tickCount": 5, "format": ",.0f"},
                "scale": {"zero": False},
            },
        },
    }
    return lite(spec, language)


def _minute(time_of_day: str) -> int:
    hour, _, minute = time_of_day.partition(":")
    return 60 * int(hour) + int(minute)
