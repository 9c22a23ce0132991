"""Sessions of a run: their quotes and findings, checked all together, then committed one by one."""

from __future__ import annotations

import datetime as dt
import itertools
import time

from pyspark import StorageLevel
from pyspark.sql import Row

from refine.commit import commit
from refine.errors import ChangedSource, EmptySource, RowsLost, WrongTradeDate
from refine.quotes import refine_quotes
from refine.raw import RawObject, check_unchanged, find_sources, read_sessions
from refine.run import Run
from refine.s3 import etags_of, in_parallel, objects_of
from refine.session_files import make_files

# Sessions whose files are in the driver's memory at a time, some 500 KB each; after each lot comes a line in the log.
SESSIONS_AT_ONCE = 64


def commit_sessions(run: Run) -> dict[dt.date, RawObject]:
    """Refine the quotes of `args.sessions` into `args.findings` and `args.target`; return the raw objects.

    All sessions pass the checks before the first is committed.

    Raises:
        MissingSource, SchemaMismatch, EmptySource, WrongTradeDate, ChangedSource: a raw object is not as it should be.
        RowsLost: a refined file has not as many rows as its raw object.
        Overtaken: another run replaced a target meanwhile.
    """
    began = time.monotonic()
    spark, s3, args = run
    targets = objects_of(args.target, args.sessions, "quotes")
    findings = objects_of(args.findings, args.sessions, "findings")
    formers = {**etags_of(s3, targets.values()), **etags_of(s3, findings.values())}
    sources = find_sources(s3, objects_of(args.source, args.sessions, "quotes"))
    raw = read_sessions(spark, args.source, sources.values())
    # On the workers' disks: the files of forty years are more than the driver has memory for.
    files = make_files(refine_quotes(raw), sources, args.sessions).persist(StorageLevel.DISK_ONLY)
    made = {row.trade_date: row for row in files.drop("quotes_file", "findings_file").collect()}
    check_unchanged(s3, sources.values())
    for date, source in sources.items():
        check_session(date, made.get(date), source)
    number, rows = counted(len(sources), "session"), sum(row.rows for row in made.values())
    told = counted(sum(row.findings for row in made.values()), "finding")
    print(f"checked {number}, {rows} rows, {told}, {time.monotonic() - began:.1f} s", flush=True)

    def commit_one(session: Row) -> bool:
        date = session.trade_date
        check_same(session, made[date], sources[date])
        for content, target, count in (
            (session.findings_file, findings[date], session.finding_rows),
            (session.quotes_file, targets[date], session.rows),
        ):
            changed = commit(s3, content, target, sources[date].metadata_of_quotes(count), formers.get(target))
        return changed

    done = changed = 0
    waiting = files.toLocalIterator()
    while lot := list(itertools.islice(waiting, SESSIONS_AT_ONCE)):
        changed += sum(in_parallel(commit_one, lot))
        done += len(lot)
        print(f"{done} of {number}, {time.monotonic() - began:.1f} s", flush=True)
    files.unpersist()
    print(
        f"{'committed' if changed else 'unchanged'} {args.target}: {number}, {rows} rows from {args.source}, {told}, "
        f"{changed} put, {len(sources) - changed} left alone, {time.monotonic() - began:.1f} s",
        flush=True,
    )
    return sources


def check_session(trade_date: dt.date, made: Row | None, source: RawObject) -> None:
    """Raise unless the raw object has rows, all of its trade date, and the refined file has as many.

    Args:
        trade_date: the session.
        made: what make_files tells of it, None where it read no row.
        source: the raw object.

    Raises:
        EmptySource, WrongTradeDate, RowsLost: one of these does not hold.
    """
    if not source.rows:
        raise EmptySource(f"expected the quotes of {trade_date}, found no rows in {source.path}: write it again")
    if made is None or made.rows != source.rows:
        raise RowsLost(
            f"expected {source.rows} refined rows, as in {source.path}, found {made.rows if made else 0}: "
            "run the job again"
        )
    if made.stray_rows:
        raise WrongTradeDate(
            f"expected every source_date to be {trade_date}, found {made.stray_rows} of {made.rows} rows of "
            f"{made.stray_dates} in {source.path}: write it again from B3's file of its date"
        )


def check_same(session: Row, checked: Row, source: RawObject) -> None:
    """Raise ChangedSource unless the files of a session are those that were checked.

    Spark makes the files of a lost worker again, from the raw object as it is by then.
    """
    if session.sha256 != checked.sha256:
        raise ChangedSource(
            f"expected the files that were checked, found new ones from {source.path}: run the job again"
        )


def counted(number: int, noun: str) -> str:
    """Return `1 session`, `2 sessions`."""
    return f"{number} {noun}{'s' * (number != 1)}"
