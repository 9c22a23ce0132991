"""Writes docs/aws-calls.md: what is asked of AWS, and how the local AWS answers.

    python -m tests.aws_models.document RECORDING…

A recording is what the local AWS writes beside the file that B3_AWS_CALLS names. Tests compare their own recordings
with the document, and say so where it lacks an operation.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from local.aws import context, exchanges
from local.aws.exchanges import Exchange
from local.aws.gateway import PRETENDED
from tests.aws_models.comparison import KNOWN, compare, surprises
from tests.aws_models.reading import call_of
from tests.places import ROOT

DOCUMENT = ROOT / "docs" / "aws-calls.md"
CALLERS = {"airflow": "DAG", context.CRAWLER: "crawler", context.JOB: "Glue job"}
# A deploy, provisioning a lake on this machine, and the commands sign with one key or another.
_OTHERS = "commands"
_HEAD = """# What is asked of AWS

Made by `python -m tests.aws_models.document RECORDING…` from what whole runs and deploys asked of the local AWS. Do not
edit it.

Each kind of request and of answer was held against the model of AWS's API that botocore brings: operations, members,
what is required, types, enums, patterns, lengths, and the codes of errors. Of calls with the same members the first is
held, and no body of more than a megabyte. The tests that make the recordings do so each time, and fail at whatever is
not in this document. What the models do not say is not seen: which combinations of values AWS takes, what it allows to
whom ([aws.md](aws.md)), how long it takes, and limits of rate and number. Nor is what AWS's services ask of each
other: here crawlers and queries ask the emulator directly.

## Operations

"ok" is an answer that AWS's model allows; beside it the errors that were answered.
"""
_ROW = re.compile(r"^\| `(?P<operation>[^`]+)` \|", re.MULTILINE)


def faults_of(calls: Path) -> list[str]:
    """Return a line for each thing recorded beside the file `calls` that AWS's models or the document do not have."""
    recorded = exchanges.read(exchanges.beside(calls))
    assert recorded, f"expected exchanges beside {calls}, found none"
    documented = set(_ROW.findall(DOCUMENT.read_text(encoding="utf-8")))
    missing = sorted({compare(one)[0] for one in recorded} - documented)
    return surprises(recorded) + [f"{name}: expected it in {DOCUMENT.name}, found nothing" for name in missing]


def text(recorded: Iterable[Exchange]) -> str:
    """Return the document of exchanges."""
    callers, answers = defaultdict(set), defaultdict(set)
    for one in recorded:
        operation, _ = compare(one)
        callers[operation].add(CALLERS.get(one.caller, _OTHERS))
        answers[operation].add("ok" if one.status < 300 else _error(one))
    rows = [
        f"| `{operation}` | {', '.join(sorted(asked_by))} | {', '.join(sorted(answers[operation], key=_order))} |"
        for operation, asked_by in sorted(callers.items())
    ]
    return "\n".join([_HEAD, "| operation | asked by | answered with |", "|---|---|---|", *rows, "", *_tail()]) + "\n"


def _tail() -> list[str]:
    return [
        "## Where the local AWS differs", "",
        *(f"- `{known.operation.replace('?', '')}`: {known.why}" for known in KNOWN), "",
        "## What it refuses", "",
        "The emulator that it is built on would answer these with success and do nothing, so it refuses them:", "",
        *(f"- `glue:{target.partition('.')[2]}`" for target in sorted(PRETENDED)),
    ]  # fmt: skip


def _error(exchange: Exchange) -> str:
    return str(call_of(exchange).error)


def _order(answer: str) -> tuple[bool, str]:
    return answer != "ok", answer


def main(arguments: list[str]) -> int:
    """Write the document of recordings; the status of the process."""
    recorded = [one for name in arguments for one in exchanges.read(Path(name))]
    if found := surprises(recorded):
        print("expected what AWS's models allow, found:", *found, sep="\n", file=sys.stderr)
        return 1
    DOCUMENT.write_text(text(recorded), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
