"""`make report`: takes the page of a run, or makes one, and says where it is."""

import datetime as dt
from decimal import Decimal

import pytest

from b3.lake import layout
from local.aws import launch
from local.commands import report
from local.lake import home, provision, servers, source
from tests.include.sql.lab import Lab

DAY = dt.date(2024, 3, 14)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with one quote of one session."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        outputs = provision.provision(server.endpoint, "b3-lake-real")
        yield servers.Lake(home.Home(home.REAL, tmp_path_factory.mktemp("lake")), server.endpoint, outputs)


@pytest.fixture(scope="module")
def lab(lake):
    return Lab(lake.endpoint, lake.outputs)


@pytest.fixture(autouse=True)
def environment(lake, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", lake.endpoint)
    monkeypatch.setattr(source, "asked_lake", lambda exchange: lake.home)
    monkeypatch.setattr(servers, "lake_as_it_is", lambda found: _Running(lake))


class _Running:
    def __init__(self, lake: servers.Lake) -> None:
        self.lake = lake

    def __enter__(self) -> servers.Lake:
        return self.lake

    def __exit__(self, *_: object) -> None:
        return None


def test_a_lake_without_sessions_has_no_report(capsys):
    assert report.main([]) == 1
    assert "expected a session, to report on" in capsys.readouterr().err


@pytest.mark.parametrize("date", ["14/03/2024", "2024-3", "yesterday"])
def test_a_date_that_is_none_is_refused(capsys, date):
    assert report.main(["--date", date]) == 2
    assert capsys.readouterr().err == f"report: expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE={date}\n"


@pytest.fixture(scope="module")
def session(lab):
    """Give the lake its session."""
    quote = {"ticker": "ABCD3", "market_type": "010", "asset_class": "stock", "currency": "R$", "finding_count": 0}
    lab.put("quotes", [{**quote, "financial_volume": Decimal("1234.56")}], str(DAY))
    lab.crawl()


@pytest.mark.usefixtures("session")
class TestALakeWithASession:
    def test_the_last_session_is_reported_on(self, lake, capsys):
        assert report.main([]) == 0

        path = lake.home.folder / "reports" / "2024-03-14.html"
        assert capsys.readouterr().out == f"report: open {path} in a browser\n"
        page = path.read_text()
        assert "ABCD3" in page and "made outside a run" in page
        assert path.parent.stat().st_mode & 0o077 == 0

    def test_the_page_of_a_run_is_taken_as_it_is_while_it_is_of_the_present_source(self, lake, lab):
        bucket, path = lake.outputs["LakeBucket"], lake.home.folder / "reports" / "2024-03-14.html"
        origin = {"source": "b3", "source-url": "https://b3.example", "source-sha256": "a" * 64}
        lab.s3.put_object(Bucket=bucket, Key=layout.raw_quotes_key(DAY), Body=b"PAR1", Metadata=origin)
        lab.s3.put_object(Bucket=bucket, Key=layout.report_key(DAY), Body=b"of a run, sha256 " + b"a" * 64)

        assert report.main(["--date", "2024-03-14"]) == 0
        assert path.read_bytes().startswith(b"of a run")

        corrected = {**origin, "source-sha256": "b" * 64}
        lab.s3.put_object(Bucket=bucket, Key=layout.raw_quotes_key(DAY), Body=b"PAR1", Metadata=corrected)
        assert report.main(["--date", "2024-03-14"]) == 0
        assert b"b" * 64 in path.read_bytes()

    def test_another_day_has_no_report(self, lake, capsys):
        assert report.main(["--date", "2024-03-15"]) == 1

        assert "expected quotes of 2024-03-15, to report on; found no row" in capsys.readouterr().err
        assert not (lake.home.folder / "reports" / "2024-03-15.html").exists()
