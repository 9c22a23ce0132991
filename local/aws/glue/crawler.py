"""Glue crawlers: runs that add partitions to catalog tables, or tables for S3 folders."""

from __future__ import annotations

import json
import logging
import statistics
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.aws.context import CRAWLER, Caller
from local.aws.errors import AwsError
from local.aws.glue import crawl_events, crawl_s3, hive
from local.aws.glue.logs import Logs
from local.aws.glue.parquet import Footers, NotParquetError
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator, S3Object
from local.aws.store import Store

LOG_GROUP = "/aws-glue/crawlers"
INTERRUPTED = "The crawl was cut off: the local AWS server ended while it was running. Start the crawler again."
log = logging.getLogger("local.aws.glue.crawler")


class CrawlError(Exception):
    """A crawl cannot go on; the message is what LastCrawl shows."""


class CrawlStoppedError(Exception):
    """StopCrawler was called."""


@dataclass
class Counts:
    """What a crawl changed in the catalog."""

    tables_created: int = 0
    tables_updated: int = 0
    tables_deleted: int = 0
    partitions_added: int = 0
    partitions_updated: int = 0


@dataclass
class Crawl:
    """One crawl: the crawler's definition, its log lines and counts, and whether it was asked to stop."""

    caller: Caller
    crawler: dict[str, Any]
    identity: str
    started: float
    counts: Counts = field(default_factory=Counts)
    lines: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def say(self, line: str, level: str = "INFO") -> None:
        """Add a line to the crawl's log."""
        self.lines.append(f"[{self.identity}] {level} : {line}")

    def check(self) -> None:
        """Raise CrawlStoppedError if StopCrawler was called."""
        if self.stopping.is_set():
            raise CrawlStoppedError


class Crawlers:
    """Glue's crawler calls."""

    def __init__(self, emulator: Emulator, store: Store, partitions: Partitions, logs: Logs) -> None:
        self._emulator = emulator
        self._store = store
        self._partitions = partitions
        self._logs = logs
        self._footers = Footers(emulator)
        self._running: dict[str, Crawl] = {}
        self._lock = threading.Lock()
        crawl_events.deliver_at_once()

    def handlers(self) -> dict[str, Any]:
        """The calls that this answers, by X-Amz-Target."""
        calls = {
            "CreateCrawler": self.create,
            "UpdateCrawler": self.update,
            "DeleteCrawler": self.delete,
            "StartCrawler": self.start,
            "StopCrawler": self.stop_one,
            "GetCrawler": self.get,
            "GetCrawlers": self.get_many,
            "BatchGetCrawlers": self.batch_get,
            "ListCrawls": self.list_crawls,
            "GetCrawlerMetrics": self.metrics,
        }
        return {f"AWSGlue.{name}": call for name, call in calls.items()}

    def recover(self) -> None:
        """Mark crawls that a kill cut off as failed; after a kill, crawlers list instead of going by events."""
        if self._store.get("unsaved", "events") is not None:
            for owner, _, _ in self._store.every("listed"):
                self._store.forget("listed", owner)
        # Events are saved a moment after the write that they are of: a kill may lose the last ones.
        self._store.put("unsaved", "", "events", {})
        for owner, identity, record in self._store.every("crawl"):
            if record["Status"] == "RUNNING":
                record.update(Status="FAILED", ErrorMessage=INTERRUPTED, EndTime=time.time())
                self._store.put("crawl", owner, identity, record)

    def stop(self) -> None:
        """Stop the running crawls."""
        with self._lock:
            crawls = list(self._running.values())
        for crawl in crawls:
            crawl.stopping.set()
        deadline = time.monotonic() + 5
        while self._running and time.monotonic() < deadline:
            time.sleep(0.05)
        self._emulator.snapshots.save(["sqs"])
        self._store.forget("unsaved", "")

    def create(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """CreateCrawler."""
        _check_definition(data)
        return self._emulator.call(caller, "AWSGlue.CreateCrawler", data)

    def update(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """UpdateCrawler."""
        name = str(data.get("Name", ""))
        current = self._definition(caller, name)
        if caller.owner(name) in self._running:
            raise AwsError("CrawlerRunningException", f"Crawler with name {name} is currently running")
        _check_definition({**current, **data})
        return self._emulator.call(caller, "AWSGlue.UpdateCrawler", data)

    def delete(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """DeleteCrawler."""
        name = str(data.get("Name", ""))
        if caller.owner(name) in self._running:
            raise AwsError("CrawlerRunningException", f"Crawler with name {name} is currently running")
        answer = self._emulator.call(caller, "AWSGlue.DeleteCrawler", data)
        self._store.forget("crawl", caller.owner(name))
        self._store.forget("listed", caller.owner(name))
        with self._store.transaction() as t:
            t.execute("DELETE FROM crawled WHERE owner = ?", (caller.owner(name),))
        return answer

    def start(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """StartCrawler: the crawler reads as RUNNING when this returns."""
        name = str(data.get("Name", ""))
        crawler = self._definition(caller, name)
        _check_definition(crawler)
        owner = caller.owner(name)
        crawl = Crawl(caller.acting_as(CRAWLER), crawler, str(uuid.uuid4()), time.time())
        with self._lock:
            if owner in self._running:
                raise AwsError("CrawlerRunningException", f"Crawler with name {name} has already started")
            self._running[owner] = crawl
        try:
            self._store.put("crawl", owner, crawl.identity, self._record(crawl, "RUNNING"))
            threading.Thread(target=self._run, args=(owner, crawl), name=f"crawl-{name}", daemon=True).start()
        except BaseException:
            self._running.pop(owner, None)
            raise
        return {}

    def stop_one(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """StopCrawler."""
        name = str(data.get("Name", ""))
        self._definition(caller, name)
        crawl = self._running.get(caller.owner(name))
        if crawl is None:
            raise AwsError("CrawlerNotRunningException", f"Crawler with name {name} is not running")
        if crawl.stopping.is_set():
            raise AwsError("CrawlerStoppingException", f"Crawler with name {name} is already stopping")
        crawl.stopping.set()
        return {}

    def get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetCrawler."""
        return {"Crawler": self._with_state(caller, self._definition(caller, str(data.get("Name", ""))))}

    def get_many(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetCrawlers."""
        crawlers = self._emulator.call(caller, "AWSGlue.GetCrawlers", {})["Crawlers"]
        return {"Crawlers": [self._with_state(caller, crawler) for crawler in crawlers]}

    def batch_get(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """BatchGetCrawlers."""
        crawlers = {c["Name"]: c for c in self._emulator.call(caller, "AWSGlue.GetCrawlers", {})["Crawlers"]}
        names = list(data.get("CrawlerNames") or [])
        return {
            "Crawlers": [self._with_state(caller, crawlers[name]) for name in names if name in crawlers],
            "CrawlersNotFound": [name for name in names if name not in crawlers],
        }

    def list_crawls(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """ListCrawls, newest first, without filters."""
        name = str(data.get("CrawlerName", ""))
        self._definition(caller, name)
        if data.get("Filters"):
            raise AwsError(
                "InvalidInputException", "the local AWS server does not filter ListCrawls: ask without Filters"
            )
        states = {"RUNNING": "RUNNING", "SUCCEEDED": "COMPLETED", "FAILED": "FAILED", "CANCELLED": "STOPPED"}
        crawls = [
            {
                "CrawlId": record["MessagePrefix"],
                "State": states[record["Status"]],
                "StartTime": record["StartTime"],
                **({"EndTime": record["EndTime"]} if "EndTime" in record else {}),
                **({"ErrorMessage": record["ErrorMessage"]} if "ErrorMessage" in record else {}),
                "Summary": json.dumps(record["Summary"]),
                "LogGroup": LOG_GROUP,
                "LogStream": name,
                "MessagePrefix": record["MessagePrefix"],
            }
            for record in self._store.latest("crawl", caller.owner(name), int(data.get("MaxResults") or 20))
        ]
        return {"Crawls": crawls}

    def metrics(self, caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        """GetCrawlerMetrics, every key of it."""
        names = data.get("CrawlerNameList") or [
            crawler["Name"] for crawler in self._emulator.call(caller, "AWSGlue.GetCrawlers", {})["Crawlers"]
        ]
        answers = []
        for name in names:
            records = self._store.latest("crawl", caller.owner(name), 100)
            done = [record for record in records if "EndTime" in record]
            seconds = [record["EndTime"] - record["StartTime"] for record in done]
            answers.append(
                {
                    "CrawlerName": name,
                    "TimeLeftSeconds": 0.0,
                    "StillEstimating": caller.owner(name) in self._running,
                    "LastRuntimeSeconds": seconds[0] if seconds else 0.0,
                    "MedianRuntimeSeconds": statistics.median(seconds) if seconds else 0.0,
                    "TablesCreated": done[0]["Summary"]["TablesCreated"] if done else 0,
                    "TablesUpdated": done[0]["Summary"]["TablesUpdated"] if done else 0,
                    "TablesDeleted": done[0]["Summary"]["TablesDeleted"] if done else 0,
                }
            )
        return {"CrawlerMetricsList": answers}

    def _definition(self, caller: Caller, name: str) -> dict[str, Any]:
        crawler: dict[str, Any] = self._emulator.call(caller, "AWSGlue.GetCrawler", {"Name": name})["Crawler"]
        return crawler

    def _with_state(self, caller: Caller, crawler: dict[str, Any]) -> dict[str, Any]:
        owner = caller.owner(crawler["Name"])
        merged = {
            k: v for k, v in crawler.items() if k not in ("State", "CrawlElapsedTime", "LastCrawl") and v is not None
        }
        crawl = self._running.get(owner)
        merged["State"] = "READY" if crawl is None else "STOPPING" if crawl.stopping.is_set() else "RUNNING"
        merged["CrawlElapsedTime"] = int((time.time() - crawl.started) * 1000) if crawl else 0
        for record in self._store.latest("crawl", owner, 2):
            if record["Status"] != "RUNNING":
                shown = ("ErrorMessage", "Status", "LogGroup", "LogStream", "MessagePrefix", "StartTime")
                merged["LastCrawl"] = {key: record[key] for key in shown if key in record}
                break
        return merged

    def _record(self, crawl: Crawl, status: str, error: str | None = None) -> dict[str, Any]:
        counts = crawl.counts
        record: dict[str, Any] = {
            "Status": status,
            "StartTime": crawl.started,
            "LogGroup": LOG_GROUP,
            "LogStream": crawl.crawler["Name"],
            "MessagePrefix": crawl.identity,
            "Summary": {
                "TablesCreated": counts.tables_created,
                "TablesUpdated": counts.tables_updated,
                "TablesDeleted": counts.tables_deleted,
                "PartitionsAdded": counts.partitions_added,
                "PartitionsUpdated": counts.partitions_updated,
            },
        }
        if status != "RUNNING":
            record["EndTime"] = time.time()
        if error:
            record["ErrorMessage"] = error[:2048]
        return record

    def _run(self, owner: str, crawl: Crawl) -> None:
        error = None
        crawl.say("BENCHMARK : Running Start Crawl for Crawler " + crawl.crawler["Name"])
        try:
            self._crawl(owner, crawl)
            status = "SUCCEEDED"
        except CrawlStoppedError:
            status = "CANCELLED"
        except (CrawlError, NotParquetError, AwsError, FileNotFoundError) as problem:
            status, error = "FAILED", problem.message if isinstance(problem, AwsError) else str(problem)
        except Exception as problem:
            log.exception("crawler %s failed", crawl.crawler["Name"])
            status, error = "FAILED", f"Internal Service Exception: {type(problem).__name__}: {problem}"
        if error:
            crawl.say(error, "ERROR")
        counts = crawl.counts
        crawl.say(
            f"BENCHMARK : Crawler has finished running and is in state READY: {status}, "
            f"{counts.partitions_added} partitions added, {counts.partitions_updated} updated, "
            f"{counts.tables_created} tables created, {counts.tables_updated} updated"
        )
        try:
            self._logs.write(crawl.caller, LOG_GROUP, crawl.crawler["Name"], crawl.lines)
        except Exception:
            log.exception("the log of crawler %s could not be written", crawl.crawler["Name"])
        self._store.put("crawl", owner, crawl.identity, self._record(crawl, status, error))
        with self._lock:
            self._running.pop(owner, None)

    def _crawl(self, owner: str, crawl: Crawl) -> None:
        targets = crawl.crawler.get("Targets") or {}
        if crawl_events.wanted(crawl.crawler):
            self._crawl_events(owner, crawl, targets["CatalogTargets"][0])
            return
        for target in targets.get("CatalogTargets") or []:
            for name in target["Tables"]:
                crawl.check()
                self._crawl_table(owner, crawl, target["DatabaseName"], name)
        for target in targets.get("S3Targets") or []:
            crawl.check()
            crawl_s3.crawl(self._emulator, self._partitions, self._footers, crawl, target)

    def _crawl_events(self, owner: str, crawl: Crawl, target: dict[str, Any]) -> None:
        """Look at what the events in the queue are of, or at everything unless the crawl before was a success."""
        arn, wanted = crawl_events.queue_arn(crawl.crawler), crawl_events.fingerprint(crawl.crawler)
        listed = self._store.get("listed", owner)
        trusted = listed is not None and listed["definition"] == wanted
        self._store.forget("listed", owner)
        # Taken before anything is listed: what they are of is there by then.
        events = crawl_events.receive(self._emulator, crawl.caller, arn, crawl.check)
        if trusted:
            crawl.say("The crawl is running by consuming Amazon S3 events.")
        else:
            crawl.say("Crawl is not running in S3 event mode")
        for name in target["Tables"]:
            crawl.check()
            self._crawl_table(owner, crawl, target["DatabaseName"], name, events.uris if trusted else None)
        crawl_events.delete(self._emulator, crawl.caller, events)
        self._store.put("listed", owner, owner, {"definition": wanted})

    def _crawl_table(
        self, owner: str, crawl: Crawl, database: str, name: str, told: Sequence[str] | None = None
    ) -> None:
        """Crawl one table: all of its folders, or only those of the objects in `told`."""
        caller = crawl.caller
        try:
            table = self._partitions.table(caller, database, name)
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
            raise CrawlError(f"Table {database}.{name}, a target of this crawler, is not in the catalog") from None
        location = table["StorageDescriptor"].get("Location") or ""
        keys = [key["Name"] for key in table.get("PartitionKeys") or []]
        if told is None:
            listed = self._emulator.list_objects(caller, hive.folder(location))
        else:
            listed = crawl_events.touched(self._emulator, caller, location, told)
        locations, by_location, strays = hive.partition_folders(location, keys, listed)
        for item in strays:
            crawl.say(f"{item.uri} lies in no folder of the partition keys {keys} of {database}.{name}", "WARN")
        if told is None:
            there = self._partitions.all(caller, database, name)
        else:
            there = self._partitions.some(caller, database, name, locations)
        known = {p.values: p for p in there}
        only_new = (crawl.crawler.get("RecrawlPolicy") or {}).get("RecrawlBehavior") == "CRAWL_NEW_FOLDERS_ONLY"
        visited = [where for values, where in locations.items() if not (only_new and values in known)]
        self._check_files(owner, crawl, [item for where in visited for item in by_location[where]])
        new = [hive.inherited(table, values, where) for values, where in locations.items() if values not in known]
        if new:
            crawl.check()
            self._partitions.add(caller, table, new)
            crawl.counts.partitions_added += len(new)
            crawl.say(
                f"Created partitions with values {[item['Values'] for item in new][:20]} for table {database}.{name}"
            )
        if not only_new:
            for values, partition in known.items():
                wanted = hive.inherited(table, values, partition.location)
                if _schema(partition.descriptor["StorageDescriptor"]) != _schema(wanted["StorageDescriptor"]):
                    crawl.check()
                    self._partitions.replace(caller, table, values, wanted)
                    crawl.counts.partitions_updated += 1
        gone = [list(values) for values in known if values not in locations]
        if gone:
            crawl.say(
                f"No objects any more for partitions {gone[:20]} of {database}.{name}; DeleteBehavior LOG: left", "WARN"
            )

    def _check_files(self, owner: str, crawl: Crawl, items: list[S3Object]) -> None:
        """Read the footers of objects that are new or changed since this crawler last read them."""
        seen: dict[str, str] = {}
        for start in range(0, len(items), 500):
            uris = [item.uri for item in items[start : start + 500]]
            places = ", ".join("?" * len(uris))
            seen.update(
                self._store.query(
                    f"SELECT uri, etag FROM crawled WHERE owner = ? AND uri IN ({places})", (owner, *uris)
                )
            )
        fresh = [item for item in items if seen.get(item.uri) != item.etag]
        for item in fresh:
            crawl.check()
            self._footers.read(crawl.caller, item)
        with self._store.transaction() as t:
            t.executemany(
                "INSERT OR REPLACE INTO crawled VALUES (?, ?, ?)", [(owner, item.uri, item.etag) for item in fresh]
            )
        crawl.say(f"BENCHMARK : Classification complete: {len(fresh)} of {len(items)} files read, all Parquet")


def _schema(storage: dict[str, Any]) -> tuple[Any, ...]:
    columns = [(c["Name"], c.get("Type")) for c in storage.get("Columns") or []]
    return (columns, storage.get("InputFormat"), storage.get("OutputFormat"), storage.get("SerdeInfo"))


def _check_definition(crawler: dict[str, Any]) -> None:
    targets = crawler.get("Targets") or {}
    catalog, s3 = targets.get("CatalogTargets") or [], targets.get("S3Targets") or []
    unsupported = sorted(
        kind for kind, value in targets.items() if value and kind not in ("CatalogTargets", "S3Targets")
    )
    if unsupported:
        raise AwsError(
            "InvalidInputException", f"the local AWS server crawls catalog and S3 targets, found {unsupported}"
        )
    if not catalog and not s3:
        raise AwsError("InvalidInputException", "A crawler needs at least one target: Targets is empty")
    policy = crawler.get("SchemaChangePolicy") or {}
    if crawl_events.wanted(crawler):
        crawl_events.queue_arn(crawler)
    if catalog:
        if s3:
            raise AwsError("InvalidInputException", "Catalog targets cannot be mixed with other targets in one crawler")
        if policy.get("DeleteBehavior", "LOG") != "LOG":
            raise AwsError(
                "InvalidInputException",
                "The SchemaChangePolicy for a crawler with catalog targets must have DeleteBehavior LOG, "
                f"found {policy['DeleteBehavior']}",
            )
        if any(not target.get("Tables") or not target.get("DatabaseName") for target in catalog):
            raise AwsError("InvalidInputException", "A catalog target needs DatabaseName and Tables")
    try:
        if not isinstance(json.loads(crawler.get("Configuration") or "{}"), dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise AwsError("InvalidInputException", f"Configuration is not a JSON object: {error}") from None
