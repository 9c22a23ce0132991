"""What `make structure` reads from code, and draws of it."""

from pathlib import Path

import pytest

from local.commands import structure
from local.commands.structure import Chart

CHART = Chart("some", "plugins/", (("plugins/low",), ("plugins/middle.py",), ("plugins/high", "plugins/beside")))
PLACE = "<!-- some: made by `make structure` -->{}<!-- end of some -->"

IMPORTS = {
    "plugins/high/a.py": {"plugins/middle.py", "plugins/low/b.py", "plugins/high/c.py"},
    "plugins/high/c.py": set(),
    "plugins/middle.py": {"plugins/low/b.py", "local/run.py"},
    "plugins/low/b.py": set(),
    "local/run.py": set(),
}


@pytest.fixture
def tree(tmp_path):
    """Make modules of these texts, and return what each is found to import."""

    def make(**texts: str) -> dict[str, set[str]]:
        for path, text in texts.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return structure.read_imports(tmp_path)

    return make


class TestAnImport:
    @pytest.mark.parametrize(
        "statement",
        [
            "import b3.lake.layout",
            "import b3.lake.layout as where",
            "from b3.lake import layout",
            "from b3.lake.layout import Lake",
            "from ..lake import layout",
            "from ..lake.layout import Lake",
            "def later():\n    from b3.lake import layout",
            "try:\n    import b3.lake.layout\nexcept ImportError:\n    pass",
        ],
    )
    def test_is_found_however_it_is_written(self, tree, statement):
        imports = tree(**{"plugins/b3/quotes/land.py": statement, "plugins/b3/lake/layout.py": "Lake = 1"})

        assert imports["plugins/b3/quotes/land.py"] == {"plugins/b3/lake/layout.py"}

    def test_of_a_package_is_one_of_its_init(self, tree):
        imports = tree(**{"dags/daily.py": "from b3.quotes import read", "plugins/b3/quotes/__init__.py": "read = 1"})

        assert imports["dags/daily.py"] == {"plugins/b3/quotes/__init__.py"}

    def test_of_a_glue_script_begins_at_its_folder(self, tree):
        imports = tree(**{"include/glue/job.py": "from refine import rules", "include/glue/refine/rules.py": ""})

        assert imports["include/glue/job.py"] == {"include/glue/refine/rules.py"}

    def test_of_another_package_is_left_out(self, tree):
        assert tree(**{"local/run.py": "import os, pyarrow\nfrom airflow.sdk import DAG"}) == {"local/run.py": set()}

    def test_is_not_made_by_a_package_that_only_has_a_docstring(self, tree):
        assert list(tree(**{"local/__init__.py": '"""Stand-ins."""', "local/run.py": ""})) == ["local/run.py"]


class TestAPicture:
    @pytest.fixture
    def lines(self):
        return structure.draw(CHART, IMPORTS).splitlines()

    def test_says_how_many_boxes_and_imports_there_are(self, lines):
        assert lines[0].startswith("3 boxes, 3 imports between them.")

    def test_has_the_boxes_from_the_highest_to_the_lowest(self, lines):
        assert [line.split('"')[1] for line in lines if '["' in line] == ["high/", "middle.py", "low/"]

    def test_leaves_out_the_arrow_that_follows_from_two_others(self, lines):
        assert [line.split() for line in lines if "-->" in line] == [
            ["plugins_high", "-->", "plugins_middle_py"],
            ["plugins_middle_py", "-->", "plugins_low"],
        ]

    def test_keeps_every_arrow_of_a_circle(self):
        circle = {**IMPORTS, "plugins/low/b.py": {"plugins/high/c.py"}}

        assert structure.draw(CHART, circle).count("-->") == 4

    def test_has_every_import_in_its_table(self, lines):
        assert lines[-3:] == [
            "| 3 | `high/` | `middle.py`, `low/` |",
            "| 2 | `middle.py` | `low/` |",
            "| 1 | `low/` |  |",
        ]


class TestTheDocument:
    def test_gets_the_picture_at_its_place_and_keeps_the_rest(self):
        drawn = structure.with_charts(f"before {PLACE.format('former')} after", IMPORTS, [CHART])

        assert "former" not in drawn
        assert "plugins_high --> plugins_middle_py" in drawn
        assert drawn.startswith("before <!-- some") and drawn.endswith("some --> after")
        assert structure.with_charts(drawn, IMPORTS, [CHART]) == drawn

    def test_without_a_place_for_it_is_refused(self):
        with pytest.raises(ValueError, match="end of some"):
            structure.with_charts("before", {}, [CHART])

    def test_is_written_by_the_command(self, tmp_path, monkeypatch, capsys):
        document: Path = tmp_path / structure.DOCUMENT
        document.parent.mkdir()
        document.write_text("\n".join(PLACE.replace("some", chart.name) for chart in structure.CHARTS))
        (tmp_path / "dags").mkdir()
        (tmp_path / "dags" / "daily.py").write_text("")
        monkeypatch.setattr(structure, "ROOT", tmp_path)

        assert structure.main() == 0
        assert 'dags["dags/"]' in document.read_text()
        assert capsys.readouterr().out == "docs/architecture.md: drawn anew\n"
        assert structure.main() == 0
        assert capsys.readouterr().out == "docs/architecture.md: as it was\n"
