import re
from dataclasses import replace

import pytest

from infra.checkout import ROOT
from infra.deploy import lint
from infra.deploy.__main__ import main
from infra.deploy.arguments import Options
from infra.deploy.errors import DeployError


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def checked(checkout) -> Options:
    return Options(stack="s", bucket="b", root=checkout)


class TestDags:
    def test_of_the_repository_import_where_mwaa_puts_them(self, checked, scratch):
        lint.dags(checked, scratch)

    def test_that_do_not_import_are_named_with_their_reasons(self, checked, scratch, monkeypatch):
        """local/ lies beside dags/ in a checkout, and nowhere on MWAA."""
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for name, package in (("broken", "no_such_package"), ("undeployed", "local.lake.home")):
            (checked.root / f"dags/{name}.py").write_text(f"from airflow.sdk import DAG\nimport {package}\n")

        with pytest.raises(DeployError) as raised:
            lint.dags(checked, scratch)

        assert re.search(r"(?s)broken\.py: .*No module named 'no_such_package'", str(raised.value))
        assert re.search(r"(?s)undeployed\.py: .*No module named 'local", str(raised.value))


class TestTemplates:
    def test_of_the_repository_are_clean(self, scratch):
        lint.templates(Options(stack="s", bucket="b"), scratch)

    def test_with_a_mistake_is_named(self, checked, scratch):
        (checked.root / "infra/mwaa.yaml").write_text("Resources: {B: {Type: AWS::S3::Bucket, Properties: {Nme: b}}}")

        with pytest.raises(DeployError, match=r"(?s)cfn-lint finds something.*Nme.*mwaa\.yaml"):
            lint.templates(checked, scratch)

    def test_include_the_generated_one(self, checked, scratch):
        (checked.root / "include/sql/analysis/sessions.sql").write_text("SELECT 1" + " " * 300_000 + "+ 1\n")
        (checked.root / "infra/mwaa.yaml").unlink()

        with pytest.raises(DeployError, match=r"(?s)cfn-lint finds something.*queries\.json"):
            lint.templates(checked, scratch)

    def test_leave_out_the_generated_one_of_a_lake_without_queries(self, checked, scratch, monkeypatch):
        looked_at = []
        monkeypatch.setattr(lint, "_run", lambda message, command, environ: looked_at.extend(command))

        lint.templates(replace(checked, queries=False), scratch)

        names = {path.name for path in looked_at}
        assert {"lake.yaml", "mwaa.yaml", "code.yaml"} <= names
        assert "queries.json" not in names


class TestCommandLine:
    @pytest.mark.parametrize("arguments", [["--stack", "s"], ["--bucket", "b"], ["--stack", "", "--bucket", "b"]])
    @pytest.mark.parametrize("command", ["deploy", "destroy", "smoke"])
    def test_asks_for_stack_and_bucket(self, command, arguments, capsys):
        with pytest.raises(SystemExit) as ended:
            main([command, *arguments])

        assert ended.value.code == 2
        assert f"make {command} STACK=b3-lake BUCKET=" in capsys.readouterr().err

    def test_asks_for_parameters_with_values(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["deploy", "--stack", "s", "--bucket", "b", "--parameter", "Database"])

        assert ended.value.code == 2
        assert "expected NAME=VALUE, found 'Database'" in capsys.readouterr().err
