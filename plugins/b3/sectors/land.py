"""From B3 to landing/sectors/: the sector classification, checked, and kept as sent if it changed."""

from __future__ import annotations

import datetime as dt
import io
import logging
from typing import TYPE_CHECKING, Any

from b3.errors import OtherSession, SourceError, reading
from b3.indexes.answers import current_session
from b3.lake import layout
from b3.lake.commit import keys_below
from b3.lake.landed import LandedFile, find, keep, keeping_received, metadata_of, receive, rejecting
from b3.lake.layout import Lake
from b3.sectors import workbook

if TYPE_CHECKING:
    from b3.site.hook import B3Hook

log = logging.getLogger(__name__)

_FILE_NAME = "GetDownloadIndustryClassification.xlsx"


def capture_sectors(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str) -> LandedFile | None:
    """Bring the sector classification to landing/sectors/ if it differs from the newest one up to `trade_date`.

    It lands again if that one never came to raw/, because a run failed on the way: then it is of this session.

    The workbook has no date, and B3 serves only the current one. So it is fetched only while B3's portfolios are those
    of `trade_date`. Later, or if B3 fails to answer, the file that landed for that session is used.

    Args:
        hook: the hook to B3.
        s3: a boto3 S3 client.
        lake: the lake.
        trade_date: the session.
        index: B3's code of an index; its portfolio names the session that B3 serves.

    Returns:
        The file of that session; None if the classification equals the newest one that is in raw/ as well.

    Raises:
        OtherSession: B3 serves another session, and no file has landed for `trade_date`.
        SourceError: or a subclass: B3's answer is missing, or is no sector classification. A bad answer is kept in
            landing/rejected/.
    """
    key = layout.landing_sectors_key(trade_date)
    newest = _newest_sectors_key(s3, lake, key)
    former = find(s3, lake, newest) if newest else None
    landed = former if newest == key else None
    try:
        current = current_session(hook, s3, lake, trade_date, index)
        if current != trade_date:
            raise OtherSession(
                source="B3's sector classification",
                expected=f"that of {trade_date}",
                found=f"B3 at the session {current}",
                hint="For that session, use the newest classification that landed up to it.",
            )
        with reading("B3's sector classification"), keeping_received(s3, lake, _FILE_NAME):
            body, download = hook.download_sector_workbook()
    except SourceError as error:
        if landed is None:
            raise
        log.warning("using %s, which landed before: %s", landed.uri, error)
        return landed
    receive(s3, lake, _FILE_NAME, io.BytesIO(body), download)
    with rejecting(s3, lake, _FILE_NAME, io.BytesIO(body), download):
        workbook.read_workbook(body, source=download.url)
    unchanged = newest and former and landed is None and former.sha256 == download.sha256
    if newest and former and unchanged and _is_in_raw(s3, lake, newest, former):
        log.info("the sector classification is still that of %s", former.uri)
        return None
    return keep(s3, lake, key, io.BytesIO(body), download)


def _is_in_raw(s3: Any, lake: Lake, key: str, landed: LandedFile) -> bool:
    """Return whether the workbook that landed under `key` is what raw/ has for its session."""
    session = layout.date_in(key, layout.landing_sectors_key, layout.LANDING_SECTORS_PREFIX)
    metadata = metadata_of(s3, lake, layout.raw_sectors_key(session)) if session else None
    return (metadata or {}).get("source-sha256") == landed.sha256


def _newest_sectors_key(s3: Any, lake: Lake, last: str) -> str | None:
    """Return the key of the newest workbook up to the key `last`. The dates in keys sort as text."""
    keys = keys_below(s3, lake, layout.LANDING_SECTORS_PREFIX)
    return max((key for key in keys if key <= last and key.endswith(".xlsx")), default=None)
