"""Asks the Glue job, for the tests, what it knows of a boto3 that cannot put on a condition; it starts no Spark.

old_boto3.py > whether the job takes the newest boto3 and an old one to know conditions
"""

import boto3

from refine.commit import knows_conditions

if __name__ == "__main__":
    s3 = boto3.client("s3", region_name="sa-east-1")
    print(knows_conditions(s3))
    # boto3 1.34 knew neither, 1.35.0 IfNoneMatch alone.
    del s3.meta.service_model.operation_model("PutObject").input_shape.members["IfMatch"]
    print(knows_conditions(s3))
