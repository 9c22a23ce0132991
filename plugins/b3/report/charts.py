"""Charts of the report as static SVG, drawn by Vega and Vega-Lite through vl-convert.

Colours are the variables of the page's style, so one picture fits light, dark and print.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import vl_convert

from b3.lake.athena import Row
from b3.report.wording import Language

VEGA_LITE = "5.20"
WIDTH = 1040
# Changes beyond this, in percent, have the full colour.
_FULL_COLOUR = 3
_FONT = "system-ui, sans-serif"
_QUIET_AXIS = {"domain": False, "ticks": False, "grid": False, "title": None}
_CONFIG = {
    "aria": False,
    "background": None,
    # The browser's font may be wider than the one that the text was measured with.
    "padding": {"left": 30, "right": 10, "top": 5, "bottom": 5},
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "labelFontSize": 12},
}
_UP_OR_DOWN = {
    "condition": [
        {"test": "datum.value === null || datum.value === 0", "value": "var(--line)"},
        {"test": "datum.value < 0", "value": "var(--down)"},
    ],
    "value": "var(--up)",
}


def treemap(members: Sequence[Row], language: Language) -> str:
    """Return the constituents of an index as rectangles: weight as area, change as colour, grouped by sector.

    Args:
        members: rows of index_members.sql that have a weight.
        language: of the numbers.
    """
    values: list[dict[str, Any]] = [
        {
            "sector": row["sector"] or "",
            "ticker": row["ticker"],
            "weight": float(row["weight_pct"]),
            "value": None if row["change_pct"] is None else float(row["change_pct"]),
            "label": language.percent(row["change_pct"], 1),
        }
        for row in members
    ]
    large = "(datum.x1 - datum.x0) > 44 && (datum.y1 - datum.y0) > {height}"
    middle = {"x": {"signal": "(datum.x0 + datum.x1) / 2"}, "align": {"value": "center"}}

    def text(field: str, *, height: int, size: int, offset: str) -> dict[str, Any]:
        shown = {"test": large.format(height=height), "field": field}
        return {
            "type": "text",
            "from": {"data": "leaves"},
            "interactive": False,
            "encode": {
                "enter": {
                    **middle,
                    "y": {"signal": f"(datum.y0 + datum.y1) / 2 {offset}"},
                    "baseline": {"value": "middle"},
                    "fontSize": {"value": size},
                    "fill": {"value": "var(--ink)"},
                    "text": [shown, {"value": ""}],
                }
            },
        }

    spec = {
        "$schema": "https://vega.github.io/schema/vega/v5.json",
        "width": WIDTH,
        "height": 460,
        "padding": 0,
        "config": {"aria": False, "text": {"font": _FONT}},
        "data": [
            {
                "name": "tree",
                "values": values,
                "transform": [
                    {"type": "nest", "keys": ["sector"], "generate": True},
                    {
                        "type": "treemap",
                        "field": "weight",
                        "sort": {"field": "value", "order": "descending"},
                        "round": True,
                        "method": "squarify",
                        "ratio": 1.4,
                        "paddingInner": 1,
                        "paddingOuter": 1,
                        "size": [{"signal": "width"}, {"signal": "height"}],
                    },
                ],
            },
            {"name": "leaves", "source": "tree", "transform": [{"type": "filter", "expr": "isValid(datum.ticker)"}]},
        ],
        "marks": [
            {
                "type": "rect",
                "from": {"data": "leaves"},
                "encode": {
                    "enter": {
                        "x": {"field": "x0"},
                        "x2": {"field": "x1"},
                        "y": {"field": "y0"},
                        "y2": {"field": "y1"},
                        "fill": [
                            {"test": "!isValid(datum.value) || datum.value === 0", "value": "var(--line)"},
                            {"test": "datum.value < 0", "value": "var(--down)"},
                            {"value": "var(--up)"},
                        ],
                        "fillOpacity": {"signal": _opacity("isValid(datum.value) ? datum.value : 0")},
                    }
                },
            },
            text("ticker", height=16, size=13, offset="- ((datum.y1 - datum.y0) > 34 ? 8 : 0)"),
            text("label", height=34, size=12, offset="+ 9"),
        ],
    }
    return _tidy(vl_convert.vega_to_svg(spec))


def sector_heat(rows: Sequence[Row], language: Language) -> str:
    """Return sectors by sessions, coloured by the change in percent, which each cell names.

    Args:
        rows: rows of sector_changes.sql.
        language: of dates and numbers.
    """
    dates = sorted({row["trade_date"] for row in rows})
    values = [
        {
            "sector": row["sector"],
            "day": language.short_day(row["trade_date"]),
            "value": None if row["change_pct"] is None else float(row["change_pct"]),
            "label": language.signed(row["change_pct"], 1),
        }
        for row in rows
    ]
    x = {"field": "day", "type": "nominal", "sort": [language.short_day(date) for date in dates]}
    y = {"field": "sector", "type": "nominal", "axis": {**_QUIET_AXIS, "labelLimit": 230}}
    spec = {
        "data": {"values": values},
        # A few sessions do not stretch over the whole width.
        "width": {"step": 38},
        "height": {"step": 24},
        "encoding": {"x": {**x, "axis": {**_QUIET_AXIS, "labelAngle": -60, "orient": "top"}}, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--paper)"},
                "encoding": {
                    "fill": _UP_OR_DOWN,
                    "fillOpacity": {"field": "opacity", "type": "quantitative", "scale": None, "legend": None},
                },
                "transform": [{"calculate": _opacity("datum.value"), "as": "opacity"}],
            },
            {
                "mark": {"type": "text", "fontSize": 11, "fill": "var(--ink)"},
                "encoding": {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }
    return lite(spec)


def breadth(sessions: Sequence[Row], language: Language) -> str:
    """Return two rows of bars by session: advancers less decliners, and volume.

    Args:
        sessions: rows of sessions.sql.
        language: of titles, dates and numbers.
    """
    values = [
        {
            "day": language.short_day(row["trade_date"]),
            "value": row["advancers"] - row["decliners"],
            "volume": float(row["financial_volume"].scaleb(-9)),
        }
        for row in sessions
    ]
    order = [value["day"] for value in values]
    shown = [day for place, day in enumerate(order) if (len(order) - 1 - place) % max(1, len(order) // 12) == 0]
    axis = {**_QUIET_AXIS, "labelAngle": 0, "values": shown, "labelOverlap": False}
    x = {"field": "day", "type": "nominal", "sort": order, "axis": axis}
    width = min(WIDTH - 90, 60 * len(order))
    spec = {
        "data": {"values": values},
        "vconcat": [
            {
                "width": width,
                "height": 130,
                "mark": "bar",
                "encoding": {
                    "x": {**x, "axis": None},
                    "y": {"field": "value", "type": "quantitative", "title": language.word("net_advancers")},
                    "fill": _UP_OR_DOWN,
                },
            },
            {
                "width": width,
                "height": 110,
                "mark": {"type": "bar", "fill": "var(--accent)"},
                "encoding": {
                    "x": x,
                    "y": {"field": "volume", "type": "quantitative", "title": language.word("volume_in_billions")},
                },
            },
        ],
    }
    return lite(spec, language)


def calls_and_puts(roots: Sequence[Row], language: Language) -> str:
    """Return the volume of options by root, calls and puts side by side.

    Args:
        roots: rows of options.sql that have a root.
        language: of the legend and the numbers.
    """
    kinds = {"call_volume": language.word("calls"), "put_volume": language.word("puts")}
    values = [
        {"root": row["root"], "kind": name, "volume": float(Decimal(row[field]).scaleb(-6))}
        for row in roots
        for field, name in kinds.items()
    ]
    spec = {
        "data": {"values": values},
        "width": 400,
        "height": {"step": 24},
        "mark": "bar",
        "encoding": {
            "y": {"field": "root", "type": "nominal", "sort": [row["root"] for row in roots], "axis": _QUIET_AXIS},
            "x": {"field": "volume", "type": "quantitative", "title": language.word("volume_in_millions")},
            "fill": {
                "field": "kind",
                "type": "nominal",
                "title": None,
                "sort": list(kinds.values()),
                "scale": {"domain": list(kinds.values()), "range": ["var(--accent)", "var(--second)"]},
                "legend": {"orient": "top"},
            },
        },
    }
    return lite(spec, language)


def sector_weights(members: Sequence[Row], language: Language) -> str:
    """Return the weight of each sector of an index as bars.

    Args:
        members: rows of index_members.sql that have a weight.
        language: of the numbers.
    """
    sums: dict[str, Decimal] = {}
    for row in members:
        sums[row["sector"] or ""] = sums.get(row["sector"] or "", Decimal()) + row["weight_pct"]
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    values = [{"sector": name, "weight": float(sum_), "label": language.number(sum_, 1)} for name, sum_ in ordered]
    spec = {
        "data": {"values": values},
        "width": 250,
        "height": {"step": 24},
        "encoding": {
            "y": {
                "field": "sector",
                "type": "nominal",
                "sort": [name for name, _ in ordered],
                "axis": {**_QUIET_AXIS, "labelLimit": 230},
            },
            "x": {"field": "weight", "type": "quantitative", "axis": None},
        },
        "layer": [
            {"mark": {"type": "bar", "fill": "var(--accent)"}},
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "fill": "var(--ink)", "fontSize": 12},
                "encoding": {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }
    return lite(spec)


def sparkline(text: str | None) -> str:
    """Return closes as a small line, coloured by whether the last lies above the first; nothing for a single close.

    Args:
        text: column `closes` of movers.sql: the closes parted by spaces, oldest first.
    """
    closes = [Decimal(close) for close in (text or "").split()]
    if len(closes) < 2:
        return ""
    colour = "var(--up-ink)" if closes[-1] >= closes[0] else "var(--down-ink)"
    spec = {
        "data": {"values": [{"n": n, "close": float(close)} for n, close in enumerate(closes)]},
        "width": 110,
        "height": 22,
        "padding": 1,
        "mark": {"type": "line", "strokeWidth": 1.5, "stroke": colour},
        "encoding": {
            "x": {"field": "n", "type": "quantitative", "axis": None, "scale": {"nice": False}},
            "y": {"field": "close", "type": "quantitative", "axis": None, "scale": {"zero": False, "nice": False}},
        },
    }
    return lite(spec)


def _opacity(value: str) -> str:
    return f"({value}) === 0 ? 1 : 0.2 + 0.8 * min(abs({value}), {_FULL_COLOUR}) / {_FULL_COLOUR}"


def lite(spec: dict[str, Any], language: Language | None = None) -> str:
    """Return a Vega-Lite chart as SVG in the style of the pages; its numbers are of `language`, if given."""
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, **spec}
    locale = {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", ""]}
    comma = language is not None and language.locale.startswith("pt")
    return _tidy(vl_convert.vegalite_to_svg(whole, vl_version=VEGA_LITE, format_locale=locale if comma else None))


def _rounded(tag: str) -> str:
    return re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", tag)


def _tidy(svg: str) -> str:
    """Return a picture that scales, without what only a Vega viewer reads."""
    svg = re.sub(r' (?:role|aria-roledescription|aria-hidden|pointer-events|class)="[^"]*"', "", svg)
    svg = re.sub(r'<path d="M0,0h0v0h0Z"/>|<path d="" display="none"/>', "", svg)
    # Within tags alone: a text may be a number with a point between its thousands.
    svg = re.sub(r"<[^>]*>", lambda tag: _rounded(tag[0]), svg)
    width = re.search(r'width="(\d+)', svg)
    assert width
    style = f"width:{width[1]}px"
    return re.sub(
        r'^<svg [^>]*?width="[^"]*" height="[^"]*"',
        f'<svg aria-hidden="true" focusable="false" style="{style}" xmlns="http://www.w3.org/2000/svg"',
        svg,
        count=1,
    )
