"""Which alerts have been told, and which causes are open: small objects of the lake that all workers see.

alerts/told/2026-11-28/<cause>.json             told on that day, by the worker whose PUT came first
alerts/told/2026-11-28/<cause>.recovered.json   its end told on that day
alerts/open/b3_daily/2026-11-27/<cause>.json    failed for this session, and has not succeeded since

S3 takes the first of several PUTs of one key (If-None-Match), so one cause makes one alert a day, whoever fails, and
however often. A worker that ends between its PUT and the message leaves an unsent claim; after LEASE the next failure
of that cause takes it over, or else b3_morning.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from b3.lake import layout
from b3.lake.commit import Overtaken, keys_below, on_condition
from b3.lake.layout import Lake
from b3.monitoring.alert import Alert

# After this long, a claim whose message was not sent is taken over.
LEASE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """The right to tell people of one cause on one day."""

    key: str
    token: str
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
        token = uuid.uuid4().hex
        try:
            return Claim(key, token, self._put(key, self._note(token), IfNoneMatch="*"))
        except Overtaken:
            return self._take_over(key, token)

    def was_told(self, cause: str, day: dt.date, *, recovery: bool = False) -> bool:
        """Return whether people were told of a cause on a day; a claim alone is not enough."""
        found = self._get(layout.told_alert_key(day, cause, recovery=recovery))
        return found is not None and bool(found[0]["sent"])

    def confirm(self, claim: Claim) -> None:
        """Note that people were told: from now on nobody takes the claim over."""
        self._put(claim.key, self._note(claim.token, sent=True), IfMatch=claim.etag)

    def give_back(self, claim: Claim) -> None:
        """End the lease of a claim whose message could not be sent: the next failure of the cause tries again.

        Raises:
            Overtaken: another worker has taken it over.
        """
        self._put(claim.key, self._note(claim.token, at=self._now - LEASE), IfMatch=claim.etag)

    def forget(self, cause: str, day: dt.date, *, recovery: bool = False) -> None:
        """Remove the note that people were told of a cause on a day: should it happen again, they are told again."""
        self._remove(layout.told_alert_key(day, cause, recovery=recovery))

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
        for key in keys_below(self._s3, self._lake, layout.OPEN_ALERTS_PREFIX):
            note = self._get(key)
            if note:
                yield OpenAlert(**note[0])

    def ended(self, dag_id: str, scope: str) -> list[OpenAlert]:
        """Return the causes of a DAG's scope that are open in no other scope of the DAG, and close the others.

        Those returned stay open until `close`, so that a worker that dies before it tells people loses nothing. Of
        several workers that close the last notes of a cause at once, each may get it: `claim` chooses one.
        """
        own = keys_below(self._s3, self._lake, _prefix(dag_id, scope))
        notes = {key: self._get(key) for key in own}
        elsewhere = self._causes(dag_id, own) if own else set()
        for key in own:
            if _cause(key) in elsewhere:
                self._remove(key)
        # Another worker may have closed the others meanwhile: whoever looks last finds none.
        still = self._causes(dag_id, own) if elsewhere else set()
        return [OpenAlert(**note[0]) for key, note in notes.items() if note and _cause(key) not in still]

    def close(self, note: OpenAlert) -> None:
        """Note that a cause has ended in a scope."""
        self._remove(note.key)

    def _causes(self, dag_id: str, without: Collection[str]) -> set[str]:
        found = keys_below(self._s3, self._lake, _prefix(dag_id))
        return {_cause(key) for key in found if key not in without}

    def _remove(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._lake.bucket, Key=key)

    def _take_over(self, key: str, token: str) -> Claim | None:
        found = self._get(key)
        if found is None:
            return None
        note, etag = found
        # botocore sends a PUT again whose answer was lost: S3 then refuses it because of the first.
        if note.get("token") == token:
            return Claim(key, token, etag)
        if note["sent"] or self._now - dt.datetime.fromisoformat(note["at"]) < LEASE:
            return None
        try:
            return Claim(key, token, self._put(key, self._note(token), IfMatch=etag))
        except Overtaken:
            after = self._get(key)
            return Claim(key, token, after[1]) if after and after[0]["token"] == token else None

    def _note(self, token: str, *, sent: bool = False, at: dt.datetime | None = None) -> dict[str, Any]:
        return {"token": token, "sent": sent, "at": (at or self._now).isoformat(timespec="seconds")}

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


def _prefix(dag_id: str, scope: str | None = None) -> str:
    """Return the beginning of the keys of a DAG's notes, or of those of a scope."""
    parts = [dag_id] if scope is None else [dag_id, scope]
    return layout.OPEN_ALERTS_PREFIX + "".join(f"{quote(part, '')}/" for part in parts)


def _cause(key: str) -> str:
    """Return the cause that a note's key ends with."""
    return key.rpartition("/")[2].removesuffix(".json")
