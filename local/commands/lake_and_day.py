"""The frame of the commands that take a lake and a day of it: their options, and what their errors end with."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from b3.errors import SourceError
from local.lake import session_given, source
from local.lake.home import Home


def main(
    name: str,
    description: str | None,
    day: str,
    act: Callable[[Home, dt.date | None], int],
    arguments: list[str] | None,
) -> int:
    """Read the options and act: the status of `act`; 1 for an error, 2 for a wrong option, 130 if interrupted.

    Args:
        name: the command, as make calls it.
        description: what it does, for `--help`.
        day: what the option `--date` is, for `--help`.
        act: takes the lake's home, and the day that was given, if one was.
        arguments: in place of the command line's.
    """
    parser = argparse.ArgumentParser(prog=f"make {name}", description=description)
    parser.add_argument("--date", default="", help=day)
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        date = session_given.parse(options.date) if options.date else None
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    try:
        return act(lake_home, date)
    except (SourceError, ValueError, RuntimeError, ClientError, BotoCoreError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; run it again, everything in it can be repeated", file=sys.stderr)
        return 130
