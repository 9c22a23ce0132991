"""Which of a Glue job's arguments reach the script, and what the others ask of the service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.aws.errors import invalid_input

# Consumed by Glue itself; the script does not see them (TempDir is the one special name that it does see).
CONSUMED = re.compile(
    r"--(job-language|scriptLocation|script-location|job-bookmark-option|job-bookmark-from|job-bookmark-to|conf"
    r"|extra-py-files|extra-jars|extra-files|user-jars-first|additional-python-modules|python-modules-installer-option"
    r"|class|datalake-formats|spark-event-logs-path|continuous-log-.*|custom-log(?:Group|Stream)-prefix|enable-.*|disable-.*|write-shuffle-.*"
    r"|use-postgres-driver|auto-scale-within-microbatch|executor-cores|job-insights-.*|customer-driver-env-vars"
    r"|customer-executor-env-vars|encryption-type)"
)
PYTHON_FILES = (".py", ".zip", ".egg", ".whl")
REFUSED = {
    "--additional-python-modules": "the script has the Spark environment's packages only",
    "--python-modules-installer-option": "the script has the Spark environment's packages only",
    "--extra-jars": "no jars beside those of s3a are on the class path",
    "--extra-files": "no further files are copied beside the script",
    "--datalake-formats": "Iceberg, Hudi and Delta are not there",
    "--customer-driver-env-vars": "no variables are passed",
    "--customer-executor-env-vars": "no variables are passed",
}


def check(arguments: Mapping[str, str]) -> None:
    """Raise AwsError InvalidInputException for arguments that would have no effect here but have one on AWS."""
    for name, reason in REFUSED.items():
        if arguments.get(name):
            raise invalid_input(f"the local AWS server does not support the job argument {name}: {reason}")
    for uri in extra_py_files(arguments):
        if not uri.endswith(PYTHON_FILES):
            raise invalid_input(f"--extra-py-files takes single files of {', '.join(PYTHON_FILES)}, found {uri}")
    if arguments.get("--job-bookmark-option") == "job-bookmark-enable":
        raise invalid_input("the local AWS server keeps no job bookmarks: leave --job-bookmark-option disabled")
    if (arguments.get("--job-language") or "python") != "python":
        raise invalid_input("the local AWS server runs Python scripts only")


def argv(job: str, run: str, arguments: Mapping[str, str]) -> list[str]:
    """The script's command line."""
    words = ["--JOB_NAME", job, "--JOB_RUN_ID", run]
    for name, value in arguments.items():
        if not CONSUMED.fullmatch(name):
            words += [name, str(value)]
    return words


def extra_py_files(arguments: Mapping[str, str]) -> list[str]:
    """The s3:// addresses of --extra-py-files."""
    return [uri.strip() for uri in str(arguments.get("--extra-py-files") or "").split(",") if uri.strip()]


def python_path(files: Iterable[Path]) -> list[str]:
    """Return the entries of Python's path that make these files importable: an archive itself, the folder of a .py."""
    return list(dict.fromkeys(str(file.parent if file.suffix == ".py" else file) for file in files))


def spark_conf(arguments: Mapping[str, str]) -> dict[str, str]:
    """Spark's settings from --conf, whose value may hold several: `a=1 --conf b=2`."""
    settings = {}
    for part in re.split(r"\s+--conf\s+", str(arguments.get("--conf") or "").strip()):
        if part:
            name, equals, value = part.partition("=")
            if not equals:
                raise invalid_input(f"--conf: expected name=value, found {part!r}")
            settings[name.strip()] = value.strip()
    return settings
