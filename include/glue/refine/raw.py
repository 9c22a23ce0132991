"""Raw objects: their columns, their metadata, and their rows in Spark."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.errors import ChangedSource, MissingSource, SchemaMismatch
from refine.parquet import spark_type
from refine.s3 import S3Path, etags_of, head, in_parallel

RAW_COLUMNS = {
    "source_date": "date",
    "bdi_code": "string",
    "ticker": "string",
    "market_type": "string",
    "short_name": "string",
    "specification": "string",
    "forward_days": "smallint",
    "currency": "string",
    "open": "decimal(13,2)",
    "high": "decimal(13,2)",
    "low": "decimal(13,2)",
    "average": "decimal(13,2)",
    "close": "decimal(13,2)",
    "best_bid": "decimal(13,2)",
    "best_ask": "decimal(13,2)",
    "trade_count": "int",
    "quantity": "bigint",
    "financial_volume": "decimal(18,2)",
    "strike_price": "decimal(13,2)",
    "strike_correction": "string",
    "expiry_date": "date",
    "quote_factor": "int",
    "strike_points": "decimal(13,6)",
    "isin": "string",
    "distribution_number": "smallint",
    "unreadable": "string",
}

# The line of B3's daily file that its first quote stands on: the header comes before.
FIRST_QUOTE_LINE = 2

# Enough of a raw object's end to hold its footer, which is about 4 KB.
FOOTER_BYTES = 32 * 1024

# Tasks that many sessions are spread over, at most twice as many: few sessions each, and no core of a worker idles.
TASKS = 32


class RawObject(NamedTuple):
    """A raw object as the run found it.

    Attributes:
        path: where it lies.
        etag: its ETag.
        metadata: its user metadata.
        columns: Spark's types by column; None if the object is no Parquet file.
        rows: the rows that the file's footer counts.
        size: in bytes.
    """

    path: S3Path
    etag: str
    metadata: dict[str, str]
    columns: dict[str, str] | None = None
    rows: int = 0
    size: int = 0

    @classmethod
    def find(cls, s3: Any, path: S3Path) -> RawObject | None:
        """Return the object at `path`, None where there is none."""
        try:
            answer = s3.get_object(Bucket=path.bucket, Key=path.key, Range=f"bytes=-{FOOTER_BYTES}")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 416):  # an empty object has no range
                raise
            found = head(s3, path)
            return cls(path, found["ETag"], found["Metadata"]) if found else None
        try:
            footer = pq.read_metadata(io.BytesIO(answer["Body"].read()))
        except pa.ArrowException:
            return cls(path, answer["ETag"], answer["Metadata"])
        columns = {field.name: spark_type(field.type) for field in footer.schema.to_arrow_schema()}
        size = int(answer["ContentRange"].rpartition("/")[2])
        return cls(path, answer["ETag"], answer["Metadata"], columns, footer.num_rows, size)

    def check_columns(self, expected: Mapping[str, str]) -> None:
        """Raise SchemaMismatch unless the file has these columns, by name and Spark's type."""
        if self.columns is None:
            raise SchemaMismatch(f"expected a Parquet file, found none in {self.path}: write the raw partition again")
        differences = [
            f"expected {name} {expected.get(name, 'not to exist')}, found {self.columns.get(name, 'no such column')}"
            for name in (*expected, *(name for name in self.columns if name not in expected))
            if expected.get(name) != self.columns.get(name)
        ]
        if differences:
            raise SchemaMismatch(f"{'; '.join(differences)}; in {self.path}: write the raw partition again")

    def metadata_of_quotes(self, rows: int) -> dict[str, str]:
        """Return the metadata of the refined quotes made from this object, or of their findings."""
        return {**self.metadata, "rows": str(rows), "raw-etag": self.etag.strip('"')}


def find_sources(s3: Any, paths: Mapping[dt.date, S3Path]) -> dict[dt.date, RawObject]:
    """Return the raw quotes of each session.

    Raises:
        MissingSource, SchemaMismatch: there is no such object, or it has other columns.
    """
    found = dict(zip(paths, in_parallel(lambda path: RawObject.find(s3, path), paths.values()), strict=True))
    missing = [str(paths[date]) for date, source in found.items() if source is None]
    if missing:
        raise MissingSource(
            f"expected a raw partition of each session, found no object at {missing[0]} "
            f"(and {len(missing) - 1} like it): write it first"
        )
    for source in found.values():
        source.check_columns(RAW_COLUMNS)
    return found


def check_unchanged(s3: Any, sources: Collection[RawObject]) -> None:
    """Raise ChangedSource unless all of `sources`, raw objects of one table, are still as the run found them."""
    now = etags_of(s3, [source.path for source in sources])
    for source in sources:
        if now.get(source.path) != source.etag:
            raise ChangedSource(f"expected one version, found a new one of {source.path}: run the job again")


def read_raw(spark: SparkSession, sources: Iterable[S3Path], columns: Mapping[str, str], **options: str) -> DataFrame:
    """Return the raw partitions `sources`, whose files have these columns, read with Spark's `options`."""
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    return spark.read.options(**options).schema(schema).parquet(*map(str, sources))


def read_sessions(spark: SparkSession, prefix: S3Path, sources: Collection[RawObject]) -> DataFrame:
    """Return raw quotes with `trade_date`, which their folder names, and `file_line`, their line in B3's file.

    The rows of an object are contiguous in one Spark partition. What is read after this is packed into partitions by
    the same settings.

    Args:
        spark: Spark's session.
        prefix: of the table; the folders trade_date=… lie directly below.
        sources: objects in these.
    """
    sizes = [source.size for source in sources]
    # Spark splits files that are larger, and fills a partition with whole ones up to this: nothing is shuffled.
    spark.conf.set("spark.sql.files.maxPartitionBytes", max(*sizes, sum(sizes) // TASKS))
    spark.conf.set("spark.sql.files.openCostInBytes", 0)
    spark.conf.set("spark.sql.files.minPartitionNum", 1)
    columns = {**RAW_COLUMNS, "trade_date": "date"}
    raw = read_raw(spark, (source.path for source in sources), columns, basePath=str(prefix))
    line = (F.col("_metadata.row_index") + FIRST_QUOTE_LINE).cast("int")
    return raw.select(*columns, line.alias("file_line"))
