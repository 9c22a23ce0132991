"""The roles of infra/lake.yaml allow what the runs of these tests called, and nothing that nobody needs."""

import datetime as dt

import pytest

from local.aws import calls
from tests.infra import permissions

DATE = dt.date(2024, 8, 14)


@pytest.fixture
def whole(lab, recording):
    """A recording in which a session was captured with its indexes, and then run again."""
    if lab.objects("refined/index_stocks/"):  # by the tests of the indexes
        return calls.read(recording)
    lab.publish(DATE)
    lab.publish_indexes(DATE)
    try:
        for _ in range(2):
            outcome = lab.run(DATE)
            assert outcome.status == 0, outcome.printed
    finally:
        lab.withdraw_indexes()
    return calls.read(recording)


def test_every_call_is_allowed_and_every_permission_is_needed(lab, whole):
    assert permissions.compare(whole, permissions.roles(lab.lake.endpoint)) == []
