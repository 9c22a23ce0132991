"""A reader that leaves early is no failure."""

import subprocess
import sys

import pytest

from infra.checkout import ROOT
from local.processes import readers

COMMAND = """
import sys
from local.processes import readers

def main():
    for number in range({lines}):
        {say}(number)
    return {status}

sys.exit(readers.run(main))
"""


def run_into(reader, lines, status, say="print"):
    """What the reader printed, the command's status, and its standard error."""
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(lines=lines, status=status, say=say)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    read = subprocess.run(reader, stdin=command.stdout, stdout=subprocess.PIPE, check=True).stdout
    command.stdout.close()
    said = command.stderr.read()
    return read, command.wait(30), said


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_word():
    assert run_into(["head", "-n", "1"], 1_000_000, 0) == (b"0\n", readers.LEFT, b"")


@pytest.mark.parametrize("status", [0, 1])
def test_what_is_told_ends_no_command(status):
    assert run_into(["head", "-n", "1"], 100_000, status, say="readers.tell") == (b"0\n", status, b"")


def test_the_status_of_a_command_that_is_read_to_its_end_is_its_own():
    assert run_into(["tail", "-n", "1"], 3, 1) == (b"2\n", 1, b"")
