"""`make status` tells what the local lakes hold and what runs on them."""

import datetime as dt

import boto3
import pytest

from b3.lake import layout
from local.commands import status
from local.lake import home, servers

DATES = (dt.date(2024, 3, 14), dt.date(2024, 3, 15))


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))
    return home.find(home.SIMULATED)


def test_without_a_lake_it_says_how_to_make_one(lake, capsys):
    assert status.main() == 0

    assert capsys.readouterr().out == "no lake yet: `make run` makes one\n"


def test_each_lake_is_told_with_its_sessions_and_its_servers(lake, capsys):
    with servers.lake(lake) as running:
        s3 = boto3.client("s3", endpoint_url=running.endpoint)
        for date in DATES:
            s3.put_object(Bucket=lake.bucket, Key=layout.raw_quotes_key(date), Body=b"rows")
        s3.put_object(Bucket=lake.bucket, Key=layout.refined_quotes_key(DATES[0]), Body=b"rows")

        assert status.main() == 0

    told = capsys.readouterr().out
    assert f"simulated: {lake.folder}" in told
    assert f"  local AWS runs: {running.endpoint}\n" in told
    assert "  quotes, raw               2 sessions, 2024-03-14 to 2024-03-15\n" in told
    assert "  quotes, refined           1 session, 2024-03-14\n" in told
    assert "  sectors, raw              none\n" in told
    assert status.running(lake) == ["nothing runs on it"]
