import datetime as dt

import numpy as np
import pytest

from local.exchange.files import cotahist_file, cotahist_writer

DAY = dt.date(2024, 3, 14)


def columns(**changed):
    """Two records of a simulated session, with other values in some columns."""
    found = {name: values[:2] for name, values in cotahist_file.session_columns(DAY).items()}
    return found | {name: np.array(values) for name, values in changed.items()}


def test_a_record_has_245_bytes_and_its_line_end():
    written = cotahist_writer.quotes(DAY, "R$", columns(trade_count=[99_999, 0]))

    assert [len(record) for record in written.split(b"\r\n")] == [245, 245, 0]
    assert [record[147:152] for record in written.split(b"\r\n")[:2]] == [b"99999", b"00000"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"trade_count": [1, 100_000]}, "expected TOTNEG of at most 5 digits, found 100000"),
        ({"ticker": [b"ABCD3", b"ABCD345678901"]}, "expected CODNEG of at most 12 bytes, found b'ABCD345678901'"),
    ],
)
def test_a_value_that_is_too_long_is_refused_by_the_name_of_its_field(changed, expected):
    with pytest.raises(ValueError, match=expected):
        cotahist_writer.quotes(DAY, "R$", columns(**changed))


def test_zero_bytes_are_written_where_they_are_a_value_s_own():
    written = cotahist_writer.quotes(DAY, "R$", columns(forward_days=[b"\x00\x0f ", b"9"]))

    assert [record[49:52] for record in written.split(b"\r\n")[:2]] == [b"\x00\x0f ", b"9  "]


@pytest.mark.parametrize(
    ("last_session", "counted"),
    [
        (dt.date(1986, 1, 2), 1002),
        (dt.date(2024, 11, 8), 1002),
        (dt.date(2024, 12, 30), 1002),
        (dt.date(2025, 1, 2), 1000),
        (dt.date(2026, 9, 18), 1000),
    ],
)
def test_the_trailer_counts_header_and_trailer_until_2024_and_the_quotes_alone_since(last_session, counted):
    written = cotahist_writer.trailer(last_session, 1000)

    assert written.rstrip() == f"99COTAHIST.{last_session:%Y}BOVESPA {last_session:%Y%m%d}{counted:011d}".encode()
    assert len(written) == 247
