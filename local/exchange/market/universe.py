"""The invented companies and funds, their instruments, and the dates of their listing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from local.exchange.market import chance, names
from local.exchange.market.chance import Ints
from local.exchange.market.price_levels import LOG2_10, ONE

Texts = NDArray[np.bytes_]

SECTORS = (
    ("Petróleo, Gás e Biocombustíveis", "Exploração e Refino"),
    ("Materiais Básicos", "Mineração"),
    ("Financeiro", "Intermediários Financeiros"),
    ("Bens Industriais", "Máquinas e Equipamentos"),
    ("Consumo não Cíclico", "Alimentos Processados"),
    ("Utilidade Pública", "Energia Elétrica"),
    ("Consumo Cíclico", "Comércio"),
    ("Saúde", "Serviços Médicos"),
    ("Tecnologia da Informação", "Programas e Serviços"),
    ("Comunicações", "Telecomunicações"),
    ("Consumo Cíclico", "Construção Civil"),
    ("Bens Industriais", "Transporte"),
    ("Utilidade Pública", "Água e Saneamento"),
    ("Materiais Básicos", "Papel e Celulose"),
)

ALWAYS = dt.date(1980, 1, 1)
NEVER = dt.date(9999, 12, 31)

MARKET = 1_000_000
DOLLAR = 1_000_001
_SECTOR = 1_000_100

_SLOTS = 290
_PERMANENT_SLOTS = 40
_OPTION_SLOTS = 80
_GENERATIONS = 7
_GENERATION_DAYS = 7300
_QUOTE_FACTORS = {61: 1000, 83: 100, 107: 10, 131: 1000, 157: 1000, 181: 1000, 193: 1000}
_PENNY_SLOTS = (157, 181, 193)
_FII_COUNT, _ETF_COUNT, _BDR_COUNT = 372, 62, 560


class Company(NamedTuple):
    """A listed company. `listed` and `delisted` are its first and its last possible trade date."""

    root: str
    name: str
    sector: str
    subsector: str
    listed: dt.date
    delisted: dt.date
    tickers: tuple[str, ...]


@dataclass(frozen=True)
class Instruments:
    """Instruments of the spot market, one array per attribute.

    `base` is the price level in cents per `quote_factor` shares. `own_weight`, `market` and `sector_weight` are
    weights, in 256ths, of the noise of the instrument, of the market and of the sector in the price. `trades` is the
    number of trades in an ordinary session of a modern year. `activity` and `odd_lots` are the chances, in 65,536ths,
    of a session with trades in the round lot and in the odd lot.
    """

    id: Ints
    issuer: Ints
    ticker: Texts
    root: Texts
    name: Texts
    isin: Texts
    kind: Texts
    segment: Texts
    asset: Texts
    sector: Ints
    base: Ints
    own_weight: Ints
    market: Ints
    sector_weight: Ints
    trades: Ints
    activity: Ints
    odd_lots: Ints
    lot: Ints
    quote_factor: Ints
    listed: Ints
    delisted: Ints
    dividend: Ints
    split: Ints
    forward: NDArray[np.bool_]
    option: NDArray[np.bool_]
    recovering: NDArray[np.bool_]

    def take(self, which: Any) -> Instruments:
        """Return the instruments that a mask or an index array selects."""
        return Instruments(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def __len__(self) -> int:
        """Return the number of instruments."""
        return len(self.id)


def _share_classes(slot: int) -> list[tuple[str, str, str]]:
    """Return ticker suffix, kind and middle of the ISIN of a company's classes, the most traded first."""
    on, pn = ("3", "ON", "ACNOR"), ("4", "PN", "ACNPR")
    if slot % 12 == 5:
        return [("11", "UNT", "UNT00" if slot % 24 == 5 else "CDAM1"), on, pn]
    if slot % 29 == 7:
        return [("5", "PNA", "ACNPA"), ("6", "PNB", "ACNPB"), on]
    if slot % 3 == 0:
        return [pn, on] if slot % 2 == 0 else [on, pn]
    return [pn] if slot % 16 == 9 else [on]


def _is_permanent(slot: int) -> bool:
    return slot < _PERMANENT_SLOTS or slot in _QUOTE_FACTORS


def _share_rows(slot: int, generation: int) -> list[dict[str, Any]]:
    serial = slot * _GENERATIONS + generation
    root, sector = names.root(serial), slot % len(SECTORS)
    permanent, penny = _is_permanent(slot), slot in _PENNY_SLOTS
    factor = _QUOTE_FACTORS.get(slot, 1)
    start = ALWAYS.toordinal() + generation * _GENERATION_DAYS - chance.draw(0, _GENERATION_DAYS, 33, slot)
    listed = ALWAYS.toordinal() if permanent else start + chance.draw(0, 400, 37, serial)
    delisted = NEVER.toordinal() if permanent else start + _GENERATION_DAYS - chance.draw(1, 400, 38, serial)
    splits = not permanent and slot >= _OPTION_SLOTS and slot % 5 == 1 and factor == 1
    rows = []
    for order, (suffix, kind, middle) in enumerate(_share_classes(slot)):
        rank = min(slot + 17 * order, 329)
        base = 3 if penny else chance.draw(300, 6000, 34, serial) * (10 if order == 0 and kind == "UNT" else 9) // 10
        rows.append(
            {
                "id": serial * 4 + order,
                "issuer": serial,
                "ticker": root + suffix,
                "root": root,
                "name": names.company(serial),
                "isin": names.isin(f"BR{root}{middle}"),
                "kind": kind,
                "segment": "NM" if kind == "ON" and len(_share_classes(slot)) == 1 else ("N1", "N2", "")[slot % 3],
                "asset": "share",
                "sector": sector,
                "base": base * (max(1, factor // 10) if not penny else 1),
                "own_weight": 60 if penny else chance.draw(200, 420, 35, serial),
                "market": 60 if penny else chance.draw(150, 350, 36, serial),
                "sector_weight": 0 if penny else 110,
                "trades": 20 if penny else max(1, 125_000 * (340 - rank) ** 3 // 340**3 * 8 // (8 + rank)),
                "activity": 65536 if rank < 230 else 65536 - (rank - 230) * 330,
                "odd_lots": 62000,
                "lot": 100,
                "quote_factor": factor,
                "listed": listed,
                "delisted": delisted,
                "dividend": 0 if penny or slot % 4 == 3 else chance.draw(700, 4200, 39, serial),
                "split": (ONE, 2 * ONE, -LOG2_10, ONE)[slot // 5 % 4] if splits else 0,
                "forward": rank < 210,
                "option": order == 0 and slot < _OPTION_SLOTS and factor == 1,
                "recovering": slot % 16 == 13 and not permanent,
            }
        )
    return rows


def _fund(number: int, kind: str, root: str, **attributes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "issuer": number,
        "ticker": root + "11",
        "root": root,
        "isin": names.isin(f"BR{root}CTF00"),
        "kind": kind,
        "segment": "",
        "sector": 0,
        "sector_weight": 0,
        "lot": 1,
        "quote_factor": 1,
        "delisted": NEVER.toordinal(),
        "split": 0,
        "forward": False,
        "option": False,
        "recovering": False,
    } | attributes


def _listing_day(first_year: int, last_year: int, number: int) -> int:
    first, last = dt.date(first_year, 1, 1).toordinal(), dt.date(last_year, 12, 31).toordinal()
    return chance.draw(first, last, 41, number)


def _fii_row(order: int) -> dict[str, Any]:
    number = 20_000 + order
    return _fund(
        number,
        "CI",
        names.root(3000 + order),
        name=names.company(number, prefix="FII "),
        asset="fii",
        base=chance.draw(700, 12000, 42, number),
        own_weight=70,
        market=40,
        trades=max(1, 9000 * (380 - order) ** 3 // 380**3),
        activity=65536 if order < 300 else 55000,
        odd_lots=0,
        listed=_listing_day(1996 if order % 4 == 0 else 2008, 2019, number),
        dividend=500,
    )


def _etf_row(order: int) -> dict[str, Any]:
    number = 21_000 + order
    return _fund(
        number,
        "CI",
        names.root(4000 + order),
        name=names.company(number, prefix="ETF "),
        asset="etf",
        base=chance.draw(900, 12000, 42, number),
        own_weight=12,
        market=256 if order % 3 else 60,
        trades=max(2, 14_000 // (1 + order)),
        activity=65536 if order < 50 else 60000,
        odd_lots=25000,
        listed=_listing_day(2004 if order % 5 == 0 else 2012, 2019, number),
        dividend=0,
    )


def _bdr_row(order: int) -> dict[str, Any]:
    number = 22_000 + order
    root = names.bdr_root(order)
    return _fund(
        number,
        "DRN",
        root,
        ticker=root + "34",
        name=names.foreign_company(number),
        isin=names.isin(f"BR{root}BDR00"),
        asset="bdr",
        base=chance.draw(1500, 30000, 42, number),
        own_weight=chance.draw(150, 330, 35, number),
        market=60,
        sector_weight=200,
        trades=max(1, 2500 * (560 - order) ** 4 // 560**4),
        activity=62000,
        odd_lots=30000,
        listed=_listing_day(2000 if order % 8 == 0 else 2013, 2019, number),
        dividend=300,
    )


@cache
def instruments() -> Instruments:
    """Return every instrument of the spot market, listed in the past, now or in the future."""
    rows = [
        row
        for slot in range(_SLOTS)
        for generation in range(1 if _is_permanent(slot) else _GENERATIONS)
        for row in _share_rows(slot, generation)
    ]
    rows += [_fii_row(order) for order in range(_FII_COUNT)]
    rows += [_etf_row(order) for order in range(_ETF_COUNT)]
    rows += [_bdr_row(order) for order in range(_BDR_COUNT)]
    table: dict[str, Any] = {}
    for column in (field.name for field in fields(Instruments)):
        values = [row[column] for row in rows]
        text = isinstance(values[0], str)
        table[column] = np.array([value.encode("latin-1") for value in values] if text else values)
    return Instruments(**table)


def listed(date: dt.date) -> Instruments:
    """Return the instruments listed on `date`, also those that do not trade."""
    everything, day = instruments(), date.toordinal()
    return everything.take((everything.listed <= day) & (day <= everything.delisted))


def sector_series(sector: Ints, asset: Texts) -> Ints:
    """Return the noise series that instruments of a sector share; BDRs share the dollar's."""
    return np.where(asset == b"bdr", DOLLAR, _SECTOR + sector)


@cache
def companies() -> tuple[Company, ...]:
    """Return every company, the most traded first, with the tickers of its shares and units."""
    everything = instruments()
    shares = everything.take(everything.asset == b"share")
    found: dict[bytes, Company] = {}
    for index in np.argsort(-shares.trades, kind="stable"):
        root, ticker = bytes(shares.root[index]), shares.ticker[index].decode()
        known = found.get(root)
        if known:
            found[root] = known._replace(tickers=(*known.tickers, ticker))
            continue
        sector, subsector = SECTORS[int(shares.sector[index])]
        found[root] = Company(
            root.decode(),
            shares.name[index].decode("latin-1"),
            sector,
            subsector,
            dt.date.fromordinal(int(shares.listed[index])),
            dt.date.fromordinal(int(shares.delisted[index])),
            (ticker,),
        )
    return tuple(found.values())
