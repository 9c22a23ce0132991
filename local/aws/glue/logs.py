"""CloudWatch Logs, as Glue writes to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.ministack.emulator import Emulator

BATCH = 1000
LONGEST = 16_000


class Logs:
    """Writes lines into log streams, making group and stream as needed."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def write(self, caller: Caller, group: str, stream: str, lines: Iterable[str]) -> None:
        """Append lines with the present time. A line longer than 16,000 characters is cut, and says so."""
        for call, data in (
            ("CreateLogGroup", {"logGroupName": group}),
            ("CreateLogStream", {"logGroupName": group, "logStreamName": stream}),
        ):
            with contextlib.suppress(AwsError):
                self._emulator.call(caller, f"Logs_20140328.{call}", data)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": _cut(line)} for line in lines if line.strip()]
        for start in range(0, len(events), BATCH):
            self._emulator.call(
                caller,
                "Logs_20140328.PutLogEvents",
                {"logGroupName": group, "logStreamName": stream, "logEvents": events[start : start + BATCH]},
            )


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line)} characters in all)"
