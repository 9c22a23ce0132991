"""What a person types after `make` is handed on as it is, and never run."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.places import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
# Each command's line in `make help` names what it takes: DATE=…, [EXCHANGE=…].
TAKES = [
    (target, name)
    for target, words in re.findall(r"^([a-z-]+):.*?## (.*)$", MAKEFILE, re.MULTILINE)
    for name in re.findall(r"\b([A-Z_]+)=", words)
]
RUNS_A_COMMAND = [
    '"; touch ran; "',
    "'; touch ran; '",
    "`touch ran`",
    "$(touch ran)",
    "$(shell touch ran)",
    "; touch ran",
]


def given(folder: Path, target: str, setting: str) -> str:
    """Return what the commands of `target` get, one argument a line; no environment is made."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    command = ["make", "-C", str(folder), "-f", str(ROOT / "Makefile"), "-o", "setup", "-o", "lint"]
    done = subprocess.run(
        [*command, f"PYTHON3={python}", target, setting], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_name_what_they_take() -> None:
    assert {("run", "DATE"), ("query", "SQL"), ("deploy", "PARAMETERS"), ("test", "TESTS")} <= set(TAKES)


@pytest.mark.parametrize(("target", "name"), TAKES)
def test_nothing_typed_is_run(tmp_path: Path, target: str, name: str) -> None:
    for value in RUNS_A_COMMAND:
        told = given(tmp_path, target, f"{name}={value}")
        assert not (tmp_path / "ran").exists(), f"make {target} {name}={value} ran it"
        if name not in ("DRY_RUN", "MWAA", "WITH_DATA"):
            assert "".join(value.split()) in "".join(told.replace("--parameter", "").split())


def test_words_become_arguments_where_several_are_meant(tmp_path: Path) -> None:
    assert "--parameter\nA=1\n--parameter\nB=2\n" in given(tmp_path, "deploy", "PARAMETERS=A=1 B=2")
    assert "3.0.6\n3.3.1\n" in given(tmp_path, "test-mwaa", "VERSIONS=3.0.6 3.3.1")
