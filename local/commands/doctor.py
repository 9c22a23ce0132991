"""`make doctor`: what this machine lacks, and whether B3's addresses still answer as the parsers expect.

The machine comes first, and is asked by whatever Python there is, so that a set-up that fails is explained. Standard
library alone, up to the environment that asks the addresses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from b3.doctor.diagnosis import Diagnosis, table
from b3.site.addresses import QUOTES_HOST
from infra.checkout import ROOT
from local import setup
from local.doctor import machine
from local.processes import readers

if TYPE_CHECKING:
    from local.lake.source import Source


def main(arguments: list[str] | None = None) -> int:
    """Look and print: 0 if all is as expected, 1 if anything is not or could not be asked, 2 for a wrong EXCHANGE."""
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    parser.add_argument("--machine", action="store_true", help="look at the machine alone")
    options = parser.parse_args(arguments)
    needs = machine.for_setup()
    ready = all(each.as_expected for each in needs)
    if sys.version_info < machine.OLDEST_PYTHON:
        # What follows, and set-up, are not written for it.
        print(table(needs + machine.for_runs(), machine.HEADING))
        print("\nB3's addresses are not asked: that needs another Python, see above.")
        return 1
    try:
        from local.lake import source

        chosen = source.choose(options.exchange)
    except ValueError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return 2
    access = _access(chosen, asked_already=options.exchange in ("", "auto"))
    found = [*needs, *machine.for_runs(), *([access] if access else [])]
    print(table(found, machine.HEADING), flush=True)
    differ = sum(not each.as_expected for each in found)
    if options.machine:
        return int(differ > 0)
    print()
    if access is not None and not access.as_expected:
        print("B3's addresses are not asked: nothing of B3 answers from here.")
    elif not ready and not setup.is_made(setup.AIRFLOW):
        print("B3's addresses are not asked: that needs an environment, and this machine lacks what makes one.")
    else:
        setup.make(setup.AIRFLOW)
        differ += _ask_addresses(options.exchange if access is None else "live")
    return int(differ > 0)


def _access(chosen: Source, *, asked_already: bool) -> Diagnosis | None:
    """Return whether B3 answers from here; None if it is not to be asked."""
    from local.lake import source

    reason = chosen.b3_out_of_reach
    if chosen.kind == "live" and not asked_already:
        reason = source.why_out_of_reach()
    elif chosen.kind != "live" and reason is None:
        return None
    if reason is None:
        return Diagnosis("access to B3", "there", QUOTES_HOST)
    simulated = (
        "Without access `make run` takes the simulated exchange, which is fine for a laptop: "
        "make doctor EXCHANGE=simulated looks at the rest."
    )
    network = "See whether there is a proxy, a firewall, or a certificate of its own: B3_CA_BUNDLE in docs/local.md."
    return Diagnosis(
        "access to B3", "none", expected=f"an answer of {QUOTES_HOST}", found=reason,
        advice=simulated if chosen.kind == "simulated" else network,
    )  # fmt: skip


def _ask_addresses(exchange: str) -> bool:
    """Ask B3's addresses, and return whether any differs."""
    command = [str(setup.AIRFLOW.python), "-m", "local.doctor.addresses", "--exchange", exchange]
    paths = [str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode != 0


if __name__ == "__main__":
    try:
        raise SystemExit(readers.run(main))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
