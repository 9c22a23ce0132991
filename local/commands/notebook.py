"""`make notebook`: notebooks/market.ipynb over the local lake, in JupyterLab on 127.0.0.1, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from infra.checkout import ROOT, sql
from local import setup
from local.commands import connect
from local.lake import dag_runs, servers, source
from local.processes import tether

NOTEBOOK = ROOT / "notebooks" / "market.ipynb"
_START_SECONDS = 120
_STOP_SECONDS = 10


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal (status 0); 1 if there is no lake or the server ends, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make notebook", description=__doc__)
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    options = parser.parse_args(arguments)
    try:
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"notebook: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"notebook: {error}", file=sys.stderr)
        return 1
    dag_runs.interrupt_on_signals()
    print(f"notebook: starting JupyterLab on the {lake_home.data} lake; some 10 seconds", flush=True)
    try:
        with servers.lake_as_it_is(lake_home) as lake:
            _serve(lake, _own_copy(lake_home.folder / "notebooks"))
    except RuntimeError as error:
        print(f"notebook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("notebook: stopped")
    return 0


def _own_copy(folder: Path) -> Path:
    """Return the lake's own copy of the notebook, which is made without output if there is none.

    What a person saves over real data must not get into the repository.
    """
    copy = folder / NOTEBOOK.name
    if copy.exists():
        print(f"notebook: {copy} is as you left it; delete it to begin with the repository's")
        return copy
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    folder.mkdir(exist_ok=True)
    copy.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return copy


def _serve(lake: servers.Lake, notebook: Path) -> None:
    """Run JupyterLab until it ends or a signal comes."""
    port, token = _free_port(), secrets.token_urlsafe(24)
    address = f"http://127.0.0.1:{port}"
    log_file = lake.home.logs / "notebook.log"
    with log_file.open("wb") as log:
        server = tether.start(_command(notebook, port), _environment(lake, token), stdout=log, stderr=log)
        try:
            _wait(server, f"{address}/api", log_file)
            print(f"notebook: {address}/lab/tree/{notebook.name}?token={token}")
            print(f"notebook: it runs {notebook}; log in {log_file}; Ctrl-C ends it", flush=True)
            status = server.wait()
        finally:
            tether.end([server], _STOP_SECONDS)
    raise RuntimeError(f"JupyterLab ended with status {status}: see {log_file}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _command(notebook: Path, port: int) -> list[str]:
    # Without a screen, "the browser" would be one in the terminal.
    screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return [
        *(str(setup.NOTEBOOK.python), "-m", "jupyterlab"),
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={notebook.parent}",
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
        f"--ServerApp.open_browser={screen}",
        # A container's user is root; the server is behind a token, on the loopback.
        "--ServerApp.allow_root=True",
        # It would ask a server elsewhere.
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.news_url=",
    ]


def _environment(lake: servers.Lake, token: str) -> dict[str, str]:
    taken_away = ("PYTHONPATH", *connect.UNSET)
    environ = {name: value for name, value in os.environ.items() if name not in taken_away}
    # Arguments can be seen by every user of the machine, the environment cannot.
    return environ | connect.variables(lake) | {"B3_SQL": str(sql()), "JUPYTER_TOKEN": token}


def _wait(server: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with status {server.returncode}: see {log_file}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"expected JupyterLab at {url} after {_START_SECONDS} seconds, found no answer: see {log_file}")


if __name__ == "__main__":
    raise SystemExit(main())
