import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

STORE = """
import datetime as dt, json
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from b3.calendar.timetable import SessionTimetable

with DAG("a_dag", schedule=SessionTimetable(dt.time(6, 15)), start_date=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) as dag:
    pass
print(json.dumps(DagSerialization.to_dict(dag)))
"""

LOAD = """
import datetime as dt, json, sys
from airflow.serialization.serialized_objects import DagSerialization
from airflow import plugins_manager

dag = DagSerialization.from_dict(json.load(sys.stdin))
first, last = (dt.datetime(2020, 4, 30, tzinfo=dt.UTC), dt.datetime(2020, 5, 4, tzinfo=dt.UTC))
print(json.dumps({
    "class": f"{type(dag.timetable).__module__}.{type(dag.timetable).__qualname__}",
    "summary": dag.timetable.summary,
    "runs": [[str(info.logical_date.date()), info.run_after.isoformat()]
             for info in dag.iter_dagrun_infos_between(first, last)],
}))
"""


def airflow(code: str, home: Path, *, plugins: Path, stdin: str = "") -> subprocess.CompletedProcess:
    """Run `code` as a component of Airflow that has just started, the plugins folder its only way to the package."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environ, input=stdin, capture_output=True, text=True, cwd=home, check=False)


def test_the_scheduler_gets_the_timetable_back_out_of_a_stored_dag(tmp_path):
    stored = airflow(STORE, tmp_path, plugins=ROOT / "plugins")
    assert stored.returncode == 0, stored.stderr

    loaded = airflow(LOAD, tmp_path, plugins=ROOT / "plugins", stdin=stored.stdout.splitlines()[-1])

    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout.splitlines()[-1]) == {
        "class": "b3.calendar.timetable.SessionTimetable",
        "summary": "B3 sessions, 06:15",
        "runs": [["2020-04-30", "2020-04-30T09:15:00+00:00"], ["2020-05-04", "2020-05-04T09:15:00+00:00"]],
    }


def test_without_the_plugin_airflow_refuses_to_store_it(tmp_path):
    """Else the test above would pass whatever the plugin registers."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "b3").symlink_to(ROOT / "plugins" / "b3")
    (tmp_path / "plugins" / ".airflowignore").write_text("b3/\n")

    refused = airflow(STORE, tmp_path, plugins=tmp_path / "plugins")

    assert refused.returncode != 0
    assert "'b3.calendar.timetable.SessionTimetable' is not registered" in refused.stderr


PAGE = """
import json, logging, sys
import airflow
{before}
from airflow import plugins_manager

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
plugins_manager.get_timetables_plugins()
[plugin] = [each for each in plugins_manager._get_plugins()[0] if each.name == "b3"]
logging.getLogger(type(plugin).__module__).addHandler(handler)
loaded = [name for name in sys.modules if name.startswith("b3.")]
for _ in range(2):
    apps, _ = plugins_manager.get_fastapi_plugins()
    views, _ = plugins_manager._get_ui_plugins()
print(json.dumps({{
    "loaded": sorted(loaded), "lines": lines,
    "apps": [each["url_prefix"] for each in apps], "views": [each["href"] for each in views],
}}))
"""


def page(home: Path, before: str = "") -> dict:
    loaded = airflow(PAGE.format(before=before), home, plugins=ROOT / "plugins")
    assert loaded.returncode == 0, loaded.stderr
    return json.loads(loaded.stdout.splitlines()[-1])


def test_the_page_is_imported_by_who_serves_it_and_by_nobody_else(tmp_path):
    """A scheduler and each task's process load the plugin: they need the timetable, and what that imports."""
    found = page(tmp_path)

    calendar = {"b3.calendar", "b3.calendar.timetable", "b3.calendar.sessions", "b3.calendar.publication"}
    assert "b3.calendar.timetable" in found["loaded"] and set(found["loaded"]) <= calendar
    assert found["apps"] == ["/b3"] and found["views"] == ["b3/"] and found["lines"] == []


def test_a_page_that_cannot_be_made_is_left_out_and_the_api_server_starts(tmp_path):
    found = page(tmp_path, "sys.modules['babel'] = None")

    assert found["apps"] == found["views"] == []
    assert found["lines"] == ["the page B3 is left out: are all packages of requirements.txt installed?"]


@pytest.mark.parametrize("version", ["3.0.6", "3.1.0"])
def test_before_airflow_3_1_one_line_of_the_log_says_that_the_page_is_left_out(tmp_path, version):
    found = page(tmp_path, f"airflow.__version__ = '{version}'")

    assert found["apps"] == found["views"] == []
    assert found["lines"] == [f"the page B3 needs Airflow 3.1.1 or later, and this is {version}: it is left out"]
