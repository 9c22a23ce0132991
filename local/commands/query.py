"""`make query`: one statement on the local lake, through Athena's API, printed as a table."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

from local.lake import query_client, servers, source

# How the files of include/sql/analysis/ ask for a session; the only place where a file names it.
LAST_SESSION = '(SELECT max(trade_date) FROM "quotes$partitions")'


def for_session(sql: str, trade_date: dt.date) -> str:
    """The SQL of an analysis, for another session than the last.

    Raises:
        ValueError: it does not ask for the last session in the way that the analyses do.
    """
    if sql.count(LAST_SESSION) != 1:
        raise ValueError(f"expected {LAST_SESSION} once, to put DATE in its place; found it {sql.count(LAST_SESSION)}x")
    return sql.replace(LAST_SESSION, f"date '{trade_date}'")


def main(arguments: list[str] | None = None) -> int:
    """Ask and print; status 1 if the query failed or there is no lake yet."""
    parser = argparse.ArgumentParser(prog="make query", description=__doc__)
    parser.add_argument("--sql", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("--date", default="", help="the session of an analysis, by default the last one")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    if bool(options.sql) == bool(options.file):
        parser.error('expected one of SQL="SELECT …" and FILE=include/sql/….sql')
    try:
        sql = options.sql or Path(options.file).read_text()
        if options.date:
            sql = for_session(sql, dt.date.fromisoformat(options.date))
        where = source.asked_lake(options.exchange)
        with servers.lake_as_it_is(where) as lake:
            result = query_client.query(lake, sql)
    except source.NoLake as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError, query_client.QueryFailed) as error:
        print(f"query: failed: {error}", file=sys.stderr)
        return 1
    print(query_client.table(result))
    print(
        f"{len(result.rows)} rows, {result.bytes_scanned / 1e6:.2f} MB scanned, {result.milliseconds} ms"
        f" ({where.data} lake, bucket {where.bucket})",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
