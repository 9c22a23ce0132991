"""The layout of the lake: only this module builds names of prefixes, partitions, objects and tables.

inbox/…                                          files that others put there, until they have landed
landing/quotes/COTAHIST_D30042020.ZIP            B3's bytes, as sent; _M042020 for a month, _A2020 for a year
landing/index/IBOV/portfolio_day/2020-04-30.json  an index's portfolio, all pages, by its session
landing/sectors/2020-04-30.xlsx                  B3's sector classification, by the session whose run found it new
landing/bitcoin/trade_date=2020-04-30/symbol=BTCBRL/13.binance.<sha256>.json  an hour's candles
landing/received/<sha256>/GetPortfolioDay.IBOV.json  answers that B3 serves once, before they are read; for 30 days
landing/rejected/<sha256>/COTAHIST_D30042020.ZIP  answers and arrivals that failed their checks
landing/rejected/<sha256>/COTAHIST_D30042020.ZIP.reason.txt  why an arrival failed them
raw/quotes/trade_date=2020-04-30/quotes.parquet  one object per partition: its PUT is the commit
raw/index_portfolio/trade_date=2020-04-30/index_portfolio.parquet
raw/sectors/trade_date=2020-04-30/sectors.parquet
refined/quotes/trade_date=2020-04-30/quotes.parquet
refined/findings/trade_date=2020-04-30/findings.parquet  the findings in the session's quotes
refined/index_stocks/trade_date=2020-04-30/ticker=PETR4/index_stocks.parquet
refined_visual/index_stocks/trade_date=2020-04-30/ticker=PETR4/index_stocks.parquet  of the visual job
raw_bitcoin/btc_minutes/trade_date=2020-04-30/symbol=BTCBRL/13.parquet  one object per hour of Bitcoin's minutes
refined_bitcoin/btc_minutes/trade_date=2020-04-30/symbol=BTCBRL/btc_minutes.parquet  the minutes of the day
reports/trade_date=2020-04-30/index.html         a page on the session, for a browser
metrics/run_metrics/trade_date=2020-04-30/b3_daily.parquet  what a run brought, and how long it took
alerts/…                                         what people were told and what is open: b3.monitoring.journal
stream/bitcoin/2026/11/27/13/…                   JSON lines of Bitcoin's minutes, by the hour in which they came
backup/stream/bitcoin/2026/11/27/13/…            a copy of each of these objects
stream_errors/…                                  records that Firehose could not put
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from b3.site.addresses import ANNUAL_QUOTES

RAW_QUOTES_TABLE = "raw_quotes"
RAW_INDEX_PORTFOLIO_TABLE = "raw_index_portfolio"
RAW_SECTORS_TABLE = "raw_sectors"
QUOTES_TABLE = "quotes"
FINDINGS_TABLE = "findings"
INDEX_STOCKS_TABLE = "index_stocks"
RUN_METRICS_TABLE = "run_metrics"
RAW_BTC_MINUTES_TABLE = "raw_btc_minutes"
BTC_MINUTES_TABLE = "btc_minutes"
INBOX_PREFIX = "inbox/"
LANDING_QUOTES_PREFIX = "landing/quotes/"
LANDING_INDEX_PREFIX = "landing/index/"
LANDING_SECTORS_PREFIX = "landing/sectors/"
RAW_QUOTES_PREFIX = "raw/quotes/"
RUN_METRICS_PREFIX = "metrics/run_metrics/"
# The visual job fills it, see include/glue/visual/index_portfolio.json.
VISUAL_INDEX_STOCKS_PREFIX = "refined_visual/index_stocks/"
OPEN_ALERTS_PREFIX = "alerts/open/"
RAW_BTC_MINUTES_PREFIX = "raw_bitcoin/btc_minutes/"
# Firehose fills it, see infra/stream.yaml.
BITCOIN_STREAM_PREFIX = "stream/bitcoin/"
# Metadata of refined quotes and findings: the ETag of the raw object that they were made from, without quotes.
RAW_ETAG = "raw-etag"
_LONGEST_NAME = 800
_SHORT_SHA256 = 16


def daily_quotes_file(trade_date: dt.date) -> str:
    """Return B3's name of the file of one session's quotes."""
    return f"COTAHIST_D{trade_date:%d%m%Y}.ZIP"


def monthly_quotes_file(trade_date: dt.date) -> str:
    """Return B3's name of the file of the quotes of a session's month."""
    return f"COTAHIST_M{trade_date:%m%Y}.ZIP"


def annual_quotes_file(year: int) -> str:
    """Return B3's name of the file of a year's quotes."""
    return f"{ANNUAL_QUOTES}{year}.ZIP"


def landing_quotes_key(file_name: str) -> str:
    """Return the key of a COTAHIST file as B3 sent it."""
    return f"{LANDING_QUOTES_PREFIX}{file_name}"


def landing_index_key(index: str, endpoint: str, trade_date: dt.date) -> str:
    """Return the key of an index's portfolio as B3 sent it, by its session."""
    return f"{LANDING_INDEX_PREFIX}{index}/{endpoint}/{trade_date.isoformat()}.json"


def landing_sectors_key(trade_date: dt.date) -> str:
    """Return the key of the sector workbook as B3 sent it, by the session of the run that found it changed."""
    return f"{LANDING_SECTORS_PREFIX}{trade_date.isoformat()}.xlsx"


def received_key(sha256: str, file_name: str) -> str:
    """Return the key of an answer that is kept before it is read, by its sha256."""
    return f"landing/received/{sha256}/{file_name}"


def rejected_key(sha256: str, file_name: str) -> str:
    """Return the key of an answer that failed its checks, by its sha256."""
    # A key has 1,024 bytes, and a name from inbox/ may have nearly as many. Its end tells more.
    short = file_name.encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return f"landing/rejected/{sha256}/{short}"


def rejection_reason_key(rejected: str) -> str:
    """Return the key of the text that says why a file was rejected, by the key of `rejected_key`."""
    return f"{rejected}.reason.txt"


def _partition(layer: str, table: str, trade_date: dt.date) -> str:
    return f"{layer}/{table}/trade_date={trade_date.isoformat()}"


def raw_quotes_key(trade_date: dt.date) -> str:
    """Return the key of the one object of a raw quotes partition."""
    return _partition("raw", "quotes", trade_date) + "/quotes.parquet"


def raw_quotes_prefix(year: int) -> str:
    """Return the prefix of the raw quotes partitions of a year."""
    return f"{RAW_QUOTES_PREFIX}trade_date={year}-"


def raw_index_portfolio_key(trade_date: dt.date) -> str:
    """Return the key of the one object of a raw partition of index portfolios."""
    return _partition("raw", "index_portfolio", trade_date) + "/index_portfolio.parquet"


def raw_sectors_key(trade_date: dt.date) -> str:
    """Return the key of the one object of a raw partition of the sector classification."""
    return _partition("raw", "sectors", trade_date) + "/sectors.parquet"


def refined_quotes_key(trade_date: dt.date) -> str:
    """Return the key of the one object of a refined quotes partition."""
    return _partition("refined", "quotes", trade_date) + "/quotes.parquet"


def findings_key(trade_date: dt.date) -> str:
    """Return the key of the one object of a session's findings."""
    return _partition("refined", "findings", trade_date) + "/findings.parquet"


def landing_bitcoin_prefix(trade_date: dt.date, symbol: str, hour: int) -> str:
    """Return how the keys of all answers with the candles of an hour begin."""
    return f"{_partition('landing', 'bitcoin', trade_date)}/symbol={symbol}/{hour:02}."


def landing_bitcoin_key(trade_date: dt.date, symbol: str, hour: int, provider: str, sha256: str) -> str:
    """Return the key of an answer with the candles of an hour, as the provider sent it.

    A later answer may have candles that an earlier one lacks. So each has a key of its own, by its bytes.
    """
    return f"{landing_bitcoin_prefix(trade_date, symbol, hour)}{provider}.{sha256[:_SHORT_SHA256]}.json"


def raw_btc_minutes_prefix(trade_date: dt.date, symbol: str) -> str:
    """Return the prefix of a raw partition of Bitcoin's minutes; each hour is an object below it."""
    # Not below raw/ and refined/: S3 tells the crawlers' queues of those, and no crawler takes these tables.
    return f"{_partition('raw_bitcoin', 'btc_minutes', trade_date)}/symbol={symbol}/"


def raw_btc_minutes_key(trade_date: dt.date, symbol: str, hour: int) -> str:
    """Return the key of the raw object of an hour of Bitcoin's minutes."""
    return f"{raw_btc_minutes_prefix(trade_date, symbol)}{hour:02}.parquet"


def btc_minutes_key(trade_date: dt.date, symbol: str) -> str:
    """Return the key of the one object of a refined partition of Bitcoin's minutes."""
    return f"{_partition('refined_bitcoin', 'btc_minutes', trade_date)}/symbol={symbol}/btc_minutes.parquet"


def date_of(key: str) -> dt.date:
    """Return the trade date in an object's key, for any table."""
    return dt.date.fromisoformat(key.partition("/trade_date=")[2][:10])


def date_in(key: str, key_of: Callable[[dt.date], str], prefix: str) -> dt.date | None:
    """Return the date with which a key of `prefix` begins, None if `key_of` does not make this key of it."""
    try:
        date = dt.date.fromisoformat(key.removeprefix(prefix)[:10])
    except ValueError:
        return None
    return date if key_of(date) == key else None


def sessions_prefix(key_of: Callable[[dt.date], str], year: int | None = None) -> str:
    """Return the prefix of what `key_of` names, by default of all sessions.

    Args:
        key_of: a function of this module that names the object, or the prefix, of a session.
        year: leave out the sessions of other years.
    """
    before, partition, _ = key_of(dt.date(year or 2000, 1, 1)).partition("trade_date=")
    return before if year is None else f"{before}{partition}{year}-"


def session_tables() -> list[str]:
    """Return the prefixes of the tables that a run of b3_daily fills."""
    raw = (raw_quotes_key, raw_index_portfolio_key, raw_sectors_key)
    return [sessions_prefix(key_of) for key_of in (*raw, refined_quotes_key, findings_key, refined_index_stocks_prefix)]


def refined_index_stocks_prefix(trade_date: dt.date) -> str:
    """Return the prefix of a session's refined constituents; each is a partition `ticker=T/` below it."""
    return _partition("refined", "index_stocks", trade_date) + "/"


def refined_index_stocks_key(trade_date: dt.date, ticker: str) -> str:
    """Return the key of the one object of a session's refined constituent."""
    return f"{refined_index_stocks_prefix(trade_date)}ticker={ticker}/index_stocks.parquet"


def bitcoin_stream_prefix(hour: dt.datetime) -> str:
    """Return the prefix of the stream's objects that were begun in an hour, UTC."""
    return f"{BITCOIN_STREAM_PREFIX}{hour.astimezone(dt.UTC):%Y/%m/%d/%H}/"


def report_key(trade_date: dt.date) -> str:
    """Return the key of the page on a session."""
    return f"reports/trade_date={trade_date.isoformat()}/index.html"


def run_metrics_key(trade_date: dt.date, dag_id: str) -> str:
    """Return the key of the row of run_metrics of a DAG and a session."""
    return _partition("metrics", "run_metrics", trade_date) + f"/{dag_id}.parquet"


def told_alert_key(day: dt.date, cause: str, *, recovery: bool = False) -> str:
    """Return the key of the note that people were told of a cause, or of its end, on a day."""
    return f"alerts/told/{day.isoformat()}/{cause}{'.recovered' if recovery else ''}.json"


def open_alert_key(dag_id: str, scope: str, cause: str) -> str:
    """Return the key of the note that a cause is open for a DAG, and for what its runs share, as the session."""
    return f"{OPEN_ALERTS_PREFIX}{dag_id}/{scope}/{cause}.json"


@dataclass(frozen=True)
class Lake:
    """The lake in one bucket, addressed by URI."""

    bucket: str

    def uri(self, key: str) -> str:
        """Return the `s3://` URI of a key."""
        return f"s3://{self.bucket}/{key}"

    def key(self, uri: str) -> str:
        """Return the key in a URI that `uri` returned."""
        return uri.removeprefix(self.uri(""))

    @property
    def all_raw_quotes(self) -> str:
        """URI of the prefix of all raw quotes partitions."""
        return self.uri(RAW_QUOTES_PREFIX)

    @property
    def all_refined_quotes(self) -> str:
        """URI of the prefix of all refined quotes partitions."""
        return self.uri("refined/quotes/")

    @property
    def all_findings(self) -> str:
        """URI of the prefix of the findings of all sessions."""
        return self.uri("refined/findings/")

    def raw_index_portfolio(self, trade_date: dt.date) -> str:
        """Return the URI of a raw index-portfolio partition's object."""
        return self.uri(raw_index_portfolio_key(trade_date))

    def refined_index_stocks(self, trade_date: dt.date) -> str:
        """Return the URI of the prefix of a session's refined constituents."""
        return self.uri(refined_index_stocks_prefix(trade_date))
