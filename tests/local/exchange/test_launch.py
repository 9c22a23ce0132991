"""The exchange as a process."""

from __future__ import annotations

import datetime as dt
import urllib.error
import urllib.request

import pytest

from local.exchange import launch
from local.exchange.files import cotahist_file


def fetch(server, name):
    with urllib.request.urlopen(f"{server.endpoint}/InstDados/SerHist/{name}", timeout=30) as response:
        return response.headers, response.read()


def test_without_a_folder_it_simulates():
    with launch.start(today=dt.date(2024, 3, 14)) as server:
        assert server.endpoint.startswith("http://127.0.0.1:")
        headers, body = fetch(server, "COTAHIST_D14032024.ZIP")
        assert headers["X-B3-Source"] == "simulated"
        assert body == cotahist_file.session_file(dt.date(2024, 3, 14))
    assert server.process.returncode == 0


def test_with_a_folder_it_replays(tmp_path):
    (tmp_path / "COTAHIST_D14032024.ZIP").write_bytes(b"as recorded")
    with launch.start(folder=tmp_path) as server:
        assert fetch(server, "COTAHIST_D14032024.ZIP")[1] == b"as recorded"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(server, "COTAHIST_D15032024.ZIP")
    with pytest.raises(urllib.error.URLError):
        fetch(server, "COTAHIST_D14032024.ZIP")


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with (
        pytest.raises(RuntimeError, match=r"expected the exchange to be ready .* ended with status 2"),
        launch.start(folder=tmp_path / "absent"),
    ):
        pass
