"""python -m local.aws --home DIR --port N: serve AWS on this machine until told to stop."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from local.aws.launch import SPARK_ENVIRONMENT
from local.aws.server import AlreadyServedError, serve


def main() -> int:
    """Read the command line and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.aws", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of all state; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others only inside a container")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, besides the loopback's, under which clients may ask; may be given several times",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--spark-env", type=Path, default=SPARK_ENVIRONMENT, help="environment that runs Glue scripts")
    parser.add_argument(
        "--record-calls",
        type=Path,
        metavar="FILE",
        default=os.environ.get("B3_AWS_CALLS") or None,
        help="append each different call, with its caller, to this file as a JSON line, and each kind of request with "
        "its answer to FILE.exchanges; default: $B3_AWS_CALLS",
    )
    arguments = parser.parse_args()
    try:
        serve(
            arguments.home,
            arguments.port,
            arguments.spark_env,
            arguments.record_calls,
            host=arguments.host,
            allow_hosts=arguments.allow_host,
        )
    except (AlreadyServedError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
