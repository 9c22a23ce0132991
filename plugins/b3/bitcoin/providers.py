"""Who serves candles: the value of B3_BTC_PROVIDER, its host, and its module."""

from __future__ import annotations

from types import ModuleType

from b3.bitcoin import binance, coinbase

# Each module has HOST, `path` and `candles`.
PROVIDERS: dict[str, ModuleType] = {"binance": binance, "coinbase": coinbase}


def named(provider: str) -> ModuleType:
    """Return a provider's module.

    Raises:
        ValueError: there is no such provider.
    """
    if provider not in PROVIDERS:
        raise ValueError(f"expected a provider of candles, {' or '.join(PROVIDERS)}; found {provider!r}")
    return PROVIDERS[provider]
