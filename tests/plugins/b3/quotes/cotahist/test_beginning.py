import datetime as dt
import random
import zipfile

import pytest

from b3.errors import BadLayout, NotB3Data, SourceError, Truncated
from b3.quotes import cotahist
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

SOURCE = "https://b3.example/COTAHIST_A2020.ZIP"


def some_records(count):
    # Digits that do not compress away, so that the beginning of the ZIP is not all of it.
    numbers = random.Random(1)
    return [record(CODNEG=f"SINT{number}", VOLTOT=numbers.randrange(10**17)) for number in range(count)]


RECORDS = some_records(2000)


def beginning_of(text, size, **options):
    return cotahist.read_beginning(build_zip(text, **options)[:size], name=SOURCE)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["deflated", "stored"])
@pytest.mark.parametrize("crlf", [True, False], ids=["CRLF", "LF"])
def test_gives_the_first_records_as_the_whole_file_does(compression, crlf):
    text = build_file(RECORDS, crlf=crlf)

    found = beginning_of(text, 10_000, compression=compression)

    assert found.generated == dt.date(2020, 4, 30)
    assert 20 < found.quotes.num_rows < 1000
    assert found.quotes.to_pylist() == cotahist.read_table(text).slice(0, found.quotes.num_rows).to_pylist()


def test_gives_every_record_where_its_end_is_at_hand():
    assert beginning_of(build_file(RECORDS[:3]), None).quotes.num_rows == 3


def test_does_not_unfold_more_than_it_takes():
    found = beginning_of(build_file([record()] * 100_000), None)

    assert found.quotes.num_rows == (1 << 22) // 247 - 1


def test_a_header_may_leave_its_date_blank():
    text = build_file(RECORDS).replace(b"BOVESPA 20200430", b"BOVESPA " + b" " * 8, 1)

    assert beginning_of(text, 10_000).generated is None


ZIP = build_zip(build_file(RECORDS))


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"<html><title>Request Rejected</title>", NotB3Data, 'found a web page, "Request Rejected"'),
        (b'{"error": 1}', NotB3Data, "found contents beginning"),
        (build_zip(b"notes " * 1000), NotB3Data, "found contents beginning 'notes"),
        (ZIP[:20], Truncated, "found 20 bytes"),
        (ZIP[:50], Truncated, "beginning of a ZIP's member; found none"),
        (build_zip(build_file([])), Truncated, "a quote record after the header; found none"),
        (ZIP[:70] + bytes(3000), Truncated, "found damaged data"),
        (ZIP[:6] + b"\1" + ZIP[7:5000], BadLayout, "found method 8, encrypted"),
        (ZIP[:8] + b"\x0c" + ZIP[9:5000], BadLayout, "found method 12, not encrypted"),
        (build_zip(build_file([record() + b" "] * 9))[:5000], BadLayout, "245 bytes and the line end"),
        (build_zip(build_file([record(QUATOT="many")] * 9))[:5000], BadLayout, "QUATOT"),
        (build_zip(build_file(RECORDS).replace(b"BOVESPA 2020", b"BOVESPA 2O20", 1))[:5000], BadLayout, "DATA DA GERA"),
    ],
    ids=[
        "web page", "JSON", "another ZIP", "within the ZIP's header", "within its name", "no record", "damaged",
        "encrypted", "unknown method", "wide record", "letters for digits", "no date",
    ],
)  # fmt: skip
def test_what_is_not_the_beginning_of_b3s_file_is_refused(data, kind, message):
    with pytest.raises(kind, match=message) as error:
        cotahist.read_beginning(data, name=SOURCE)

    assert error.value.source == SOURCE


def test_however_it_is_cut_nothing_but_an_error_of_the_source_comes():
    for size in range(0, 3000, 7):
        try:
            cotahist.read_beginning(ZIP[:size], name=SOURCE)
        except SourceError:
            continue
