"""What is waited for is said from the first second, and never in the way of a command's answer."""

import os
import pty
import subprocess
import sys
import textwrap

from infra.checkout import ROOT

STEPS = """
    import time
    from local.lake import progress

    with progress.Activity() as activity:
        activity.begin("starting the [local] AWS")
        time.sleep(0.3)
        activity.begin("scrape", brief=True)
        time.sleep(0.3)
        print("answer", flush=True)
"""


def command():
    return [sys.executable, "-c", textwrap.dedent(STEPS)]


def on_a_terminal():
    """What the command writes to a terminal, with its control sequences."""
    ours, terminal = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(command(), cwd=ROOT, env=environ, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    assert process.wait(30) == 0
    return said.decode()


def test_an_answer_goes_into_a_file_though_the_steps_go_to_a_terminal(tmp_path):
    ours, terminal = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(command(), cwd=ROOT, stdout=out, stderr=terminal, check=True, timeout=60)
    os.close(terminal)
    os.close(ours)

    assert done.returncode == 0
    assert (tmp_path / "out").read_text() == "answer\n"


def test_without_a_terminal_a_step_is_a_line_on_standard_error_and_what_is_told_at_its_end_is_left_out():
    done = subprocess.run(command(), cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    assert done.stderr == "starting the [local] AWS …\n"
    assert done.stdout == "answer\n"


def test_on_a_terminal_each_step_is_shown_with_its_seconds_and_nothing_of_it_stays():
    said = on_a_terminal()

    assert "starting the [local] AWS" in said
    assert "scrape" in said
    assert "0:00:00" in said
    last_line = said.rstrip().rpartition("\n")[2]
    assert "\x1b[2K" in last_line, "the line is erased"
    assert "AWS" not in last_line.rpartition("\x1b[2K")[2]
