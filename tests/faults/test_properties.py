"""What holds of any file: it is read as it was written; damaged, it is refused or read as before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from b3.errors import SourceError
from b3.indexes import portfolio
from b3.quotes import cotahist
from b3.quotes.cotahist.layout import COLUMNS, SCHEMA
from b3.sectors import workbook
from local.exchange.files import cotahist_writer
from tests.plugins.b3.indexes import index_pages as pages
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record
from tests.plugins.b3.sectors.sector_workbook import make_workbook

# Latin-1 without control characters, which B3's files have not.
LETTERS = "".join(map(chr, (*range(0x20, 0x7F), *range(0xA0, 0x100))))
FIRST, LAST = dt.date(1986, 1, 2), dt.date(2100, 12, 31)


def tried(few: int, many: int) -> pytest.MarkDecorator:
    """Let a test try few examples in `make test`, and many in `make test-faults`."""
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])


def check(examples: int, property_: Callable[..., None], *values: st.SearchStrategy[Any]) -> None:
    """Try a property with so many examples, the same ones each time."""
    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    some = settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=health)
    some(given(*values)(property_))()


def texts(length: int, optional: bool) -> st.SearchStrategy[str | None]:
    """Texts of a field. Blanks on the right are its padding, and blanks alone are null."""
    found = st.text(LETTERS, max_size=length).map(lambda text: text.rstrip(" "))
    return found.map(lambda text: text or None) if optional else found.filter(bool)


def values(column: str) -> st.SearchStrategy[Any]:
    """Values that a column can have."""
    field = COLUMNS[column]
    if column == "trade_date":
        return st.dates(FIRST, LAST)
    if column == "expiry_date":
        return st.none() | st.dates(max_value=dt.date(9999, 12, 30))
    if pa.types.is_string(field.type):
        return texts(field.length, field.optional)
    digits = st.integers(0, 10**field.length - 1)
    if pa.types.is_decimal(field.type):
        return digits.map(lambda number: Decimal(number).scaleb(-field.type.scale))
    return st.none() | digits if field.optional else digits


ROWS = st.lists(st.fixed_dictionaries({column: values(column) for column in COLUMNS}), max_size=12)


def written(row: dict[str, Any]) -> bytes:
    """A row as the writer of the simulated exchange has it."""

    def as_column(name: str, value: Any) -> np.ndarray[Any, Any]:
        field = COLUMNS[name]
        if name == "expiry_date":
            return np.array([f"{value:%Y%m%d}".rjust(8, "0").encode() if value else b"99991231"])
        if field.optional:
            text = "" if value is None else f"{value:0{field.length}d}" if isinstance(value, int) else value
            return np.array([text.encode("latin-1")])
        if isinstance(value, str):
            return np.array([value.encode("latin-1")])
        return np.array([int(value.scaleb(field.type.scale)) if isinstance(value, Decimal) else value])

    columns = {name: as_column(name, value) for name, value in row.items() if name not in ("trade_date", "currency")}
    return cotahist_writer.quotes(row["trade_date"], row["currency"] or "", columns)


@tried(30, 1_000)
def test_a_table_that_was_written_is_read_as_it_was(examples: int) -> None:
    def same(rows: list[dict[str, Any]], zipped: bool, last: dt.date, batch_rows: int) -> None:
        table = pa.Table.from_pylist(rows, SCHEMA)
        text = b"".join([cotahist_writer.header(last), *map(written, rows), cotahist_writer.trailer(last, len(rows))])
        source = build_zip(text) if zipped else text

        assert cotahist.read_table(source).equals(table)
        assert pa.Table.from_batches(cotahist.iter_batches(source, batch_rows), SCHEMA).equals(table)

    check(examples, same, ROWS, st.booleans(), st.dates(FIRST, LAST), st.integers(1, 5))


QUOTES = build_file([record(CODNEG=f"SINT{n}", PREULT=1000 + n, NOMRES="AÇÃO") for n in range(9)])
TABLE = cotahist.read_table(QUOTES)
POSITION = st.floats(0, 1, exclude_max=True)
SIZE = st.integers(1, 300)
DAMAGE = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), POSITION, st.integers(1, 255)),
        st.tuples(st.just("cut"), POSITION, SIZE),
        st.tuples(st.just("insert"), POSITION, st.binary(min_size=1, max_size=50)),
        st.tuples(st.just("repeat"), POSITION, SIZE),
        # Whole records, as a file that was put together wrongly has them.
        st.tuples(st.just("cut"), st.integers(0, 10).map(lambda n: n / 11), st.just(247)),
        st.tuples(st.just("repeat"), st.integers(0, 10).map(lambda n: n / 11), st.just(247)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(file: bytes, damage: list[tuple[str, float, Any]]) -> bytes:
    """A file after some bytes were flipped, cut, inserted or repeated."""
    for how, place, what in damage:
        at = int(place * len(file))
        if how == "flip" and file:
            file = file[:at] + bytes([file[at] ^ what]) + file[at + 1 :]
        elif how == "cut":
            file = file[:at] + file[at + what :]
        elif how == "insert":
            file = file[:at] + what + file[at:]
        elif how == "repeat":
            file = file[: at + what] + file[at:]
    return file


@tried(1_000, 10_000)
def test_a_damaged_zip_of_quotes_is_refused_or_read_as_before(examples: int) -> None:
    whole = build_zip(QUOTES)

    def refused_or_same(damage: Any) -> None:
        try:
            table = cotahist.read_table(damaged(whole, damage))
        except SourceError:
            return
        assert table.equals(TABLE)

    check(examples, refused_or_same, DAMAGE)


@tried(100, 10_000)
def test_a_damaged_text_of_quotes_is_refused_or_has_as_many_rows_as_its_trailer_counts(examples: int) -> None:
    """No checksum tells that a letter of a name, or a digit of a price, is another one."""

    def refused_or_counted(damage: Any) -> None:
        text = damaged(QUOTES, damage)
        try:
            table = cotahist.read_table(text)
        except SourceError:
            return
        stride = text.index(b"\n") + 1
        header, *quotes, trailer = (text[at : at + 245] for at in range(0, len(text), stride))
        assert (header[:2], trailer[:2], {quote[:2] for quote in quotes}) == (
            b"00",
            b"99",
            {b"01"} if quotes else set(),
        )
        assert len(table) == len(quotes)
        assert int(trailer[31:42]) in (len(quotes), len(quotes) + 2)
        assert b"\n" not in trailer

    check(examples, refused_or_counted, DAMAGE)


@tried(100, 10_000)
def test_a_damaged_workbook_is_refused_or_read_as_before(examples: int) -> None:
    whole = make_workbook()
    table = workbook.read_workbook(whole)

    def refused_or_same(damage: Any) -> None:
        try:
            found = workbook.read_workbook(damaged(whole, damage))
        except SourceError:
            return
        assert found.equals(table)

    check(examples, refused_or_same, DAMAGE)


@tried(100, 10_000)
def test_a_damaged_portfolio_is_refused_or_has_as_many_rows_as_it_announces(examples: int) -> None:
    whole = pages.day()

    def refused_or_counted(damage: Any) -> None:
        body = damaged(whole, damage)
        try:
            table = portfolio.read_table(body, endpoint="portfolio_day", index="IBOV")
        except SourceError:
            return
        found = json.loads(body.decode("utf-8-sig").strip())
        page = (found[0] if isinstance(found, list) else found)["page"]
        assert len(table) == page["totalRecords"]
        assert abs(sum(weight.as_py() for weight in table["weight_pct"]) - 100) <= Decimal("0.01")

    check(examples, refused_or_counted, DAMAGE)
