"""Run the exchange: `python -m local.exchange (--simulate | --folder DIR)` from the root of the repository."""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from local.exchange.replay import Replay
from local.exchange.server import Exchange, ExchangeHTTPServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.exchange", description="B3 on one machine.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--simulate", action="store_true", help="a simulated market")
    source.add_argument("--folder", type=Path, help="replay the files of this folder, named as B3 names them")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others only inside a container")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--today", type=dt.date.fromisoformat, help="simulate this date (default: today)")
    parser.add_argument("--verbose", action="store_true", help="log requests to stderr")
    arguments = parser.parse_args()
    if arguments.folder and not arguments.folder.is_dir():
        parser.error(f"not a folder: {arguments.folder}")
    return arguments


def _simulation(today: Callable[[], dt.date]) -> Exchange:
    # Replaying needs the standard library only; the simulation needs numpy and plugins/ on the path.
    from local.exchange.simulation import Simulation

    return Simulation(today)


def _today() -> dt.date:
    return dt.datetime.now(ZoneInfo("America/Sao_Paulo")).date()


def main() -> None:
    """Serve until told to stop."""
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    exchange: Exchange
    if arguments.folder:
        exchange = Replay(arguments.folder)
    else:
        exchange = _simulation((lambda: arguments.today) if arguments.today else _today)
    server = ExchangeHTTPServer(exchange, host=arguments.host, port=arguments.port, verbose=arguments.verbose)
    with closing(exchange), server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        print(f"ready {server.endpoint}", flush=True)
        stop.wait()
        server.shutdown()


if __name__ == "__main__":
    main()
