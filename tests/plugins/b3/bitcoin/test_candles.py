import datetime as dt
import json
from decimal import Decimal

import pytest

from b3.bitcoin import candles
from b3.errors import BadLayout, NotB3Data, NotPublished, Truncated

HOUR = dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC)
MINUTE = HOUR.replace(tzinfo=None)
OPENED = int(HOUR.timestamp()) * 1000
# As Binance's documentation shows one, with the amounts of BTCBRL.
KLINE = [
    OPENED, "351234.00000000", "351300.00000000", "351200.00000000", "351250.00000000", "0.12345678", OPENED + 59_999,
    "43364.19397950", 17, "0.06000000", "21075.00000000", "0",
]  # fmt: skip
# Coinbase: time, low, high, open, close, volume.
CANDLE = "[{},64990.01,65010.5,65000,65001.25,1.23456789]"


def kline(minute=0, **fields):
    places = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "closed": 6, "quote_volume": 7, "trades": 8}
    row = list(KLINE)
    row[0] += minute * 60_000
    row[6] += minute * 60_000
    for name, value in fields.items():
        row[places[name]] = value
    return row


def read(rows, provider="binance", hour=HOUR):
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return candles.read_table(body, provider=provider, hour=hour)


def test_a_kline_is_a_row_with_its_amounts_exactly_as_written():
    assert read([KLINE]).to_pylist() == [
        {
            "minute": MINUTE,
            "open": Decimal("351234"),
            "high": Decimal("351300"),
            "low": Decimal("351200"),
            "close": Decimal("351250"),
            "volume": Decimal("0.12345678"),
            "quote_volume": Decimal("43364.19397950"),
            "trades": 17,
            "provider": "binance",
        }
    ]


def test_a_candle_of_coinbase_has_numbers_and_neither_trades_nor_their_value():
    second, first = (CANDLE.format(OPENED // 1000 + seconds) for seconds in (60, 0))

    table = read(f"[{second},{first}]".encode(), "coinbase")

    assert [row["minute"].minute for row in table.to_pylist()] == [0, 1]
    assert table.to_pylist()[0] == {
        "minute": MINUTE,
        "open": Decimal("65000"),
        "high": Decimal("65010.5"),
        "low": Decimal("64990.01"),
        "close": Decimal("65001.25"),
        "volume": Decimal("1.23456789"),
        "quote_volume": None,
        "trades": None,
        "provider": "coinbase",
    }


def test_amounts_that_no_float_holds_are_kept():
    row = read([kline(quote_volume="12345678901234567890.12345678", volume="9999999999.99999999")]).to_pylist()[0]

    assert (row["quote_volume"], row["volume"]) == (
        Decimal("12345678901234567890.12345678"),
        Decimal("9999999999.99999999"),
    )


def test_an_hour_without_candles_has_no_row():
    assert read([]).num_rows == 0


def test_candles_of_other_hours_are_left_out():
    assert read([kline(-1), kline(0), kline(60)]).num_rows == 1


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (b"", NotPublished, "not one byte"),
        (b"<html><body>blocked</body></html>", NotB3Data, "web page"),
        (b"blocked", NotB3Data, "b'blocked'"),
        (json.dumps([KLINE]).encode()[:-9], Truncated, "Unterminated"),
        (b'{"code":-1121,"msg":"Invalid symbol."}', BadLayout, "Invalid symbol."),
        ([KLINE[:-1]], BadLayout, "351234"),
        ([kline(), kline()], BadLayout, "2026-10-31 13:00:00 after 2026-10-31 13:00:00"),
        ([kline(1), kline(0)], BadLayout, "13:00:00 after 2026-10-31 13:01:00"),
        ([kline(0.5)], BadLayout, "found"),
        ([kline(90)], BadLayout, "1 from 2026-10-31 14:30:00"),
        ([kline(closed=OPENED + 299_999)], BadLayout, str(OPENED + 299_999)),
        ([kline(open="1,5")], BadLayout, "1,5"),
        ([kline(open="-1")], BadLayout, "-1"),
        ([kline(open="1e5")], BadLayout, "1e5"),
        ([kline(open=None)], BadLayout, "None"),
        ([kline(open="1.123456789")], BadLayout, "decimal"),
        ([kline(volume="10000000000")], BadLayout, "decimal"),
        ([kline(trades=-1)], BadLayout, "-1"),
        ([kline(trades=1.5)], BadLayout, "1.5"),
        (b"[[NaN,0,0,0,0,0,0,0,0,0,0,0]]", BadLayout, "nan"),
    ],
)
def test_what_is_not_as_documented_is_refused_and_shown(body, kind, found):
    with pytest.raises(kind) as error:
        read(body)

    assert found in str(error.value)
