"""Glue's crawler calls: definitions, starts and stops, states and what the last crawls did."""

from __future__ import annotations

import json
import logging
import statistics
import threading
import time
import uuid
from typing import Any

from local.aws.context import CRAWLER, Caller
from local.aws.errors import AwsError, invalid_input
from local.aws.glue import crawl_events
from local.aws.glue.crawl import Crawl, CrawlError, Crawling, CrawlStoppedError
from local.aws.glue.logs import Logs
from local.aws.glue.parquet import NotParquetError
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator
from local.aws.store import Store

LOG_GROUP = "/aws-glue/crawlers"
INTERRUPTED = "The crawl was cut off: the local AWS server ended while it was running. Start the crawler again."
log = logging.getLogger("local.aws.glue.crawler")


class Crawlers:
    """Glue's crawler calls."""

    def __init__(self, emulator: Emulator, store: Store, partitions: Partitions, logs: Logs) -> None:
        self._emulator = emulator
        self._store = store
        self._logs = logs
        self._crawling = Crawling(emulator, store, partitions)
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
        crawl = Crawl(caller.acting_as(CRAWLER), owner, crawler, str(uuid.uuid4()), time.time())
        with self._lock:
            if owner in self._running:
                raise AwsError("CrawlerRunningException", f"Crawler with name {name} has already started")
            self._running[owner] = crawl
        try:
            self._store.put("crawl", owner, crawl.identity, self._record(crawl, "RUNNING"))
            threading.Thread(target=self._run, args=(crawl,), name=f"crawl-{name}", daemon=True).start()
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
                    "TablesCreated": 0,
                    "TablesUpdated": 0,
                    "TablesDeleted": 0,
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
        record: dict[str, Any] = {
            "Status": status,
            "StartTime": crawl.started,
            "LogGroup": LOG_GROUP,
            "LogStream": crawl.crawler["Name"],
            "MessagePrefix": crawl.identity,
        }
        if status != "RUNNING":
            record["EndTime"] = time.time()
        if error:
            record["ErrorMessage"] = error[:2048]
        return record

    def _run(self, crawl: Crawl) -> None:
        error = None
        crawl.say("BENCHMARK : Running Start Crawl for Crawler " + crawl.crawler["Name"])
        try:
            self._crawling.run(crawl)
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
        crawl.say(
            f"BENCHMARK : Crawler has finished running and is in state READY: {status}, "
            f"{crawl.added} partitions added, {crawl.updated} updated"
        )
        try:
            self._logs.write(crawl.caller, LOG_GROUP, crawl.crawler["Name"], crawl.lines)
        except Exception:
            log.exception("the log of crawler %s could not be written", crawl.crawler["Name"])
        self._store.put("crawl", crawl.owner, crawl.identity, self._record(crawl, status, error))
        with self._lock:
            self._running.pop(crawl.owner, None)


def _check_definition(crawler: dict[str, Any]) -> None:
    targets = crawler.get("Targets") or {}
    catalog = targets.get("CatalogTargets") or []
    other = sorted(kind for kind, value in targets.items() if value and kind != "CatalogTargets")
    if other:
        raise invalid_input(f"the local AWS server crawls catalog targets only, found {other}")
    if not catalog:
        raise invalid_input("A crawler needs at least one target: Targets is empty")
    if any(not target.get("Tables") or not target.get("DatabaseName") for target in catalog):
        raise invalid_input("A catalog target needs DatabaseName and Tables")
    recrawl = (crawler.get("RecrawlPolicy") or {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
    if recrawl not in ("CRAWL_EVERYTHING", crawl_events.MODE):
        raise invalid_input(f"the local AWS server crawls everything or by events, found {recrawl}")
    if crawl_events.wanted(crawler):
        crawl_events.queue_arn(crawler)
    behavior = (crawler.get("SchemaChangePolicy") or {}).get("DeleteBehavior", "LOG")
    if behavior != "LOG":
        raise invalid_input(
            f"The SchemaChangePolicy for a crawler with catalog targets must have DeleteBehavior LOG, found {behavior}"
        )
    try:
        if not isinstance(json.loads(crawler.get("Configuration") or "{}"), dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise invalid_input(f"Configuration is not a JSON object: {error}") from None
