"""`make package` and AWS's own CLI leave the same objects as a deploy."""

import os
import shutil
import subprocess

import pytest

from infra.checkout import ROOT
from infra.deploy import bundle, package, templates
from local import setup


def objects(s3, bucket: str) -> dict[str, bytes]:
    """Every object of a bucket, by key."""
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for item in page.get("Contents", [])
    ]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


class TestFolder:
    def test_holds_the_files_of_the_bundle(self, checkout, tmp_path):
        package.write(checkout, tmp_path / "dist")

        assert bundle.files(tmp_path / "dist") == dict(sorted(bundle.make(checkout).objects.items()))
        assert not (tmp_path / "dist/dags/include").is_symlink()

    def test_loses_what_the_checkout_no_longer_has(self, checkout, tmp_path):
        (checkout / "dags/b3_former.py").write_text("former = True\n")
        package.write(checkout, tmp_path / "dist")
        (checkout / "dags/b3_former.py").unlink()
        (checkout / "constraints.txt").write_text((checkout / "constraints.txt").read_text() + "another==1.0\n")

        package.write(checkout, tmp_path / "dist")

        assert bundle.files(tmp_path / "dist") == dict(sorted(bundle.make(checkout).objects.items()))

    def test_of_another_airflow_has_its_constraints(self, checkout, tmp_path):
        package.write(checkout, tmp_path / "dist", "3.2.1")

        (pinned,) = (tmp_path / "dist/dags").glob("constraints-*.txt")
        assert pinned.read_bytes() == (ROOT / "constraints-3.2.1.txt").read_bytes()

    def test_an_airflow_without_constraints_is_refused(self, capsys):
        assert package.main(["--airflow", "1.10.0"]) == 1
        assert "expected constraints for Airflow 1.10.0" in capsys.readouterr().err


class TestPlainSync:
    """AWS's own CLI, as docs/deploy.md has it."""

    @pytest.fixture
    def aws(self, environ):
        setup.make(setup.AWSCLI)

        def run(*arguments: str, cwd=ROOT) -> None:
            command = [str(setup.AWSCLI.folder / "bin" / "aws"), *arguments]
            subprocess.run(command, cwd=cwd, env=dict(os.environ), check=True, timeout=300)

        return run

    @pytest.fixture
    def deployed(self, deploy, options, account) -> dict[str, bytes]:
        """The code bucket as a deploy leaves it, but for templates, which CloudFormation reads and MWAA does not."""
        deploy()
        found = objects(account.s3, options.code)
        return {key: body for key, body in found.items() if not key.startswith(templates.FOLDER)}

    def test_leaves_the_same_objects_as_a_deploy(self, aws, deployed, account, checkout, tmp_path, plan, options):
        s3 = account.s3
        s3.create_bucket(Bucket="by-sync")
        for key in ("dags/b3_former.py", "dags/include/sql/former.sql"):
            s3.put_object(Bucket="by-sync", Key=key, Body=b"gone from the checkout")
        (checkout / "dags/__pycache__").mkdir(exist_ok=True)
        (checkout / "dags/__pycache__/b3_daily.cpython-312.pyc").write_bytes(b"\0")
        dist = tmp_path / "dist"
        package.write(checkout, dist)

        for name in (bundle.REQUIREMENTS, bundle.PLUGINS):
            aws("s3", "cp", str(dist / name), f"s3://by-sync/{name}")
        aws("s3", "sync", "dags/", "s3://by-sync/dags/", "--delete", cwd=dist)

        assert objects(s3, "by-sync") == deployed
        assert len(deployed) > 60
        # From the checkout itself, whose link dags/include is followed: a changed query and a DAG that is gone.
        (checkout / "include/sql/analysis/sessions.sql").write_text("SELECT 1\n")
        (checkout / "dags/b3_doctor.py").unlink()
        others = ("--exclude", "constraints-*", "--exclude", "*__pycache__*")
        aws("s3", "sync", "dags/", "s3://by-sync/dags/", "--delete", *others, cwd=checkout)

        assert objects(s3, "by-sync") == bundle.make(checkout).objects
        # A deploy finds nothing to do in a bucket that was synced.
        shutil.rmtree(dist)
        package.write(checkout, dist)
        aws("s3", "sync", "dags/", f"s3://{options.code}/dags/", "--delete", cwd=dist)
        assert not [change for change in plan() if f"s3://{options.code}/" in change]
