"""Objects of sessions, put into a lake without running a DAG."""

import datetime as dt
from typing import Any

from b3.lake import layout
from b3.lake.layout import Lake

WHOLE = ("raw", "refined", "findings")


def put_session(s3: Any, lake: Lake, date: dt.date, *parts: str, source: str = "b3") -> None:
    """Put the named parts of a session, by default all that a session without a portfolio has."""
    keys = {
        "raw": layout.raw_quotes_key(date),
        "refined": layout.refined_quotes_key(date),
        "findings": layout.findings_key(date),
        "portfolio": layout.raw_index_portfolio_key(date),
        "constituents": layout.refined_index_stocks_key(date, "PETR4"),
        "report": layout.report_key(date),
    }
    for part in parts or WHOLE:
        s3.put_object(
            Bucket=lake.bucket,
            Key=keys[part],
            Body=f"<p>{part} of {date}</p>".encode(),
            Metadata={"source": source, "rows": "5000"},
        )
