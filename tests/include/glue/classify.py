"""Classifies quotes by the rules of the Glue job, for the tests, and once more without each of the rules.

classify.py < [{"source_date": "2021-01-04", "ticker": …}, …] > {"classes": […], "without": [[rule, […]], …]}
"""

import itertools
import json
import os
import sys
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from refine import asset_classes


def classes(quotes: DataFrame) -> list[str]:
    """The class of each row, in the order of `number`; rows of one source_date are one session."""
    rows = quotes.withColumn("row_class", asset_classes.class_of_row()).collect()
    by_number = {}
    for _, of in itertools.groupby(sorted(rows, key=lambda row: row.source_date), lambda row: row.source_date):
        session = pa.Table.from_pylist([row.asDict() for row in of])
        found = asset_classes.classes_of_session(session).to_pylist()
        by_number |= dict(zip(session["number"].to_pylist(), found, strict=True))
    return [by_number[number] for number in sorted(by_number)]


def classify(quotes: DataFrame) -> dict[str, Any]:
    by_all = classes(quotes)
    rules = asset_classes.ASSET_CLASS_RULES
    without = []
    for left_out in range(len(rules)):
        asset_classes.ASSET_CLASS_RULES = (*rules[:left_out], *rules[left_out + 1 :])
        without.append([": ".join(rules[left_out]), classes(quotes)])
    return {"classes": by_all, "without": without}


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Spark prints goes to stderr
    spark = (
        SparkSession.builder.appName("classify")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.codegen.wholeStage", "false")  # to compile takes longer than these few rows
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    rows = [{"number": number, **row} for number, row in enumerate(json.load(sys.stdin))]
    json.dump(classify(spark.createDataFrame(rows).coalesce(1)), answer)
    answer.flush()
