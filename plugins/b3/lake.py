"""Where things lie in the lake: every prefix, partition, object and table name is built here and nowhere else.

landing/quotes/COTAHIST_D30042020.ZIP            B3's bytes, as sent
landing/rejected/<sha256>/COTAHIST_D30042020.ZIP  answers that were not what they should be
raw/quotes/trade_date=2020-04-30/quotes.parquet  one object a partition: its PUT is the commit
refined/quotes/trade_date=2020-04-30/quotes.parquet
staging/refine/trade_date=2020-04-30/            where the Glue job writes before it commits
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

RAW_QUOTES_TABLE = "raw_quotes"
QUOTES_TABLE = "quotes"


def daily_quotes_file(trade_date: dt.date) -> str:
    """B3's name of the historical quotes of one session."""
    return f"COTAHIST_D{trade_date:%d%m%Y}.ZIP"


def landing_quotes_key(file_name: str) -> str:
    """Key of a COTAHIST file as B3 sent it."""
    return f"landing/quotes/{file_name}"


def rejected_key(sha256: str, file_name: str) -> str:
    """Key under which an answer that failed its checks is kept, by its content."""
    return f"landing/rejected/{sha256}/{file_name}"


def _partition(layer: str, table: str, trade_date: dt.date) -> str:
    return f"{layer}/{table}/trade_date={trade_date.isoformat()}"


def raw_quotes_key(trade_date: dt.date) -> str:
    """Key of the one object of a raw quotes partition."""
    return _partition("raw", "quotes", trade_date) + "/quotes.parquet"


def refined_quotes_key(trade_date: dt.date) -> str:
    """Key of the one object of a refined quotes partition."""
    return _partition("refined", "quotes", trade_date) + "/quotes.parquet"


def refine_staging_prefix(trade_date: dt.date) -> str:
    """Prefix below which the Glue job may write and delete as it likes."""
    return _partition("staging", "refine", trade_date) + "/"


@dataclass(frozen=True)
class Lake:
    """The lake in one bucket, addressed by URI."""

    bucket: str

    def uri(self, key: str) -> str:
        """`s3://` URI of a key of this lake."""
        return f"s3://{self.bucket}/{key}"

    def raw_quotes(self, trade_date: dt.date) -> str:
        """URI of a raw quotes partition's object."""
        return self.uri(raw_quotes_key(trade_date))

    def refined_quotes(self, trade_date: dt.date) -> str:
        """URI of a refined quotes partition's object."""
        return self.uri(refined_quotes_key(trade_date))

    def refine_staging(self, trade_date: dt.date) -> str:
        """URI of the Glue job's staging prefix for a trade date."""
        return self.uri(refine_staging_prefix(trade_date))
