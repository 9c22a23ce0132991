"""Arguments of the job.

    --sessions          D,D,…: the sessions to refine, in order: 2020-04-29,30,2020-05-04
    --previous_session  D: the session before the first of them
    --source            s3://B/raw/quotes/         prefix: trade_date=D/quotes.parquet below it is read
    --target            s3://B/refined/quotes/     prefix: trade_date=D/quotes.parquet below it is replaced
    --findings          s3://B/refined/findings/   prefix: trade_date=D/findings.parquet below it is replaced
    --portfolio         s3://B/raw/index_portfolio/trade_date=D/index_portfolio.parquet  read
    --index_target      s3://B/refined/index_stocks/trade_date=D/  prefix whose objects are replaced
    --last_rebalance    D: the session from which on the portfolios hold

A date is YYYY-MM-DD. In --sessions, a day alone is of the month before it: 6,000 sessions are 20 KB then, where Linux
takes 128 KiB in one argument, and AWS 260 KB in all. The session before any but the first is the one that it follows.

--portfolio, --index_target and --last_rebalance come together, with one session, or not at all. Other arguments are
left alone, because Glue passes its own.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Sequence

from refine.s3 import S3Path

# Arguments that come together.
INDEX_ARGUMENTS = ("portfolio", "index_target", "last_rebalance")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments of the module docstring; unknown ones are Glue's.

    `sessions` becomes the session before each, by session.
    """
    parser = argparse.ArgumentParser(description="Refine trade dates", allow_abbrev=False)
    parser.add_argument("--sessions", type=parse_sessions, required=True)
    parser.add_argument("--previous_session", type=parse_date, required=True)
    for name in ("source", "target", "findings"):
        parser.add_argument(f"--{name}", type=S3Path.parse, required=True)
    for name in INDEX_ARGUMENTS:
        parser.add_argument(f"--{name}", type=parse_date if name == "last_rebalance" else S3Path.parse)
    args, _ = parser.parse_known_args(argv)
    first = args.sessions[0]
    if args.previous_session >= first:
        parser.error(f"expected --previous_session before {first}, found {args.previous_session}")
    for name in ("source", "target", "findings"):
        if not getattr(args, name).key.endswith("/"):
            parser.error(f"expected --{name} to end with /, found {getattr(args, name)}")
    given = [name for name in INDEX_ARGUMENTS if getattr(args, name)]
    if given and len(given) < len(INDEX_ARGUMENTS):
        parser.error(f"expected {', '.join(INDEX_ARGUMENTS)} or none of them, found {', '.join(given)}")
    if given and len(args.sessions) > 1:
        parser.error(f"expected one session beside {', '.join(given)}, found {len(args.sessions)}")
    if given and args.last_rebalance > first:
        parser.error(f"expected --last_rebalance up to {first}, found {args.last_rebalance}")
    # Everything below it that is no constituent is deleted.
    if given and not args.index_target.key.endswith(f"/trade_date={first}/"):
        parser.error(f"expected --index_target to end with /trade_date={first}/, found {args.index_target}")
    args.sessions = dict(zip(args.sessions, [args.previous_session, *args.sessions], strict=False))
    return args


def parse_date(text: str) -> dt.date:
    """Return the date of YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, found {text}") from None


def parse_sessions(text: str) -> list[dt.date]:
    """Return the sessions of `2020-04-29,30,2020-05-04`: a day alone is of the month before it."""
    found: list[dt.date] = []
    for part in text.split(","):
        date = parse_date(f"{found[-1]:%Y-%m}-{part}" if found and len(part) == 2 else part)
        if found and date <= found[-1]:
            raise argparse.ArgumentTypeError(f"expected a session after {found[-1]}, found {date}")
        found.append(date)
    return found
