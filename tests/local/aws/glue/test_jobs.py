import io
import textwrap
import zipfile

import pytest
from botocore.exceptions import ClientError

from tests.local.aws.harness import Aws, wait_until


def test_a_script_gets_its_arguments_and_what_it_prints_is_logged(aws: Aws) -> None:
    script = (
        "import os, sys\nprint(sys.argv[1:])\nprint(os.environ['TZ'], os.environ['AWS_DEFAULT_REGION'])\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    defaults = {
        "--job-language": "python",
        "--enable-metrics": "true",
        "--TempDir": "s3://lake/tmp/",
        "--a": "1",
        "--b": "2",
    }
    aws.job("echo", script, DefaultArguments=defaults)
    run = aws.run_job("echo", {"--b": "3", "--conf": "spark.x=1"})
    assert run["JobRunState"] == "SUCCEEDED", run
    out = aws.log("/aws-glue/jobs/output", run["Id"])
    assert (
        f"['--JOB_NAME', 'echo', '--JOB_RUN_ID', '{run['Id']}', '--TempDir', 's3://lake/tmp/', '--a', '1', '--b', '3']"
        in out
    )
    assert "UTC us-east-1" in out
    assert "to stderr" in aws.log("/aws-glue/jobs/error", run["Id"])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('expected 3 rows, found 2')", "ValueError: expected 3 rows, found 2"),
        ("import sys\nsys.exit('no raw partition')", "no raw partition (exit code 1)"),
        ("import sys\nsys.exit(7)", "Command failed with exit code 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("try:\n    1 / 0\nexcept Exception as e:\n    raise RuntimeError('wrapped') from e", "RuntimeError: wrapped"),
    ],
)
def test_a_script_that_fails_is_a_failed_run_with_its_words(aws: Aws, script: str, message: str) -> None:
    name = f"fails-{abs(hash(script))}"
    aws.job(name, script)
    run = aws.run_job(name)
    assert run["JobRunState"] == "FAILED"
    assert message in run["ErrorMessage"]


def test_a_missing_script_fails_the_run(aws: Aws) -> None:
    aws.job("gone", "")
    aws.s3.delete_object(Bucket="lake", Key="code/gone.py")
    run = aws.run_job("gone")
    assert (run["JobRunState"], "s3://lake/code/gone.py" in run["ErrorMessage"]) == ("FAILED", True)


def test_stop_and_the_limit_of_concurrent_runs(aws: Aws) -> None:
    aws.job("sleeper", "import time\ntime.sleep(100)")
    run = aws.glue.start_job_run(JobName="sleeper")["JobRunId"]
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        aws.glue.start_job_run(JobName="sleeper")
    wait_until(lambda: aws.glue.get_job_run(JobName="sleeper", RunId=run)["JobRun"]["JobRunState"] == "RUNNING")
    answer = aws.glue.batch_stop_job_run(JobName="sleeper", JobRunIds=[run, "jr_none"])
    assert [s["JobRunId"] for s in answer["SuccessfulSubmissions"]] == [run]
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert aws.finished_run("sleeper", run)["JobRunState"] == "STOPPED"
    assert [r["Id"] for r in aws.glue.get_job_runs(JobName="sleeper")["JobRuns"]] == [run]


def test_what_would_silently_do_nothing_is_refused(aws: Aws) -> None:
    aws.job("plain", "print(1)")
    for name, value in (("--additional-python-modules", "pandas"), ("--job-bookmark-option", "job-bookmark-enable")):
        with pytest.raises(ClientError, match="InvalidInputException"):
            aws.glue.start_job_run(JobName="plain", Arguments={name: value})
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.glue.start_job_run(JobName="no-such-job")
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.glue.get_job_run(JobName="plain", RunId="jr_x")


def test_extra_py_files_can_be_imported_by_the_script_and_by_spark_s_workers(aws: Aws) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("package_of_ours/__init__.py", "")
        package.writestr("package_of_ours/doubling.py", "def double(number):\n    return 2 * number\n")
    aws.put("code/package-0a1b.zip", archive.getvalue())
    aws.put("code/helper_of_ours.py", b"def increment(number):\n    return number + 1\n")
    script = """
    import helper_of_ours
    from package_of_ours.doubling import double
    from pyspark.sql import SparkSession
    numbers = SparkSession.builder.getOrCreate().sparkContext.parallelize([1, 2], 2)
    found = numbers.map(double).map(helper_of_ours.increment).collect()
    assert found == [3, 5], found
    """
    aws.job("helped", textwrap.dedent(script))
    both = "s3://lake/code/package-0a1b.zip,s3://lake/code/helper_of_ours.py"

    run = aws.run_job("helped", {"--extra-py-files": both})

    assert run["JobRunState"] == "SUCCEEDED", aws.log("/aws-glue/jobs/error", run["Id"])


def test_a_folder_is_no_extra_py_file(aws: Aws) -> None:
    aws.job("folder", "print(1)")
    for uri in ("s3://lake/code/", "s3://lake/code/package_of_ours"):
        with pytest.raises(ClientError, match=r"takes single files of \.py, .*, found s3://lake/code/"):
            aws.glue.start_job_run(JobName="folder", Arguments={"--extra-py-files": uri})


def test_a_missing_extra_py_file_fails_the_run(aws: Aws) -> None:
    aws.job("lonely", "print(1)")
    run = aws.run_job("lonely", {"--extra-py-files": "s3://lake/code/gone.zip"})
    assert run["JobRunState"] == "FAILED"
    assert "expected the script or library s3://lake/code/gone.zip in S3, found nothing" in run["ErrorMessage"]


SPARK = textwrap.dedent(
    """
    import argparse, boto3
    from pyspark.sql import SparkSession, functions as F
    parser = argparse.ArgumentParser()
    for name in ("JOB_NAME", "JOB_RUN_ID", "source", "target"):
        parser.add_argument("--" + name)
    a = parser.parse_args()
    spark = SparkSession.builder.appName(a.JOB_NAME).getOrCreate()
    assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    frame = spark.read.parquet(a.source)
    done = frame.groupBy("ticker").agg(F.sum("close").alias("total")).orderBy("ticker")
    done.coalesce(1).write.mode("overwrite").option("compression", "zstd").parquet(a.target)
    if frame.count() == 1:
        spark.read.parquet(a.source + "missing/").count()
    """
)


def test_spark_reads_and_writes_s3_and_its_errors_are_readable(b3: Aws) -> None:
    b3.job("totals", SPARK)
    arguments = {"--source": "s3://lake/b3/quotes/trade_date=2020-04-30/", "--target": "s3://lake/out/"}
    run = b3.run_job("totals", {**arguments, "--conf": "spark.sql.shuffle.partitions=3"})
    assert run["JobRunState"] == "SUCCEEDED", b3.log("/aws-glue/jobs/error", run["Id"])
    keys = [o["Key"] for o in b3.s3.list_objects_v2(Bucket="lake", Prefix="out/")["Contents"]]
    assert sum(key.endswith(".zstd.parquet") for key in keys) == 1
    arguments["--source"] = "s3://lake/b3/quotes/trade_date=2020-05-04/"
    run = b3.run_job("totals", {**arguments, "--conf": "spark.sql.shuffle.partitions=3"})
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("AnalysisException: ") and "PATH_NOT_FOUND" in run["ErrorMessage"]
