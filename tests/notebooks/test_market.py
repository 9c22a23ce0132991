"""notebooks/market.ipynb is executed over a local lake, and gives the output that is committed."""

import json
import re
import shutil

import pytest

from local.commands import connect
from tests.notebooks import market
from tests.places import ROOT

COMMITTED = market.NOTEBOOK.read_text()
# Where checkouts and homes lie; this one as well.
FOLDERS = "|".join(("home", "root", "tmp", "work", ROOT.parts[1]))


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """What `make connect` says of the lake."""
    with market.lake(tmp_path_factory.mktemp("lake")) as lake:
        yield connect.variables(lake)


@pytest.fixture(scope="module")
def executed(variables, tmp_path_factory):
    """The notebook after its run in this checkout, without the committed output."""
    bare = json.loads(COMMITTED)
    for cell in bare["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    copy = tmp_path_factory.mktemp("notebook") / "market.ipynb"
    copy.write_text(json.dumps(bare))
    done = market.execute(copy, variables)
    assert done.returncode == 0, done.stderr
    return market.cells(done.stdout)


def shown(cell: dict) -> list[object]:
    """What a cell shows: its text as it is; of a picture each mark's values and outline, which no font changes."""
    found: list[object] = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        found += [output.get("text"), data.get("text/plain"), data.get("text/html")]
        picture = "".join(data.get("image/svg+xml", []))
        marks = re.findall(r'aria-label="([^"]+)" role="graphics-symbol"[^>]* d="([^"]+)"', picture)
        assert not picture or sum(len(outline) for _, outline in marks) > 1000, "a chart without marks"
        found += marks
    return found


def test_every_cell_ran_in_order_and_none_failed(executed):
    assert [cell["execution_count"] for cell in executed] == list(range(1, len(executed) + 1))
    assert [output for cell in executed for output in cell["outputs"] if output["output_type"] == "error"] == []


def test_the_output_is_the_committed_one(executed):
    committed = {cell["id"]: shown(cell) for cell in market.cells(COMMITTED)}

    assert {cell["id"]: shown(cell) for cell in executed} == committed, (
        "run `PYTHONPATH=plugins .venv/bin/python -m tests.notebooks.market`"
    )


def test_a_cell_that_fails_fails_the_run(variables, tmp_path):
    """Else the tests above would pass over anything."""
    broken = json.loads(COMMITTED)
    broken["cells"][1]["source"] += ['\nask("SELECT nothing FROM quotes")']
    path = tmp_path / "broken.ipynb"
    path.write_text(json.dumps(broken))
    done = market.execute(path, variables)

    assert done.returncode != 0
    assert "Column 'nothing' cannot be resolved" in done.stderr


class TestWhatIsCommitted:
    def test_is_of_the_simulated_exchange(self):
        assert "b3-lake-simulated, session 2024-03-14" in COMMITTED

    def test_is_small(self):
        assert len(COMMITTED.encode()) < 500_000

    def test_is_static_and_names_no_machine(self):
        assert set(re.findall(r'"(\w+/[\w+.-]+)": ', COMMITTED)) == {"image/svg+xml", "text/html", "text/plain"}
        assert re.findall(rf"<script|127\.0\.0\.1|/(?:{FOLDERS})/|\.venv|site-packages", COMMITTED) == []

    def test_has_charts(self):
        pictures = [
            output for cell in market.cells(COMMITTED) for output in cell["outputs"]
            if "image/svg+xml" in output.get("data", {})
        ]  # fmt: skip
        assert len(pictures) == 4

    def test_takes_its_sql_from_files_that_are_there(self):
        named = re.findall(r'ask_file\(\\"([\w/]+)\\"\)', COMMITTED)

        assert len(named) >= 4
        assert [name for name in named if not (ROOT / "include" / "sql" / f"{name}.sql").is_file()] == []


def test_the_notebooks_environment_has_its_interpreter():
    assert shutil.which(str(market.setup.NOTEBOOK.python)), "run `python3 -m local.setup notebook`"
