"""`make verify`: the whole local lake against what landed, and each difference with what mends it."""

from __future__ import annotations

import argparse
import logging
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from b3.lake.layout import Lake
from b3.verify.inventory import Days
from b3.verify.lake import verify
from local.lake import servers, source
from local.processes import readers


def main(arguments: list[str] | None = None) -> int:
    """Verify and print: 0 if nothing differs, 1 if something does, 2 if the lake could not be verified."""
    parser = argparse.ArgumentParser(prog="make verify", description=__doc__)
    parser.add_argument("--from", dest="first", default="", help="the first session, by default that of the lake")
    parser.add_argument("--to", dest="last", default="", help="the last session, by default that of the lake")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        period = Days.of(options.first, options.last)
        chosen = source.asked_lake(options.exchange)
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger("b3.verify").setLevel(logging.INFO)
        with servers.lake_as_it_is(chosen) as lake:
            return show(lake, period)
    except (ValueError, RuntimeError, ClientError, BotoCoreError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("verify: interrupted", file=sys.stderr)
        return 130


def show(lake: servers.Lake, period: Days) -> int:
    """Verify a running lake and print the differences; return 0 if there is none, else 1."""
    began = time.monotonic()
    bucket = Lake(lake.outputs["LakeBucket"])
    s3, glue = (boto3.client(service, endpoint_url=lake.endpoint) for service in ("s3", "glue"))
    days = "the whole lake" if period == Days() else f"{period.first} to {period.last}"
    print(f"verifying {days} in {bucket.uri('')}; 250 sessions take up to a minute", flush=True)
    report = verify(s3, glue, bucket, lake.outputs["GlueDatabase"], period)
    for line in report.lines():
        print(line)
    print(f"compared {report.compared()} in {time.monotonic() - began:.0f} s\n{report.verdict()}")
    return 1 if report.differences else 0


if __name__ == "__main__":
    raise SystemExit(readers.run(main))
