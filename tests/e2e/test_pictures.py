"""Airflow's pages and the report over a simulated lake, in a real browser; `make pictures` keeps the pictures.

They go to the folder PICTURES_FOLDER, if that is set.
"""

import datetime as dt
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from infra.checkout import ROOT
from local import setup
from tests.browser import pages
from tests.browser.pages import Page, Seen
from tests.e2e.test_ui import Ui, keys

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(pages.BROWSER is None, reason="needs chromium or google-chrome"),
]
DATE = dt.date(2024, 3, 14)
CHECK = "validate.refined_partition_is_there"
WIDE, HIGH = 1440, 900
# The list of tasks takes less of the window than by default.
PANELS = {"react-resizable-panels:grid-ltr": '{"details-panel,main-panel":{"expandToSizes":{},"layout":[22,78]}}'}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return Path(os.environ.get("PICTURES_FOLDER") or tmp_path_factory.mktemp("pictures")).resolve()


@pytest.fixture(scope="module")
def lakes(tmp_path_factory) -> Path:
    """A simulated lake with one session."""
    folder = tmp_path_factory.mktemp("pictured-lakes")
    make(folder, "run")
    return folder


def make(lakes: Path, name: str) -> str:
    """Run a command for the session on the simulated lake; returns what it prints."""
    command = [str(setup.AIRFLOW.python), "-m", f"local.commands.{name}", "--exchange", "simulated"]
    environ = {**os.environ, "PYTHONPATH": "plugins", "B3_LOCAL_HOME": str(lakes)}
    return subprocess.run(
        [*command, "--date", str(DATE)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True, timeout=900,
    ).stdout  # fmt: skip


class Airflow(Ui):
    """Airflow over the simulated lake, with a run that succeeded."""

    def __init__(self, lakes: Path) -> None:
        super().__init__(lakes, Path("simulated"))

    @property
    def home(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def run(self) -> str:
        """The page of the run."""
        (run,) = self._call("/api/v2/dags/b3_daily/dagRuns")["dag_runs"]
        return f"{self.home}/dags/b3_daily/runs/{run['dag_run_id']}"

    def state(self, task: str) -> str:
        run_id = self.run.rpartition("/")[2]
        return str(self._call(f"/api/v2/dags/b3_daily/dagRuns/{run_id}/taskInstances/{task}")["state"])

    def clear(self, task: str) -> None:
        """Let one task run again, and wait for its end."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "task_ids": [task],
            "dag_run_id": self.run.rpartition("/")[2],
        }
        self._call("/api/v2/dags/b3_daily/clearTaskInstances", body)
        deadline = time.monotonic() + 300
        while self.state(task) in ("None", "scheduled", "queued", "running", "success", "deferred"):
            assert time.monotonic() < deadline, f"{task} is {self.state(task)}"
            time.sleep(2)


@pytest.fixture(scope="module")
def airflow(lakes) -> Iterator[Airflow]:
    running = Airflow(lakes)
    try:
        running.start()
        running.trigger(DATE)
        assert running.wait_for_runs(1) == {str(DATE): "success"}
        yield running
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)


@pytest.fixture(scope="module")
def shown(airflow, pictures) -> dict[str, Seen]:
    """What the browser saw of each page."""
    dag = f"{airflow.home}/dags/b3_daily"
    graph = {**PANELS, "default_dag_view": '"graph"'}
    wanted = {
        "airflow-graph": Page(dag, WIDE, HIGH, storage=graph, wait_for=("crawl_refined",)),
        "airflow-grid": Page(dag, WIDE, HIGH, storage=PANELS, wait_for=("Last Dag Run",)),
        "airflow-run": Page(airflow.run, WIDE, HIGH, storage=PANELS, wait_for=("crawl_refined",)),
        "airflow-form": Page(dag, WIDE, HIGH, storage=PANELS, wait_for=("crawl_refined",), click=("Trigger",)),
        "airflow-b3-page": Page(f"{airflow.home}/plugin/b3", WIDE, HIGH, wait_for=("Dags",)),
        UNPICTURED: Page(f"{airflow.home}/b3/", WIDE, HIGH, before=airflow.home, axe=True),
    }
    return look(wanted, pictures)


@pytest.fixture(scope="module")
def failing(airflow, lakes, pictures, shown) -> Seen:
    """What the browser saw of a check that failed: somebody dropped the session's partition."""
    url = (lakes / "simulated" / "aws.url").read_text()
    glue = boto3.client("glue", endpoint_url=url, **keys(lakes, "simulated"))
    glue.delete_partition(DatabaseName="b3", TableName="quotes", PartitionValues=[str(DATE)])
    airflow.clear(CHECK)
    page = Page(f"{airflow.run}/tasks/{CHECK}", WIDE, HIGH, storage=PANELS, wait_for=("expected",))
    return look({"airflow-failed-check": page}, pictures)["airflow-failed-check"]


@pytest.fixture(scope="module")
def report(lakes, pictures) -> dict[str, Seen]:
    url = Path(re.search(r"open (\S+) in a browser", make(lakes, "report"))[1]).resolve().as_uri()
    wanted = {
        "report": Page(url, axe=True),
        "report-dark": Page(url, scheme="dark", axe=True),
        "report-phone": Page(url, 390, 844, axe=True),
        "report-print": Page(url, media="print", whole=True),
    }
    return look(wanted, pictures)


def look(wanted: dict[str, Page], pictures: Path) -> dict[str, Seen]:
    pictured = [
        Page(
            **{
                **vars(page),
                "picture": "" if name == UNPICTURED else str(pictures / f"{name}.png"),
                "settle_milliseconds": 4000,
            }
        )
        for name, page in wanted.items()
    ]
    return dict(zip(wanted, pages.show(*pictured), strict=True))


# The page within Airflow's has its picture.
UNPICTURED = "b3-page"
AIRFLOW = ["airflow-graph", "airflow-grid", "airflow-run", "airflow-form"]


@pytest.mark.parametrize("name", AIRFLOW)
def test_a_page_of_airflow_shows_the_dag_without_a_complaint_and_asks_no_other_machine(shown, name):
    assert "b3_daily" in shown[name].text
    assert "SIMULATED" in shown[name].text or name == "airflow-run"
    assert [line for line in shown[name].console if line.startswith("error")] == []
    assert shown[name].elsewhere == []


def test_the_form_asks_for_a_trade_date_in_words(shown):
    assert "The session to run, as 2020-04-30" in shown["airflow-form"].text


def test_a_failing_check_says_what_is_wrong_in_a_line_of_its_own(failing):
    told = re.search(r"ERROR\s*-?\s*(quotes shows no row for .*)", failing.text)

    assert told and told[1].startswith(f"quotes shows no row for {DATE}: expected the session's quotes")
    assert len(told[1]) < 100
    assert failing.elsewhere == []


def test_the_page_b3_shows_the_lake_and_everybody_can_use_it(shown):
    page = shown[UNPICTURED]

    assert "SIMULATED" in page.text and "complete: 1" in page.text
    assert page.serious == []
    for seen in (page, shown["airflow-b3-page"]):
        assert [line for line in seen.console if line.startswith("error")] == []
        assert seen.elsewhere == []


@pytest.mark.parametrize("name", ["report", "report-dark", "report-phone", "report-print"])
def test_the_report_of_the_session_is_shown_without_a_complaint(report, name):
    assert report[name].console == []
    assert report[name].elsewhere == []
    assert report[name].serious == []
    assert "SIMULATED" in report[name].text
