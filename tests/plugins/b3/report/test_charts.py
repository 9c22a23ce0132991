"""Charts show each row once, in the colours of the page, and scale."""

import re
from decimal import Decimal

import pytest

from b3.report import charts
from b3.report.wording import ENGLISH, PORTUGUESE
from tests.plugins.b3.report.sample import figures, member


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def fills(svg: str) -> list[str]:
    """Colours of the shapes, without text."""
    return re.findall(r'<path[^>]* fill="(var\(--(?:up|down|line)\))"', svg)


@pytest.fixture
def members():
    return [
        member("UP3", "50.000", None, "3.0000"), member("DOWN3", "30.000", None, "-0.5000"),
        member("FLAT3", "15.000", None, "0.0000"), member("SILENT3", "5.000", None, None),
    ]  # fmt: skip


def test_the_treemap_has_a_rectangle_for_each_constituent_by_its_change(members):
    svg = charts.treemap(members, PORTUGUESE)

    assert sorted(fills(svg)) == ["var(--down)", "var(--line)", "var(--line)", "var(--up)"]
    assert {"UP3", "+3,0%", "DOWN3", "−0,5%"} <= set(texts(svg))


def test_areas_of_the_treemap_are_the_weights(members):
    shapes = re.findall(r'd="M[^"]*?h(\d+)v(\d+)h-\d+Z" fill="var', charts.treemap(members, ENGLISH))
    areas = sorted((int(width) * int(height) for width, height in shapes), reverse=True)

    shares = [area / sum(areas) for area in areas]
    assert shares == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.02)


def test_the_heat_map_names_each_cell_and_session():
    shown = texts(charts.sector_heat(figures().sector_changes, ENGLISH))

    assert shown.count("Saúde") == 1
    assert {"13 Mar", "14 Mar", "−1.3", "0.0"} <= set(shown)


def test_breadth_has_a_bar_up_or_down_for_each_session():
    svg = charts.breadth(figures().sessions, PORTUGUESE)

    assert fills(svg) == ["var(--down)", "var(--down)"]
    assert "14/03" in texts(svg) and "Altas menos baixas" in texts(svg)
    assert svg.count('fill="var(--accent)"') == 2


def test_calls_and_puts_are_named_and_stacked():
    svg = charts.calls_and_puts(figures().options[1:], ENGLISH)

    assert {"MUCH", "Calls", "Puts"} <= set(texts(svg))


def test_sector_weights_are_summed_and_ordered():
    rows = [member("A3", "10.000", None), member("B3", "20.500", None)]
    rows.append({**member("C3", "69.500", None), "sector": "Financeiro"})

    shown = texts(charts.sector_weights(rows, PORTUGUESE))
    assert [text for text in shown if "," in text] == ["69,5", "30,5"]


@pytest.mark.parametrize(("closes", "colour"), [("1.0 2.0", "up"), ("2.0 1.0", "down"), ("1.0 1.0", "up")])
def test_a_sparkline_has_the_colour_of_its_direction(closes, colour):
    assert f"var(--{colour}-ink)" in charts.sparkline(closes)


@pytest.mark.parametrize("closes", [None, "", "12.3"])
def test_a_single_close_is_no_line(closes):
    assert charts.sparkline(closes) == ""


def test_pictures_scale_and_have_no_fixed_size_or_paper(members):
    for svg in (charts.treemap(members, ENGLISH), charts.sparkline("1 2")):
        head = svg.partition(">")[0]
        assert "viewBox=" in head and 'width="' not in head and 'height="' not in head
        assert "#fff" not in svg and "white" not in svg


def test_thousands_of_an_axis_are_whole_in_both_languages():
    """In Portuguese a point parts the thousands."""
    billions = [{**row, "call_volume": Decimal("1800000000.00")} for row in figures().options[1:]]
    trillions = [{**row, "financial_volume": Decimal("1200000000000.00")} for row in figures().sessions]

    assert "1,000" in texts(charts.calls_and_puts(billions, ENGLISH))
    assert "1.000" in texts(charts.calls_and_puts(billions, PORTUGUESE))
    assert "1.000" in texts(charts.breadth(trillions, PORTUGUESE))
    assert "+1.234,5%" in texts(charts.treemap([member("UP3", "100.000", None, "1234.5000")], PORTUGUESE))
