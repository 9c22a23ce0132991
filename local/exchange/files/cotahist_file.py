"""A COTAHIST file of the simulated market: its text, and the ZIP that B3 would publish of it."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import IO

from local.exchange.files import cotahist_writer
from local.exchange.market import oddities
from local.exchange.market.trading import Columns

_CURRENCIES = (
    (dt.date(1994, 7, 1), "R$"),
    (dt.date(1993, 8, 1), "CR$"),
    (dt.date(1990, 3, 16), "Cr$"),
    (dt.date(1989, 1, 16), "NCz$"),
    (dt.date(1986, 2, 28), "Cz$"),
    (dt.date.min, "Cr$"),
)


def currency(date: dt.date) -> str:
    """The currency that prices of `date` are quoted in, as B3 labels it."""
    return next(label for since, label in _CURRENCIES if date >= since)


def session_columns(session: dt.date) -> Columns:
    """The quotes of `session`, one array per column, in the order of the file.

    Prices, strikes and volume are integers in cents, points in millionths, dates as YYYYMMDD.

    Raises:
        ValueError: there was no session on that date.
    """
    return oddities.session_columns(session)


def session_quotes(session: dt.date) -> bytes:
    """The 01 records of `session`, without header and trailer."""
    return cotahist_writer.quotes(session, currency(session), session_columns(session))


def session_records(session: dt.date) -> bytes:
    """The text of the daily file of `session`: header, quotes, trailer."""
    out = io.BytesIO()
    write_records(out, [session])
    return out.getvalue()


def write_records(out: IO[bytes], days: list[dt.date]) -> None:
    """Write the text of a file that covers `days`, one session in memory at a time."""
    count = 0
    out.write(cotahist_writer.header(days[-1]))
    for session in days:
        quotes = session_quotes(session)
        count += len(quotes) // (cotahist_writer.RECORD_LENGTH + len(cotahist_writer.END_OF_LINE))
        out.write(quotes)
    out.write(cotahist_writer.trailer(days[-1], count))


def member_name(file_name: str) -> str:
    """The name of the text inside B3's ZIP of that name."""
    stem = file_name.removesuffix(".ZIP")
    kind, year = stem[9], int(stem[-4:])
    if kind == "A" and year <= 2000:
        return f"COTAHIST.A{year}"
    return stem if kind == "A" and year == 2001 else f"{stem}.TXT"


def write_archive(out: IO[bytes], file_name: str, days: list[dt.date]) -> None:
    """Write B3's ZIP `file_name` covering `days` to a seekable file.

    The member's bytes are the same everywhere. The archive's are for one build of zlib: another may compress
    the same text to other bytes.
    """
    member = zipfile.ZipInfo(member_name(file_name), (*days[-1].timetuple()[:3], 19, 54, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as text:
        write_records(text, days)


def session_file(session: dt.date) -> bytes:
    """The daily ZIP of `session`."""
    out = io.BytesIO()
    write_archive(out, f"COTAHIST_D{session:%d%m%Y}.ZIP", [session])
    return out.getvalue()
