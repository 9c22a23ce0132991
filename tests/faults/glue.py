"""The commit of the Glue job, which needs no Spark."""

import sys

from infra.checkout import refine_script

sys.path.append(str(refine_script().parent))

from refine import errors
from refine.commit import commit
from refine.s3 import S3Path, head

__all__ = ["S3Path", "commit", "errors", "head"]
