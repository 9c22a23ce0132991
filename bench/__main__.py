"""`make bench`: our parser against others and against the floor, on the same annual file, printed as ratios.

Each runs in a process of its own, the one after the other: ours and the floor three times, of which the fastest counts,
the others once. The file is invented: see bench/annual_file.py. Seconds are wall time from start to end of the process,
Parquet written; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench import annual_file
from infra.checkout import ROOT
from local import setup
from local.lake.home import base

HERE = Path(__file__).parent
# Those that import this project; "ours, 1 core" is bound to one.
OURS = ("ours", "ours, 1 core", "floor")
PEERS = ("polars", "b3cotahist", "b3fileparser", "duckdb", "pandas.read_fwf")


@dataclass(frozen=True)
class Figures:
    """What one run took: seconds, MB at most, and the records it wrote."""

    seconds: float
    megabytes: float
    records: int


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; status 1 if a parser failed or lost records."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of ours and the floor; peers run once")
    parser.add_argument("--only", default="", help="peers, separated by commas")
    options = parser.parse_args(arguments)
    peers = options.only.split(",") if options.only else PEERS
    for environment in dict.fromkeys(map(_environment, peers)):
        setup.make(environment)
    folder = base() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    source = annual_file.make(folder)
    expected = annual_file.SESSIONS * annual_file.RECORDS_PER_SESSION
    size = source.stat().st_size / 1e6
    cores = len(os.sched_getaffinity(0))
    print(
        f"{source.name}: {expected:,} records, {annual_file.SESSIONS} sessions, ZIP of {size:.0f} MB, to typed Parquet"
    )
    print(f"{dt.date.today()}, {cores} cores, {_processor()}, Python {platform.python_version()}\n")  # noqa: DTZ011
    print(f"{'':<16} {'version':<10} {'seconds':>8} {'of ours':>8} {'MB':>7}")
    failed = False
    reference: Figures | None = None
    for name in (*OURS, *peers):
        try:
            found = min(
                (measure(name, source) for _ in range(options.rounds if name in OURS else 1)),
                key=lambda figures: figures.seconds,
            )
        except RuntimeError as error:
            print(f"{name:<16} {_version(name):<10} failed: {error}", flush=True)
            failed = True
            continue
        reference = reference or found
        lost = "" if found.records == expected else f"  WROTE {found.records:,} RECORDS"
        failed = failed or bool(lost and name in OURS)
        print(
            f"{name:<16} {_version(name):<10} {found.seconds:>8.1f} {found.seconds / reference.seconds:>7.1f}x "
            f"{found.megabytes:>7.0f}{lost}",
            flush=True,
        )
    return int(failed)


def measure(name: str, source: Path) -> Figures:
    """Run one parser in a process of its own.

    Raises:
        RuntimeError: it failed; with the last line of what it said.
    """
    own = name in OURS
    command = [str(_environment(name).python), str(HERE / "parsers.py")]
    if name == "ours, 1 core":
        command = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *command]
    environ = os.environ | {"PYTHONPATH": str(ROOT / "plugins") if own else ""}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(dir=source.parent, prefix="b3-bench-") as folder:
        target = Path(folder, "out.parquet")
        timed = ["/usr/bin/env", sys.executable, str(HERE / "timed.py")]
        ran = subprocess.run(
            [*timed, *command, name.partition(",")[0], str(source), str(target)],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ran.returncode:
        raise RuntimeError((ran.stderr.strip().splitlines() or ["no reason given"])[-1][:100])
    said = dict(line.split() for line in ran.stdout.splitlines() if len(line.split()) == 2)
    # The floor takes the time itself: making its columns is not part of it.
    seconds = float(said.get("seconds", said["elapsed"]))
    return Figures(seconds, float(said["megabytes"]), int(said["records"]))


def _environment(name: str) -> setup.Environment:
    if name in OURS:
        return setup.AIRFLOW
    return setup.BENCH_B3FILEPARSER if name == "b3fileparser" else setup.BENCH


def _version(name: str) -> str:
    if name in OURS:
        return f"arrow {version('pyarrow').partition('.')[0]}" if name != "floor" else ""
    (requirements,) = _environment(name).requirements
    locked = requirements.read_text().splitlines()
    package = name.partition(".")[0]
    return next((line.partition("==")[2] for line in locked if line.startswith(f"{package}==")), "?")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    raise SystemExit(main())
