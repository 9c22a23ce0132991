"""A lock says who holds it, to whoever waits."""

import subprocess
import sys
import textwrap

from infra.checkout import ROOT
from local.processes import file_locks

WAITER = """
    import sys
    from pathlib import Path
    from local.processes import file_locks

    with file_locks.exclusive(Path(sys.argv[1]), waiting_for="another command that makes environments") as taken:
        print(taken)
"""
HOLDER = """
    import sys
    from pathlib import Path
    from local.processes import file_locks

    with file_locks.exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
"""


def command(tmp_path, name, body):
    script = tmp_path / f"{name}.py"
    script.write_text(textwrap.dedent(body))
    return subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "lock")],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_what_is_waited_for_is_named_with_its_process_and_what_to_do(tmp_path):
    holder = command(tmp_path, "run", HOLDER)
    assert holder.stdout.readline() == "held\n"
    waiter = command(tmp_path, "waiter", WAITER)

    said = waiter.stderr.readline()
    holder.communicate("\n", timeout=30)

    assert said == (
        f"waiting for another command that makes environments, process {holder.pid} (run): "
        f"it goes on by itself, or stop it with `kill {holder.pid}`\n"
    )
    assert waiter.communicate(timeout=30)[0] == "True\n"


def test_a_lock_held_elsewhere_is_told_at_once_to_whoever_does_not_wait(tmp_path):
    holder = command(tmp_path, "run", HOLDER)
    assert holder.stdout.readline() == "held\n"

    with file_locks.exclusive(tmp_path / "lock") as taken:
        assert not taken
    holder.communicate("\n", timeout=30)
    with file_locks.exclusive(tmp_path / "lock") as taken:
        assert taken
