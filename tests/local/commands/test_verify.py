import boto3
import pytest

from b3.lake import layout
from b3.verify.inventory import Days
from local.aws import launch
from local.commands import verify
from local.lake import home, provision, servers

DATE = "2024-03-14"


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """A local AWS that no other test writes to: all of a lake is verified, its catalog too."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def lake(aws, monkeypatch, tmp_path):
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    outputs = provision.provision(aws.endpoint, "b3-lake-real")
    return servers.Lake(home.Home(home.REAL, tmp_path), aws.endpoint, outputs)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--from", "2024"],
            "expected from and to as YYYY-MM-DD, or empty, from not after to; found from '2024', to ''",
        ),
        (["--from", "2024-03-14", "--to", "2024-03-13"], "from not after to"),
    ],
)
def test_dates_that_are_none_are_refused(arguments, reason, capsys):
    assert verify.main(arguments) == 2

    assert reason in capsys.readouterr().err


def test_without_a_lake_there_is_nothing_to_verify(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))

    assert verify.main([]) == 2

    assert "there is no lake yet: `make run` makes one" in capsys.readouterr().err


def test_an_empty_lake_is_no_success(lake):
    with pytest.raises(ValueError, match="expected sessions in s3://b3-lake-real/, found none"):
        verify.show(lake, Days())


def test_a_difference_is_printed_and_gives_status_1(lake, capsys):
    s3, key = boto3.client("s3"), f"raw/sectors/trade_date={DATE}/sectors.parquet"
    s3.put_object(Bucket="b3-lake-real", Key=key, Body=b"-")

    status = verify.show(lake, Days.of(DATE, DATE))
    s3.delete_object(Bucket="b3-lake-real", Key=key)

    assert key == layout.raw_sectors_key(Days.of(DATE, DATE).first)
    printed = capsys.readouterr().out.splitlines()
    assert status == 1
    assert printed[0] == (f"verifying {DATE} to {DATE} in s3://b3-lake-real/; 250 sessions take up to a minute")
    assert printed[1].startswith(f"bytes changed: s3://b3-lake-real/{key}: expected a Parquet file")
    assert printed[1].endswith(f"to mend: make rebuild FROM={DATE} TO={DATE}")
    assert printed[-1] == "2 differences: 1 bytes changed, 1 partition missing from the catalog"
