"""The report of a session as one HTML page, which needs no script and asks for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from b3.lake.athena import Row
from b3.report import charts, templates
from b3.report.figures import Figures
from b3.report.wording import LANGUAGES

_FOLDER = Path(__file__).parent
_SHOWN = 10


@dataclass(frozen=True)
class Origin:
    """Where the session's quotes come from.

    Attributes:
        source: `b3`, `replay` or `simulated`.
        url: the URL of B3's file.
        sha256: of the file's bytes.
    """

    source: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """How a task of the run ended.

    Attributes:
        task: its id.
        state: Airflow's name of its state, such as `success`.
        text: of a check what must hold.
    """

    task: str
    state: str
    text: str

    @property
    def is_check(self) -> bool:
        """Whether the task is a check of include/sql/validate/."""
        return self.task.startswith("validate.")


def render(figures: Figures, origin: Origin, outcomes: Sequence[Outcome] | None) -> bytes:
    """Return the page, the same bytes for the same figures.

    Args:
        figures: of the session.
        origin: of its quotes.
        outcomes: of the tasks of the run that makes the page; None outside a run. The page tells those that failed
            alone: a rerun skips what is there already, and the reasons of skips name the day on which it ran.
    """
    pages = environment(charts)
    pages.globals.update(
        sparkline=lambda closes: Markup(charts.sparkline(closes)),
        largest_shifts=largest_shifts,
        put_call=put_call,
    )
    text = pages.get_template("session.html.j2").render(
        figures=figures,
        origin=origin,
        outcomes=None if outcomes is None else sorted(filter(_is_wrong, outcomes), key=lambda each: each.task),
        quality=figures.quality[0],
        total_volume=sum((row["financial_volume"] for row in figures.totals), Decimal()),
        total_quotes=sum(row["quotes"] for row in figures.totals),
        style=Markup((_FOLDER / "session.css").read_text()),
        shown=_SHOWN,
    )
    return text.encode()


def environment(pictures: ModuleType) -> Environment:
    """Return the environment of the templates of pages: words, numbers, dates and charts in each language.

    Args:
        pictures: the module whose functions draw the page's charts.
    """
    made = templates.environment(_FOLDER)
    made.globals.update(
        signed=lambda value, decimals: _each("signed", value, decimals),
        word=lambda name: _each("word", name),
        # An attribute cannot have spans: it has the words of all languages.
        label=lambda name: " / ".join(language.word(name) for language in LANGUAGES),
        number=lambda value, decimals=0: _each("number", value, decimals),
        percent=lambda value: _each("percent", value),
        short=lambda value: _each("short", value),
        price=lambda value: _each("price", value),
        day=lambda value: _each("day", value),
        chart=partial(_chart, pictures),
    )
    return made


def largest_shifts(members: Sequence[Row]) -> list[tuple[str, Decimal]]:
    """Return the tickers whose weight changed most, with the change in points: at most ten, the largest first."""
    both = (row for row in members if row["weight_pct"] is not None and row["former_weight_pct"] is not None)
    shifts = [(row["ticker"], row["weight_pct"] - row["former_weight_pct"]) for row in both]
    return sorted((each for each in shifts if each[1]), key=lambda each: (-abs(each[1]), each[0]))[:_SHOWN]


def put_call(row: Row) -> Decimal | None:
    """Return the volume of puts divided by that of calls; None if no call traded."""
    return Decimal(row["put_volume"]) / row["call_volume"] if row["call_volume"] else None


def _is_wrong(outcome: Outcome) -> bool:
    return outcome.state in ("failed", "upstream_failed")


def _each(method: str, *arguments: Any) -> Markup:
    """Return a text in each language, of which the page shows one; once if they do not differ."""
    texts = [getattr(language, method)(*arguments) for language in LANGUAGES]
    if len(set(texts)) == 1:
        return Markup("{}").format(texts[0])
    spans = (
        Markup('<span lang="{}">{}</span>').format(language.tag, text)
        for language, text in zip(LANGUAGES, texts, strict=True)
    )
    return Markup("").join(spans)


def _chart(pictures: ModuleType, kind: str, rows: Sequence[Row], name: str) -> Markup:
    """Return a chart in each language, named by a word for those who do not see it."""
    drawn = (
        Markup('<div class="chart" role="img" lang="{}" aria-label="{}">{}</div>').format(
            language.tag, language.word(name), Markup(getattr(pictures, kind)(rows, language))
        )
        for language in LANGUAGES
    )
    return Markup("\n").join(drawn)
