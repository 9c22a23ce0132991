import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.deploy import bundle
from infra.deploy.errors import DeployError


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


class TestPluginsZip:
    def test_two_checkouts_give_the_same_bytes(self, checkout, tmp_path):
        git(checkout, "init")
        git(checkout, "add", "--all", "--force")
        git(checkout, "commit", "--message", "all")
        for name, umask, second in (("one", 0o022, 1_000_000_000), ("two", 0o077, 1_700_000_001)):
            before = os.umask(umask)
            git(tmp_path, "clone", str(checkout), name)
            os.umask(before)
            for path in (tmp_path / name / "plugins").rglob("*"):
                os.utime(path, (second, second))

        one, two = (bundle.plugins_zip(tmp_path / name / "plugins") for name in ("one", "two"))

        assert one == two
        assert (tmp_path / "one/plugins/b3/lake/layout.py").stat().st_mode != (
            tmp_path / "two/plugins/b3/lake/layout.py"
        ).stat().st_mode

    def test_holds_the_contents_of_plugins_without_an_outer_folder(self, checkout):
        archive = zipfile.ZipFile(io.BytesIO(bundle.plugins_zip(checkout / "plugins")))

        assert archive.read("b3/lake/layout.py") == (checkout / "plugins/b3/lake/layout.py").read_bytes()
        assert {"b3/__init__.py", ".airflowignore"} <= set(archive.namelist())
        assert archive.namelist() == sorted(archive.namelist())

    def test_bytecode_changes_nothing(self, checkout):
        before = bundle.plugins_zip(checkout / "plugins")
        (checkout / "plugins/b3/__pycache__").mkdir()
        (checkout / "plugins/b3/__pycache__/lake.cpython-312.pyc").write_bytes(b"\0")

        assert bundle.plugins_zip(checkout / "plugins") == before

    def test_unpacked_everyone_can_read_it(self, checkout):
        archive = zipfile.ZipFile(io.BytesIO(bundle.plugins_zip(checkout / "plugins")))

        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


class TestDagFolder:
    def test_has_include_inside_whether_or_not_the_checkout_keeps_links(self, checkout):
        linked = bundle.make(checkout).dags
        (checkout / "dags/include").unlink()
        (checkout / "dags/include").write_text("../include")

        assert bundle.make(checkout).dags == linked
        assert linked["include/sql/analysis/sessions.sql"].startswith(b"-- The sessions")
        assert linked["b3_daily.py"] == (checkout / "dags/b3_daily.py").read_bytes()

    def test_has_the_constraints_that_requirements_name(self, checkout):
        made = bundle.make(checkout)

        assert f'--constraint "/usr/local/airflow/dags/{made.constraints}"\n'.encode() in made.requirements
        assert made.dags[made.constraints] == (checkout / "constraints.txt").read_bytes()

    def test_of_changed_constraints_has_other_requirements(self, checkout):
        before = bundle.make(checkout)
        with (checkout / "constraints.txt").open("a") as file:
            file.write("another==1.0\n")

        after = bundle.make(checkout)

        assert after.constraints != before.constraints
        assert after.requirements != before.requirements


class TestConstraints:
    def test_that_requirements_do_not_name_are_refused(self, checkout):
        (checkout / "requirements.txt").write_text("# --constraint above\npandas\n")

        with pytest.raises(DeployError, match=r"expected a line --constraint .* found none"):
            bundle.make(checkout)

    def test_are_those_of_the_version(self, tmp_path):
        (tmp_path / "constraints.txt").write_text("apache-airflow==3.3.1\n")
        (tmp_path / "constraints-3.2.1.txt").write_text("apache-airflow==3.2.1\n")

        assert bundle.constraints(tmp_path, "3.2.1") == b"apache-airflow==3.2.1\n"
        assert bundle.constraints(tmp_path, "3.3.1") == b"apache-airflow==3.3.1\n"
        assert bundle.constraints(tmp_path, None) == b"apache-airflow==3.3.1\n"

    def test_of_another_version_are_refused(self, tmp_path):
        (tmp_path / "constraints.txt").write_text("apache-airflow==3.3.1\n")

        with pytest.raises(
            DeployError, match=r"expected constraints for Airflow 3\.0\.6, found .*apache-airflow==3\.3\.1"
        ):
            bundle.constraints(tmp_path, "3.0.6")


@pytest.mark.parametrize(("file", "kind"), [("refine_job.py", "script_key"), ("refine/rules.py", "package_key")])
def test_the_code_of_the_glue_job_has_keys_by_its_content(checkout, file, kind):
    before = bundle.make(checkout).glue
    with (checkout / "include/glue" / file).open("a") as code:
        code.write("# changed\n")

    after = bundle.make(checkout).glue

    assert {name for name in ("script_key", "package_key") if getattr(after, name) != getattr(before, name)} == {kind}


def test_the_package_of_the_glue_job_can_be_imported_from_its_archive(checkout):
    archive = zipfile.ZipFile(io.BytesIO(bundle.make(checkout).glue.package))

    assert {"refine/__init__.py", "refine/rules.py"} <= set(archive.namelist())
    assert archive.read("refine/rules.py") == (checkout / "include/glue/refine/rules.py").read_bytes()


def test_a_checkout_without_plugins_is_refused(checkout):
    for path in sorted((checkout / "plugins").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()

    with pytest.raises(DeployError, match=r"expected files to deploy in .*plugins, found none"):
        bundle.make(checkout)
