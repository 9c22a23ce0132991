"""The lake's infrastructure: CloudFormation templates, and what deploys them."""
