"""A DAG run never outlives the command that waits for it."""

import dataclasses
import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from infra.checkout import ROOT
from local import setup
from local.lake import dag_runs
from local.lake.home import Home

DATE = dt.date(2024, 3, 14)
# What would run the DAG: it says that a task ended, notes who it is, and goes on.
ENDLESS = """
    echo $$ > "$B3_NOTE"
    echo '{"task": "scrape", "state": "success", "error": null}'
    exec sleep 300
"""
BRIEF = """
    echo '{"step": "starting Airflow"}'
    echo '{"began": "scrape"}'
    echo '{"task": "scrape", "state": "success", "summary": "landed: a file", "seconds": 0.5}'
    echo '{"began": "upload"}'
    echo '{"task": "upload", "state": "failed", "error": "NotB3Data: a web page", "seconds": 1.5}'
    exit $B3_STATUS
"""
COMMAND = """
    import datetime as dt, os, sys, time
    from dataclasses import replace
    from pathlib import Path
    from local import setup
    from local.lake import dag_runs
    from local.lake.home import Home

    setup.AIRFLOW = replace(setup.AIRFLOW, folder=Path(sys.argv[1]))
    dag_runs.interrupt_on_signals()
    try:
        home = Home("real", Path(sys.argv[1]))
        with dag_runs.DagRun(home, dict(os.environ), "b3_daily", dt.date(2024, 3, 14)) as run:
            for end in run:
                print(end.task, flush=True)
    except KeyboardInterrupt:
        time.sleep(float(sys.argv[2]))
        print("interrupted", flush=True)
        sys.exit(130)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home("real", tmp_path)
    made.logs.mkdir()
    return made


def airflow(home: Home, body: str) -> setup.Environment:
    """An environment whose Python is a script."""
    environment = dataclasses.replace(setup.AIRFLOW, folder=home.folder)
    environment.python.parent.mkdir()
    environment.python.write_text(f"#!/bin/sh\n{textwrap.dedent(body)}")
    environment.python.chmod(0o755)
    return environment


def environ(home: Home, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "B3_NOTE": str(home.folder / "note"), **more}


def running(home: Home) -> psutil.Process:
    return psutil.Process(int((home.folder / "note").read_text()))


def gone(process: psutil.Process) -> bool:
    return not psutil.wait_procs([process], timeout=15)[1]


class Command:
    """A process that waits for a DAG run."""

    def __init__(self, home: Home, seconds_to_end: float = 0) -> None:
        airflow(home, ENDLESS)
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(COMMAND), str(home.folder), str(seconds_to_end)],
            cwd=ROOT, env=environ(home), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "scrape\n"
        self.dag = running(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_dag_ends_with_the_command_however_that_ends(home, number):
    command = Command(home)
    command.process.send_signal(number)

    status = command.process.wait(30)

    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert gone(command.dag)


def test_a_second_signal_does_not_interrupt_the_ending(home):
    command = Command(home, seconds_to_end=2)
    command.process.terminate()
    time.sleep(1)
    command.process.terminate()

    assert command.process.wait(30) == 130
    assert command.process.stdout.read() == "interrupted\n"


def test_the_dag_ends_if_whoever_looks_at_its_tasks_fails(home, monkeypatch):
    monkeypatch.setattr(setup, "AIRFLOW", airflow(home, ENDLESS))

    with pytest.raises(KeyError), dag_runs.DagRun(home, environ(home), "b3_daily", DATE) as run:
        for end in run:
            dag = running(home)
            raise KeyError(end.task)

    assert gone(dag)


@pytest.mark.parametrize(("status", "succeeded"), [(0, True), (1, False)])
def test_tasks_are_told_as_they_end_and_the_status_says_whether_the_run_succeeded(home, monkeypatch, status, succeeded):
    monkeypatch.setattr(setup, "AIRFLOW", airflow(home, BRIEF))

    with dag_runs.DagRun(home, environ(home, B3_STATUS=str(status)), "b3_daily", DATE) as run:
        told = [(end.task, end.state, end.error) for end in run]

    assert told == [("scrape", "success", None), ("upload", "failed", "NotB3Data: a web page")]
    assert run.succeeded is succeeded


def test_steps_and_tasks_are_told_as_they_begin(home, monkeypatch):
    monkeypatch.setattr(setup, "AIRFLOW", airflow(home, BRIEF))
    begun: list[dag_runs.Began] = []

    with dag_runs.DagRun(home, environ(home, B3_STATUS="0"), "b3_daily", DATE, began=begun.append) as run:
        ends = {end.task: (begun[-1].text, end.summary, end.seconds) for end in run}

    assert begun == [
        dag_runs.Began("starting Airflow", is_task=False),
        dag_runs.Began("scrape", is_task=True),
        dag_runs.Began("upload", is_task=True),
    ]
    assert ends == {"scrape": ("scrape", "landed: a file", 0.5), "upload": ("upload", None, 1.5)}


def test_the_line_of_a_task_fits_the_terminal_and_is_whole_elsewhere():
    end = dag_runs.TaskEnd("scrape", "success", summary="landed: s3://b3-lake/landing/quotes/A.ZIP\nmore", seconds=3.14)

    assert end.line() == f"success   scrape{' ' * 40}  3.1 s  landed: s3://b3-lake/landing/quotes/A.ZIP"
    assert end.line(80) == end.line()[:79] + "…"
    assert end.line(200) == end.line()


def test_the_runs_that_it_has_started_wait_for_whoever_asked(home, monkeypatch):
    body = """
        echo '{"task": "start[0]", "state": "success", "error": null, "summary": null, "seconds": 1}'
        echo '{"dag": "b3_daily", "run_id": "arrival__1", "conf": {"trade_date": "2020-04-30"}}'
    """
    monkeypatch.setattr(setup, "AIRFLOW", airflow(home, body))

    with dag_runs.DagRun(home, environ(home), "b3_arrivals", DATE) as run:
        assert [end.task for end in run] == ["start[0]"]

    assert run.waiting == [dag_runs.WaitingRun("b3_daily", "arrival__1", {"trade_date": "2020-04-30"})]
