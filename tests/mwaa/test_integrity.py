"""The deployed DAGs where MWAA puts them, on any Airflow from 3.0 on; see local.mwaa.check."""

import ast
import copy
import datetime as dt
import functools
import graphlib
import importlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import StrictUndefined

HOME = Path(os.environ["AIRFLOW_HOME"])
DAGS = HOME / "dags"
PLUGINS = HOME / "plugins"
# What our own file may cost beyond its imports.
PARSE_LIMIT_SECONDS = 1.0
KNOWN_WARNING = "GlueCrawlerRunOperator"


def dag_bag() -> type:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.0
        from airflow.models.dagbag import DagBag
    return DagBag


def serialization() -> Any:
    from airflow.serialization import serialized_objects

    return getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG


def parse(folder: Path) -> Any:
    """The DAGs of a folder, which must parse with no more than the one warning that is known."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        bag = dag_bag()(str(folder))
    assert not bag.import_errors, "\n".join(["a file does not import", *bag.import_errors.values()])
    warned = [line for lines in bag.captured_warnings.values() for line in lines]
    assert [line for line in warned if KNOWN_WARNING not in line] == [], "a file warns"
    return bag


@functools.cache
def dags() -> dict[str, Any]:
    return dict(parse(DAGS).dags)


FILES = sorted(path.stem for path in DAGS.glob("*.py"))
each_dag = pytest.mark.parametrize("dag_id", FILES)


def test_nothing_of_the_checkout_is_on_the_path():
    dag_bag()  # which puts Airflow's folders there

    package = importlib.util.find_spec("b3")

    assert package is not None
    assert package.origin == str(PLUGINS / "b3" / "__init__.py")
    assert importlib.util.find_spec("local") is None


def test_every_file_gives_the_dag_of_its_name_and_no_other():
    assert "b3_daily" in FILES
    assert sorted(dags()) == FILES


@pytest.mark.parametrize(
    ("line", "noticed"),
    [
        ("import no_such_package", "a file does not import"),
        ("from airflow.sdk import NoSuchThing", "a file does not import"),
        ("import warnings; warnings.warn('soon gone', DeprecationWarning)", "a file warns"),
    ],
)
def test_a_broken_file_would_be_noticed(tmp_path, line, noticed):
    (tmp_path / "broken.py").write_text(f"from airflow.sdk import DAG\n{line}\n")

    with pytest.raises(AssertionError, match=noticed):
        parse(tmp_path)


@each_dag
def test_its_graph_has_no_cycle_and_no_loose_end(dag_id):
    dag = dags()[dag_id]
    before = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}

    assert set(graphlib.TopologicalSorter(before).static_order()) == set(dag.task_ids)


@each_dag
def test_it_survives_serialization(dag_id):
    dag = dags()[dag_id]

    stored = json.loads(json.dumps(serialization().to_dict(dag)))
    restored = serialization().from_dict(stored)

    assert restored.dag_id == dag_id
    assert restored.task_ids == dag.task_ids
    assert {task.task_id: task.downstream_task_ids for task in restored.tasks} == {
        task.task_id: task.downstream_task_ids for task in dag.tasks
    }
    assert json.loads(json.dumps(serialization().to_dict(parse(DAGS).dags[dag_id]))) == stored, "parses to another DAG"


@each_dag
def test_its_timetable_is_airflows_or_registered_by_a_plugin(dag_id):
    kind = type(serialization().from_dict(serialization().to_dict(dags()[dag_id])).timetable)

    assert kind.__module__.startswith("airflow.") or f"{kind.__module__}.{kind.__qualname__}" in timetables()


def timetables() -> dict[str, type]:
    from airflow import plugins_manager

    if hasattr(plugins_manager, "get_timetables_plugins"):
        return plugins_manager.get_timetables_plugins()
    plugins_manager.initialize_timetables_plugins()  # Airflow 3.0
    return plugins_manager.timetable_classes


def test_the_page_asks_for_a_login_from_airflow_3_1_on_and_is_absent_before(caplog):
    import airflow
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    parse(DAGS)  # which puts Airflow's folders on the path
    plugin = importlib.import_module("b3_plugin").B3Plugin()
    apps, views = plugin.fastapi_apps, plugin.external_views

    if airflow.__version__.startswith("3.0."):
        assert (apps, views) == ([], [])
        assert [record.message for record in caplog.records if record.name == "b3_plugin"] == [
            f"the page B3 needs Airflow 3.1.1 or later, and this is {airflow.__version__}: it is left out"
        ]
        return
    [app], [view] = apps, views
    server = FastAPI()
    server.mount(app["url_prefix"], app["app"])
    assert f"/{view['href']}" == f"{app['url_prefix']}/"
    assert TestClient(server).get("/b3/").status_code == 401


def test_every_plugin_loads():
    from airflow import plugins_manager

    plugins_manager.ensure_plugins_loaded()

    get = getattr(plugins_manager, "get_import_errors", lambda: plugins_manager.import_errors)
    assert get() == {}
    assert "site-packages" not in str(importlib.import_module("site").__file__)
    assert str(PLUGINS) not in str(importlib.import_module("site").__file__)


class AnyResult(dict):
    """What a task returned, as far as a template can see: every key is there."""

    def __missing__(self, key: str) -> Any:
        return {"partitions": [AnyResult()], "trade_date": "2020-05-04"}.get(key, "1")


class TaskInstance:
    """Gives every task's result."""

    def xcom_pull(self, task_ids: Any = None, **_: Any) -> Any:
        return AnyResult() if isinstance(task_ids, str) else [AnyResult() for _ in task_ids or ()]


@each_dag
def test_every_template_renders_with_nothing_undefined(dag_id, monkeypatch):
    for name in ("LAKE_BUCKET", "GLUE_DATABASE", "GLUE_JOB", "ATHENA_WORKGROUP"):
        monkeypatch.setenv(f"B3_{name}", "b3-lake")
    dag = dags()[dag_id]
    environment = dag.get_template_env()
    environment.undefined = StrictUndefined
    conf = {"trade_date": "2020-05-04", "year": "2020", "first": "2020-05-04", "last": "2020-05-05"}
    due = dt.datetime(2020, 5, 5, 1, 30, tzinfo=dt.UTC)
    run = SimpleNamespace(run_id="manual__1", run_type="manual", logical_date=None, run_after=due, conf=conf)
    ti = TaskInstance()
    context = {"dag": dag, "dag_run": run, "ti": ti, "task_instance": ti, "run_id": run.run_id, "params": dag.params}
    context["triggering_asset_events"] = {}

    rendered = 0
    for task in dag.tasks:
        for field in task.template_fields:
            # TaskFlow's arguments are other tasks' results, of which there are none yet.
            if field in ("op_args", "op_kwargs"):
                continue
            value = task.render_template(copy.copy(template(task, field, environment)), context, environment)
            assert "{{" not in str(value), f"{task.task_id}.{field} is left as {value}"
            rendered += value is not None
    # A task that is a function has no template but where it says so.
    assert rendered >= sum(not hasattr(task, "python_callable") for task in dag.tasks)


def template(task: Any, field: str, environment: Any) -> Any:
    """A field as it is in the DAG file, a template file by its content."""
    value = getattr(task, field, None)
    if isinstance(value, str) and value.endswith(tuple(task.template_ext)):
        return environment.loader.get_source(environment, value)[0]
    return value


def imports(path: Path) -> Iterator[list[str]]:
    """What a file imports, wherever it does: of each list, one has to be there."""
    yield from _imports(ast.parse(path.read_text()))


def _imports(node: ast.AST) -> Iterator[list[str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Try) and any("ImportError" in ast.dump(handler) for handler in child.handlers):
            branches = [child.body, *(handler.body for handler in child.handlers)]
            named = [[name for part in branch for name in _names(part)] for branch in branches]
            for first, *_ in [names for names in named if names][:1]:
                others = [name for names in named[1:] for name in names]
                yield [first, *others]
            continue
        names = _names(child)
        yield from ([name] for name in names)
        if not names:
            yield from _imports(child)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
        return [f"{node.module}:{alias.name}" for alias in node.names]
    return []


def is_there(name: str) -> bool:
    module, _, attribute = name.partition(":")
    try:
        loaded = importlib.import_module(module)
        if attribute and not hasattr(loaded, attribute):
            importlib.import_module(f"{module}.{attribute}")
    except ImportError:
        return False
    return True


PYTHON_FILES = sorted(path for folder in (DAGS, PLUGINS) for path in folder.rglob("*.py") if "glue" not in path.parts)


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: str(path.relative_to(HOME)))
def test_what_a_file_imports_is_there_even_when_only_a_task_asks_for_it(path):
    assert [names for names in imports(path) if not any(is_there(name) for name in names)] == []


def test_an_import_inside_a_task_would_be_noticed(tmp_path):
    file = tmp_path / "late.py"
    file.write_text(
        "def run():\n"
        "    from airflow.sdk import NoSuchThing\n"
        "    try:\n        from airflow.sdk import NorThis\n"
        "    except ImportError:\n        from airflow.sdk import DAG\n"
    )

    assert [names for names in imports(file) if not any(is_there(name) for name in names)] == [
        ["airflow.sdk:NoSuchThing"]
    ]


PARSE_ONCE = """
import sys, time, logging
logging.disable(logging.INFO)
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
started = time.process_time()
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
print(time.process_time() - started)
"""
EMPTY = "from airflow.sdk import DAG\nwith DAG('empty'):\n    pass\n"


def cpu_seconds(file: Path) -> float:
    """Of the processor, which a busy machine does not change; the least of two, each in a process of its own."""

    def once() -> float:
        ran = subprocess.run([sys.executable, "-P", "-c", PARSE_ONCE, str(file)], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-3000:]
        return float(ran.stdout.split()[-1])

    return min(once() for _ in range(2))


@each_dag
def test_parsing_costs_little_beyond_what_it_imports(dag_id, tmp_path, capsys):
    source = (DAGS / f"{dag_id}.py").read_text()
    tree = ast.parse(source)
    lines = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and not ast.unparse(node).startswith("from b3")
    ]
    imports_only, empty = tmp_path / "imports.py", tmp_path / "empty.py"
    imports_only.write_text("\n".join([*lines, EMPTY]))
    empty.write_text(EMPTY)

    ours, theirs, nothing = (cpu_seconds(file) for file in (DAGS / f"{dag_id}.py", imports_only, empty))

    with capsys.disabled():
        print(
            f"\n{dag_id}: parsed in {ours:.2f} s of the processor; an empty DAG {nothing:.2f} s, "
            f"the same imports of Airflow's {theirs:.2f} s, so the file itself {max(ours - theirs, 0):.2f} s"
        )
    assert ours - theirs < PARSE_LIMIT_SECONDS


def test_charts_are_drawn_with_the_packages_that_mwaa_installs():
    charts = importlib.import_module("b3.report.charts")
    wording = importlib.import_module("b3.report.wording")
    member = {"ticker": "ABCD3", "sector": "Saúde", "weight_pct": Decimal("100.000"), "change_pct": Decimal("1.5000")}

    assert ">+1,5%<" in charts.treemap([member], wording.PORTUGUESE)
    assert "var(--up-ink)" in charts.sparkline("1.00 2.00")


def test_a_report_knows_how_tasks_ended_by_means_that_this_airflow_has():
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    parameters = inspect.signature(RuntimeTaskInstance.get_task_states).parameters
    assert {"dag_id", "task_ids", "run_ids"} <= parameters.keys()
    upstream = dags()["b3_daily"].get_task("report").get_flat_relative_ids(upstream=True)
    assert {"upload", "refine", "refined_registered", "sectors.scrape", "validate.key_is_unique"} <= upstream
