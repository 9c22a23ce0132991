import datetime as dt
import errno
import io
import random
import re
import subprocess
import sys
import zipfile
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3.errors import BadLayout, NoRecords, NotB3Data, NotPublished, SourceError, Truncated, WrongDate
from b3.quotes import cotahist
from b3.quotes.cotahist import layout
from tests.places import PLUGINS
from tests.plugins.b3.quotes.cotahist import naive_cotahist as naive
from tests.plugins.b3.quotes.cotahist.cotahist_lines import (
    DEFAULT_DATE,
    POSITIONS,
    TEXT,
    build_file,
    build_zip,
    build_zip_of,
    header,
    record,
    trailer,
)


def read_one(**fields):
    """The only row of a file of one record."""
    return cotahist.read_table(build_file([record(**fields)])).to_pylist()[0]


def some_records(count):
    return [record(CODNEG=f"SINT{number}", VOLTOT=number) for number in range(count)]


# The layout


def test_the_fields_lie_where_the_document_says_and_leave_no_byte_out():
    assert {field.name: (field.start, field.length) for field in layout.QUOTE_FIELDS} == POSITIONS
    ends = [field.bytes.stop for field in layout.QUOTE_FIELDS]
    assert [field.bytes.start for field in layout.QUOTE_FIELDS] == [0, *ends[:-1]]
    assert ends[-1] == sum(field.length for field in layout.QUOTE_FIELDS) == 245


def test_columns_have_the_names_and_types_the_lake_is_built_on():
    price = pa.decimal128(13, 2)
    expected = pa.schema(
        {
            "trade_date": pa.date32(),
            "bdi_code": pa.string(),
            "ticker": pa.string(),
            "market_type": pa.string(),
            "short_name": pa.string(),
            "specification": pa.string(),
            "forward_days": pa.int16(),
            "currency": pa.string(),
            **dict.fromkeys(["open", "high", "low", "average", "close", "best_bid", "best_ask"], price),
            "trade_count": pa.int32(),
            "quantity": pa.int64(),
            "financial_volume": pa.decimal128(18, 2),
            "strike_price": price,
            "strike_correction": pa.string(),
            "expiry_date": pa.date32(),
            "quote_factor": pa.int32(),
            "strike_points": pa.decimal128(13, 6),
            "isin": pa.string(),
            "distribution_number": pa.int16(),
        }
    )

    assert expected == cotahist.SCHEMA
    text = build_file(some_records(3))
    assert cotahist.read_table(text).schema == expected
    assert [batch.schema for batch in cotahist.iter_batches(text)] == [expected]


# Values


def test_every_column_is_read_from_its_own_field():
    row = read_one(
        DATPRE=dt.date(2003, 2, 12),
        CODBDI="78",
        CODNEG="IBOVF120",
        TPMERC="070",
        NOMRES="IBOVE",
        ESPECI="/EJ",
        PRAZOT="045",
        MODREF="CR$",
        PREABE=101,
        PREMAX=202,
        PREMIN=303,
        PREMED=404,
        PREULT=505,
        PREOFC=606,
        PREOFV=707,
        TOTNEG=808,
        QUATOT=909,
        VOLTOT=1010,
        PREEXE=1111,
        INDOPC="8",
        DATVEN=dt.date(2003, 6, 18),
        FATCOT=1000,
        PTOEXE=1212,
        CODISI="BRIBOVINDM18",
        DISMES=131,
    )

    assert row == {
        "trade_date": dt.date(2003, 2, 12),
        "bdi_code": "78",
        "ticker": "IBOVF120",
        "market_type": "070",
        "short_name": "IBOVE",
        "specification": "/EJ",
        "forward_days": 45,
        "currency": "CR$",
        "open": Decimal("1.01"),
        "high": Decimal("2.02"),
        "low": Decimal("3.03"),
        "average": Decimal("4.04"),
        "close": Decimal("5.05"),
        "best_bid": Decimal("6.06"),
        "best_ask": Decimal("7.07"),
        "trade_count": 808,
        "quantity": 909,
        "financial_volume": Decimal("10.10"),
        "strike_price": Decimal("11.11"),
        "strike_correction": "8",
        "expiry_date": dt.date(2003, 6, 18),
        "quote_factor": 1000,
        "strike_points": Decimal("0.001212"),
        "isin": "BRIBOVINDM18",
        "distribution_number": 131,
    }


NUMBERS = [field for field in layout.QUOTE_FIELDS if field.column and field.name not in {*TEXT, "DATPRE", "DATVEN"}]


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_a_number_is_exact_from_nought_to_all_nines_and_in_each_digit(field):
    # One digit at a time: a file of its own for each, as a block of zeros must not hide the digits before them.
    for digits in [0, 10**field.length - 1, *(7 * 10**place for place in range(field.length))]:
        value = read_one(**{field.name: digits})[field.column]
        scale = 10 ** getattr(field.type, "scale", 0)
        assert value * scale == digits
        assert isinstance(value, Decimal if pa.types.is_decimal(field.type) else int)


@pytest.mark.parametrize("name", TEXT)
def test_text_fills_its_whole_field(name):
    field = next(field for field in layout.QUOTE_FIELDS if field.name == name)
    full = ("9" if name == "PRAZOT" else "ÇZ" * 6)[:1] * field.length
    assert str(read_one(**{name: full})[field.column]) == full


def test_text_is_latin_1_and_loses_only_the_blanks_that_pad_it():
    assert read_one(NOMRES="SÃO CAÇAPAVA")["short_name"] == "SÃO CAÇAPAVA"
    assert read_one(NOMRES=" A  B")["short_name"] == " A  B"
    assert read_one(NOMRES="Ã\x87")["short_name"] == "Ã\x87"  # these two bytes are also valid UTF-8, of Ç
    assert read_one(NOMRES="A\xa0")["short_name"] == "A\xa0"


@pytest.mark.parametrize(
    "name, column",
    [
        ("CODBDI", "bdi_code"),
        ("NOMRES", "short_name"),
        ("ESPECI", "specification"),
        ("PRAZOT", "forward_days"),
        ("MODREF", "currency"),
        ("INDOPC", "strike_correction"),
        ("CODISI", "isin"),
    ],
)
def test_a_blank_is_null_beside_values_that_are_not(name, column):
    value = "007"[: POSITIONS[name][1]]
    table = cotahist.read_table(build_file([record(**{name: value}), record(**{name: ""}), record(**{name: value})]))

    assert [given is None for given in table.column(column).to_pylist()] == [False, True, False]


def test_a_term_of_zero_days_is_no_blank_term():
    assert read_one(PRAZOT="000")["forward_days"] == 0
    assert read_one(PRAZOT="")["forward_days"] is None


@pytest.mark.parametrize("none", ["99991231", "00000000", ""])
def test_an_instrument_without_expiry_has_none(none):
    assert read_one(DATVEN=none)["expiry_date"] is None


def test_a_leap_day_is_a_date():
    assert read_one(DATVEN="20240229")["expiry_date"] == dt.date(2024, 2, 29)


def test_codes_nobody_documents_pass():
    row = read_one(CODBDI="X9", TPMERC="021")
    assert (row["bdi_code"], row["market_type"]) == ("X9", "021")


def random_record(rng):
    def text(name, alphabet="ABCÇÉ 0129"):
        length = POSITIONS[name][1]
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, length)))

    def number(name):
        return rng.randrange(10 ** rng.randint(1, POSITIONS[name][1]))

    day = dt.date(1986, 1, 2) + dt.timedelta(days=rng.randrange(15_000))
    fields = {field.name: number(field.name) for field in NUMBERS}
    fields |= {name: text(name) for name in TEXT}
    fields |= {
        "DATPRE": day,
        "DATVEN": rng.choice(["99991231", day]),
        "CODNEG": "T" + text("CODNEG")[:11],
        "TPMERC": rng.choice(["010", "020", "030", "070"]),
        "PRAZOT": rng.choice(["", "000", "030", "999"]),
    }
    return record(**fields)


def test_thousands_of_random_records_read_as_a_plain_parser_reads_them():
    rng = random.Random(20200430)
    text = build_file(random_record(rng) for _ in range(3000))
    assert cotahist.read_table(text).to_pylist() == naive.rows(text)


# Sources


@pytest.mark.parametrize("form", ["path", "string", "bytes", "file"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_source_is_a_path_bytes_or_a_file_of_the_zip_or_its_text(tmp_path, form, zipped):
    text = build_file(some_records(5))
    data = build_zip(text) if zipped else text
    path = tmp_path / "COTAHIST_D30042020.ZIP"
    path.write_bytes(data)
    source = {"path": path, "string": str(path), "bytes": data, "file": io.BytesIO(data)}[form]

    assert cotahist.read_table(source).to_pylist() == naive.rows(text)


class Trickle(io.BytesIO):
    """A file that returns a few bytes at a time, as a socket may."""

    def read(self, size=-1):
        return super().read(min(size, 11) if size >= 0 else size)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_may_return_fewer_bytes_than_asked_for_and_is_left_open(zipped):
    text = build_file(some_records(20))
    file = Trickle(build_zip(text) if zipped else text)
    file.seek(3)

    assert cotahist.read_table(file).to_pylist() == naive.rows(text)
    assert not file.closed


@pytest.mark.parametrize("member", ["COTAHIST.A1986", "COTAHIST_A2001", "pasta/DemoCotacoes.txt"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_member_may_have_any_name(member, compression):
    summary = cotahist.verify(build_zip(build_file(some_records(2)), member, compression), None)
    assert (summary.records, summary.member) == (2, member)


@pytest.mark.parametrize("crlf", [True, False])
@pytest.mark.parametrize("batch_rows", [1, 2, 7, 20, 21, 22, 1000])
def test_rows_do_not_depend_on_the_batches_they_come_in(crlf, batch_rows):
    text = build_file(some_records(21), crlf=crlf)
    batches = list(cotahist.iter_batches(build_zip(text), batch_rows=batch_rows))

    assert pa.Table.from_batches(batches).to_pylist() == naive.rows(text)
    assert [len(batch) for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)


@pytest.mark.parametrize("crlf, missing", [(True, 1), (True, 2), (False, 1)])
@pytest.mark.parametrize("batch_rows", [1, 3, 4, 100])
def test_the_last_line_end_may_be_missing(crlf, missing, batch_rows):
    text = build_file(some_records(3), crlf=crlf)
    batches = cotahist.iter_batches(text[:-missing], batch_rows=batch_rows)
    assert pa.Table.from_batches(batches).to_pylist() == naive.rows(text)


def test_a_file_without_quotes_has_no_rows():
    text = build_file([])
    assert cotahist.read_table(text).num_rows == 0
    assert cotahist.read_table(text).schema == cotahist.SCHEMA
    assert cotahist.verify(text, None).records == 0


def test_a_file_without_quotes_is_no_sessions_file():
    text = build_file([])
    with pytest.raises(NoRecords, match="the quotes of 2020-04-30; found a header and a trailer without one record"):
        cotahist.verify(text, DEFAULT_DATE)
    with pytest.raises(NoRecords):
        cotahist.write_parquet(text, io.BytesIO(), trade_date=DEFAULT_DATE)


def test_a_file_of_many_reads_and_steps_is_read_whole_and_its_faults_found():
    lines = some_records(9000)
    text = build_file(lines)
    for source in (text, build_zip(text)):
        batches = list(cotahist.iter_batches(source, batch_rows=5000))
        assert pa.Table.from_batches(batches).column("ticker").to_pylist() == [f"SINT{n}" for n in range(9000)]

    lines[8500] = record(PREABE="X" * 13)
    with pytest.raises(BadLayout, match=r"PREABE .* in record 8502 "):
        cotahist.verify(build_file(lines), None)


@pytest.mark.parametrize("batch_rows", [0, -1])
def test_a_batch_has_a_row(batch_rows):
    with pytest.raises(ValueError, match="at least 1"):
        cotahist.iter_batches(build_file([]), batch_rows=batch_rows)


def test_importing_and_reading_load_neither_pandas_nor_airflow(tmp_path):
    path = tmp_path / "quotes.ZIP"
    path.write_bytes(build_zip(build_file([record(NOMRES="CAÇAPAVA"), record(PRAZOT="030")])))
    script = (
        f"import sys; sys.path.insert(0, {str(PLUGINS)!r})\n"
        "from b3.quotes import cotahist\n"
        f"cotahist.write_parquet({str(path)!r}, {str(tmp_path / 'quotes.parquet')!r}, trade_date=None)\n"
        f"cotahist.read_table({str(path)!r})\n"
        "print([name for name in ('pandas', 'airflow') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# What is wrong with a source


def error_of(source, kind, trade_date=None, **options):
    """The error that verifying `source` raises; reading it in any batches raises the same."""
    with pytest.raises(SourceError) as caught:
        cotahist.verify(source, trade_date, **options)
    error = caught.value
    assert type(error) is kind, error
    if trade_date is None and not options:
        for batch_rows in (1, 2, 7):
            with pytest.raises(kind) as again:
                list(cotahist.iter_batches(source, batch_rows=batch_rows))
            assert str(again.value) == str(error)
    assert error.hint.endswith(".")
    return error


def test_no_bytes_are_not_published(tmp_path):
    path = tmp_path / "COTAHIST_D30042020.ZIP"
    path.touch()
    error = error_of(path, NotPublished)
    assert error.source == str(path)
    assert error.found == "0 bytes"


def test_messages_name_the_source_as_told():
    error = error_of(b"", NotPublished, name="s3://lake/landing/quotes/COTAHIST_D30042020.ZIP")
    assert str(error).startswith("s3://lake/landing/quotes/COTAHIST_D30042020.ZIP: expected")


def test_messages_name_a_file_by_its_name(tmp_path):
    path = tmp_path / "COTAHIST_D30042020.ZIP"
    path.write_bytes(b"PK")
    with path.open("rb") as file:
        assert error_of(file, Truncated).source == str(path)


@pytest.mark.parametrize(
    "contents, found",
    [
        (
            b"<!DOCTYPE html>\n<html><head><title>\n B3 | P\xc3\xa1gina  n\xc3\xa3o </title>",
            'a web page, "B3 | Página não"',
        ),
        (b"<html><head><title>Manuten\xe7\xe3o</title></head>" + b"<p>x</p>" * 900, 'a web page, "Manutenção"'),
        (b"<html><body>Access denied</body></html>", 'a web page, "Access denied"'),
        (b'{"error": "not found"}', 'contents beginning \'{"error": "not found"}\''),
        (b"RptDt;TckrSymb;Asst\n2020-04-30;PETR4;PETR", "'RptDt;TckrSymb;Asst"),
        (b"\0" * 4096, r"\x00\x00"),
        (b"\n", r"'\n'"),
    ],
    ids=["page", "latin-1 page", "page without title", "json", "csv", "zeros", "line end"],
)
def test_a_page_or_any_other_contents_are_not_b3s(contents, found):
    assert found in error_of(contents, NotB3Data).found
    assert len(error_of(contents, NotB3Data).found) < 400


def test_what_is_in_a_zip_has_to_be_cotahist_too():
    error = error_of(build_zip(b"RptDt;TckrSymb\n2020-04-30;PETR4\n" * 30), NotB3Data)
    assert "RptDt;TckrSymb" in error.found


@pytest.mark.parametrize("length", [1, 3, 100, -80, -1])
def test_a_zip_cut_short_is_truncated(length):
    data = build_zip(build_file(some_records(300)))
    error = error_of(data[:length], Truncated)
    assert "central directory" in error.expected
    assert f"{len(data[:length]):,} bytes" in error.found


def test_a_streamed_zip_cut_short_is_truncated():
    class Stream(io.BytesIO):
        """Not seekable, so the ZIP's sizes follow its data."""

        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

        tell = seek

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("COTAHIST_D30042020.TXT", build_file(some_records(300)))
    data = stream.getvalue()
    assert data[6:8] == b"\x08\x00"
    assert cotahist.verify(data, None).records == 300

    error_of(data[: len(data) // 2], Truncated)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_within_a_zip_is_truncation_though_a_record_looks_wrong_first(compression):
    data = bytearray(build_zip(build_file(some_records(300)), compression=compression))
    data[len(data) // 3] ^= 0x55
    error = error_of(bytes(data), Truncated)
    assert "COTAHIST_D30042020.TXT" in error.expected
    assert "damaged" in error.found


def test_a_zip_holds_exactly_one_file():
    text = build_file(some_records(1))
    error = error_of(build_zip_of({"A.TXT": text, "B.TXT": text}), BadLayout)
    assert (error.expected, error.found) == ("a ZIP of exactly one file", "2: A.TXT, B.TXT")
    assert error_of(build_zip_of({}), BadLayout).found == "none"
    assert cotahist.verify(build_zip_of({"pasta/": b"", "pasta/A.TXT": text}), None).records == 1


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_anywhere_in_a_member_has_a_type_or_changes_nothing(compression):
    data = build_zip(build_file(some_records(20)), compression=compression)
    whole, places = cotahist.verify(data, None), range(52, data.index(b"PK\1\2"))
    refused = 0
    for at in places:
        damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            assert cotahist.verify(damaged, None) == whole
        except SourceError:
            refused += 1
    assert refused > 0.9 * len(places)


def test_a_fault_of_the_disk_is_no_damage_of_the_file():
    class Disk(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(min(size, 80))

    with pytest.raises(OSError, match="Input/output error"):
        cotahist.verify(Disk(build_file(some_records(20))), None)


def test_a_zip_newer_than_can_be_read_is_refused():
    data = bytearray(build_zip(build_file(some_records(1))))
    data[data.rindex(b"PK\1\2") + 6] = 255
    assert "zip file version 25.5" in error_of(bytes(data), BadLayout).found


def test_an_encrypted_zip_is_refused():
    data = bytearray(build_zip(build_file(some_records(1))))
    data[6] |= 1
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert "encrypted" in error_of(bytes(data), BadLayout).found


@pytest.mark.parametrize("zipped", [True, False])
def test_text_that_ends_without_a_trailer_is_truncated(zipped):
    text = build_file(some_records(9))
    for cut, place in [
        (247 * 10, "record 10"),
        (247 * 7 + 100, "record 8, of which there are 100 bytes"),
        (247, "record 1"),
        (200, "record"),
        (20, "record"),
    ]:
        source = build_zip(text[:cut]) if zipped else text[:cut]
        error = error_of(source, Truncated)
        assert "trailer" in error.expected
        assert place in error.found


@pytest.mark.parametrize("beginning", [b"0", b"00COTA"])
def test_text_that_ends_within_its_first_words_is_truncated(beginning):
    error_of(beginning, Truncated)


@pytest.mark.parametrize("counted, form", [(4, "quotes"), (6, "lines")])
def test_a_trailer_counts_the_quotes_or_all_lines(counted, form):
    text = build_file(some_records(4), trailer_records=counted)
    summary = cotahist.verify(text, DEFAULT_DATE)
    assert (summary.records, summary.trailer_records, summary.trailer_form) == (4, counted, form)
    assert cotahist.read_table(text).num_rows == 4


@pytest.mark.parametrize("counted", [5, 7, 1745])
def test_fewer_records_than_the_trailer_counts_are_truncation(counted):
    error = error_of(build_file(some_records(4), trailer_records=counted), Truncated)
    assert f"{counted:,} records with header and trailer" in error.expected
    assert error.found == "6"


@pytest.mark.parametrize("counted", [0, 2, 3])
def test_more_records_than_the_trailer_counts_are_a_bad_layout(counted):
    error = error_of(build_file(some_records(4), trailer_records=counted), BadLayout)
    assert f"{counted:,} records with header and trailer" in error.expected
    assert error.found == "6"


def test_a_trailers_count_is_digits():
    text = build_file(some_records(4)).replace(b"00000000006", b"0000000000X")
    assert "TOTAL DE REGISTROS" in error_of(text, BadLayout).expected


def test_nothing_follows_the_trailer():
    text = build_file(some_records(4))
    for rest in (b"\x1a", b"\r\n", trailer(6) + b"\r\n", text, record() + b"\r\n"):
        assert "record 7 (byte 1,482 of the text)" in error_of(text + rest, BadLayout).expected


def test_a_text_without_header_is_a_bad_layout():
    text = build_file(some_records(4))
    error = error_of(text[247:], BadLayout)
    assert "header 00COTAHIST" in error.expected
    assert "'0120200430" in error.found


def test_a_header_gives_a_date():
    text = build_file([]).replace(b"20200430", b"20201330", 1)
    assert error_of(text, BadLayout).found == "'20201330'"


def test_every_record_is_of_a_known_type():
    lines = some_records(20)
    lines[11] = b"02" + lines[11][2:]
    error = error_of(build_file(lines), BadLayout)
    assert error.expected == "record type 01 or 99 in record 13 (byte 2,964 of the text)"
    assert error.found == "'02'"


@pytest.mark.parametrize(
    "line, found",
    [
        (record()[:-1] + b"\r\n", "244 bytes"),
        (record() + b" \r\n", "246 bytes"),
        (record() + b"\n", r"245 bytes and b'\n'"),
    ],
    ids=["short", "long", "LF"],
)
def test_every_record_is_245_bytes_and_the_same_line_end(line, found):
    whole = [record() + b"\r\n"] * 5
    text = b"".join([header() + b"\r\n", *whole, line, *whole, trailer(13) + b"\r\n"])
    error = error_of(text, BadLayout)
    assert "record 7 (byte 1,482 of the text)" in error.expected
    assert found in error.found


def test_a_header_or_trailer_of_another_length_is_a_bad_layout():
    text = build_file(some_records(2))
    assert "244 bytes" in error_of(text[:100] + text[101:], BadLayout).found
    assert "244 bytes" in error_of(text[:-100] + text[-99:], BadLayout).found
    assert "246 bytes" in error_of(text[:100] + b" " + text[100:], BadLayout).found


@pytest.mark.parametrize("crlf", [True, False])
def test_a_last_record_that_is_as_long_as_one_without_line_end_is_a_bad_layout(crlf):
    """A trailer whose missing bytes are as many as those of its line end."""
    text = build_file(some_records(2), crlf=crlf)
    missing = 2 if crlf else 1

    error = error_of(text[:-100] + text[-100 + missing :], BadLayout)

    assert f"{245 - missing} bytes" in error.found
    assert "in record 4 " in error.expected


@pytest.mark.parametrize("field", [field for field in NUMBERS if field.decides], ids=lambda field: field.name)
@pytest.mark.parametrize("bad", [" ", "/", ":", "-", "A", "\xb0", "\xff", "\0"])
def test_a_number_is_digits_in_all_its_places(field, bad):
    for place in (0, field.length - 1):
        digits = list("0" * field.length)
        digits[place] = bad
        text = "".join(digits)
        lines = some_records(12)
        lines[8] = record(**{field.name: text})
        lines[9] = record(CODNEG="LATER", PREABE="X" * 13)
        error = error_of(build_file(lines), BadLayout)
        assert f"{field.name} (columns {field.start}–{field.start + field.length - 1})" in error.expected
        assert "record 10 (byte 2,223 of the text)" in error.expected
        assert error.found == repr(text)


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"DATPRE": "20200431"}, "a date YYYYMMDD in DATPRE (columns 3–10)"),
        ({"DATPRE": "2020 430"}, "a date YYYYMMDD in DATPRE"),
        ({"DATPRE": "99991231"}, "a date YYYYMMDD in DATPRE"),
        ({"DATPRE": ""}, "a date YYYYMMDD in DATPRE"),
        ({"DATVEN": "20230229"}, "a date YYYYMMDD in DATVEN (columns 203–210)"),
        ({"DATVEN": "2023022 "}, "a date YYYYMMDD in DATVEN"),
        ({"CODNEG": ""}, "text in CODNEG (columns 13–24)"),
        ({"TPMERC": ""}, "text in TPMERC (columns 25–27)"),
    ],
)
def test_a_field_that_identifies_a_quote_or_dates_it_has_to_make_sense(fields, expected):
    ((name, value),) = fields.items()
    lines = some_records(12)
    lines[8] = record(**fields)
    error = error_of(build_file(lines), BadLayout)
    assert expected in error.expected
    assert "record 10 (byte 2,223 of the text)" in error.expected
    assert error.found == repr(value.ljust(POSITIONS[name][1]))


def test_every_record_carries_the_date_asked_for():
    lines = some_records(12)
    lines[8] = record(CODNEG="ONTEM3", DATPRE=dt.date(2020, 4, 29))
    source = build_zip(build_file(lines))

    error = error_of(source, WrongDate, trade_date=DEFAULT_DATE)
    assert error.expected == "every record of trade date 2020-04-30"
    assert error.found == "2020-04-29 in record 10 (ONTEM3)"
    assert cotahist.verify(source, None).records_by_date == {dt.date(2020, 4, 29): 1, DEFAULT_DATE: 11}


# What cannot be read in fields that decide nothing


def unreadable(*records, batch_rows=3):
    """The last column of the records: what could not be read of each."""
    batches = cotahist.Reader(build_file(records), batch_rows=batch_rows, unreadable=True)
    return pa.Table.from_batches(batches).column(cotahist.UNREADABLE).to_pylist()


def test_the_fields_that_decide_nothing_are_these():
    assert [field.name for field in layout.QUOTE_FIELDS if not field.decides] == [
        "PRAZOT",
        "TOTNEG",
        "PTOEXE",
        "DISMES",
    ]


@pytest.mark.parametrize("field", [field for field in layout.QUOTE_FIELDS if not field.decides], ids=lambda f: f.name)
@pytest.mark.parametrize("bad", ["/", ":", "-", "A", "\xb0", "\xff", "\0", "\x0f"])
def test_such_a_field_is_null_and_its_bytes_are_told(field, bad):
    for place in (0, field.length - 1):
        digits = list("0" * field.length)
        digits[place] = bad
        text = "".join(digits)
        lines = some_records(20)
        lines[8] = record(CODNEG="ODD", **{field.name: text})

        rows = cotahist.read_table(build_file(lines)).to_pylist()
        assert [row[field.column] is None for row in rows] == [
            row["ticker"] == "ODD" or field.name == "PRAZOT" for row in rows
        ]
        told = [None] * 20
        told[8] = f"{field.column} {text.encode('latin-1').hex()}"
        assert unreadable(*lines) == told
        assert unreadable(*lines, batch_rows=1) == told


def test_several_fields_of_a_record_are_told_in_their_order():
    lines = [
        record(),
        record(PRAZOT="\x00\x0f ", DISMES="???", TOTNEG=""),
        record(PRAZOT=" 30"),
        record(PRAZOT="\x00\x0f "),
    ]
    assert unreadable(*lines, batch_rows=100) == [
        None,
        "forward_days 000f20, trade_count 2020202020, distribution_number 3f3f3f",
        "forward_days 203330",
        "forward_days 000f20",
    ]


def test_every_unreadable_record_of_many_steps_is_told():
    lines = [record(CODNEG=f"SINT{n}", DISMES="???" if n % 1000 == 7 else 101) for n in range(20_000)]
    told = unreadable(*lines, batch_rows=20_000)
    assert [row for row, text in enumerate(told) if text] == list(range(7, 20_000, 1000))
    assert cotahist.read_table(build_file(lines)).column("distribution_number").null_count == 20


# The summary


def test_the_summary_tells_what_the_whole_file_holds():
    lines = [record(VOLTOT=999_999_999_999_999_999)] * 30
    summary = cotahist.verify(build_zip(build_file(lines), "COTAHIST.A1986"), DEFAULT_DATE)

    assert summary == cotahist.Summary(
        member="COTAHIST.A1986",
        file_name="COTAHIST.2020",
        origin="BOVESPA",
        generated=DEFAULT_DATE,
        records=30,
        trailer_records=32,
        trailer_form="lines",
        records_by_date={DEFAULT_DATE: 30},
        financial_volume=Decimal("299999999999999999.70"),
    )


def test_the_summary_is_there_after_the_last_batch_and_not_before():
    reader = cotahist.Reader(build_file(some_records(3)), batch_rows=2)
    batches = iter(reader)
    next(batches)
    with pytest.raises(RuntimeError, match="last batch"):
        _ = reader.summary
    assert [len(batch) for batch in batches] == [1]
    assert reader.summary.records == 3


# Parquet


def written(source, **options):
    sink = io.BytesIO()
    summary = cotahist.write_parquet(source, sink, trade_date=DEFAULT_DATE, **options)
    return sink.getvalue(), summary


def test_raw_quotes_are_the_same_rows_with_the_date_as_source_date():
    text = build_file([record(), record(PRAZOT="030", NOMRES="CAÇAPAVA", INDOPC=""), record(DATVEN="20200518")])
    data, summary = written(build_zip(text))

    table = pq.read_table(io.BytesIO(data))
    assert table.schema == cotahist.RAW_SCHEMA
    assert table.column_names[0] == "source_date"
    assert table.column(cotahist.UNREADABLE).null_count == 3
    read = table.drop_columns([cotahist.UNREADABLE])
    assert read.rename_columns(cotahist.SCHEMA.names).to_pylist() == naive.rows(text)
    assert summary == cotahist.verify(build_zip(text), DEFAULT_DATE)


def test_raw_quotes_are_stored_as_every_engine_reads_them():
    data, _ = written(build_file(some_records(3)))

    file = pq.ParquetFile(io.BytesIO(data))
    assert file.metadata.metadata is None
    columns = [file.metadata.row_group(0).column(index) for index in range(file.metadata.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(column.is_stats_set for column in columns)
    kinds = {column.path_in_schema: column.physical_type for column in columns}
    assert {kinds[name] for name in ("open", "financial_volume", "strike_points", "quantity")} == {"INT64"}
    assert {kinds[name] for name in ("ticker", "market_type")} == {"BYTE_ARRAY"}


def test_the_same_records_give_the_same_bytes_however_they_arrive(monkeypatch):
    monkeypatch.setattr("b3.quotes.cotahist.reader.BATCH_ROWS", 7)
    text = build_file(some_records(40))
    expected, _ = written(text)

    assert written(text)[0] == expected
    assert written(build_zip(text))[0] == expected
    assert written(Trickle(build_zip(text)))[0] == expected
    assert written(build_file(some_records(40), crlf=False))[0] == expected


def test_a_path_is_replaced_by_a_whole_file_or_not_at_all(tmp_path):
    sink = tmp_path / "quotes.parquet"
    cotahist.write_parquet(build_file(some_records(3)), sink, trade_date=DEFAULT_DATE)
    before = sink.read_bytes()

    with pytest.raises(Truncated):
        cotahist.write_parquet(build_file(some_records(4), trailer_records=9), sink, trade_date=DEFAULT_DATE)

    assert sink.read_bytes() == before
    assert list(tmp_path.iterdir()) == [sink]


def test_raw_quotes_of_another_date_are_refused():
    with pytest.raises(WrongDate, match=re.escape("2020-04-30 in record 2")):
        cotahist.write_parquet(build_file([record()]), io.BytesIO(), trade_date=dt.date(2020, 5, 4))


def test_a_file_without_quotes_becomes_raw_quotes_without_rows():
    sink = io.BytesIO()
    cotahist.write_parquet(build_file([]), sink, trade_date=None)
    data = sink.getvalue()
    assert pq.read_table(io.BytesIO(data)).num_rows == 0
