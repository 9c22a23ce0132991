"""What runs on this machine for a test."""

import os
from pathlib import Path

import psutil

from local.processes.launch import Server


def working_on(folder: Path) -> list[psutil.Process]:
    """Processes that were started for a folder, by their environment or command line; not the test's own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if str(folder).encode() in known and int(process.name) != os.getpid():
                found.append(psutil.Process(int(process.name)))
        except (OSError, psutil.NoSuchProcess):
            continue
    return found


def cut_power(server: Server) -> None:
    """End a server as a power cut would, by SIGKILL."""
    (served,) = psutil.Process(server.process.pid).children()
    served.kill()
    server.process.wait(10)
    server.stop()
