import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from local.commands import notebook
from tests.local.conftest import command, run_command
from tests.places import ROOT


@pytest.fixture(scope="module")
def served(held_lake):
    """JupyterLab over an empty lake: the process, and the address and token that it prints."""
    process = subprocess.Popen(
        command("notebook"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        address = next(
            (found for line in process.stdout if (found := re.search(r"(http://\S+)/lab/\S+\?token=(\S+)", line))),
            None,
        )
        assert address, "no address was printed"
        yield process, address[1], address[2]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


class TestServing:
    def test_the_address_is_of_this_machine_alone(self, served):
        assert served[1].startswith("http://127.0.0.1:")
        port = int(served[1].rpartition(":")[2])
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        listening = [local for _, local, _, state, *_ in sockets if state == "0A"]
        assert [local for local in listening if local.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]

    def test_nobody_gets_in_without_the_token(self, served):
        _, address, token = served
        asked = urllib.request.Request(
            f"{address}/api/contents/market.ipynb", headers={"Authorization": f"token {token}"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer)["name"] == "market.ipynb"

        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{address}/api/contents/market.ipynb", timeout=60)

    def test_it_is_a_copy_of_the_lake_without_output(self, served, held_lake):
        copy = json.loads((held_lake.home.folder / "notebooks" / "market.ipynb").read_text())
        committed = json.loads(notebook.NOTEBOOK.read_text())

        assert [cell["source"] for cell in copy["cells"]] == [cell["source"] for cell in committed["cells"]]
        assert [cell for cell in copy["cells"] if cell.get("outputs")] == []

    def test_its_kernels_get_the_lake_and_not_the_token_of_a_profile(self, held_lake, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "mine")
        environ = notebook._environment(held_lake, "secret")

        assert "AWS_PROFILE" not in environ
        assert environ["AWS_ENDPOINT_URL"] == held_lake.endpoint
        assert environ["B3_ATHENA_WORKGROUP"] == held_lake.outputs["AthenaWorkgroup"]

    def test_a_signal_ends_it_and_its_server(self, served):
        process, address, _ = served
        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 0
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/api", timeout=5)


def test_a_copy_that_is_there_is_left_alone(tmp_path, capsys):
    mine = tmp_path / "market.ipynb"
    mine.write_text("mine")

    assert notebook._own_copy(tmp_path).read_text() == "mine"
    assert f"{mine} is as you left it" in capsys.readouterr().out


def test_without_a_lake_there_is_nothing_to_open(tmp_path, monkeypatch):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "plugins"))
    done = run_command("notebook")

    assert done.returncode == 1
    assert b"there is no lake yet: `make run` makes one" in done.stderr
