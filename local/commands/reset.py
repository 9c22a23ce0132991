"""`make reset`: removes one local lake with all its data; the environments stay."""

from __future__ import annotations

import argparse
import sys

from local.lake import home, remove, source


def main(arguments: list[str] | None = None) -> int:
    """Remove the lake: 0 if it is gone, 1 if a command uses it, or it was not confirmed; 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make reset", description=__doc__)
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        lake = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"reset: {error}", file=sys.stderr)
        return 2
    except source.NoLake:
        lake = None
    if lake is None or not lake.aws.exists():
        print("reset: there is no lake")
        return 0
    remove.wait_for_aws([lake.folder])
    used = remove.in_use([lake.folder])
    if used:
        print(f"reset: a command still uses {used}: end it, then try again", file=sys.stderr)
        return 1
    if lake.data == home.REAL and not _confirmed(lake):
        print("reset: nothing was removed", file=sys.stderr)
        return 1
    remove.remove([lake.folder])
    print(f"reset: removed {lake.folder}; `make run` makes it anew")
    return 0


def _confirmed(lake: home.Home) -> bool:
    """Ask before real data is removed: B3 may not serve it again, its index portfolios never."""
    try:
        typed = input(f"This removes B3's files in {lake.folder}; B3 may not serve them again. To go on, type real: ")
    except EOFError:
        return False
    return typed.strip() == home.REAL


if __name__ == "__main__":
    raise SystemExit(main())
