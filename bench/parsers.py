"""The parsers that are compared: `python parsers.py NAME ZIP PARQUET` reads a COTAHIST ZIP and writes typed Parquet.

Each imports what it needs itself, and prints how many records it wrote. They run in environments of their own, but
for `ours` and `floor`.
"""

from __future__ import annotations

import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Name, 1-based start, length, and kind: text, an integer, a date, or a number of implied decimals.
LAYOUT: tuple[tuple[str, int, int, str | int], ...] = (
    ("trade_date", 3, 8, "date"),
    ("bdi_code", 11, 2, "text"),
    ("ticker", 13, 12, "text"),
    ("market_type", 25, 3, "text"),
    ("short_name", 28, 12, "text"),
    ("specification", 40, 10, "text"),
    ("forward_days", 50, 3, "text"),
    ("currency", 53, 4, "text"),
    ("open", 57, 13, 2),
    ("high", 70, 13, 2),
    ("low", 83, 13, 2),
    ("average", 96, 13, 2),
    ("close", 109, 13, 2),
    ("best_bid", 122, 13, 2),
    ("best_ask", 135, 13, 2),
    ("trade_count", 148, 5, "integer"),
    ("quantity", 153, 18, "integer"),
    ("financial_volume", 171, 18, 2),
    ("strike_price", 189, 13, 2),
    ("strike_correction", 202, 1, "text"),
    ("expiry_date", 203, 8, "date"),
    ("quote_factor", 211, 7, "integer"),
    ("strike_points", 218, 13, 6),
    ("isin", 231, 12, "text"),
    ("distribution_number", 243, 3, "integer"),
)

# Of zstd, as cotahist.write_parquet has it; the libraries' defaults differ.
LEVEL = 1


def ours(source: Path, target: Path) -> int:
    """This project's, with its threads, exact decimals and all checks."""
    from b3.quotes import cotahist

    return cotahist.write_parquet(source, target, trade_date=None).records


def floor(source: Path, target: Path) -> int:
    """What nobody can do without: inflating, and writing the finished columns. Neither parses nor checks anything.

    The columns are made beforehand, outside of the time that is taken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from b3.quotes import cotahist

    table = pa.Table.from_batches(
        list(cotahist.Reader(source, dictionaries=True)),
    ).unify_dictionaries()
    began = time.perf_counter()
    with zipfile.ZipFile(source) as archive, archive.open(archive.namelist()[0]) as member:
        while member.read(1 << 20):
            pass
    pq.write_table(table, target, compression="zstd", compression_level=LEVEL, store_decimal_as_integer=True)
    print(f"seconds {time.perf_counter() - began}")
    return table.num_rows


def b3cotahist(source: Path, target: Path) -> int:
    """https://github.com/renanmoretto/b3cotahist: floats."""
    import b3cotahist as peer

    frame = peer.read_zip(source)
    frame.to_parquet(target, compression="zstd", compression_level=LEVEL)
    return len(frame)


def b3fileparser(source: Path, target: Path) -> int:
    """https://github.com/codigoquant/b3fileparser, with polars: floats."""
    from b3fileparser.b3parser import B3Parser

    frame = B3Parser.create_parser(engine="polars").read_b3_file(str(source))
    frame.write_parquet(target, compression="zstd", compression_level=LEVEL)
    return len(frame)


def pandas_read_fwf(source: Path, target: Path) -> int:
    """pandas.read_fwf, as its documentation has it: floats."""
    import pandas as pd

    texts = {name: str for name, _, _, kind in LAYOUT if kind in ("text", "date")}
    with zipfile.ZipFile(source) as archive, archive.open(archive.namelist()[0]) as member:
        frame = pd.read_fwf(
            member,
            colspecs=[(start - 1, start - 1 + length) for _, start, length, _ in LAYOUT],
            names=[name for name, *_ in LAYOUT],
            dtype=texts,
            encoding="latin-1",
            skiprows=1,
            skipfooter=0,
        )[:-1]
    for name, _, _, kind in LAYOUT:
        if kind == "date":
            frame[name] = pd.to_datetime(frame[name], format="%Y%m%d", errors="coerce")
        elif isinstance(kind, int):
            frame[name] = frame[name] / 10**kind
    frame.to_parquet(target, compression="zstd", compression_level=LEVEL)
    return len(frame)


def polars(source: Path, target: Path) -> int:
    """polars, lazily over the lines: exact decimals."""
    import polars as pl

    text = target.with_suffix(".txt")
    _extract_as_utf8(source, text)
    lines = pl.scan_csv(text, has_header=False, new_columns=["line"], separator="\x01", quote_char=None)
    lines = lines.filter(pl.col("line").str.starts_with("01"))

    def column(name: str, start: int, length: int, kind: str | int) -> Any:
        field = pl.col("line").str.slice(start - 1, length)
        if kind == "text":
            return field.str.strip_chars().alias(name)
        if kind == "date":
            return field.str.to_date("%Y%m%d", strict=False).alias(name)
        number = field.cast(pl.Int64, strict=kind != "integer")
        if isinstance(kind, int):
            # The cast multiplies, the division takes that back: both are exact, and quicker than to put a point in.
            number = (number.cast(pl.Decimal(length + kind, kind)) / 10**kind).cast(pl.Decimal(length, kind))
        return number.alias(name)

    lines.select(*(column(*field) for field in LAYOUT)).sink_parquet(
        target, compression="zstd", compression_level=LEVEL
    )
    text.unlink()
    return pl.scan_parquet(target).select(pl.len()).collect().item()


def duckdb(source: Path, target: Path) -> int:
    """DuckDB over the lines: exact decimals."""
    import duckdb as db

    text = target.with_suffix(".txt")
    _extract_as_utf8(source, text)

    def column(name: str, start: int, length: int, kind: str | int) -> str:
        field = f"substr(line, {start}, {length})"
        if kind == "text":
            return f"trim({field}) AS {name}"
        if kind == "date":
            return f"try_strptime({field}, '%Y%m%d')::DATE AS {name}"
        if kind == "integer":
            return f"try_cast({field} AS BIGINT) AS {name}"
        # Through BIGINT, as text is slower to read as a decimal; a division would go by way of doubles.
        number = f"CAST(CAST({field} AS BIGINT) AS DECIMAL({length}, 0)) * {10 ** -int(kind):.{kind}f}"
        return f"({number})::DECIMAL({length}, {kind}) AS {name}"

    columns = ", ".join(column(*field) for field in LAYOUT)
    with db.connect() as connection:
        connection.execute(
            f"COPY (SELECT {columns} FROM read_csv('{text}', header = false, columns = {{'line': 'VARCHAR'}}, "
            f"delim = '\x01', quote = '', escape = '') WHERE line LIKE '01%') "
            f"TO '{target}' (FORMAT parquet, CODEC zstd, COMPRESSION_LEVEL {LEVEL})"
        )
        (count,) = connection.execute(f"SELECT count(*) FROM '{target}'").fetchone() or (0,)
    text.unlink()
    return int(count)


def _extract_as_utf8(source: Path, text: Path) -> None:
    with zipfile.ZipFile(source) as archive, archive.open(archive.namelist()[0]) as member, text.open("wb") as out:
        while chunk := member.read(1 << 24):
            out.write(chunk.decode("latin-1").encode())


PARSERS: dict[str, Callable[[Path, Path], int]] = {
    "ours": ours,
    "floor": floor,
    "polars": polars,
    "b3cotahist": b3cotahist,
    "b3fileparser": b3fileparser,
    "duckdb": duckdb,
    "pandas.read_fwf": pandas_read_fwf,
}

if __name__ == "__main__":
    name, source, target = sys.argv[1:]
    print(f"records {PARSERS[name](Path(source), Path(target))}")
