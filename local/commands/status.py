"""`make status`: the local lakes, what runs on them, and what they hold."""

from __future__ import annotations

import boto3

from b3.lake import layout
from b3.lake.commit import keys_below
from b3.lake.layout import Lake
from local.lake import home, remove, servers
from local.lake.home import Home

# What is counted, by the start of its keys.
TABLES = {
    "files of B3 in landing/": "landing/",
    "quotes, raw": layout.RAW_QUOTES_PREFIX,
    "quotes, refined": "refined/quotes/",
    "index portfolios, raw": "raw/index_portfolio/",
    "sectors, raw": "raw/sectors/",
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
    """Return what a lake holds: for each of TABLES the number of its sessions or files, and the first and last."""
    with servers.lake_as_it_is(lake) as running_lake:
        s3 = boto3.client("s3", endpoint_url=running_lake.endpoint)
        return {name: _counted(keys_below(s3, Lake(lake.bucket), prefix)) for name, prefix in TABLES.items()}


def _counted(keys: list[str]) -> str:
    dates = sorted({layout.date_of(key) for key in keys if "/trade_date=" in key})
    if dates:
        return f"{len(dates):,} sessions, {dates[0]} to {dates[-1]}" if len(dates) > 1 else f"1 session, {dates[0]}"
    return f"{len(keys):,}" if keys else "none"


if __name__ == "__main__":
    raise SystemExit(main())
