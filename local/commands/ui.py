"""`make ui`: Airflow with its scheduler over the local lake, or over one on AWS, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack

from infra.checkout import ROOT
from local import setup
from local.aws import credentials
from local.doctor import machine
from local.lake import account, dag_runs, home, ports, progress, servers, source
from local.lake.home import Home
from local.lake.stack import Stack
from local.processes import tether

API_SERVER = "api-server"
# Scheduler and triggerer would serve their logs on every address; the API server reads the files.
COMPONENTS = {
    API_SERVER: [str(setup.AIRFLOW.python), "-m", "local.lake.ui_server"],
    "scheduler": [str(setup.AIRFLOW.python), "-m", "local.lake.ui_scheduler"],
    "triggerer": [str(setup.AIRFLOW_COMMAND), "triggerer", "--skip-serve-logs"],
    "dag-processor": [str(setup.AIRFLOW_COMMAND), "dag-processor"],
}
# A DAG has the name of its file.
DAGS = {path.stem for path in (ROOT / "dags").glob("*.py")}
_START_SECONDS = 180
_STOP_SECONDS = 20


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal (status 0), or until a component dies (status 1); 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="make ui", description=__doc__)
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    parser.add_argument("--lake", default="", help="local, or aws for that of --stack")
    parser.add_argument("--stack", default="", help="the lake's stack on the caller's AWS account")
    options = parser.parse_args(arguments)
    dag_runs.interrupt_on_signals()
    try:
        stack = account.named(options.lake, options.stack, "ui")
        chosen = source.choose_for_account(options.exchange) if stack else source.choose(options.exchange)
        port = ports.chosen("B3_UI_PORT", machine.UI_PORT)
    except ValueError as error:
        print(f"ui: {error}", file=sys.stderr)
        return 2
    try:
        return serve(chosen, port, stack)
    except (ValueError, RuntimeError) as error:
        print(f"ui: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ui: stopped")
        return 0


INSTANCE_NAMES = {home.SIMULATED: "B3 lake, SIMULATED data", home.REAL: "B3 lake, real data"}


def serve(chosen: source.Source, port: int, stack: str = "") -> int:
    """Run every component of Airflow until one ends or a signal comes.

    Args:
        chosen: where B3's files come from.
        port: of the UI.
        stack: the lake's stack on the caller's AWS account; empty for the lake of this machine.
    """
    _check_port(port)
    print(f"ui: starting Airflow, source: {chosen}", flush=True)
    with ExitStack() as open_things:
        lake = open_things.enter_context(servers.lake_of(chosen, stack))
        where = lake.home
        environ = open_things.enter_context(servers.airflow_on(lake, where.ui_database, chosen))
        environ |= _components_environment(port) | environment_of(lake, chosen)
        components: dict[str, subprocess.Popen[bytes]] = {}
        open_things.callback(lambda: tether.end(list(components.values()), _STOP_SECONDS))
        # The server first: a task that the scheduler starts earlier cannot reach it, and a try is lost.
        with progress.Activity() as activity:
            for name in COMPONENTS:
                activity.begin(f"starting the {name}")
                components[name] = _start(name, where, environ)
                if name == API_SERVER:
                    _wait(lambda: _unhealthy(port) & {"metadatabase"}, components, where)
            activity.begin("waiting until all of them are well")
            _wait(lambda: _unhealthy(port), components, where)
            activity.begin("reading the DAGs")
            _wait(lambda: DAGS - _known_dags(port), components, where)
        where.ui_url.write_text(f"http://localhost:{port}")
        open_things.callback(where.ui_url.unlink, missing_ok=True)
        _say_what_it_does(port, lake)
        while True:
            _check_alive(components, where)
            time.sleep(1)


def _say_what_it_does(port: int, lake: Stack) -> None:
    print(f"ui: http://localhost:{port} is ready (no login). Trigger b3_daily for a date, b3_history for a year;")
    if lake.endpoint is None:
        print(f"ui: The lake is {lake}.")
        print("ui: DAGs arrive paused, as on MWAA: unpause b3_daily, and it runs by its schedule while this runs.")
        print("ui: What each run costs on AWS is in docs/cost.md. Ctrl-C ends Airflow, and what runs on AWS goes on.")
    else:
        print("ui: Nothing starts by schedule here: `Next Run` is what a deployed lake would do. Ctrl-C ends it.")
        key = credentials.file_of(lake.home.aws)
        print(f"ui: for another AWS client: AWS_ENDPOINT_URL={lake.endpoint} AWS_SHARED_CREDENTIALS_FILE={key}")
    print("ui: Runs of `make run` and `make history` are not listed here; what they wrote is in the lake.")
    print(f"ui: logs in {lake.home.logs}", flush=True)


def _check_port(port: int) -> None:
    taken = machine.why_taken(port)
    if taken:
        raise RuntimeError(
            f"expected port {port} to be free, found it taken ({taken}): end what listens there, or choose another "
            "with B3_UI_PORT"
        )


def _components_environment(port: int) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        # As infra/mwaa.yaml has it, but sooner: what was killed with its worker is run again.
        "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "15",
        # Killed and started again at once, this takes up what ran after so many seconds, not after Airflow's 300.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    }


def environment_of(lake: Stack, chosen: source.Source) -> dict[str, str]:
    """Return what Airflow's components are told of the lake that they work on.

    In a lake of this machine runs are asked for; else the DAGs, unpaused, would start with today's. On AWS they arrive
    paused, and run by their schedule once somebody unpauses them, as on MWAA.
    """
    on_aws = lake.endpoint is None
    return {
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": str(on_aws),
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": str(on_aws),
        # In the head of each page.
        "AIRFLOW__API__INSTANCE_NAME": INSTANCE_NAMES[chosen.data] + (f", {lake}" if on_aws else ""),
    }


def _start(name: str, where: Home, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    with (where.logs / f"{name}.log").open("wb") as log:
        return tether.start(COMPONENTS[name], environ, stdout=log, stderr=log)


def _wait(missing: Callable[[], set[str]], components: dict[str, subprocess.Popen[bytes]], where: Home) -> None:
    """Wait until nothing is missing of what Airflow is to have."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        _check_alive(components, where)
        try:
            found = missing()
        except OSError as error:
            found = {f"an answer of its API ({error})"}
        if not found:
            return
        time.sleep(1)
    raise RuntimeError(
        f"expected Airflow to be there after {_START_SECONDS} seconds, found it without {', '.join(sorted(found))}: "
        f"see the logs in {where.logs}"
    )


def _unhealthy(port: int) -> set[str]:
    health = json.loads(_ask(port, "/api/v2/monitor/health"))
    return {name for name, of in health.items() if of["status"] != "healthy"}


def _known_dags(port: int) -> set[str]:
    token = json.loads(_ask(port, "/auth/token"))["access_token"]
    found = json.loads(_ask(port, "/api/v2/dags", Authorization=f"Bearer {token}"))
    return {dag["dag_id"] for dag in found["dags"]}


def _ask(port: int, path: str, **headers: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        body: bytes = answer.read()
    return body


def _check_alive(components: dict[str, subprocess.Popen[bytes]], where: Home) -> None:
    for name, process in components.items():
        if process.poll() is not None:
            raise RuntimeError(f"airflow {name} ended with status {process.returncode}: see {where.logs}/{name}.log")


if __name__ == "__main__":
    raise SystemExit(main())
