"""The file that the parsers are measured on: a year of the simulated exchange, filled up to a large year's size.

250 sessions of 10,000 records: the simulated session, and copies of its records under further tickers.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import numpy as np

from b3.calendar import sessions
from local.exchange.files import cotahist_file, cotahist_writer

YEAR = 2022
SESSIONS = 250
RECORDS_PER_SESSION = 10_000
NAME = f"COTAHIST_A{YEAR}"
_STRIDE = cotahist_writer.RECORD_LENGTH + len(cotahist_writer.END_OF_LINE)
_LAST_OF_TICKER = 23  # CODNEG is bytes 12 to 23, and no ticker is that long


def make(folder: Path) -> Path:
    """The ZIP in `folder`, made if it is not there; some 40 seconds."""
    path = folder / f"{NAME}.ZIP"
    if path.exists():
        return path
    days = sessions.sessions(dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31))[:SESSIONS]
    part = path.with_suffix(".part")
    with (
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{NAME}.TXT", "w", force_zip64=True) as text,
    ):
        text.write(cotahist_writer.header(days[-1]))
        for day in days:
            text.write(_records(day))
        text.write(cotahist_writer.trailer(days[-1], len(days) * RECORDS_PER_SESSION))
    part.rename(path)
    return path


def _records(day: dt.date) -> bytes:
    records = np.frombuffer(cotahist_file.session_quotes(day), np.uint8).reshape(-1, _STRIDE)
    parts = [records[:RECORDS_PER_SESSION]]
    for letter in b"XYZ":
        missing = RECORDS_PER_SESSION - sum(map(len, parts))
        copies = records[:missing].copy()
        copies[:, _LAST_OF_TICKER] = letter
        parts.append(copies)
    return np.concatenate(parts).tobytes()
