"""One crawl of catalog tables: reads what is new, and adds the partitions that the catalog lacks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue import crawl_events, hive
from local.aws.glue.parquet import Footers
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator, S3Object
from local.aws.store import Store


class CrawlError(Exception):
    """A crawl cannot go on; the message is what LastCrawl shows."""


class CrawlStoppedError(Exception):
    """StopCrawler was called."""


@dataclass
class Crawl:
    """One crawl: the crawler's definition, its log lines and counts, and whether it was asked to stop."""

    caller: Caller
    owner: str
    crawler: dict[str, Any]
    identity: str
    started: float
    added: int = 0
    updated: int = 0
    lines: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def say(self, line: str, level: str = "INFO") -> None:
        """Add a line to the crawl's log."""
        self.lines.append(f"[{self.identity}] {level} : {line}")

    def check(self) -> None:
        """Raise CrawlStoppedError if StopCrawler was called."""
        if self.stopping.is_set():
            raise CrawlStoppedError


class Crawling:
    """Does the work of crawls."""

    def __init__(self, emulator: Emulator, store: Store, partitions: Partitions) -> None:
        self._emulator = emulator
        self._store = store
        self._partitions = partitions
        self._footers = Footers(emulator)

    def run(self, crawl: Crawl) -> None:
        """Crawl every target to its end.

        Raises:
            CrawlStoppedError: it was stopped.
            CrawlError, NotParquetError, AwsError, FileNotFoundError: it failed; the message says why.
        """
        targets = crawl.crawler["Targets"]["CatalogTargets"]
        if crawl_events.wanted(crawl.crawler):
            self._crawl_events(crawl, targets[0])
            return
        for target in targets:
            for name in target["Tables"]:
                crawl.check()
                self._crawl_table(crawl, target["DatabaseName"], name)

    def _crawl_events(self, crawl: Crawl, target: dict[str, Any]) -> None:
        """Look at what the events in the queue are of, or at everything unless the crawl before was a success."""
        arn, wanted = crawl_events.queue_arn(crawl.crawler), crawl_events.fingerprint(crawl.crawler)
        listed = self._store.get("listed", crawl.owner)
        trusted = listed is not None and listed["definition"] == wanted
        self._store.forget("listed", crawl.owner)
        # Taken before anything is listed: what they are of is there by then.
        events = crawl_events.receive(self._emulator, crawl.caller, arn, crawl.check)
        if trusted:
            crawl.say("The crawl is running by consuming Amazon S3 events.")
        else:
            crawl.say("Crawl is not running in S3 event mode")
        for name in target["Tables"]:
            crawl.check()
            self._crawl_table(crawl, target["DatabaseName"], name, events.uris if trusted else None)
        crawl_events.delete(self._emulator, crawl.caller, events)
        self._store.put("listed", crawl.owner, crawl.owner, {"definition": wanted})

    def _crawl_table(self, crawl: Crawl, database: str, name: str, told: Sequence[str] | None = None) -> None:
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
        self._check_files(crawl, [item for where in locations.values() for item in by_location[where]])
        new = [hive.inherited(table, values, where) for values, where in locations.items() if values not in known]
        if new:
            crawl.check()
            self._partitions.add(caller, table, new)
            crawl.added += len(new)
            crawl.say(
                f"Created partitions with values {[item['Values'] for item in new][:20]} for table {database}.{name}"
            )
        for values, partition in known.items():
            wanted = hive.inherited(table, values, partition.location)
            if _schema(partition.descriptor["StorageDescriptor"]) != _schema(wanted["StorageDescriptor"]):
                crawl.check()
                self._partitions.replace(caller, table, values, wanted)
                crawl.updated += 1
        gone = [list(values) for values in known if values not in locations]
        if gone:
            crawl.say(
                f"No objects any more for partitions {gone[:20]} of {database}.{name}; DeleteBehavior LOG: left", "WARN"
            )

    def _check_files(self, crawl: Crawl, items: list[S3Object]) -> None:
        """Read the footers of objects that are new or changed since this crawler last read them."""
        seen: dict[str, str] = {}
        for start in range(0, len(items), 500):
            uris = [item.uri for item in items[start : start + 500]]
            places = ", ".join("?" * len(uris))
            seen.update(
                self._store.query(
                    f"SELECT uri, etag FROM crawled WHERE owner = ? AND uri IN ({places})", (crawl.owner, *uris)
                )
            )
        fresh = [item for item in items if seen.get(item.uri) != item.etag]
        for item in fresh:
            crawl.check()
            self._footers.read(crawl.caller, item)
        with self._store.transaction() as t:
            t.executemany(
                "INSERT OR REPLACE INTO crawled VALUES (?, ?, ?)",
                [(crawl.owner, item.uri, item.etag) for item in fresh],
            )
        crawl.say(f"BENCHMARK : Classification complete: {len(fresh)} of {len(items)} files read, all Parquet")


def _schema(storage: dict[str, Any]) -> tuple[Any, ...]:
    columns = [(c["Name"], c.get("Type")) for c in storage.get("Columns") or []]
    return (columns, storage.get("InputFormat"), storage.get("OutputFormat"), storage.get("SerdeInfo"))
