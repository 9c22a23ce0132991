"""The Airflow hook to a provider of candles: the requests, retries and bounds of `b3.site.hook`, on another host."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.bitcoin import providers
from b3.errors import TransientError
from b3.site.hook import LONGEST_WAIT, B3Hook, Download, Wanted

_BANNED = (
    "The provider refuses this address for a while, after too many requests. Wait for some hours before the task is "
    "cleared: each request makes the ban longer."
)
_ELSEWHERE = (
    "The provider does not serve this place, which a retry does not change. Choose the other provider with "
    "B3_BTC_PROVIDER, or another host with the connection btc_default."
)
_FORBIDDEN = (
    "The provider's firewall refuses this client: see extra `user_agent` of the connection btc_default, or choose the "
    "other provider with B3_BTC_PROVIDER."
)


class CandleHook(B3Hook):
    """Download candles over one HTTP session, with timeouts and a limited number of retries.

    The Airflow connection is of type http. Its host (with scheme) replaces the provider's; its extra is that of
    `b3.site.hook.B3Hook`, without the hosts. Without such a connection the provider's public host is used.

    Args:
        provider: a key of `b3.bitcoin.providers.PROVIDERS`.
        conn_id: id of the connection.
        connection: the connection itself, for use without Airflow.
    """

    default_conn_name = "btc_default"

    def __init__(self, provider: str, conn_id: str = default_conn_name, *, connection: Any = None) -> None:
        super().__init__(conn_id, connection=connection)
        self.provider = provider
        host = providers.named(provider).HOST
        self.default_hosts = (host, host, host)
        self.default_source = provider
        # An hour of a symbol takes 10 KB.
        self._candles = Wanted(
            "candles in JSON",
            empty="Run the task again later.",
            missing=f"{provider} has no such market: see B3_BTC_SYMBOLS.",
            limit=4 << 20,
            server=provider,
            refusals={403: _FORBIDDEN, 418: _BANNED, 451: _ELSEWHERE},
        )

    def helps_to_retry(self, error: BaseException) -> bool:
        """Return whether the same request may succeed a little later: a provider bans who asks earlier than it says."""
        if isinstance(error, TransientError) and (error.retry_after or 0) > LONGEST_WAIT:
            return False
        return super().helps_to_retry(error)

    def download_candles(self, symbol: str, hour: dt.datetime) -> tuple[bytes, Download]:
        """Return the one-minute candles of an hour, as the provider sends them.

        Args:
            symbol: the market, as BTCBRL.
            hour: the beginning of the hour, in UTC.

        Raises:
            NotServed: 404: the provider has no such market.
            NotPublished: 200 without a byte.
            NotB3Data: more than 4 MiB.
            Refused: 403, 418 or 451: the provider does not serve this client.
            TransientError: the provider could not be reached or failed (429, 5xx), in every try; or TooSlow at once.
            SourceError: any other status or fault. `received` has the bytes that came.
        """
        self.get_conn()
        return self.fetch_whole(f"{self.base_url}{providers.named(self.provider).path(symbol, hour)}", self._candles)
