"""JVMs of Spark that stay for the next job run, where the server is told to keep them."""

import time
from pathlib import Path

import psutil
import pytest

from local.aws import launch
from local.aws.glue import kept_jvms
from tests.local.aws.harness import Aws

# Prints the JVM's process, and what a worker that the JVM starts can import.
SCRIPT = """
import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
print("jvm", spark._jvm.java.lang.ProcessHandle.current().pid())
print("rows", spark.range(3).rdd.map(lambda row: __import__("extra").times(row.id)).sum())
if "--fail" in sys.argv:
    raise ValueError("as asked")
spark.stop()
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(kept_jvms.KEEP, "1")
        with launch.start(tmp_path_factory.mktemp("kept")) as server:
            yield made(server)


def made(server: launch.Server) -> Aws:
    aws = Aws(server)
    aws.s3.create_bucket(Bucket=aws.bucket)
    put_extra(aws, 1)
    aws.job("kept", SCRIPT, DefaultArguments={"--extra-py-files": "s3://lake/code/extra.py"})
    return aws


def put_extra(aws: Aws, factor: int) -> None:
    aws.s3.put_object(Bucket="lake", Key="code/extra.py", Body=f"def times(n):\n    return n * {factor}\n".encode())


def run(aws: Aws, **arguments: str) -> tuple[dict, int, int]:
    """Run the script; return the run, its JVM, and the sum that its workers computed."""
    ran = aws.run_job("kept", {f"--{name}": value for name, value in arguments.items()})
    words = dict(line.split() for line in aws.log("/aws-glue/jobs/output", ran["Id"]).splitlines())
    return ran, int(words["jvm"]), int(words["rows"])


@pytest.fixture(scope="module")
def first(aws: Aws):
    return run(aws)


def test_a_run_that_ends_well_leaves_its_jvm_to_the_next(aws: Aws, first) -> None:
    ran, jvm, rows = run(aws)
    assert (ran["JobRunState"], jvm, rows) == ("SUCCEEDED", first[1], 3)


def test_a_run_with_other_code_has_a_jvm_of_its_own(aws: Aws, first) -> None:
    put_extra(aws, 2)
    ran, jvm, rows = run(aws)
    put_extra(aws, 1)
    assert (ran["JobRunState"], rows) == ("SUCCEEDED", 6)
    assert jvm != first[1]


def test_a_run_that_failed_leaves_none(aws: Aws, first) -> None:
    ran, jvm, _ = run(aws, fail="1")
    assert (ran["JobRunState"], ran["ErrorMessage"]) == ("FAILED", "ValueError: as asked")
    assert not psutil.pid_exists(jvm)
    assert run(aws)[1] != jvm


def test_it_ends_with_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept_jvms.KEEP, "1")
    with launch.start(tmp_path) as server:
        _, jvm, _ = run(made(server))
        assert psutil.pid_exists(jvm)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(jvm) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(jvm)
