import os
import pty
import signal
import stat
import subprocess

import boto3
import pytest

from local.aws import credentials
from local.commands import connect
from tests.local.conftest import command, run_command
from tests.places import ROOT


class TestBesideARunningLake:
    def test_its_lines_set_a_shell_for_the_lake(self, held_lake):
        printed = run_command("connect")
        assert printed.returncode == 0, printed.stderr
        shell = subprocess.run(
            ["bash", "-euc", 'eval "$LINES_OF_CONNECT"; env -0'],
            env={"PATH": os.environ["PATH"], "AWS_PROFILE": "mine", "LINES_OF_CONNECT": printed.stdout.decode()},
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        variables = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line)

        assert "AWS_PROFILE" not in variables
        assert variables["AWS_ENDPOINT_URL"] == held_lake.endpoint
        assert variables["B3_LAKE_BUCKET"] == held_lake.outputs["LakeBucket"]
        assert variables["B3_GLUE_DATABASE"] == held_lake.outputs["GlueDatabase"]
        assert variables["B3_ATHENA_WORKGROUP"] == held_lake.outputs["AthenaWorkgroup"]
        s3 = boto3.client(
            "s3", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        assert held_lake.outputs["LakeBucket"] in [each["Name"] for each in s3.list_buckets()["Buckets"]]

    def test_the_key_stays_in_a_file_of_its_owner_alone(self, held_lake):
        assert stat.S_IMODE(credentials.file_of(held_lake.home.aws).stat().st_mode) == 0o600

    def test_every_line_is_a_comment_or_a_command(self, held_lake):
        assert {line.split()[0] for line in connect.lines(held_lake)} == {"#", "unset", "export"}


class TestAlone:
    @pytest.fixture(autouse=True)
    def a_lake_that_nothing_runs_on(self, tmp_path, monkeypatch):
        monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "plugins"))
        (tmp_path / "last").write_text("real")

    def test_it_says_what_to_do_where_a_shell_would_wait_for_its_end(self):
        done = run_command("connect")

        assert (done.returncode, done.stdout) == (1, b"")
        assert b"keep `make connect` or `make ui` running in another terminal" in done.stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_on_a_terminal_it_holds_the_lake_up_until_a_signal(self, number):
        master, slave = pty.openpty()
        holding = subprocess.Popen(command("connect"), cwd=ROOT, stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        while b"Ctrl-C ends it." not in shown:
            shown += os.read(master, 4096)
        printed = run_command("connect")
        holding.send_signal(number)

        assert holding.wait(60) == 0
        os.close(master)
        assert printed.returncode == 0
        assert printed.stdout.decode() in shown.decode().replace("\r\n", "\n")
        assert run_command("connect").returncode == 1

    def test_without_a_lake_there_is_nothing_to_connect_to(self, tmp_path, capsys):
        (tmp_path / "last").unlink()

        assert connect.main([]) == 1
        assert "there is no lake yet: `make run` makes one" in capsys.readouterr().err
