"""Classifies quotes by the rules of a Glue script, for the tests, and once more without each of the rules.

classify.py SCRIPT < [{"source_date": "2021-01-04", "ticker": …}, …] > {"classes": […], "without": [[rule, […]], …]}
"""

import importlib.util
import json
import os
import sys
from types import ModuleType
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("script", path)
    assert spec and spec.loader
    script = sys.modules["script"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def classes(script: ModuleType, quotes: DataFrame) -> list[str]:
    """The class of each row, in the order of `number`."""
    return [row.asset_class for row in sorted(script.with_asset_class(quotes).collect(), key=lambda row: row.number)]


def classify(script: ModuleType, quotes: DataFrame) -> dict[str, Any]:
    by_all = classes(script, quotes)
    rules = script.ASSET_CLASS_RULES
    without = []
    for left_out in range(len(rules)):
        script.ASSET_CLASS_RULES = (*rules[:left_out], *rules[left_out + 1 :])
        without.append([": ".join(rules[left_out]), classes(script, quotes)])
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
    json.dump(classify(load(sys.argv[1]), given), answer)
    answer.flush()
