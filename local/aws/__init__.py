"""AWS on one machine: S3, the Glue catalog, crawlers, Spark job runs, Athena and CloudFormation behind one endpoint."""
