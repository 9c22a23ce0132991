"""The job from its arguments to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import boto3
from botocore.config import Config
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from refine.arguments import parse_arguments
from refine.commit import knows_conditions
from refine.errors import SparkFailed
from refine.index_stocks import commit_index_stocks
from refine.raw import TASKS
from refine.run import Run
from refine.s3 import S3Path
from refine.sessions import commit_sessions


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with `argv`, by default the command line's."""
    args = parse_arguments(argv)
    # boto3 honours AWS_ENDPOINT_URL; path-style addressing is what both S3 and its emulators understand.
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    spark = (
        SparkSession.builder.appName(f"refine {len(args.sessions)} sessions from {next(iter(args.sessions))}")
        .config("spark.sql.ansi.enabled", "true")  # a number too large is an error, not a null
        .config("spark.sql.shuffle.partitions", "1")
        # Spark looks for each raw object in a task of its own, which takes longer than the look.
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", str(TASKS))
        .getOrCreate()
    )
    try:
        refine(Run(spark, s3, args))
    finally:
        spark.stop()


def refine(run: Run) -> None:
    """Refine the quotes of `args.sessions`, and with `args.portfolio` the constituents of the indexes."""
    if not knows_conditions(run.s3):
        print(
            f"boto3 {boto3.__version__} cannot put on a condition: this run would replace what a newer one puts "
            f"meanwhile; from 1.35.69 on it can",
            flush=True,
        )
    with naming_spark_failures(run.args.source):
        sources = commit_sessions(run)
    if run.args.portfolio:
        (quotes,) = sources.values()
        with naming_spark_failures(run.args.portfolio):
            commit_index_stocks(run, quotes)


@contextlib.contextmanager
def naming_spark_failures(source: S3Path) -> Iterator[None]:
    """Raise SparkFailed for what Spark raises within."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise SparkFailed(
            f"expected Spark to refine {source}, found {cause_of(error)}: the log has the rest"
        ) from error


def cause_of(error: Exception) -> str:
    """Return the innermost cause that Spark gives for an error, on one line."""
    innermost = str(error).rpartition("Caused by: ")[2]
    return " ".join(innermost.split("\n\tat ")[0].split())[:1000]
