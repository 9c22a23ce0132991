import copy
import datetime as dt
import gc
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from b3.calendar import publication
from tests.places import ROOT, SQL

DAGS = ROOT / "dags"
LAKE = ROOT / "infra" / "lake.yaml"
NAMES = ("b3_arrivals", "b3_daily", "b3_doctor", "b3_history", "b3_morning", "b3_verify", "b3_visual", "btc_minutes")
STEPS = ["scrape", "upload", "crawl_raw", "raw_registered", "refine", "crawl_refined", "refined_registered"]
BESIDE = ["indexes.scrape", "indexes.upload", "indexes.complete", "sectors.scrape", "sectors.upload", "calendar_agrees"]
# Names of the checks, by the data set that they belong to.
CHECKS_OF = {
    folder.name: sorted(path.stem for path in folder.iterdir())
    for folder in (SQL / "validate").iterdir()
    if folder.name not in ("bitcoin", "visual")  # those of other DAGs
}
CHECKS = sorted(check for checks in CHECKS_OF.values() for check in checks)
VALIDATE = [f"validate.{check}" for check in CHECKS]
READY = [f"{data_set}_ready" for data_set in CHECKS_OF]
VIEWS = [f"views.{path.stem}" for path in (SQL / "views").iterdir()]


def parse(folder: Path) -> DagBag:
    """The DAGs of a folder, which must parse with no more than the one warning that is known."""
    # What earlier tests left open warns when it is collected; here it would count as a warning of the folder's files.
    gc.collect()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        bag = DagBag(str(folder))
    assert bag.import_errors == {}, "a file does not import"
    warned = [line for lines in bag.captured_warnings.values() for line in lines]
    assert [line for line in warned if "GlueCrawlerRunOperator" not in line] == [], "a file warns"
    return bag


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return parse(DAGS)


@pytest.fixture(scope="module")
def dag(bag: DagBag) -> DAG:
    return bag.dags["b3_daily"]


class TestParsing:
    def test_every_file_gives_exactly_its_dags(self, bag):
        found = {dag_id: Path(dag.fileloc).name for dag_id, dag in bag.dags.items()}

        assert found == {name: f"{name}.py" for name in NAMES}
        assert {path.name for path in DAGS.glob("*.py")} == set(found.values())

    @pytest.mark.parametrize(
        ("line", "noticed"),
        [
            ("import no_such_package", "a file does not import"),
            ("DAG('not a name')", "a file does not import"),
            ("import warnings; warnings.warn('soon gone', DeprecationWarning)", "a file warns"),
        ],
        ids=["missing package", "bad name", "deprecation"],
    )
    def test_a_broken_file_is_noticed(self, tmp_path, line, noticed):
        """Else the tests here would pass over anything."""
        (tmp_path / "broken.py").write_text(f"from airflow.sdk import DAG\n{line}\n")

        with pytest.raises(AssertionError, match=noticed):
            parse(tmp_path)

    @pytest.mark.parametrize("name", NAMES)
    def test_needs_no_setting_reads_nothing_and_loads_nothing_heavy(self, parsed_under_guard, name):
        """Beyond the operators themselves, parsing loads modules of this project, and none that needs a library."""
        loaded = parsed_under_guard[name]
        assert "b3.airflow.alerts" in loaded, loaded
        assert [module for module in loaded if module.partition(".")[0] != "b3"] == []

    def test_the_graph_survives_serialization(self, dag):
        stored = DagSerialization.from_dict(serialized(dag))

        assert edges(stored) == edges(dag)
        assert stored.get_task("refine").script_args == dag.get_task("refine").script_args
        assert stored.doc_md == dag.doc_md


@pytest.fixture(scope="module")
def parsed_under_guard(tmp_path_factory) -> dict[str, list[str]]:
    """What the parsing of each file loads, or its error; each in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", PARSE_UNDER_GUARD, str(DAGS), str(ROOT / "plugins"), *NAMES],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("parsed"),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = [line for line in ran.stdout.splitlines() if line.startswith("parsed ")]
    return dict(json.loads(line.removeprefix("parsed ")) for line in told)


# What all files import is imported once; then each is parsed in a fork.
PARSE_UNDER_GUARD = """
import importlib.util, json, os, sys
folder, plugins, *names = sys.argv[1:]
sys.path.append(plugins)
import airflow.sdk, airflow.timetables.base, airflow.timetables.interval, airflow.timetables.trigger, pendulum, boto3
import airflow.providers.amazon.aws.operators.athena
import airflow.providers.amazon.aws.operators.glue
import airflow.providers.amazon.aws.operators.glue_crawler
import airflow.providers.amazon.aws.sensors.sqs
import airflow.providers.standard.operators.empty
import airflow.providers.standard.operators.trigger_dagrun
from airflow.sdk import DAG, BaseHook, Connection, Param, TaskGroup, Variable, chain, task
with DAG("warm_up"):
    task(lambda: None).override(task_id="a")()

def forbid(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "sqlite3.connect"):
        raise AssertionError(f"{event} {arguments} while parsing")
def refuse(*arguments, **named):
    raise AssertionError(f"read {arguments} {named} while parsing")
sys.addaudithook(forbid)
boto3.client = boto3.resource = boto3.Session = Variable.get = Connection.get = BaseHook.get_connection = refuse

before = set(sys.modules)
for name in names:
    if os.fork() == 0:
        try:
            spec = importlib.util.spec_from_file_location(name, f"{folder}/{name}.py")
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
            told = sorted(set(sys.modules) - before)
        except BaseException as error:
            told = [f"{type(error).__name__}: {error}"]
        print("parsed", json.dumps([name, told]), flush=True)
        os._exit(0)
    os.wait()
"""


def serialized(dag: DAG) -> dict:
    return json.loads(json.dumps(DagSerialization.to_dict(dag)))


def next_run(dag: DAG, after: Any) -> Any:
    """The run that the scheduler makes after one of `after`, by the DAG as it is stored."""
    stored = DagSerialization.from_dict(serialized(dag))
    return stored.timetable.next_dagrun_info(
        last_automated_data_interval=stored.timetable.infer_manual_data_interval(run_after=after),
        restriction=SimpleNamespace(earliest=stored.start_date, latest=None, catchup=True),
    )


def passes_over_failures(dag: DAG, task: Any, after: Any) -> bool:
    """Whether every way from `task` to `after` leads through a task that runs in any case."""
    if after.trigger_rule == "all_done":
        return True
    direct = [dag.get_task(before) for before in after.upstream_task_ids]
    related = [b for b in direct if b is task or b in task.get_flat_relatives(upstream=False)]
    return all(before is not task and passes_over_failures(dag, task, before) for before in related)


def edges(dag: Any) -> set[tuple[str, str]]:
    return {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}


class TestTheGraph:
    def test_is_the_steps_what_comes_in_beside_them_and_then_every_check_and_view(self, dag):
        assert [task for task in (task.task_id for task in dag.topological_sort()) if task in STEPS] == STEPS
        assert {task.task_id for task in dag.tasks} == {*STEPS, *BESIDE, *READY, *VALIDATE, *VIEWS, "report", "summary"}
        assert edges(dag) == {
            *itertools.pairwise(STEPS),
            ("upload", "refine"),
            ("indexes.scrape", "indexes.upload"),
            ("indexes.scrape", "indexes.complete"),
            ("indexes.upload", "crawl_raw"),
            ("indexes.scrape", "sectors.scrape"),
            ("sectors.scrape", "sectors.upload"),
            ("sectors.upload", "crawl_raw"),
            *(("refined_registered", after) for after in (*READY, *VIEWS)),
            ("upload", "quotes_ready"),
            ("indexes.upload", "indexes_ready"),
            ("refine", "indexes_ready"),
            ("sectors.upload", "sectors_ready"),
            *((f"{of}_ready", f"validate.{check}") for of, checks in CHECKS_OF.items() for check in checks),
            *((before, "summary") for before in ("refine", *VALIDATE)),
            *((check, "report") for check in VALIDATE),
        }

    def test_shows_a_check_by_its_name_alone_in_the_group_of_its_data_set(self, dag):
        for data_set, checks in CHECKS_OF.items():
            for check in checks:
                task = dag.get_task(f"validate.{check}")
                assert (task.task_display_name, task.task_group.group_id) == (check, f"validate.{data_set}")

    def test_is_drawn_in_the_document(self, dag):
        assert "upload ─────────┬─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─┬▶ quotes_ready ──▶ validate" in dag.doc_md
        assert all(f"`{step}`" in dag.doc_md for step in (*STEPS, "indexes.*", "sectors.*", "calendar_agrees"))

    def test_quotes_do_not_wait_for_what_failed_beside_them(self, dag):
        rules = {task.task_id: task.trigger_rule for task in dag.tasks}

        assert rules.pop("crawl_raw") == "all_done"
        # Nor do constituents that could not be refined hide the quotes that were.
        assert rules.pop("crawl_refined") == "all_done"
        assert rules.pop("summary") == "none_failed"
        # With B3_REGISTER=tasks the crawls are skipped, and nothing after them.
        assert (rules.pop("raw_registered"), rules.pop("refined_registered")) == ("none_failed", "none_failed")
        # A page on a session whose check failed says so.
        assert rules.pop("report") == "all_done"
        assert set(rules.values()) == {"all_success"}

    def test_what_fails_fails_the_run(self, dag):
        """A run is as its last tasks are: something that fails must leave one of them failed, or never started."""
        last = {task.task_id for task in dag.tasks if not task.downstream_task_ids}

        for task in dag.tasks:
            reached = {task.task_id} | {
                after.task_id
                for after in task.get_flat_relatives(upstream=False)
                if not passes_over_failures(dag, task, after)
            }
            assert reached & last, task.task_id

    def test_every_failure_is_told(self, dag):
        assert {task.on_failure_callback[0].__name__ for task in dag.tasks} == {"publish"}
        assert dag.on_failure_callback.__name__ == "publish_timeout"

    def test_waits_for_glue_without_a_worker(self, dag):
        assert [dag.get_task(task).deferrable for task in ("crawl_raw", "refine", "crawl_refined")] == [True] * 3
        assert not any(dag.get_task(check).deferrable for check in VALIDATE)

    def test_outwaits_any_run_that_the_stack_allows(self, dag):
        refine = dag.get_task("refine")
        (longest,) = re.findall(r"GlueTimeoutMinutes:.*?MaxValue: (\d+)", LAKE.read_text(), re.DOTALL)

        assert refine.waiter_delay * refine.waiter_max_attempts > int(longest) * 60

    def test_waits_out_a_crawl_of_the_other_dag(self, dag):
        crawl = dag.get_task("crawl_raw")

        assert crawl.retries * crawl.retry_delay >= dt.timedelta(minutes=5)

    def test_changes_nothing_of_the_stack(self, dag):
        refine = dag.get_task("refine")

        assert refine.update_config is False
        assert refine.script_location is None
        assert not refine.create_job_kwargs
        assert dag.get_task("crawl_raw").config.keys() == {"Name"}

    def test_a_stopped_glue_run_does_not_pass(self, dag):
        """Verbose deferral takes STOPPED for success, in every provider from 9.25 on."""
        assert dag.get_task("refine").verbose is False

    def test_a_check_outlives_the_worker_it_ran_on(self, dag):
        """Once more and soon; a violated check fails again, so it is not asked for ever."""
        tried = {(dag.get_task(check).retries, dag.get_task(check).retry_delay) for check in VALIDATE}

        assert tried == {(1, dt.timedelta(seconds=10))}


class TestItsRuns:
    @pytest.mark.parametrize(
        ("last", "session", "starts"),
        [
            ("2024-03-13", "2024-03-14", "2024-03-14T22:30"),
            ("2024-03-15", "2024-03-18", "2024-03-18T22:30"),  # over a weekend
            ("2020-04-30", "2020-05-04", "2020-05-04T22:30"),  # over a holiday as well
            ("2018-11-02", "2018-11-05", "2018-11-05T22:30"),  # under daylight saving
        ],
    )
    def test_are_one_per_session_at_half_past_ten_in_the_evening_in_sao_paulo(self, dag, last, session, starts):
        following = next_run(dag, utc(last))

        assert following.run_after == sao_paulo(starts)
        assert following.logical_date == utc(session)
        assert dag.user_defined_macros["trade_date"](a_run(following.logical_date)) == following.logical_date.date()

    def test_start_at_another_time_where_that_is_set(self, monkeypatch):
        monkeypatch.setenv("B3_PUBLISHED_AT", "20:15")

        assert parse(DAGS).dags["b3_daily"].timetable.summary == "B3 sessions, 20:15"

    def test_of_a_backfill_are_exactly_the_sessions_between(self, dag):
        stored = DagSerialization.from_dict(serialized(dag))

        made = stored.iter_dagrun_infos_between(utc("2020-04-27"), utc("2020-05-05"))

        assert [f"{info.logical_date:%d %b}" for info in made] == [
            "27 Apr", "28 Apr", "29 Apr", "30 Apr", "04 May", "05 May",
        ]  # fmt: skip

    def test_begin_with_the_first_session_of_b3s_history(self, dag):
        """A task does not run for a logical date before its start date."""
        assert dag.start_date == utc("1986-01-02")

    def test_may_wait_for_b3_until_noon_of_the_next_day(self, dag):
        session = dt.date(2024, 3, 14)

        triggered_at_midnight = publication.due(session, dt.time())
        longest = publication.deadline(session, publication.LONGEST_DEADLINE_HOURS)
        assert triggered_at_midnight + dag.dagrun_timeout > longest > publication.deadline(session)

    @pytest.mark.parametrize("given", [None, "2020-04-30"])
    def test_take_a_trade_date_from_the_trigger_form(self, dag, given):
        copy.deepcopy(dag.params.get_param("trade_date")).resolve(given)

    @pytest.mark.parametrize("given", ["30/04/2020", "yesterday", 20200430])
    def test_are_refused_in_the_trigger_form_for_what_is_no_date(self, dag, given):
        with pytest.raises(ParamValidationError):
            copy.deepcopy(dag.params.get_param("trade_date")).resolve(given)

    def test_without_a_trade_date_in_the_form_go_by_the_logical_date(self, dag):
        assert dag.params.dump() == {
            "trade_date": None,
            "source": "b3",
            "accept_flood": False,
            "accept_loss": False,
        }


def utc(text: str) -> Any:
    import pendulum

    return pendulum.parse(text, tz="UTC")


def sao_paulo(text: str) -> Any:
    import pendulum

    return pendulum.parse(text, tz="America/Sao_Paulo")


def a_run(logical_date: dt.datetime | None = None, run_type: str = "manual", **conf: str) -> SimpleNamespace:
    return SimpleNamespace(run_id=f"{run_type}__1", run_type=run_type, logical_date=logical_date, conf=conf)


@pytest.fixture
def rendered(dag, monkeypatch):
    """A task as it executes for the session of 4 May 2020, after the Labour Day weekend."""
    monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
    partition = {"trade_date": "2020-05-04", "rows": 4264, "financial_volume": "25931286263.41"}
    uploaded = {"partitions": [partition]}
    results = {"upload": uploaded, "indexes.upload": {"rows": 252}, "sectors.upload": {"rows": 420}}
    context = {
        "dag_run": a_run(trade_date="2020-05-04"),
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids]),
    }

    def render(task_id: str) -> Any:
        task = copy.copy(dag.get_task(task_id))
        task.render_template_fields(context, dag.get_template_env())
        return task

    return render


class TestTemplates:
    def test_the_glue_job_gets_its_trade_date_and_where_to_read_and_write(self, rendered):
        refine = rendered("refine")

        assert refine.job_name == "b3-refine"
        assert refine.script_args == {
            "--sessions": "2020-05-04",
            "--previous_session": "2020-04-30",
            "--last_rebalance": "2020-05-04",
            "--source": "s3://b3-lake/raw/quotes/",
            "--target": "s3://b3-lake/refined/quotes/",
            "--findings": "s3://b3-lake/refined/findings/",
            "--portfolio": "s3://b3-lake/raw/index_portfolio/trade_date=2020-05-04/index_portfolio.parquet",
            "--index_target": "s3://b3-lake/refined/index_stocks/trade_date=2020-05-04/",
        }

    def test_the_crawlers_are_the_stacks(self, rendered):
        assert rendered("crawl_raw").config == {"Name": "b3-raw"}
        assert rendered("crawl_refined").config == {"Name": "b3-refined"}

    def test_names_follow_the_settings(self, rendered, monkeypatch):
        monkeypatch.setenv("B3_GLUE_DATABASE", "markets")
        monkeypatch.setenv("B3_GLUE_JOB", "job")
        monkeypatch.setenv("B3_ATHENA_WORKGROUP", "analysts")

        assert rendered("crawl_raw").config == {"Name": "markets-raw"}
        assert rendered("refine").job_name == "job"
        check = rendered("validate.key_is_unique")
        assert (check.database, check.workgroup) == ("markets", "analysts")

    @pytest.mark.parametrize("check", CHECKS)
    def test_each_check_is_one_query_on_the_sessions_partition(self, rendered, check):
        query = rendered(f"validate.{check}").query

        assert not re.search(r"\{\{|\}\}|\{%|%\}", query)
        tables = len(re.findall(r"(?:FROM|JOIN) (?:raw_|index_|quotes|findings)\w*\b", query))
        assert tables >= 1
        assert query.count("trade_date = date '2020-05-04'") == tables
        assert ";" not in re.sub(r"--.*|'[^']*'", "", query)

    @pytest.mark.parametrize("check", CHECKS)
    def test_each_check_fails_with_what_was_expected(self, rendered, check):
        query = rendered(f"validate.{check}").query

        assert re.search(r"THEN 1\s+ELSE CAST\(", query)
        assert re.search(rf"AS integer\)\s+END AS {check}\b", query)
        assert "2020-05-04" in query.partition("ELSE CAST(")[2]
        assert re.search("expected|run refine again", query.partition("ELSE CAST(")[2])

    def test_the_summary_asks_for_the_sessions_findings(self, rendered):
        query = rendered("summary").templates_dict["sql"]

        assert re.search(r"FROM findings\s+WHERE trade_date = date '2020-05-04'\s", query)

    def test_the_report_is_on_the_session(self, rendered):
        report = rendered("report")

        assert report.op_args == ("2020-05-04",)
        assert all("quotes$partitions" in query for query in report.templates_dict.values())

    def test_raw_rows_are_compared_with_those_of_the_source(self, rendered):
        query = rendered("validate.raw_rows_match_the_source").query

        assert "    VALUES\n      (date '2020-05-04', 4264, 25931286263.41)\n  )" in query

    def test_a_missing_bucket_is_said(self, rendered, monkeypatch):
        monkeypatch.delenv("B3_LAKE_BUCKET")

        with pytest.raises(KeyError, match="B3_LAKE_BUCKET"):
            rendered("refine")


class TestAClosedDay:
    @pytest.fixture(autouse=True)
    def nothing_is_asked(self, monkeypatch):
        def refuse(*_):
            raise AssertionError("a socket was opened")

        monkeypatch.setattr(socket.socket, "connect", refuse)

    def test_has_no_portfolios_and_the_task_keeps_the_reason(self, dag, monkeypatch):
        monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
        task = a_task()

        with pytest.raises(AirflowSkipException, match="Friday 2020-05-01, on which B3 was closed"):
            dag.get_task("indexes.scrape").python_callable(dag_run=a_run(trade_date="2020-05-01"), ti=task)

        assert "on which B3 was closed" in task.kept["skipped"]


def a_task() -> SimpleNamespace:
    kept: dict[str, str] = {}
    return SimpleNamespace(kept=kept, xcom_push=kept.__setitem__)


PLUGINS_UNDER_AIRFLOW = """
import sys
from airflow import plugins_manager

plugins_manager.get_plugin_info()
import site
print(site.__file__)
print(sorted({"errors", "hook", "layout", "raw", "pyarrow"} & set(sys.modules)))
"""


def test_airflow_loads_no_module_of_the_package_as_a_plugin(tmp_path):
    """It would import each file by its bare name, and b3/calendar/ or b3/site/ in place of Python's modules."""
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}

    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLUGINS_UNDER_AIRFLOW],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip

    where, loaded = answer.stdout.strip().splitlines()[-2:]
    assert "plugins" not in where
    assert loaded == "[]"
