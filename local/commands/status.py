"""`make status`: the local lakes, what runs on them, and what they hold."""

from __future__ import annotations

import datetime as dt

import boto3

from b3.calendar import publication
from b3.lake import layout
from b3.lake.layout import Lake
from b3.monitoring.journal import Journal, OpenAlert
from b3.verify import inventory
from local.lake import home, remove, servers
from local.lake.home import Home
from local.processes import readers

TABLES = {
    "quotes, raw": layout.RAW_QUOTES_TABLE,
    "quotes, refined": layout.QUOTES_TABLE,
    "index portfolios, raw": layout.RAW_INDEX_PORTFOLIO_TABLE,
    "sectors, raw": layout.RAW_SECTORS_TABLE,
}


def main() -> int:
    """Print the lakes; return 0."""
    lakes = [home.find(data) for data in (home.REAL, home.SIMULATED) if (home.base() / data / "aws").is_dir()]
    if not lakes:
        print("no lake yet: `make run` makes one")
    for each in lakes:
        print("\n".join([f"{each.data}: {each.folder}, {size(each)}", *(f"  {line}" for line in running(each))]))
        for name, found in holds(each).items():
            print(f"  {name:<26}{found}")
    return 0


def size(lake: Home) -> str:
    """Return what a lake takes on the disk, as `12 MB`."""
    found = sum(path.lstat().st_size for path in lake.folder.rglob("*") if path.is_file())
    return f"{found / 1e6:,.0f} MB"


def running(lake: Home) -> list[str]:
    """Return a line for each server that runs on a lake, with its address; one line that says so if none does."""
    if remove.in_use([lake.folder]) is None:
        return ["nothing runs on it"]
    notes = {"local AWS": lake.folder / "aws.url", "Airflow's UI": lake.ui_url}
    return [f"{name} runs: {note.read_text()}" for name, note in notes.items() if note.exists()]


def holds(lake: Home) -> dict[str, str]:
    """Return what a lake holds: the number of landed files; of each of TABLES its sessions; which alerts are open."""
    with servers.lake_as_it_is(lake) as running_lake:
        s3 = boto3.client("s3", endpoint_url=running_lake.endpoint)
        found = inventory.take(s3, Lake(lake.bucket), inventory.Days())
        alerts = list(Journal(s3, Lake(lake.bucket), publication.now()).all_open())
    files = sum(key.startswith("landing/") for key in found.objects)
    return {
        "files of B3 in landing/": f"{files:,}" if files else "none",
        **{name: _sessions(found.dates_of(table)) for name, table in TABLES.items()},
        "open alerts": _alerts(alerts),
    }


def _alerts(found: list[OpenAlert]) -> str:
    if not found:
        return "none"
    newest = max(found, key=lambda each: each.since)
    more = f"; {len(found) - 1} more" if len(found) > 1 else ""
    return f"{newest.subject}, since {newest.since}: docs/runbook.md#{newest.runbook}{more}"


def _sessions(dates: list[dt.date]) -> str:
    if not dates:
        return "none"
    return f"{len(dates):,} sessions, {dates[0]} to {dates[-1]}" if len(dates) > 1 else f"1 session, {dates[0]}"


if __name__ == "__main__":
    raise SystemExit(readers.run(main, left=0))
