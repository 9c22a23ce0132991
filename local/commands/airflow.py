"""`make airflow`: one command of Airflow's own, over the lake's Airflow (the running one beside `make ui`)."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

from infra.checkout import ROOT
from local import setup
from local.lake import dag_runs, home, servers, source
from local.processes.end import end

_STOP_SECONDS = 10


def main(arguments: list[str] | None = None) -> int:
    """Run it; the status is the command's."""
    parser = argparse.ArgumentParser(prog="make airflow", description=__doc__)
    parser.add_argument("--exchange", default="", help="auto, live, simulated, or a folder of B3's files")
    parser.add_argument("--args", default="", help='as "backfill create --dag-id b3_daily …"')
    options = parser.parse_args(arguments)
    try:
        return run(source.choose(options.exchange), _words(options.args))
    except (ValueError, RuntimeError) as error:
        print(f"airflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"expected ARGS= as the words of a command in a shell, found {text!r}: {error}") from None


def run(chosen: source.Source, arguments: list[str]) -> int:
    """Run `airflow` with `arguments` on the database of the UI, and return its status."""
    where = home.find(chosen.data)
    with (
        servers.lake_as_it_is(where) as lake,
        servers.airflow_on(lake, where.ui_database, chosen, shared=True) as environ,
    ):
        command = [str(setup.AIRFLOW_COMMAND), *arguments]
        process = subprocess.Popen(command, env=environ, cwd=ROOT)
        try:
            return process.wait()
        finally:
            end(process, _STOP_SECONDS)


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(main())
