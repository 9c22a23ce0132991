"""Classifies quotes by the rules of the Glue job, for the tests, and once more without each of the rules.

classify.py < [{"source_date": "2021-01-04", "ticker": …}, …] > {"classes": […], "without": [[rule, […]], …]}
"""

import json
import os
import sys
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine import asset_classes


def classes(quotes: DataFrame) -> list[str]:
    """The class of each row, in the order of `number`."""
    return [
        row.asset_class for row in sorted(asset_classes.with_asset_class(quotes).collect(), key=lambda row: row.number)
    ]


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
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")  # to compile takes longer than these few rows
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    rows = [{"number": number, **row} for number, row in enumerate(json.load(sys.stdin))]
    given = spark.createDataFrame(rows).withColumn("trade_date", F.to_date("source_date")).coalesce(1)
    json.dump(classify(given), answer)
    answer.flush()
