import pytest

from b3.lake import layout
from b3.verify import inventory
from tests.plugins.b3.simulated import TODAY


@pytest.fixture
def unknown(s3, lake):
    """The keys that an inventory does not know, of a lake with one object."""

    def look(key):
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"[]")
        return inventory.take(s3, lake, inventory.Days()).unknown

    return look


def test_candles_of_bitcoin_are_known(unknown):
    assert unknown(layout.landing_bitcoin_key(TODAY, "BTCBRL", 7, "binance", "0" * 64)) == []


@pytest.mark.parametrize("name", ["symbol=BTCBRL/07.json", "symbol=BTCBRL/07.binance.0.json", "07.binance.x.json"])
def test_what_else_lies_beside_them_is_not(unknown, name):
    key = f"landing/bitcoin/trade_date={TODAY}/{name}"

    assert unknown(key) == [key]
