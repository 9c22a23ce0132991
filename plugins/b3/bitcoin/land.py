"""From a provider to landing/bitcoin/: the candles of an hour, checked, and kept as sent."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from b3.bitcoin import candles, hours
from b3.errors import SourceError, reading
from b3.lake import layout
from b3.lake.commit import heads, keys_below, put
from b3.lake.landed import FETCHED_AT, LandedFile, keep, keeping_received, receive, rejecting, with_fetch_time
from b3.lake.layout import Lake

if TYPE_CHECKING:
    from b3.bitcoin.hook import CandleHook
    from b3.site.hook import Download

# Clocks differ: a candle is asked for once it has been closed for this long.
SETTLED = dt.timedelta(seconds=5)


class NotOver(SourceError):
    """The hour is not over: its candles may still change."""


@dataclass(frozen=True)
class Hour:
    """One hour of one market.

    Attributes:
        symbol: the market, as BTCBRL.
        begin: the beginning of the hour, in UTC.
    """

    symbol: str
    begin: dt.datetime

    @property
    def trade_date(self) -> dt.date:
        """The trade date of the hour."""
        return hours.trade_date(self.begin)

    def __str__(self) -> str:
        return f"{self.symbol} {hours.written(self.begin)}"

    @classmethod
    def of(cls, text: str) -> Hour:
        """Return the hour that `str` wrote.

        Raises:
            ValueError: it is written otherwise.
        """
        symbol, _, begin = text.partition(" ")
        return cls(symbol, hours.parse(begin))


def check_over(begin: dt.datetime, now: dt.datetime) -> None:
    """Raise NotOver unless the candles of an hour are all closed, and have been for SETTLED.

    Args:
        begin: the beginning of the hour.
        now: the instant.
    """
    over = begin + hours.HOUR + SETTLED
    if now < over:
        raise NotOver(
            source=f"the candles of {hours.written(begin)}, UTC",
            expected="an hour that is over, so that each candle is closed",
            found=f"that it ends at {begin + hours.HOUR:%H:%M}, and now is {now:%Y-%m-%d %H:%M:%S}",
            hint=f"Ask for it {SETTLED.seconds} seconds after its end.",
        )


def has_landed(s3: Any, lake: Lake, hour: Hour) -> bool:
    """Return whether landing/ has an answer with the candles of an hour."""
    return bool(keys_below(s3, lake, layout.landing_bitcoin_prefix(hour.trade_date, hour.symbol, hour.begin.hour)))


def capture_hour(hook: CandleHook, s3: Any, lake: Lake, hour: Hour) -> LandedFile:
    """Bring the candles of an hour to landing/bitcoin/.

    An answer that the lake has already is put no second time, unless another one came since: then it is again the last
    fetched. Another answer for the same hour is put beside the former ones: nothing that a provider once sent is lost.

    Args:
        hook: the hook to the provider.
        s3: a boto3 S3 client.
        lake: the lake.
        hour: the hour; it is over, see `check_over`.

    Raises:
        SourceError: or a subclass: the provider's answer is missing, or has no candles of that hour in the documented
            form. A bad answer is kept in landing/rejected/.
    """
    name = f"{hook.provider}.{hour.symbol}.{hours.written(hour.begin)}.json"
    with reading(f"the candles of {hour}"), keeping_received(s3, lake, name):
        body, download = hook.download_candles(hour.symbol, hour.begin)
    receive(s3, lake, name, io.BytesIO(body), download)
    with rejecting(s3, lake, name, io.BytesIO(body), download):
        candles.read_table(body, provider=hook.provider, hour=hour.begin, source=download.url)
    key = layout.landing_bitcoin_key(hour.trade_date, hour.symbol, hour.begin.hour, hook.provider, download.sha256)
    kept = keep(s3, lake, key, io.BytesIO(body), download)
    _renew(s3, lake, key, body, layout.landing_bitcoin_prefix(hour.trade_date, hour.symbol, hour.begin.hour), download)
    return kept


def _renew(s3: Any, lake: Lake, key: str, body: bytes, prefix: str, download: Download) -> None:
    """Let an answer that came again be the one fetched last, if another one has been since."""
    keys = keys_below(s3, lake, prefix)
    if len(keys) < 2:
        return
    found = heads(s3, lake, keys)
    fetched_at = {each: with_fetch_time(answer)[FETCHED_AT] for each, answer in found.items()}
    if max(fetched_at, key=lambda each: (fetched_at[each], each)) != key:
        metadata = found[key]["Metadata"] | {FETCHED_AT: download.fetched_at.isoformat(timespec="seconds")}
        put(s3, lake, key, body, metadata, found[key])
