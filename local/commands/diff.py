"""`make diff`: what differs between two versions of a session's quotes in landing/."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from typing import Any

import boto3

from b3.errors import SourceError
from b3.lake.commit import head
from b3.lake.layout import Lake, raw_quotes_key
from b3.quotes import corrections, landed_versions
from b3.quotes.corrections import Change, Correction
from b3.quotes.landed_versions import LandedVersion
from local.lake import servers, session_given, source
from local.processes import readers

# Changes of each kind that are printed; the rest is counted.
SHOWN = 20


def main(arguments: list[str] | None = None) -> int:
    """Compare and print: 0 if the versions are there, 1 if not, 2 if the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="make diff", description=__doc__)
    parser.add_argument("--date", required=True, help="the session, YYYY-MM-DD")
    parser.add_argument(
        "--from", dest="first", default="", help="number of the former version, by default what readers see"
    )
    parser.add_argument("--to", dest="last", default="", help="number of the later version, by default the last")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        date = session_given.parse(options.date)
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"diff: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"diff: {error}", file=sys.stderr)
        return 1
    try:
        with servers.lake_as_it_is(lake_home) as lake:
            return diff(lake, date, options.first, options.last)
    except (ValueError, SourceError, RuntimeError) as error:
        print(f"diff: {error}", file=sys.stderr)
        return 1


def diff(lake: servers.Lake, date: dt.date, first: str = "", last: str = "") -> int:
    """Print the versions of a session, and what differs between two of them.

    Args:
        lake: the running lake.
        date: the session.
        first: number of the former version in the list; empty for what readers see, or else the one before `last`.
        last: number of the later version; empty for the last.

    Raises:
        ValueError: there is no such version.
        SourceError: a version is damaged.
    """
    s3, bucket = boto3.client("s3", endpoint_url=lake.endpoint), Lake(lake.home.bucket)
    landed = landed_versions.versions(s3, bucket, date)
    tables = {version: landed_versions.read_version(s3, bucket, version, date) for version in landed}
    versions = [version for version in landed if len(tables[version])]
    if not versions:
        raise ValueError(f"expected files in landing/ that hold {date}, found none: run `make run DATE={date}` first")
    seen = _seen(s3, bucket, date, versions)
    print(f"versions of {date} in landing/; * is what readers see")
    for number, version in enumerate(versions, 1):
        rows, mark = f"{len(tables[version]):,} rows", "*" if number == seen else " "
        print(f"  {number} {mark} {version.fetched_at}  {rows:>12}  {version.key}  {version.sha256[:12]}")
    to = _choose(versions, last, len(versions), "TO")
    if len(versions) == 1 and not first:
        print("there is one version: nothing to compare")
        return 0
    of = _choose(versions, first, seen if seen and seen < to else max(to - 1, 1), "FROM")
    print(f"\n{of} to {to}")
    show(corrections.compare(tables[versions[of - 1]], tables[versions[to - 1]]))
    return 0


def _seen(s3: Any, lake: Lake, date: dt.date, versions: list[LandedVersion]) -> int | None:
    """Return the number of the version that raw quotes were made from, None if it is not known."""
    there = head(s3, lake, raw_quotes_key(date))
    sha256 = there["Metadata"].get("source-sha256") if there else None
    return max((number for number, version in enumerate(versions, 1) if version.sha256 == sha256), default=None)


def _choose(versions: list[LandedVersion], given: str, default: int, name: str) -> int:
    number = int(given) if given.isascii() and given.isdecimal() else (0 if given else default)
    if not 1 <= number <= len(versions):
        raise ValueError(f"expected {name}= as a number from 1 to {len(versions)}, found {given!r}")
    return number


def show(correction: Correction) -> None:
    """Print a correction: its sums, then what was added, is gone and changed."""
    print(f"  before  {correction.before()}")
    print(f"  after   {correction.after()}")
    for what, changes in (("added", correction.added), ("gone", correction.gone), ("changed", correction.changed)):
        if changes:
            print(f"\n{len(changes)} {what}")
        for change in changes[:SHOWN]:
            print(f"  {_line(change)}")
        if len(changes) > SHOWN:
            print(f"  … and {len(changes) - SHOWN} more")


def _line(change: Change) -> str:
    row = change.after or change.before
    assert row
    days = "" if row["forward_days"] is None else f" {row['forward_days']} days"
    key = f"{row['ticker']:<12} {row['market_type']}{days}"
    if change.before and change.after:
        different = [name for name in row if change.before[name] != change.after[name]]
        return f"{key}  " + ", ".join(f"{name} {change.before[name]} → {change.after[name]}" for name in different)
    return f"{key}  close {row['close']}, quantity {row['quantity']}, volume {row['financial_volume']}"


if __name__ == "__main__":
    raise SystemExit(readers.run(main, left=0))
