"""`make query`: one statement on the local lake, through Athena's API, as a table, CSV, JSON lines or Parquet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from local.lake import query_client, query_formats, servers, source
from local.lake.analyses import Asked, NotInTheLake
from local.processes import readers


class Output(NamedTuple):
    """In which format an answer is written, and to which file; None for standard output."""

    format: str
    path: Path | None


def main(arguments: list[str] | None = None) -> int:
    """Ask and print: 0 if it was answered, 1 if the query failed or there is no lake yet, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make query", description=__doc__)
    parser.add_argument("--sql", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("--date", default="", help="the session of an analysis, by default the last one")
    parser.add_argument("--ticker", default="", help="the one share of an analysis, by default all that it is about")
    parser.add_argument(
        "--of-index", default="", help="the index to whose constituents an analysis keeps, by default all"
    )
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    parser.add_argument("--format", default="", help=", ".join(query_formats.WRITERS))
    parser.add_argument("--out", default="", help="file that is written, by default standard output")
    options = parser.parse_args(arguments)
    try:
        sql, name = statement(options.sql, options.file)
        asked = Asked.of(options.date, options.ticker, options.of_index)
        sql = asked.fill(sql, name)
        output = output_of(options.format, options.out)
        where = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"query: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    try:
        with servers.lake_as_it_is(where) as lake:
            asked.check_session(lake)
            answer = query_client.ask(lake, sql)
            asked.check_found(lake, answer)
            count = write(answer, output)
    except BrokenPipeError:  # an OSError, but no failure: see readers.run
        raise
    except NotInTheLake as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError, query_client.QueryFailed) as error:
        print(f"query: failed: {error}", file=sys.stderr)
        return 2 if str(error).startswith("SYNTAX_ERROR") else 1
    except KeyboardInterrupt:
        print("query: interrupted", file=sys.stderr)
        return 130
    print(
        f"{count:,} {'row' if count == 1 else 'rows'}, {answer.bytes_scanned / 1e6:.2f} MB scanned,"
        f" {answer.milliseconds} ms ({where.data} lake, bucket {where.bucket})"
        + (f", written to {output.path}" if output.path else ""),
        file=sys.stderr,
    )
    return 0


def statement(sql: str, file: str) -> tuple[str, str]:
    """Return the statement that SQL= or FILE= gives, and its name for a person.

    Raises:
        ValueError: both are given or none, or the file cannot be read as text.
    """
    if bool(sql.strip()) == bool(file):
        found = "both" if file else "neither"
        raise ValueError(f'expected one of SQL="SELECT …" and FILE=include/sql/….sql, found {found}')
    if not file:
        return sql, "SQL"
    try:
        return Path(file).expanduser().read_text(encoding="utf-8"), file
    except FileNotFoundError:
        raise ValueError(f"expected FILE= as a file of SQL, found none at {file}: {_files()}") from None
    except IsADirectoryError:
        raise ValueError(f"expected FILE= as a file of SQL, found a folder at {file}: {_files()}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"expected FILE= as a file of SQL in UTF-8, found {file}, which cannot be read: {error}"
        ) from None


def _files() -> str:
    return "ls include/sql/analysis lists those of the lake"


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
    raise SystemExit(readers.run(main, left=0))
