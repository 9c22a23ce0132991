"""Builds COTAHIST files record by record, from the positions in B3's document and nothing of the parser's."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterable

# Name, first byte counted from 1, bytes: as printed in SeriesHistoricas_Layout.pdf.
POSITIONS = {
    "TIPREG": (1, 2),
    "DATPRE": (3, 8),
    "CODBDI": (11, 2),
    "CODNEG": (13, 12),
    "TPMERC": (25, 3),
    "NOMRES": (28, 12),
    "ESPECI": (40, 10),
    "PRAZOT": (50, 3),
    "MODREF": (53, 4),
    "PREABE": (57, 13),
    "PREMAX": (70, 13),
    "PREMIN": (83, 13),
    "PREMED": (96, 13),
    "PREULT": (109, 13),
    "PREOFC": (122, 13),
    "PREOFV": (135, 13),
    "TOTNEG": (148, 5),
    "QUATOT": (153, 18),
    "VOLTOT": (171, 18),
    "PREEXE": (189, 13),
    "INDOPC": (202, 1),
    "DATVEN": (203, 8),
    "FATCOT": (211, 7),
    "PTOEXE": (218, 13),
    "CODISI": (231, 12),
    "DISMES": (243, 3),
}
TEXT = ("CODBDI", "CODNEG", "TPMERC", "NOMRES", "ESPECI", "PRAZOT", "MODREF", "INDOPC", "CODISI")
DEFAULT_DATE = dt.date(2020, 4, 30)

_TYPICAL: dict[str, str | int] = {
    "TIPREG": "01",
    "CODBDI": "02",
    "CODNEG": "SINT3",
    "TPMERC": "010",
    "NOMRES": "SINTETICA",
    "ESPECI": "ON      NM",
    "PRAZOT": "",
    "MODREF": "R$",
    "PREABE": 1010,
    "PREMAX": 1060,
    "PREMIN": 990,
    "PREMED": 1030,
    "PREULT": 1050,
    "PREOFC": 1049,
    "PREOFV": 1051,
    "TOTNEG": 12,
    "QUATOT": 3400,
    "VOLTOT": 3502000,
    "PREEXE": 0,
    "INDOPC": "0",
    "DATVEN": "99991231",
    "FATCOT": 1,
    "PTOEXE": 0,
    "CODISI": "BRSINTACNOR0",
    "DISMES": 101,
}


def record(**fields: str | int | dt.date) -> bytes:
    """A quote record of 245 bytes, without line end; `fields` by B3's names replace typical values.

    Integers are the digits of the field, without its implied decimal point; text is padded with blanks.
    """
    line = bytearray(b" " * 245)
    for name, value in {"DATPRE": DEFAULT_DATE, **_TYPICAL, **fields}.items():
        start, length = POSITIONS[name]
        if isinstance(value, dt.date):
            text = f"{value:%Y%m%d}"
        elif isinstance(value, int):
            text = f"{value:0{length}d}"
        else:
            text = value.ljust(length)
        data = text.encode("latin-1")
        assert len(data) == length, f"{name} is {length} bytes, not {data!r}"
        line[start - 1 : start - 1 + length] = data
    return bytes(line)


def header(date: dt.date = DEFAULT_DATE) -> bytes:
    """The header record, without line end."""
    return f"00COTAHIST.{date:%Y}BOVESPA {date:%Y%m%d}".encode().ljust(245)


def trailer(records: int, date: dt.date = DEFAULT_DATE) -> bytes:
    """The trailer record, without line end; `records` includes header and trailer."""
    return f"99COTAHIST.{date:%Y}BOVESPA {date:%Y%m%d}{records:011d}".encode().ljust(245)


def build_file(
    records: Iterable[bytes],
    *,
    date: dt.date = DEFAULT_DATE,
    crlf: bool = True,
    trailer_records: int | None = None,
) -> bytes:
    """The text of a file: header, `records`, and a trailer that counts them unless told another count."""
    records = list(records)
    total = len(records) + 2 if trailer_records is None else trailer_records
    line_end = b"\r\n" if crlf else b"\n"
    return b"".join(line + line_end for line in [header(date), *records, trailer(total, date)])


def build_zip(text: bytes, member: str = "COTAHIST_D30042020.TXT", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of one member, the same bytes each time."""
    return build_zip_of({member: text}, compression)


def build_zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of several members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()
