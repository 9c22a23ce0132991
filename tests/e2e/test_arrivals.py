"""Files in inbox/, as `make inbox` puts them there: b3_arrivals for real, and the runs that it starts."""

import datetime as dt
import io

import boto3
import pytest

from b3.quotes import cotahist
from local.commands import inbox
from local.exchange.files import cotahist_file
from local.lake import home, servers
from tests.e2e.conftest import Lab, Outcome

# The last two of a month, in which nothing else is tested.
DAYS = [dt.date(2024, 7, 30), dt.date(2024, 7, 31)]
MONTH = "COTAHIST_M072024.ZIP"


@pytest.fixture(scope="module")
def lab(lakes):
    """The lake of simulated data."""
    with servers.lake(home.find(home.SIMULATED)) as lake:
        yield Lab(lake)


@pytest.fixture(scope="module")
def put(tmp_path_factory):
    """Put bytes into inbox/ under a name, and run what they start."""

    def run(name: str, sent: bytes) -> Outcome:
        path = tmp_path_factory.mktemp("sent") / name
        path.write_bytes(sent)
        return Outcome.of(lambda: inbox.main(["--file", str(path), "--exchange", "simulated"]))

    return run


@pytest.fixture(scope="module")
def month():
    """A month's file of two sessions."""
    sent = io.BytesIO()
    cotahist_file.write_archive(sent, MONTH, DAYS)
    return sent.getvalue()


@pytest.fixture(scope="module")
def first(put, month):
    """The first arrival of the month."""
    outcome = put(MONTH, month)
    assert outcome.status == 0, outcome.printed
    return outcome


def sessions(lab):
    return lab.query(
        "SELECT trade_date, count(*), sum(financial_volume) FROM quotes WHERE trade_date BETWEEN date '2024-07-01' "
        "AND date '2024-07-31' GROUP BY trade_date ORDER BY trade_date"
    )


def test_each_session_of_a_month_appears_with_every_row_and_cent(lab, first):
    expected = []
    for day in DAYS:
        sent = cotahist.verify(cotahist_file.session_file(day), day)
        expected.append([str(day), str(sent.records), str(sent.financial_volume)])

    assert sessions(lab) == expected
    assert all(f"b3_daily {day} ({number} of 2): no task failed" in first.printed for number, day in enumerate(DAYS, 1))
    assert lab.objects("inbox/") == {}


def test_the_same_file_again_changes_nothing_and_starts_nothing(lab, first, put, month):
    before = lab.versions("2024-07"), lab.versions(MONTH) - lab.versions("inbox/")

    again = put(MONTH, month)

    assert again.status == 0, again.printed
    assert "nothing to run: these bytes have landed before" in again.printed
    assert (lab.versions("2024-07"), lab.versions(MONTH) - lab.versions("inbox/")) == before
    assert lab.objects("inbox/") == {}


def test_a_damaged_file_is_rejected_with_its_reason_and_no_table_changes(lab, first, put, month):
    before = sessions(lab)

    outcome = put(MONTH, month[:-500])

    assert outcome.status == 1
    assert "Truncated: s3://b3-lake-simulated/inbox/COTAHIST_M072024.ZIP: expected a ZIP" in outcome.printed
    assert sorted(key.rpartition("/")[2] for key in lab.objects("landing/rejected/", of=MONTH)) == [
        MONTH, f"{MONTH}.reason.txt",
    ]  # fmt: skip
    assert sessions(lab) == before
    assert lab.objects("inbox/") == {}


def test_all_messages_of_the_inbox_are_gone(lab, first):
    answer = boto3.client("sqs", endpoint_url=lab.lake.endpoint).get_queue_attributes(
        QueueUrl=lab.lake.outputs["ArrivalsQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    assert answer["ApproximateNumberOfMessages"] == answer["ApproximateNumberOfMessagesNotVisible"] == "0"
