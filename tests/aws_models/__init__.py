"""Recorded requests and answers of the local AWS against the models of AWS's API that botocore brings."""
