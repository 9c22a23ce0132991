"""B3 answers with a file of quotes that is not whole, not of the session, or no such file."""

import datetime as dt
import hashlib
from typing import Any

import pytest

from b3.errors import SourceError
from b3.lake import layout
from b3.lake.layout import Lake
from b3.quotes import cotahist, land, raw
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import (
    ANNUAL,
    DAILY,
    DATE,
    GOOD,
    LANDED,
    MONTHLY,
    RAW,
    REJECTED,
    file_of,
    is_waited_for,
    rows,
)
from tests.plugins.b3.exchange import Answer, Exchange
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, build_zip_of, record

KEPT = "The bytes are in landing/rejected/; readers keep the former quotes. "
AGAIN = KEPT + "Run the task again."
LAYOUT = KEPT + "Compare the file with B3's layout, and bring the reader up to it."
TEXT = build_file(rows())
# The bit of encryption, in the member's header and in the directory.
ENCRYPTED = GOOD.replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1").replace(b"\x14\x03\x14\0\0", b"\x14\x03\x14\0\1")


@shows(
    Fault("a web page comes in place of the file", 'a web page, "Acesso negado"', KEPT + "The run asks again until its "
          "deadline.", b"<html><title>Acesso negado</title></html>"),
    Fault("something else comes in place of the file", "expected a ZIP, or a text that begins with the record "
          "00COTAHIST; found contents beginning '%PDF-1.4'", KEPT + "The run asks again until its deadline.",
          b"%PDF-1.4"),
    Fault("the ZIP is cut short", "Truncated: …expected a ZIP with its central directory at the end", AGAIN,
          GOOD[:-40]),
    Fault("bytes within the ZIP are damaged", "Truncated: …expected the whole of its member COTAHIST_D30042020.TXT; "
          "found damaged or missing data", AGAIN, GOOD[:200] + bytes(20) + GOOD[220:]),
    Fault("the ZIP is encrypted", "not encrypted; found …is encrypted, password required",
          LAYOUT, ENCRYPTED),
    Fault("the ZIP is packed as no ZIP of B3's", "Check that it is a COTAHIST ZIP as B3 publishes it.", LAYOUT,
          GOOD.replace(b"\x08\0\0\0", b"\x62\0\0\0")),
    Fault("the ZIP has two files", "expected a ZIP of exactly one file; found 2: A.TXT, B.TXT.", LAYOUT,
          build_zip_of({"A.TXT": TEXT, "B.TXT": TEXT})),
    Fault("the ZIP has no file", "expected a ZIP of exactly one file; found none.", LAYOUT, build_zip_of({})),
    Fault("the text ends in the middle", "expected a trailer (record type 99) at the end; found the end of the text",
          AGAIN, build_zip(TEXT[:2000])),
    Fault("records are missing within the file", "found 31. Delete this copy and download the file from B3 again.",
          AGAIN, build_zip(build_file(rows(29), trailer_records=32))),
    Fault("records are repeated", "Look for repeated records, and download the file from B3 again.", AGAIN,
          build_zip(build_file([*rows(), *rows(3)], trailer_records=32))),
    Fault("text follows the trailer", "expected nothing after the trailer in record 33", LAYOUT,
          build_zip(TEXT + TEXT[:247])),
    Fault("a record has another length", "expected 245 bytes and the line end b'\\r\\n' in record 2", LAYOUT,
          build_zip(TEXT[:300] + b" " + TEXT[300:])),
    Fault("a record is of an unknown kind", "expected record type 01 or 99 in record 4", LAYOUT,
          build_zip(TEXT.replace(rows()[2], b"02" + rows()[2][2:]))),
    Fault("a price has a letter", "expected 13 digits in PREULT (columns 109–121) in record 2", LAYOUT,
          file_of(rows(1, PREULT="00000000105O0"))),
    Fault("a quote has no ticker", "in CODNEG (columns 13–24) in record 2", LAYOUT,
          file_of([record(CODNEG="")])),
    Fault("the header has no date", "expected a date YYYYMMDD in DATA DA GERAÇÃO", LAYOUT,
          build_zip(TEXT[:23] + b"2020AB30" + TEXT[31:])),
    Fault("the file is of another session", "WrongDate: …expected every record of trade date 2020-04-30; found "
          "2020-04-29 in record 2", AGAIN, file_of(rows(date=dt.date(2020, 4, 29)))),
    Fault("the file has not one record", "NoRecords: …expected the quotes of 2020-04-30; found a header and a trailer "
          "without one record between them.", KEPT + "The run asks again until its deadline.", file_of([])),
)  # fmt: skip
def test_a_file_that_is_not_the_sessions_is_kept_apart(
    fault: Shown,
    exchange: Exchange,
    hook_to: Any,
    s3: Any,
    lake: Lake,
    changed: Any,
    body: Any,
    before: Any,
) -> None:
    exchange.will(Answer(body=fault.given))

    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left((changed(before), is_waited_for(error.value)), ([REJECTED], "asks again" in fault.fault.left))
    assert body(layout.rejected_key(hashlib.sha256(fault.given).hexdigest(), DAILY)) == fault.given


@shows(
    Fault("the reader fails in a way that nobody foresaw", "Unreadable: …expected an answer that can be read; found "
          "ZeroDivisionError: division by zero. Look at the answer and at the cause in the log",
          KEPT + "The cause is in the log: bring the reader up to it."),
)  # fmt: skip
def test_a_failure_that_nobody_foresaw_keeps_the_bytes(
    fault: Shown,
    exchange: Exchange,
    hook_to: Any,
    s3: Any,
    lake: Lake,
    changed: Any,
    monkeypatch: pytest.MonkeyPatch,
    before: Any,
) -> None:
    exchange.will(Answer(body=file_of(rows(5))))
    monkeypatch.setattr(cotahist, "verify", lambda *_, **__: 1 / 0)

    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [REJECTED])


@shows(
    Fault("the month's file, in place of the daily one, has days of another month", "WrongDate: …expected sessions "
          "from 2020-04-01 to 2020-04-30 alone; found 2020-05-04.",
          "The month's file is in landing/rejected/. Run the task again, later.",
          file_of([*rows(2), *rows(2, dt.date(2020, 5, 4))])),
    Fault("the month's file, in place of the daily one, has no record", "nor is it in COTAHIST_M042020.ZIP: a header "
          "and a trailer without one record between them",
          "The month's file is in landing/rejected/. Run the task again, later.", file_of([])),
)  # fmt: skip
def test_a_bad_file_of_the_month_is_kept_apart(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, objects: Any
) -> None:
    exchange.will(Answer(404), Answer(body=fault.given), Answer(404))

    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(list(objects()), [f"landing/rejected/…/{MONTHLY}"])


@shows(
    Fault("the year's file lacks a session", "CalendarDiffers: …expected the sessions of 2020 up to 2020-01-06; found "
          "without 2020-01-03.",
          "The file is in landing/, and no session of it is written. If B3 did trade so, upgrade exchange_calendars; "
          "else delete the file and clear scrape.",
          [*rows(3, dt.date(2020, 1, 2)), *rows(3, dt.date(2020, 1, 6))]),
    Fault("the year's file has a session on a holiday", "found with 2020-01-01.",
          "The file is in landing/, and no session of it is written. If B3 did trade so, upgrade exchange_calendars; "
          "else delete the file and clear scrape.",
          [*rows(3, dt.date(2020, 1, 1)), *rows(3, dt.date(2020, 1, 2))]),
)  # fmt: skip
def test_a_year_that_contradicts_the_calendar_is_not_written(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, objects: Any
) -> None:
    exchange.will(Answer(body=file_of(fault.given)))
    land.capture_year(hook_to(exchange.url), s3, lake, 2020)

    with pytest.raises(SourceError) as error:
        raw.write_year(s3, lake, 2020)

    fault.is_seen(error.value)
    fault.is_left(list(objects()), [f"landing/quotes/{ANNUAL}"])


@shows(
    Fault("the landed file was damaged afterwards", "The object was damaged: run scrape again, which mends it if B3 "
          "still has the file, or restore its former version.",
          "Readers keep the former quotes. The next scrape puts B3's bytes again; the damaged version is kept."),
)  # fmt: skip
def test_a_damaged_landed_file_is_not_read_and_is_mended(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, objects: Any, versions: Any, before: Any
) -> None:
    metadata = s3.head_object(Bucket=lake.bucket, Key=LANDED)["Metadata"]
    s3.put_object(Bucket=lake.bucket, Key=LANDED, Body=b"damaged", Metadata=metadata)

    with pytest.raises(SourceError) as error:
        raw.write_quotes(s3, lake, DATE)
    assert objects()[RAW] == before[RAW]
    exchange.will(Answer(body=GOOD))
    land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)
    raw.write_quotes(s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left((objects(), len(versions()[LANDED])), (before, 3))


@shows(
    Fault("the landed file is gone", "NotPublished: …expected a file that holds 2020-04-30 in landing/; found no "
          "object. Run scrape again.", "Readers keep the former quotes. Run scrape again, or restore its version."),
    Fault("the landed file was put by hand, without its origin", "expected an object whose metadata says where it came "
          "from: source, source-sha256, source-url; found one without source, source-sha256, source-url.",
          "Readers keep the former quotes. Delete the object and run scrape, or put it with this metadata.", GOOD),
)  # fmt: skip
def test_a_landed_file_that_cannot_be_used_changes_nothing(
    fault: Shown, s3: Any, lake: Lake, objects: Any, before: Any
) -> None:
    s3.delete_object(Bucket=lake.bucket, Key=LANDED)
    if fault.given:
        s3.put_object(Bucket=lake.bucket, Key=LANDED, Body=fault.given)

    with pytest.raises(SourceError) as error:
        raw.write_quotes(s3, lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(objects()[RAW], before[RAW])
