"""One server process: its lock on the state folder, its services, its start and its clean stop."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from local.aws import credentials
from local.aws.ministack import emulator as emulated


class AlreadyServedError(Exception):
    """Another live server owns the state folder."""


def take_lock(home: Path) -> IO[str]:
    """Own `home` until this process ends. Raises AlreadyServedError naming the owner."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    file = (home / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "an unknown process"
        raise AlreadyServedError(
            f"expected {home} to be free, found it in use by {owner}. Stop that server or choose another --home."
        ) from None
    return file


def bind(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket listening on `host`; port 0 takes a free one. Raises OSError if the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.listen(256)
    return listener


def serve(
    home: Path,
    port: int,
    spark_env: Path,
    record: Path | None = None,
    *,
    host: str = "127.0.0.1",
    allow_hosts: Iterable[str] = (),
) -> None:
    """Serve until a signal. Prints `ready <endpoint>` once it answers.

    `host` is the address to listen on: 127.0.0.1, or 0.0.0.0 where no other machine gets at it.

    `allow_hosts` are the names, besides those of the loopback, that a request's Host may have.

    Every call is noted in the file `record`, if one is given.

    Raises AlreadyServedError, or OSError if the port is taken.
    """
    # What a server writes, its key too, is the user's alone.
    os.umask(0o077)
    home = home.resolve()
    lock = take_lock(home)
    listener = bind(port, host)
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()}, {endpoint}\n")
    lock.flush()
    _log_to(home / "log")
    emulated.configure(home, listener.getsockname()[1])
    secret = credentials.make(home)
    asyncio.run(_run(home, endpoint, listener, spark_env, record, secret, allow_hosts))


def _log_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "server.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


async def _run(
    home: Path,
    endpoint: str,
    listener: socket.socket,
    spark_env: Path,
    record: Path | None,
    secret: str,
    allow_hosts: Iterable[str],
) -> None:
    import hypercorn.asyncio
    import hypercorn.config

    from local.aws.entry import Entry
    from local.aws.services import Services

    services = Services(home, endpoint, spark_env, secret, record)
    entry = Entry(services.gateway, secret, credentials.file_of(home), allow_hosts)
    await services.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 2
    config.keep_alive_timeout = 75
    config.h11_max_incomplete_size = 64 * 1024
    server = asyncio.create_task(hypercorn.asyncio.serve(entry, config, shutdown_trigger=stop.wait))
    print(f"ready {endpoint}", flush=True)
    try:
        await server
    finally:
        await services.stop()
