"""`make query`: one statement on the local lake, through Athena's API, printed as a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local import athena, home, source, stack


def main(arguments: list[str] | None = None) -> int:
    """Ask and print; status 1 if the query failed or there is no lake yet."""
    parser = argparse.ArgumentParser(prog="make query", description=__doc__)
    parser.add_argument("--sql", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    if bool(options.sql) == bool(options.file):
        parser.error('expected one of SQL="SELECT …" and FILE=include/sql/….sql')
    try:
        sql = options.sql or Path(options.file).read_text()
        where = home.find(source.choose(options.exchange).data) if options.exchange else home.last_used()
        if where is None:
            print("query: there is no lake yet: `make run` makes one", file=sys.stderr)
            return 1
        with stack.lake_as_it_is(where) as lake:
            result = athena.query(lake, sql)
    except (OSError, ValueError, RuntimeError, athena.QueryFailed) as error:
        print(f"query: failed: {error}", file=sys.stderr)
        return 1
    print(athena.table(result))
    print(
        f"{len(result.rows)} rows, {result.bytes_scanned / 1e6:.2f} MB scanned, {result.milliseconds} ms"
        f" ({where.data} lake, bucket {where.bucket})",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
