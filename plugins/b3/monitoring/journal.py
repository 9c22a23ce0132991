"""Which alerts have been told, and which causes are open: small objects of the lake that all workers see.

alerts/told/2026-11-28/<cause>.json             told on that day, by the worker whose PUT came first
alerts/told/2026-11-28/<cause>.recovered.json   its end told on that day
alerts/open/b3_daily/2026-11-27/<cause>.json    failed for this session, and has not succeeded since

S3 takes the first of several PUTs of one key (If-None-Match), so one cause makes one alert a day, whoever fails, and
however often. A worker that ends between its PUT and the message leaves an unsent claim; after LEASE the next failure
of that cause takes it over.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from b3.lake import layout
from b3.lake.commit import Overtaken, on_condition
from b3.lake.layout import Lake
from b3.monitoring.alert import Alert

# After this long, a claim whose message was not sent is taken over.
LEASE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """The right to tell people of one cause on one day."""

    key: str
    etag: str


@dataclass(frozen=True)
class OpenAlert:
    """A cause that has failed and not succeeded since.

    Attributes:
        dag_id: the DAG that failed.
        scope: what its runs share until one succeeds, as the session.
        cause: key of the cause, see `Alert.key`.
        subject: subject of the alert.
        since: the instant of the first failure.
        runbook: anchor in docs/runbook.md.
        link: address in Airflow's UI.
    """

    dag_id: str
    scope: str
    cause: str
    subject: str
    since: str
    runbook: str
    link: str

    @property
    def key(self) -> str:
        """The key of its object."""
        return layout.open_alert_key(quote(self.dag_id, ""), quote(self.scope, ""), self.cause)


class Journal:
    """The alerts of one lake.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        now: the present instant.
    """

    def __init__(self, s3: Any, lake: Lake, now: dt.datetime) -> None:
        self._s3 = s3
        self._lake = lake
        self._now = now

    def claim(self, cause: str, day: dt.date, *, recovery: bool = False) -> Claim | None:
        """Return the right to tell people of a cause, None if they have been told today, or another worker tells them.

        Args:
            cause: key of the cause.
            day: the day, São Paulo.
            recovery: tell its end.
        """
        key = layout.told_alert_key(day, cause, recovery=recovery)
        try:
            return Claim(key, self._put(key, self._note(sent=False), IfNoneMatch="*"))
        except Overtaken:
            return self._take_over(key)

    def confirm(self, claim: Claim) -> None:
        """Note that people were told: from now on nobody takes the claim over."""
        self._put(claim.key, self._note(sent=True), IfMatch=claim.etag)

    def give_back(self, claim: Claim) -> None:
        """Remove a claim whose message could not be sent: the next failure of the cause tries again."""
        self._s3.delete_object(Bucket=self._lake.bucket, Key=claim.key)

    def open(self, alert: Alert, dag_id: str, scope: str) -> None:
        """Note that a cause has failed; a note that is there keeps its time."""
        since = self._now.isoformat(timespec="seconds")
        note = OpenAlert(dag_id, scope, alert.key, alert.subject, since, alert.runbook, alert.link)
        try:
            self._put(note.key, asdict(note), IfNoneMatch="*")
        except Overtaken:
            return

    def all_open(self) -> Iterator[OpenAlert]:
        """Yield all causes that are open, in order of DAG and scope."""
        return self._open(layout.OPEN_ALERTS_PREFIX)

    def close(self, dag_id: str, scope: str) -> list[OpenAlert]:
        """Close the causes of a DAG's scope, and return those that are open nowhere else.

        Of several workers that close the last notes of a cause at once, each may get it: `claim` chooses one.
        """
        prefix = layout.open_alert_key(quote(dag_id, ""), quote(scope, ""), "").removesuffix(".json")
        closed = list(self._open(prefix))
        for each in closed:
            self._s3.delete_object(Bucket=self._lake.bucket, Key=each.key)
        if not closed:
            return []
        still = {each.cause for each in self.all_open()}
        return [each for each in closed if each.cause not in still]

    def _open(self, prefix: str) -> Iterator[OpenAlert]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._lake.bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Contents", []):
                note = self._get(entry["Key"])
                if note:
                    yield OpenAlert(**note[0])

    def _take_over(self, key: str) -> Claim | None:
        found = self._get(key)
        if found is None:
            return None
        note, etag = found
        if note["sent"] or self._now - dt.datetime.fromisoformat(note["at"]) < LEASE:
            return None
        try:
            return Claim(key, self._put(key, self._note(sent=False), IfMatch=etag))
        except Overtaken:
            return None

    def _note(self, *, sent: bool) -> dict[str, Any]:
        return {"sent": sent, "at": self._now.isoformat(timespec="seconds")}

    def _get(self, key: str) -> tuple[dict[str, Any], str] | None:
        """Return a note and its ETag, None if somebody removed it."""
        try:
            answer = self._s3.get_object(Bucket=self._lake.bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return json.loads(answer["Body"].read()), answer["ETag"]

    def _put(self, key: str, note: dict[str, Any], **condition: str) -> str:
        body = json.dumps(note).encode()
        with on_condition(self._s3, self._lake, key):
            answer = self._s3.put_object(
                Bucket=self._lake.bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
        return str(answer["ETag"])
