"""`make report`: the page on a session as a file on this machine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import boto3

from b3.lake import layout
from b3.lake.commit import head
from b3.lake.layout import Lake
from b3.report.figures import LAST_SESSION
from b3.report.publish import write_report
from infra import checkout
from local.commands import page_file
from local.lake import servers


def main(arguments: list[str] | None = None) -> int:
    """Write the page and say where: 0 if it is there, 1 if the lake has no such session, 2 if the date is none."""
    return page_file.main("report", __doc__, "the session, YYYY-MM-DD, by default the last one", write, arguments)


def write(lake: servers.Lake, date: dt.date | None) -> Path:
    """Copy the page on a session out of the lake; make it first if no run has, or if its source was corrected since.

    Args:
        lake: the running lake.
        date: the session; None for the last one of `quotes`.

    Returns:
        The file, in the lake's folder.

    Raises:
        SourceError: the lake has no quotes of the session, or none at all.
    """
    s3, ask = boto3.client("s3", endpoint_url=lake.endpoint), page_file.asking(lake)
    bucket = Lake(lake.outputs["LakeBucket"])
    session = date or page_file.last_day(
        lake, ask, LAST_SESSION, expected="a session, to report on", hint="`make run` brings one."
    )
    page = _page_of_present_source(s3, bucket, session)
    if page is None:
        queries = {path.stem: path.read_text() for path in (checkout.sql() / "report").glob("*.sql")}
        write_report(ask, s3, bucket, queries, session, None)
        page = _page(s3, bucket, session)
    return page_file.keep(page, lake, f"{session}.html")


def _page_of_present_source(s3: Any, bucket: Lake, session: dt.date) -> bytes | None:
    """Return the page in the lake; None if there is none, or if it names another file than the quotes come from."""
    if head(s3, bucket, layout.report_key(session)) is None:
        return None
    raw = head(s3, bucket, layout.raw_quotes_key(session)) or {}
    page = _page(s3, bucket, session)
    return page if raw.get("Metadata", {}).get("source-sha256", "").encode() in page else None


def _page(s3: Any, bucket: Lake, session: dt.date) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket.bucket, Key=layout.report_key(session))["Body"].read()
    return body


if __name__ == "__main__":
    raise SystemExit(main())
