"""The handlers of the optional Lambda functions: infra/arrivals.yaml, infra/stream.yaml. Standard library and boto3."""
