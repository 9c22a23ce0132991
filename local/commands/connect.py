"""`make connect`: how other programs reach the local lake, as lines that a shell takes."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys

from local.aws import credentials
from local.lake import dag_runs, servers, source

# A shell that has one of these would sign with it, or look for it in a file.
UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def main(arguments: list[str] | None = None) -> int:
    """Print the lines: 0 if the lake can be reached, 1 if nothing holds it up, 2 for a wrong argument.

    On a terminal, a lake that nothing runs on is held up until Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="make connect", description=__doc__)
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"connect: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"connect: {error}", file=sys.stderr)
        return 1
    held = servers.is_held(lake_home)
    if not held and not sys.stdout.isatty():
        # `eval "$(make -s connect)"` would wait for its end.
        print(
            "connect: expected a local AWS that runs, found none: keep `make connect` or `make ui` running in another "
            "terminal, then do this again",
            file=sys.stderr,
        )
        return 1
    dag_runs.interrupt_on_signals()
    try:
        with servers.lake_as_it_is(lake_home) as lake:
            print("\n".join(lines(lake)), flush=True)
            if not held:
                print("# The lake can be reached as long as this runs; Ctrl-C ends it.", flush=True)
                signal.pause()
    except RuntimeError as error:
        print(f"connect: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def variables(lake: servers.Lake) -> dict[str, str]:
    """Return the environment variables with which a program uses a lake."""
    return {
        "AWS_ENDPOINT_URL": lake.endpoint,
        **credentials.environment(lake.home.aws),
        "B3_LAKE_BUCKET": lake.outputs["LakeBucket"],
        "B3_GLUE_DATABASE": lake.outputs["GlueDatabase"],
        "B3_ATHENA_WORKGROUP": lake.outputs["AthenaWorkgroup"],
    }


def lines(lake: servers.Lake) -> list[str]:
    """Return the lines that make a shell's programs use a lake; what is for a person alone is a comment."""
    return [
        f"# The {lake.home.data} lake in {lake.home.folder}. For this shell: "
        f'eval "$(make -s connect EXCHANGE={"simulated" if lake.home.data == "simulated" else "live"})"',
        f"# The key is from {credentials.file_of(lake.home.aws)}, which only you can read; examples: docs/connect.md",
        f"unset {' '.join(UNSET)}",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables(lake).items()),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
