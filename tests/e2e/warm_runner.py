"""`local.lake.dag_runner` for tests that run many DAGs: `python -m tests.e2e.warm_runner DAG_ID DATE LOG CONF`.

A run spends half of its processor time on imports and on building the API that its tasks talk to. Here a process does
that once for TEST_PROCESS, with which it ends, and forks for each run. A run's arguments, environment, database and
output are its own. Airflow's airflow.cfg and folder of task logs are those of the first run.
"""

import contextlib
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE_SECONDS = 120
DESCRIPTORS = 2


def main(arguments: Sequence[str]) -> int:
    """Have a run done, and return its status; it ends with this process."""
    with connect() as server:
        request = json.dumps({"arguments": arguments, "environ": dict(os.environ)}).encode()
        socket.send_fds(server, [len(request).to_bytes(4, "big")], [1, 2])
        server.sendall(request)
        status = server.recv(1)
    return status[0] if status else 1


def address() -> str:
    """Return the address of the warm process of TEST_PROCESS: a name in Linux's table, which needs no file."""
    return f"\0b3-warm-runner-{os.environ['TEST_PROCESS']}"


def connect() -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    started, deadline = False, time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            server.connect(address())
            return server
        if not started:
            log = Path(os.environ["AIRFLOW_HOME"], "warm_runner.log").open("ab")  # noqa: SIM115
            command = [sys.executable, "-m", "tests.e2e.warm_runner"]
            subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            started = True
        time.sleep(0.1)
    raise TimeoutError(f"expected a warm process after {PATIENCE_SECONDS} s: see warm_runner.log of the first lake")


def serve() -> None:
    """Import what a run needs, and fork for each."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address())
    warm_up()
    listener.listen()
    listener.settimeout(1)
    tests = int(os.environ["TEST_PROCESS"])
    while Path(f"/proc/{tests}").exists():
        with contextlib.suppress(TimeoutError):
            client, _ = listener.accept()
            with client:
                if os.fork() == 0:
                    listener.close()
                    run(client)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def warm_up() -> None:
    import airflow.dag_processing.dagbag  # noqa: F401
    import boto3
    from airflow.providers.amazon.aws.operators import athena, glue, glue_crawler  # noqa: F401
    from airflow.sdk.execution_time import supervisor

    from b3.calendar import sessions
    from local.aws import service_models

    sessions.previous_session(dt.date(2024, 1, 3))
    # Each run has the models that this reads.
    service_models.read_once()
    for service in ("athena", "glue", "s3"):
        boto3.Session().client(service, region_name="sa-east-1")
    # Its threads start with its transport, after the fork.
    supervisor.in_process_api_server().app._cadwyn_initialize()


def run(client: socket.socket) -> None:
    """Do what one client asks for, in a process of its own, and end that."""
    status = 1
    try:
        client.settimeout(None)
        size, descriptors, _, _ = socket.recv_fds(client, 4, DESCRIPTORS)
        wanted = json.loads(client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        for number, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(wanted["environ"])
        threading.Thread(target=end_with, args=[client], daemon=True).start()
        use_the_runs_database()
        from local.lake import dag_runner

        status = dag_runner.main(*wanted["arguments"])
        stop_listeners()
    finally:
        with contextlib.suppress(OSError):
            client.sendall(bytes([status]))
        os._exit(status)


def use_the_runs_database() -> None:
    """Let Airflow take its database from the environment once more: it was imported for another lake."""
    from airflow import settings

    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()


def stop_listeners() -> None:
    """Let plugins end what they started, as at the end of a process: OpenLineage has a pool that keeps output open."""
    from airflow.listeners.listener import get_listener_manager

    get_listener_manager().hook.before_stopping(component=object())


def end_with(client: socket.socket) -> None:
    """End this process once the client's is gone."""
    with contextlib.suppress(OSError):
        client.recv(1)
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        raise SystemExit(main(sys.argv[1:]))
