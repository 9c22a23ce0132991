"""Deploys the lake to an AWS account: `python -m infra.deploy deploy|smoke|destroy`, or `make deploy` and so on.

bundle     what the repository has to say: plugins.zip, DAG folder, Glue script, by content
queries    the template of Athena's saved queries
objects    S3 objects: wanted against present, and the changes
stacks     stacks: wanted against present, and the changes
deploying  the order of it all
destroying the way back
lint, smoke  before and after
"""
