"""The part of `make doctor` that asks B3's addresses, or those of what stands for B3."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
from dataclasses import replace

from b3 import settings
from b3.calendar import publication, sessions
from b3.doctor import diagnosis
from local.lake import home, servers, source

# A whole year takes the simulated exchange minutes to make.
_SIMULATED_SESSIONS = 5


def main(arguments: list[str] | None = None) -> int:
    """Ask and print: 0 if every address is as expected, 1 if one differs, 2 if there is nothing to ask."""
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    options = parser.parse_args(arguments)
    try:
        chosen, now = at_its_present(source.choose(options.exchange), dt.datetime.now(dt.UTC))
        return ask(chosen, now)
    except ValueError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return 2


def at_its_present(chosen: source.Source, now: dt.datetime) -> tuple[source.Source, dt.datetime]:
    """Return a source and the instant at which to ask it: `now`, or the evening of the last session that it has.

    The simulated exchange is put early in the year.

    Raises:
        ValueError: a folder without a daily file.
    """
    if chosen.kind == "live":
        return chosen, now
    session = source.last_session(chosen, now)
    if chosen.kind == "simulated":
        session = sessions.sessions(dt.date(session.year, 1, 1), session)[:_SIMULATED_SESSIONS][-1]
        chosen = replace(chosen, today=session)
    return chosen, publication.due(session, publication.ALL_PUBLISHED_AT)


def ask(chosen: source.Source, now: dt.datetime) -> int:
    """Ask every address once, and print what was found."""
    where = home.find(chosen.data)
    # Airflow writes its configuration there when it is imported.
    os.environ["AIRFLOW_HOME"] = str(where.airflow)
    from b3.doctor import checkup
    from b3.site.hook import B3Hook

    indexes = settings.read({"B3_LAKE_BUCKET": where.bucket, "B3_INDEXES": chosen.indexes}).indexes
    print(f"asking each address once, {checkup.PAUSE:g} s apart, source: {chosen}", flush=True)
    with source.serve(chosen) as url:
        if url:
            os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
        os.environ["AIRFLOW_CONN_B3_DEFAULT"] = json.dumps(servers.b3_connection(url, chosen))
        found = checkup.examine(B3Hook(), indexes, now)
    try:
        verdict = checkup.judge(found)
    except (checkup.OutOfReach, checkup.AddressesDiffer) as error:
        # With the table below its first line, or in its place.
        print(f"\n{error}")
        return 1
    print(f"\n{diagnosis.table(found, checkup.HEADING)}\n\n{verdict}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
