"""What may import what. The layers are those of local/commands/structure.py, which docs/architecture.md shows."""

import ast
import graphlib
import itertools
import os
import subprocess
import sys
from pathlib import PurePosixPath

import pytest

from local.commands import structure
from local.commands.structure import CHARTS, PACKAGE, REPOSITORY, Chart, Imports
from tests.places import PLUGINS, ROOT

IMPORTS = structure.read_imports(ROOT)
PRODUCT = ("dags/", "plugins/", "include/")
FOLDERS = sorted({str(folder) for path in IMPORTS for folder in PurePosixPath(path).parents} - {"."})
# Folders of a thing that B3 publishes: they bring it to landing/.
DATA_SETS = sorted(folder.parent.name for folder in PLUGINS.glob("b3/*/land.py"))
# Bitcoin is no data of B3's. Its provider is asked each hour, so no doctor has to ask it each week.
BITCOIN = "bitcoin"
# The hook does without Airflow where there is none.
AIRFLOW_MAY_BE_NAMED = ("plugins/b3/airflow/", "plugins/b3/calendar/timetable.py", "plugins/b3/site/hook.py")
AIRFLOW_MUST_BE_THERE = ("plugins/b3/airflow/", "plugins/b3/calendar/timetable.py")
MOST_LINES = 400
REASON = f"Over {MOST_LINES} lines: "
IMPORT_WITHOUT_AIRFLOW = """
import importlib, sys
sys.modules["airflow"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
each_chart = pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)


def circle(imports: Imports) -> list[str]:
    """The paths of a circle, each imported by the one before it; none where there is no circle."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]
    return []


def crossing(start: tuple[str, ...], end: tuple[str, ...]) -> list[str]:
    """Each import from below one of `start` to below one of `end`."""
    return [
        f"{module} imports {other}"
        for module, imported in IMPORTS.items()
        for other in sorted(imported)
        if module.startswith(start) and other.startswith(end)
    ]


def upwards(chart: Chart) -> list[str]:
    """Each import that does not lead to a lower layer of the chart."""
    boxes = {module: box for module in IMPORTS if (box := chart.box_of(module))}
    return [
        f"{module} imports {other}"
        for module, imported in IMPORTS.items()
        for other in sorted(imported)
        if module in boxes and other in boxes and boxes[module] != boxes[other]
        if chart.layer_of(boxes[module]) <= chart.layer_of(boxes[other])
    ]


def names_airflow(path: str) -> bool:
    """Whether a module imports Airflow, at its top or inside a function."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(name.split(".")[0] == "airflow" for name in names):
            return True
    return False


class TestModules:
    def test_import_each_other_in_no_circle(self):
        assert circle(IMPORTS) == []

    def test_of_the_product_know_neither_the_local_stand_ins_nor_the_deploy(self):
        """Else they would need on AWS what is not there."""
        assert crossing(PRODUCT, ("local/", "infra/", "docker/", "bench/")) == []

    def test_of_the_deploy_do_not_know_the_local_stand_ins(self):
        assert crossing(("infra/",), ("local/",)) == []

    def test_of_the_glue_job_know_no_other(self):
        """Glue ships include/glue alone."""
        assert crossing(("include/glue/",), ("plugins/", "dags/")) == []

    def test_of_the_package_name_airflow_in_its_own_folder(self):
        naming = [path for path in IMPORTS if path.startswith("plugins/b3/") and names_airflow(path)]

        assert [path for path in naming if not path.startswith(AIRFLOW_MAY_BE_NAMED)] == []
        assert naming, "Airflow is found where it is imported"

    def test_of_the_package_can_be_imported_without_airflow(self):
        """What reads B3's formats is of use beyond a DAG, and is tested without one."""
        names = [
            path.removeprefix("plugins/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for path in IMPORTS
            if path.startswith("plugins/b3/") and not path.startswith(AIRFLOW_MUST_BE_THERE)
        ]
        command = [sys.executable, "-c", IMPORT_WITHOUT_AIRFLOW, *names]
        environ = {**os.environ, "PYTHONPATH": str(PLUGINS)}

        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

        assert ran.returncode == 0, ran.stderr[-2000:]

    def test_are_short_or_begin_with_why_not(self):
        lines = {path: (ROOT / path).read_text().splitlines() for path in IMPORTS}
        long = {path: text for path, text in lines.items() if len(text) > MOST_LINES}

        assert [path for path, text in long.items() if REASON not in "\n".join(text[:12])] == []


class TestFolders:
    @pytest.mark.parametrize("folder", FOLDERS)
    def test_hold_parts_that_import_each_other_in_no_circle(self, folder):
        assert circle(structure.between(IMPORTS, structure.child_of(folder))) == []


class TestADataSet:
    def test_is_a_folder(self):
        assert len(DATA_SETS) >= 3

    @pytest.mark.parametrize("data_set", DATA_SETS)
    def test_has_the_same_rooms_as_the_others(self, data_set):
        rooms = (
            f"plugins/b3/{data_set}/land.py",
            f"plugins/b3/{data_set}/raw.py",
            f"plugins/b3/airflow/tasks/{data_set}.py",
            f"include/sql/validate/{data_set}",
            f"tests/plugins/b3/{data_set}",
        )

        assert [room for room in rooms if not (ROOT / room).exists()] == []
        dag = "dags/btc_minutes.py" if data_set == BITCOIN else "dags/b3_daily.py"
        assert f"plugins/b3/airflow/tasks/{data_set}.py" in IMPORTS[dag]

    @pytest.mark.parametrize("data_set", [name for name in DATA_SETS if name != BITCOIN])
    def test_is_looked_at_by_the_doctor(self, data_set):
        assert crossing(("plugins/b3/doctor/",), (f"plugins/b3/{data_set}/",)) != []


class TestLayers:
    @each_chart
    def test_import_from_lower_ones_alone(self, chart):
        assert upwards(chart) == []

    @each_chart
    def test_have_no_more_boxes_than_an_eye_takes_in(self, chart):
        assert len(list(itertools.chain.from_iterable(chart.layers))) <= 18

    @each_chart
    def test_name_boxes_that_are_there(self, chart):
        boxes = itertools.chain.from_iterable(chart.layers)

        assert [box for box in boxes if not (ROOT / box).exists()] == []

    def test_have_a_place_for_every_module(self):
        assert [path for path in IMPORTS if REPOSITORY.box_of(path) is None] == []
        assert [path for path in IMPORTS if path.startswith(PACKAGE.folder) and PACKAGE.box_of(path) is None] == []

    def test_are_drawn_in_the_document_as_the_code_is_now(self):
        document = (ROOT / structure.DOCUMENT).read_text()

        assert structure.with_charts(document, IMPORTS) == document, "call make structure"
