"""Compare raw quotes with the files in landing/ that they are made from: every row, by the reader of `upload`."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

import pyarrow as pa

from b3.calendar import known_sessions
from b3.errors import SourceError, reading
from b3.lake import layout
from b3.lake.commit import heads
from b3.lake.landed import LandedFile, with_fetch_time
from b3.lake.layout import Lake
from b3.quotes import choose, corrections, cotahist, raw
from b3.quotes.cotahist.parquet import RAW_SCHEMA
from b3.quotes.year_checks import LACKED_BY
from b3.verify import landed, objects
from b3.verify.differences import DAMAGED, ORPHAN, ROWS, STALE, Difference, Report, rebuild, unreadable
from b3.verify.inventory import Days, Inventory, Partition

_TABLE = layout.RAW_QUOTES_TABLE


class RawQuotes:
    """The comparison of a period's raw quotes; it hands on what refined quotes are compared with.

    Attributes:
        totals: rows and volume of the raw quotes that could be read, by session.
    """

    def __init__(self, s3: Any, lake: Lake, inventory: Inventory, period: Days, report: Report) -> None:
        self._s3 = s3
        self._lake = lake
        self._inventory = inventory
        self._period = period
        self._report = report
        self._chosen: dict[dt.date, LandedFile] = {}
        # Keys of files that do not list their sessions: a person put them.
        self._unlisted: set[str] = set()
        self._damaged: set[str] = set()
        self._compared: set[dt.date] = set()
        self.totals: dict[dt.date, objects.Totals] = {}

    def compare(self, pool: Executor) -> None:
        """Compare every session of the period, and add the differences to the report."""
        self._choose()
        for trade_date, file in self._chosen.items():
            if self._partition(trade_date) not in self._inventory.partitions:
                missing = objects.missing(self._lake, self._inventory, self._partition(trade_date), file.uri)
                self._report.differences.append(missing)
        days = {key: covered for key, covered in self._inventory.quotes_files.items() if covered.first == covered.last}
        for found in pool.map(lambda item: list(self._of_daily_file(item[0], item[1].first)), days.items()):
            self._report.differences += found
        for key in sorted(self._inventory.quotes_files.keys() - days.keys()):
            self._report.differences += self._of_longer_file(key, pool)
        self._report.objects += len(self._inventory.quotes_files)
        present = self._inventory.dates_of(_TABLE)
        self._report.sessions |= {*present, *self._chosen}
        left = [date for date in present if date not in self._compared]
        for found in pool.map(lambda date: list(self._left_over(date)), left):
            self._report.differences += found
        self._report.objects += len(present)

    def _choose(self) -> None:
        """Take the decision of `upload`, on which file each session comes from."""
        keys = self._inventory.quotes_files
        answers = heads(self._s3, self._lake, keys)
        candidates = set(self._inventory.dates_of(_TABLE))
        for key, covered in keys.items():
            if covered.first == covered.last:
                candidates.add(covered.first)
                continue
            listed = known_sessions.listed(with_fetch_time(answers[key]), covered.first.year)
            candidates |= {date for date in listed or () if self._period.has(date)}
            if listed is None:
                self._unlisted.add(key)
        try:
            self._chosen = choose.newest_of_each(self._s3, self._lake, sorted(candidates))
        except SourceError:
            # A file without its origin, which is told when it is read, cannot be chosen.
            self._chosen = self._chosen_one_by_one(candidates)

    def _chosen_one_by_one(self, candidates: set[dt.date]) -> dict[dt.date, LandedFile]:
        found = {}
        for trade_date in sorted(candidates):
            try:
                files = choose.newest_first(self._s3, self._lake, trade_date)
            except SourceError:
                continue
            if files:
                found[trade_date] = files[0]
        return found

    def _of_daily_file(self, key: str, trade_date: dt.date) -> Iterator[Difference]:
        with tempfile.TemporaryFile() as source:
            found = landed.read(self._s3, self._lake, key, source)
            if found.file is None:
                assert found.difference
                self._damaged.add(self._lake.uri(key))
                yield found.difference
            elif self._is_from(found.file, trade_date):
                try:
                    with reading(found.file.uri):
                        reader = cotahist.Reader(source, trade_date=trade_date, unreadable=True, name=found.file.uri)
                        records = pa.Table.from_batches(reader, cotahist.READ_SCHEMA)
                except SourceError as error:
                    yield self._refused(found.file, error)
                else:
                    yield from self._compare(trade_date, found.file, records)

    def _of_longer_file(self, key: str, pool: Executor) -> list[Difference]:
        with tempfile.TemporaryFile() as source:
            found = landed.read(self._s3, self._lake, key, source)
            if found.file is None:
                assert found.difference
                self._damaged.add(self._lake.uri(key))
                return [found.difference]
            file = found.file
            if key not in self._unlisted and not any(each.uri == file.uri for each in self._chosen.values()):
                return []
            try:
                with reading(file.uri), cotahist.by_session(source, name=file.uri) as sessions:
                    dates = [date for date in sessions.dates() if self._is_from(file, date)]
                    compared = pool.map(lambda date: list(self._compare(date, file, sessions.table(date))), dates)
                    return [difference for differences in compared for difference in differences]
            except SourceError as error:
                return [self._refused(file, error)]

    def _is_from(self, file: LandedFile, trade_date: dt.date) -> bool:
        """Return whether a session comes from this file, which has records of it."""
        return self._period.has(trade_date) and self._chosen.get(trade_date, file).uri == file.uri

    def _refused(self, file: LandedFile, error: SourceError) -> Difference:
        self._damaged.add(file.uri)
        return unreadable(file.uri, error, "delete the file, and run scrape again; its bytes stay as a former version")

    def _compare(self, trade_date: dt.date, file: LandedFile, records: pa.Table) -> Iterator[Difference]:
        """Yield how a session's raw quotes differ from the records of the file that they are from."""
        if self._partition(trade_date) not in self._inventory.partitions or not len(records):
            return
        self._compared.add(trade_date)
        stored = objects.read(self._s3, self._lake, self._partition(trade_date))
        if stored.file is None:
            damage = stored.damage(trade_date)
            assert damage
            yield damage
            return
        expected = records.rename_columns(RAW_SCHEMA.names)
        try:
            present = stored.table().select(RAW_SCHEMA.names).cast(RAW_SCHEMA)
        except (pa.ArrowException, KeyError) as error:
            yield Difference(DAMAGED, stored.uri, "the columns of raw quotes", str(error), rebuild(trade_date))
            return
        self.totals[trade_date] = objects.Totals.of(present)
        if present.equals(expected):
            damage = stored.damage(trade_date)
            if damage:
                yield damage
            return
        stale = stored.metadata.get("source-sha256") != file.sha256
        difference = corrections.compare(present, expected)
        yield Difference(
            STALE if stale else ROWS,
            stored.uri,
            f"{objects.Totals.of(expected)}, as in {file.uri}",
            f"{objects.Totals.of(present)}: {len(difference.added)} rows lacking, {len(difference.gone)} too many, "
            f"{len(difference.changed)} changed"
            + ("" if difference.changes else ", in another order")
            + (f"; made from {stored.metadata.get('source-url', 'an unknown file')}" if stale else ""),
            rebuild(trade_date),
        )

    def _left_over(self, trade_date: dt.date) -> Iterator[Difference]:
        """Yield what is wrong with raw quotes that no file was compared with."""
        stored = objects.read(self._s3, self._lake, self._partition(trade_date))
        if stored.file is not None:
            self.totals[trade_date] = stored.totals()
        file = self._chosen.get(trade_date)
        if file is None:
            if stored.metadata.get(LACKED_BY) not in self._sha256_of_year(trade_date):
                yield Difference(
                    ORPHAN,
                    stored.uri,
                    "a file in landing/ that holds the session",
                    f"none; made from {stored.metadata.get('source-url', 'an unknown file')}",
                    f"make run DATE={trade_date}, or restore that file; if there was no session, delete the object",
                )
        elif file.uri not in self._damaged:
            # The file says that it reaches the session, but has no record: `upload` takes another one.
            try:
                file, records = raw.newest_records(self._s3, self._lake, trade_date)
            except SourceError as error:
                yield unreadable(file.uri, error, error.hint)
            else:
                yield from self._compare(trade_date, file, records)

    def _sha256_of_year(self, trade_date: dt.date) -> set[str]:
        """Return the sha256 of the year's landed file: a person may have accepted that it lacks a session."""
        key = layout.landing_quotes_key(choose.year_file(trade_date.year).name)
        answer = heads(self._s3, self._lake, [key]).get(key)
        return {answer["Metadata"].get("source-sha256", "")} if answer else set()

    def _partition(self, trade_date: dt.date) -> Partition:
        return Partition(_TABLE, trade_date)
