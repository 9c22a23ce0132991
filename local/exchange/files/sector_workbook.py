"""Make the workbook of the sectors of all listed companies, in B3's layout."""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from typing import NamedTuple

from local.exchange.files import spreadsheet
from local.exchange.market import sectors, universe

_SHEET = "Class_setorial"
_TITLE = "CLASSIFICAÇÃO SETORIAL DAS EMPRESAS NEGOCIADAS NA B3"
_FIRST_HEADING = 7
_HEADING = (
    ("SETOR ECONÔMICO", "SUBSETOR", "SEGMENTO", "LISTAGEM", ""),
    ("", "", "", "CÓDIGO", "SEGMENTO"),
)
_NOTES = (
    "(N1) Nível 1 de Governança Corporativa",
    "(N2) Nível 2 de Governança Corporativa",
    "(NM) Novo Mercado",
    "",
    "ATENÇÃO",
    "Mercado simulado: empresas e setores são inventados.",
)
_NAME_WIDTH, _LISTING_WIDTH = 12, 15


class Classified(NamedTuple):
    """A company with the three levels of its classification."""

    sector: str
    subsector: str
    segment: str
    name: str
    root: str
    listing_segment: str


def classification(date: dt.date) -> list[Classified]:
    """Return the companies listed on the first day of the month of `date`, in the order of the workbook."""
    # B3 updates the workbook once a month at most: a company that was listed since is not in it yet.
    of = universe.listed(date.replace(day=1))
    found: dict[str, Classified] = {}
    for i in (of.asset == b"share").nonzero()[0].tolist():
        sector, subsector = universe.SECTORS[int(of.sector[i])]
        root, issuer = of.root[i].decode(), int(of.issuer[i])
        found.setdefault(
            root,
            Classified(
                sector,
                subsector,
                sectors.segment(subsector, issuer),
                of.name[i].decode("latin-1"),
                root,
                of.segment[i].decode(),
            ),
        )
    order = {sector: position for position, (sector, _) in reversed(list(enumerate(universe.SECTORS)))}
    return sorted(found.values(), key=lambda of: (order[of.sector], *of[1:]))


def workbook(date: dt.date) -> bytes:
    """Return the .xlsx as of `date`."""
    rows: dict[int, tuple[str, ...]] = {1: (_TITLE, "", "", "", ""), 2: ("",) * 5, 3: ("",) * 5}
    merged = ["A1:E3"]
    number = _FIRST_HEADING
    for _, companies in groupby(classification(date), key=lambda of: of.sector):
        rows[number], rows[number + 1] = _HEADING
        merged += [f"{column}{number}:{column}{number + 1}" for column in "ABC"] + [f"D{number}:E{number}"]
        number += 2
        for row in _sector_rows(list(companies)):
            rows[number] = row
            number += 1
        rows[number] = ("",) * 5
        number += 1
    for note in _NOTES:
        rows[number] = (note, "", "", "", "")
        number += 1
    return spreadsheet.workbook(_SHEET, rows, merged)


def _sector_rows(companies: list[Classified]) -> list[tuple[str, ...]]:
    """Return a sector's rows: a level is written where it begins, and companies stand below their segment."""
    rows: list[tuple[str, ...]] = []
    sector = companies[0].sector
    for subsector, within in groupby(companies, key=lambda of: of.subsector):
        named = subsector
        for segment, listed in groupby(within, key=lambda of: of.segment):
            rows.append((sector, named, segment, "", ""))
            sector = named = ""
            rows += [
                ("", "", of.name.ljust(_NAME_WIDTH), of.root, _padded(of.listing_segment, _LISTING_WIDTH))
                for of in listed
            ]
    return rows


def _padded(text: str, width: int) -> str:
    return text.ljust(width) if text else ""
