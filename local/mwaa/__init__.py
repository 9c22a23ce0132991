"""The DAGs under the versions of Airflow that MWAA has: `make test-mwaa`.

versions      which, and what their images carry
lock          resolves the constraints of the older ones
rules         what MWAA asks of requirements.txt
environments  an environment for each, requirements.txt installed as MWAA does it
layout        the deployed files where MWAA puts them
check         the command
"""
