"""Start the exchange as a process of its own. Standard library only."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path

from infra.checkout import ROOT
from local.processes import launch

_STOP_SECONDS = 10


def start(
    *,
    folder: Path | None = None,
    port: int = 0,
    today: dt.date | None = None,
) -> launch.Server:
    """Start the exchange and wait until it answers.

    Args:
        folder: replay this folder; without it, simulate a market, which needs numpy and exchange_calendars.
        port: port on 127.0.0.1; 0 for a free one.
        today: the date the simulated exchange takes for today, if not today's.

    Raises:
        RuntimeError: it does not come up.
    """
    command = [sys.executable, "-m", "local.exchange", "--port", str(port)]
    command += ["--folder", str(folder.absolute())] if folder else ["--simulate"]
    command += ["--today", today.isoformat()] if today else []
    paths = [str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return launch.Server("the exchange", command, environ, stop_seconds=_STOP_SECONDS)
