"""A run: what its parts share."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from pyspark.sql import SparkSession


class Run(NamedTuple):
    """What the parts of a run share."""

    spark: SparkSession
    s3: Any
    args: argparse.Namespace
