"""What the page on a session shows, and that it needs nothing but itself."""

import re
import subprocess
import sys
from decimal import Decimal

import pytest
from bs4 import BeautifulSoup

from b3.report.page import Origin, Outcome, largest_shifts, put_call, render
from tests.places import PLUGINS
from tests.plugins.b3.report.sample import ORIGIN, figures, member, mover

OUTCOMES = [
    Outcome("validate.key_is_unique", "failed", "A key names one row."),
    Outcome("validate.prices_are_positive", "success", "Prices are above zero."),
    Outcome("validate.sectors_are_whole", "skipped", "Sectors are whole."),
    Outcome("validate.never_begun", "upstream_failed", "Something."),
    Outcome("sectors.scrape", "skipped", "the sector classification did not change since it last landed"),
    Outcome("sectors.upload", "skipped", ""),
    Outcome("indexes.upload", "upstream_failed", ""),
]


def shown(page: bytes, language: str = "en") -> str:
    """The page's text in one language, in one line."""
    soup = BeautifulSoup(page, "html.parser")
    other = {"en": "pt-BR", "pt-BR": "en"}[language]
    for element in [*soup.body.find_all(lang=other), *soup.find_all("style")]:
        element.decompose()
    return " ".join(soup.get_text(" ").split())


def test_the_main_figures_are_there_in_both_languages():
    page = render(figures(), ORIGIN, None)

    english, portuguese = shown(page), shown(page, "pt-BR")
    assert "session of Thursday, 14 March 2024" in english
    assert "R$ 30.20 bn" in english and "R$ 27.77 bn" in english and "186 / 208" in english and "0.25" in english
    assert "pregão de quinta-feira, 14 de março de 2024" in portuguese
    assert "R$ 30,20 bi" in portuguese and "0,25" in portuguese and "Maiores altas" in portuguese


def test_each_ranking_has_its_movers_in_order():
    tables = {
        table.caption.span.text: [th.text for th in table.tbody.find_all("th")]
        for table in BeautifulSoup(render(figures(), ORIGIN, None), "html.parser").find_all("table")
        if table.caption
    }

    assert tables["Gainers"] == ["MUCH3"]
    assert tables["Losers"] == ["DOWN3"]
    assert tables["Most traded"] == ["MUCH3", "FLAT3"]


def test_a_price_per_thousand_keeps_its_digits():
    penny = {**mover("CENT3", "1.00", "1.00", volume_rank=1), "close": Decimal("0.00412000")}

    assert "CENT3 0.00412 +1.00%" in shown(render(figures(movers=[penny]), ORIGIN, None))
    assert "CENT3 0,00412 +1,00%" in shown(render(figures(movers=[penny]), ORIGIN, None), "pt-BR")


def test_what_changed_in_an_index_is_told():
    text = shown(render(figures(), ORIGIN, None))

    assert "IBOV, 2 constituents" in text
    assert "Came in : CAME3 CAME3 S.A. ( 39.500 %)" in text
    assert "Left : LEFT3 LEFT3 S.A. ( 40.000 %)" in text
    assert "MUCH3 +0.500" in text


def test_simulated_data_is_said_in_both_languages_and_in_the_title():
    page = render(figures(), Origin("simulated", "", ""), None)

    assert "SIMULATED" in shown(page) and "SIMULADO" in shown(page, "pt-BR")
    assert b"<title>B3 2024-03-14 SIMULATED</title>" in page
    assert b"SIMULA" not in render(figures(), ORIGIN, None).replace(b".simulated", b"")


class TestQuality:
    def test_shows_which_checks_failed_or_did_not_run_and_what_must_hold(self):
        text = shown(render(figures(), ORIGIN, OUTCOMES))

        assert "Checks that did not pass key_is_unique FAILED A key names one row. never_begun did not run" in text
        assert "prices_are_positive" not in text
        assert "indexes.upload did not run" in text

    def test_says_that_none_failed(self):
        passed = [each for each in OUTCOMES if each.state in ("success", "skipped")]

        assert "No check of the run failed." in shown(render(figures(), ORIGIN, passed))

    def test_is_the_same_after_a_rerun_and_after_the_dag_of_the_year(self):
        """A rerun skips what has landed, with a reason that names its own day; b3_history has fewer checks."""
        first = [Outcome(each.task, "success", each.text) for each in OUTCOMES]
        again = [Outcome(each.task, "skipped", "B3 serves 2026-11-27 now") for each in OUTCOMES]

        assert render(figures(), ORIGIN, again) == render(figures(), ORIGIN, first) == render(figures(), ORIGIN, [])

    def test_says_that_it_does_not_know_the_checks_outside_a_run(self):
        assert "made outside a run" in shown(render(figures(), ORIGIN, None))

    def test_alarms_if_raw_and_refined_differ(self):
        quality = {**figures().quality[0], "raw_volume": Decimal("27769679660.01")}

        assert "RAW AND REFINED DIFFER" in shown(render(figures(quality=[quality]), ORIGIN, None))
        assert "DIFFER" not in shown(render(figures(), ORIGIN, None))

    def test_shows_each_rule_with_its_example(self):
        text = shown(render(figures(), ORIGIN, None))
        assert "prices_lie_within_low_and_high 1 MUCH3 expected low <= open; found open 1.00" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("index_members", "No portfolio of an index landed"),
        ("sector_changes", "No share of this session is in a sector classification"),
        ("options", "No option traded"),
        ("findings", "No quote breaks a rule"),
    ],
)
def test_what_the_lake_lacks_is_said_in_its_place(query, said):
    assert said in shown(render(figures(**{query: []}), ORIGIN, None))


def test_a_session_of_the_first_years_has_a_page():
    """Nothing but a few shares, without a change, and none before."""
    old = figures(
        sessions=[], sector_changes=[], options=[], index_members=[], findings=[],
        movers=[{**mover("OLD3", None, "1.00", volume_rank=1), "close": None, "closes": None}],
    )  # fmt: skip

    assert "OLD3 – – 1" in shown(render(old, ORIGIN, None))


def test_what_b3_wrote_is_text_and_never_markup():
    evil = "<script>alert(1)</script>"
    rows = {
        "movers": [{**mover("EVIL3", "1.0", "1.00", volume_rank=1), "short_name": evil, "ticker": evil}],
        "index_members": [{**member(evil, "100.000", None), "company_name": evil, "sector": evil}],
        "sector_changes": [{**figures().sector_changes[0], "sector": evil}],
        "options": [figures().options[0], {**figures().options[1], "root": evil}],
    }

    page = render(
        figures(**rows),
        Origin("b3", evil, evil),
        [Outcome(evil, "failed", evil), Outcome(f"validate.{evil}", "failed", evil)],
    )

    assert b"<script" not in page


def test_the_page_has_no_script_and_asks_for_nothing():
    soup = BeautifulSoup(render(figures(), ORIGIN, OUTCOMES), "html.parser")

    assert not soup.find_all(["script", "link", "img", "iframe", "object", "embed"])
    loading = [
        (name, value)
        for element in soup.find_all(True)
        for name, value in element.attrs.items()
        if name in ("src", "href", "xlink:href", "srcset") or name.startswith("on") or "url(" in str(value)
    ]
    assert loading == []
    assert "url(" not in soup.style.text and "@import" not in soup.style.text


def test_the_same_figures_give_the_same_bytes_in_another_process():
    code = (
        "import sys; from tests.plugins.b3.report.sample import ORIGIN, figures; from b3.report.page import render; "
        "sys.stdout.buffer.write(render(figures(), ORIGIN, None))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=PLUGINS.parent,
        env={"PYTHONPATH": f"{PLUGINS}:{PLUGINS.parent}", "PYTHONHASHSEED": "7"},
    )  # fmt: skip

    assert other.stdout == render(figures(), ORIGIN, None)


def test_identifiers_of_pictures_do_not_collide():
    page = render(figures(), ORIGIN, None).decode()
    identifiers = re.findall(r' id="([^"]+)"', page)

    assert len(identifiers) == len(set(identifiers))


def test_the_largest_shifts_come_first_and_are_at_most_ten():
    rows = [member(f"T{n:02}", f"{n}.000", f"{2 * n}.000") for n in range(12)]

    assert largest_shifts(rows)[:2] == [("T11", Decimal("-11.000")), ("T10", Decimal("-10.000"))]
    assert len(largest_shifts(rows)) == 10
    assert largest_shifts([member("SAME3", "1.000", "1.000")]) == []


def test_without_calls_there_is_no_ratio():
    assert put_call({"call_volume": Decimal("0.00"), "put_volume": Decimal("5.00")}) is None
    assert put_call({"call_volume": 0, "put_volume": 0}) is None
    assert put_call({"call_volume": Decimal("8.00"), "put_volume": Decimal("2.00")}) == Decimal("0.25")
