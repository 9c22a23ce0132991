# `make test-mwaa` copies these tests to where nothing else of the checkout is, and runs them there on each version.
collect_ignore = ["test_integrity.py"]
