"""A run of the nodes: a method for each type of node that Glue Studio has and the job uses."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
from botocore.config import Config
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.arguments import parse_sessions
from refine.errors import EmptySource, MissingSource, MixedSources
from refine.job import naming_spark_failures
from refine.raw import RawObject, check_unchanged, read_raw
from refine.s3 import S3Path, etags_below, in_parallel
from visual import target
from visual.catalog import Table, find_table, location_of


class Run:
    """The nodes' calls, for the sessions of one run."""

    def __init__(self, spark: SparkSession, s3: Any, glue: Any, sessions: Sequence[dt.date]) -> None:
        self._spark = spark
        self._s3 = s3
        self._glue = glue
        self._sessions = sessions
        # What the run reads, by session: a list for each source.
        self._read: dict[dt.date, list[list[RawObject]]] = {session: [] for session in sessions}

    @classmethod
    @contextlib.contextmanager
    def start(cls, argv: Sequence[str] | None = None) -> Iterator[Run]:
        """Give a run for the sessions in `argv`, by default the command line's; Spark ends with the context."""
        parser = argparse.ArgumentParser(description="Run the nodes of a visual job", allow_abbrev=False)
        parser.add_argument("--sessions", type=parse_sessions, required=True)
        args, _ = parser.parse_known_args(argv)
        spark = (
            SparkSession.builder.appName("visual job")
            .config("spark.sql.ansi.enabled", "true")  # a number too large is an error, not a null
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.debug.maxToStringFields", "100")  # Spark warns of plans that it cuts
            .getOrCreate()
        )
        try:
            s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
            yield cls(spark, s3, boto3.client("glue"), args.sessions)
        finally:
            spark.stop()

    def catalog_source(self, database: str, table: str) -> DataFrame:
        """Return the rows that a table of the catalog has of the run's sessions: node S3CatalogSource.

        Raises:
            MissingSource, SchemaMismatch: a session has no partition or object, or one of other columns.
        """
        found = find_table(self._glue, database, table)
        return functools.reduce(
            DataFrame.unionByName, (self._read_partition(found, session) for session in self._sessions)
        )

    def _read_partition(self, table: Table, session: dt.date) -> DataFrame:
        prefix = location_of(self._glue, table, session)
        keys = sorted(etags_below(self._s3, prefix))
        objects = in_parallel(lambda key: RawObject.find(self._s3, S3Path(prefix.bucket, key)), keys)
        present = [each for each in objects if each]
        if not present:
            raise MissingSource(f"expected an object below {prefix}, found none: run b3_daily for {session} again")
        for each in present:
            each.check_columns(table.columns)
        self._read[session].append(present)
        frame = read_raw(self._spark, [each.path for each in present], table.columns)
        return frame.withColumn("trade_date", F.lit(session)).coalesce(1)

    def sql(self, query: str, **frames: DataFrame) -> DataFrame:
        """Return a query's rows, its tables by alias: node SparkSQL."""
        for alias, frame in frames.items():
            frame.createOrReplaceTempView(alias)
        return self._spark.sql(query)

    @staticmethod
    def aggregate(frame: DataFrame, groups: Sequence[str], aggs: Sequence[tuple[str, str]]) -> DataFrame:
        """Return groups and their aggregates, each of a column and a function, as `sum(quantity)`: node Aggregate."""
        return frame.groupBy(*groups).agg(*(getattr(F, function)(column) for column, function in aggs))

    @staticmethod
    def rename_field(frame: DataFrame, old: str, new: str) -> DataFrame:
        """Return the rows with a column renamed: node RenameField."""
        return frame.withColumnRenamed(old, new)

    def parquet_target(
        self, frame: DataFrame, path: str, partition_keys: Sequence[str], compression: str, database: str, table: str
    ) -> None:
        """Commit the rows as partitions of a table of the catalog: node S3GlueParquetTarget.

        Raises:
            SchemaMismatch: the rows have other columns than the table.
            BadPartition: a partition key makes no folder; nothing is written.
            EmptySource: a session has no rows.
            MixedSources: a session's raw objects come from different exchanges.
            ChangedSource, Overtaken: another run replaced a raw object, or an object of the target.
        """
        prefix = S3Path.parse(path)
        goal = find_table(self._glue, database, table)
        target.check_columns(frame, goal, partition_keys, path)
        former = {session: target.objects_of(self._s3, prefix, session) for session in self._sessions}
        with naming_spark_failures(prefix):
            rows = [row.asDict() for row in frame.collect()]
        target.check_keys(rows, goal, path)
        for session, read in self._read.items():
            of_session = [row for row in rows if row["trade_date"] == session]
            if not of_session:
                raise EmptySource(f"expected rows of {session} for {path}, found none: run b3_daily for it again")
            metadata = _metadata_of(session, [each for source in read for each in source])
            for source in read:
                check_unchanged(self._s3, source)
            written = target.Target(self._s3, self._glue, goal, prefix, compression)
            print(written.commit(session, of_session, former[session], metadata), flush=True)


def _metadata_of(session: dt.date, read: Sequence[RawObject]) -> dict[str, str]:
    """Return the metadata of a session's objects: whose data they are made from."""
    names = {each.metadata.get("source") for each in read}
    if len(names) > 1:
        raise MixedSources(
            f"expected the raw objects of {session} from one exchange, found {sorted(map(str, names))}: real and "
            "simulated data never share a bucket"
        )
    (name,) = names
    return {"source": name} if name else {}
