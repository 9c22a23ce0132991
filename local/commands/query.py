"""`make query`: one statement on the local lake, through Athena's API, as a table, CSV, JSON lines or Parquet."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from pathlib import Path
from typing import NamedTuple

from local.lake import query_client, query_formats, servers, source

# How the files of include/sql/analysis/ ask for a session; the only place where a file names it.
LAST_SESSION = '(SELECT max(trade_date) FROM "quotes$partitions")'


class Output(NamedTuple):
    """In which format an answer is written, and to which file; None for standard output."""

    format: str
    path: Path | None


def for_session(sql: str, trade_date: dt.date) -> str:
    """The SQL of an analysis, for another session than the last.

    Raises:
        ValueError: it does not ask for the last session in the way that the analyses do.
    """
    if sql.count(LAST_SESSION) != 1:
        raise ValueError(f"expected {LAST_SESSION} once, to put DATE in its place; found it {sql.count(LAST_SESSION)}x")
    return sql.replace(LAST_SESSION, f"date '{trade_date}'")


def main(arguments: list[str] | None = None) -> int:
    """Ask and print: 0 if it was answered, 1 if the query failed or there is no lake yet, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make query", description=__doc__)
    parser.add_argument("--sql", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("--date", default="", help="the session of an analysis, by default the last one")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    parser.add_argument("--format", default="", help=", ".join(query_formats.WRITERS))
    parser.add_argument("--out", default="", help="file that is written, by default standard output")
    options = parser.parse_args(arguments)
    if bool(options.sql) == bool(options.file):
        parser.error('expected one of SQL="SELECT …" and FILE=include/sql/….sql')
    try:
        output = output_of(options.format, options.out)
    except ValueError as error:
        print(f"query: {error}", file=sys.stderr)
        return 2
    try:
        sql = options.sql or Path(options.file).read_text()
        if options.date:
            sql = for_session(sql, dt.date.fromisoformat(options.date))
        where = source.asked_lake(options.exchange)
        with servers.lake_as_it_is(where) as lake:
            answer = query_client.ask(lake, sql)
            count = write(answer, output)
    except source.NoLake as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who reads has seen enough, as `head` has. Python would fail again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, RuntimeError, query_client.QueryFailed) as error:
        print(f"query: failed: {error}", file=sys.stderr)
        return 1
    print(
        f"{count:,} {'row' if count == 1 else 'rows'}, {answer.bytes_scanned / 1e6:.2f} MB scanned,"
        f" {answer.milliseconds} ms ({where.data} lake, bucket {where.bucket})"
        + (f", written to {output.path}" if output.path else ""),
        file=sys.stderr,
    )
    return 0


def output_of(name: str, path: str) -> Output:
    """Return what FORMAT= and OUT= ask for; without a format, the ending of the file decides, else it is a table.

    Raises:
        ValueError: there is no such format, the file cannot be there, or a terminal would get Parquet.
    """
    out = Path(path).expanduser() if path else None
    chosen = name or (query_formats.SUFFIXES.get(out.suffix.lower(), "table") if out else "table")
    if chosen not in query_formats.WRITERS:
        raise ValueError(f"expected FORMAT={', '.join(query_formats.WRITERS)}, found {name!r}")
    if out and out.is_dir():
        raise ValueError(f"expected OUT= as a file, found a folder: {out}. Name a file in it")
    if out and not out.parent.is_dir():
        raise ValueError(f"expected OUT= in a folder that is there, found no {out.parent}: make it, or name another")
    if chosen == "parquet" and not out and sys.stdout.isatty():
        raise ValueError("expected a file for FORMAT=parquet, found a terminal: add OUT=answer.parquet")
    return Output(chosen, out)


def write(answer: query_client.Answer, output: Output) -> int:
    """Write an answer and return the number of its rows; a file is there once it is whole.

    A terminal gets the first rows of a table alone, and a word on the rest.
    """
    if output.path:
        part = output.path.with_name(f"{output.path.name}.part")
        try:
            with part.open("wb") as file:
                count = query_formats.WRITERS[output.format](answer, file)
            part.replace(output.path)
        finally:
            part.unlink(missing_ok=True)
        return count
    out = sys.stdout.buffer
    if output.format != "table" or not sys.stdout.isatty():
        count = query_formats.WRITERS[output.format](answer, out)
        out.flush()
        return count
    count = query_formats.write_table(answer, out, query_formats.SHOWN)
    out.flush()
    if count > query_formats.SHOWN:
        print(
            f"… and {count - query_formats.SHOWN:,} more rows: a terminal shows the first {query_formats.SHOWN:,}. "
            "Add LIMIT, or write all of them with OUT=answer.csv",
            file=sys.stderr,
        )
    return count


if __name__ == "__main__":
    raise SystemExit(main())
