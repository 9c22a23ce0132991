"""A session of quotes that is published before a fault, and B3's files of it."""

import datetime as dt
from typing import Any

from b3.errors import SourceError
from b3.lake.layout import Lake
from b3.quotes import late_files, raw
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

DATE = dt.date(2020, 4, 30)
DAILY, MONTHLY, ANNUAL = "COTAHIST_D30042020.ZIP", "COTAHIST_M042020.ZIP", "COTAHIST_A2020.ZIP"
LANDED = f"landing/quotes/{DAILY}"
RAW = f"raw/quotes/trade_date={DATE}/quotes.parquet"
REJECTED = f"landing/rejected/…/{DAILY}"


def rows(count: int = 30, date: dt.date = DATE, **fields: Any) -> list[bytes]:
    """So many quotes of a session."""
    return [record(DATPRE=date, CODNEG=f"SINT{n}", **fields) for n in range(count)]


def file_of(records: list[bytes], date: dt.date = DATE) -> bytes:
    """A ZIP of these records, as B3 sends it."""
    return build_zip(build_file(records, date=date))


GOOD = file_of(rows())
DEADLINE = dt.datetime(2020, 5, 1, 15, tzinfo=dt.UTC)
BEFORE = DEADLINE - dt.timedelta(hours=12)


def is_waited_for(error: SourceError, at: dt.datetime = BEFORE) -> bool:
    """Whether a run for DATE that meets this error at that instant asks again later."""
    try:
        return bool(late_files.record_answer(error, [], DATE, until=DEADLINE, at=at))
    except SourceError:
        return False


def publish(put_landed: Any, s3: Any, lake: Lake, sent: bytes = GOOD, key: str = LANDED) -> None:
    """Land a file of DATE, and write its raw partition."""
    put_landed(key, sent)
    raw.write_quotes(s3, lake, DATE)
