"""Asks a Glue script, for the tests, what it knows of a boto3 that cannot put on a condition; it starts no Spark.

old_boto3.py SCRIPT > whether the script takes the newest boto3 and an old one to know conditions
"""

import runpy
import sys

import boto3

if __name__ == "__main__":
    knows_conditions = runpy.run_path(sys.argv[1], run_name="script")["knows_conditions"]
    s3 = boto3.client("s3", region_name="sa-east-1")
    print(knows_conditions(s3))
    # boto3 1.34 knew neither, 1.35.0 IfNoneMatch alone.
    del s3.meta.service_model.operation_model("PutObject").input_shape.members["IfMatch"]
    print(knows_conditions(s3))
