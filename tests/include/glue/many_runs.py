"""Runs a Glue script many times in one Spark JVM, for the tests: starting one takes longer than the script.

many_runs.py SCRIPT < [["--source", "s3://…", …], …] > [null or the error, as Glue tells it, …]
"""

import json
import os
import runpy
import sys
import traceback


def run(script: str, arguments: list[str]) -> str | None:
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the script and Spark print goes to stderr
    script = sys.argv[1]
    json.dump([run(script, arguments) for arguments in json.load(sys.stdin)], answers)
    answers.flush()
