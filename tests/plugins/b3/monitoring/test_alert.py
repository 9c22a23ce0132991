"""What an alert says, and which failures share a cause."""

import pytest

from b3.monitoring.alert import Alert, Severity, cause_of, expected_and_found


def alert(**fields):
    return Alert(**{"severity": Severity.PAGE, "cause": "c", "headline": "h", "text": "the text", **fields})


class TestTheSubject:
    def test_begins_with_the_severity(self):
        assert alert(headline="b3_daily scrape failed").subject == "page: b3_daily scrape failed"

    def test_is_one_that_sns_takes(self):
        subject = alert(headline="execução\n" * 30).subject

        assert subject.isascii() and subject.isprintable()
        assert subject.startswith("page: execu??o?execu")
        assert len(subject) == 100


class TestTheMessage:
    def test_ends_with_expected_found_the_runbook_and_the_link(self):
        message = alert(expected="1", found="2", runbook="a-check-failed", link="http://ui/dags/b3_daily").message

        assert message == (
            "the text\n\nExpected: 1\nFound: 2\nRunbook: docs/runbook.md#a-check-failed\nLink: http://ui/dags/b3_daily"
        )

    def test_leaves_out_what_there_is_not(self):
        assert alert().message == "the text"


class TestTheCause:
    @pytest.mark.parametrize(
        ("one", "another"),
        [
            ("NotServed: COTAHIST_D14032024.ZIP: found 404", "NotServed: COTAHIST_D15032024.ZIP: found 404"),
            ("expected 2024-03-14, found 1,234 rows", "expected 2024-12-31, found 7 rows"),
            ("no answer from https://b3.example/a?day=1", "no answer from https://b3.example/b?day=2"),
            ("AWS Glue job jr_0a1b2c3d4e5f6a7b failed", "AWS Glue job jr_ffffffffffffffff failed"),
            (
                "AirflowException: query 0e6a1b2c-1111-4abc-8def-0123456789ab failed",
                "AirflowException: query ffffffff-2222-4abc-9def-abcdefabcdef failed",
            ),
            (
                "ClientError: An error occurred (AccessDenied) when calling the PutObject operation: no",
                "ClientError: An error occurred (AccessDenied) when calling the GetTable operation: not that",
            ),
            ("it broke\nin line 1", "it broke\nelsewhere"),
        ],
        ids=[
            "file names",
            "dates and numbers",
            "addresses",
            "ids",
            "UUIDs",
            "calls of AWS",
            "what follows the first line",
        ],
    )
    def test_is_the_same_whatever_the_session(self, one, another):
        assert cause_of(one, "a") == cause_of(another, "b")

    @pytest.mark.parametrize(
        ("one", "another"),
        [
            ("CheckViolated: expected prices above 0, found 3 below", "CheckViolated: expected one key, found 3 twice"),
            ("An error occurred (AccessDenied) when calling A", "An error occurred (Throttling) when calling A"),
            ("ValueError: x", "TypeError: x"),
        ],
        ids=["sentences", "codes of AWS", "errors"],
    )
    def test_is_another_for_another_failure(self, one, another):
        assert cause_of(one, "a") != cause_of(another, "a")
        assert alert(cause=cause_of(one, "a")).key != alert(cause=cause_of(another, "a")).key

    @pytest.mark.parametrize(
        "said",
        [
            "An error occurred (NoSuchKey) when calling the GetObject operation: none",
            "An error occurred (InvalidRequestException) when calling the StartQueryExecution operation: no",
            "AirflowTaskTimeout: Timeout, PID: 123",
        ],
    )
    def test_of_a_message_that_says_little_is_another_for_each_task(self, said):
        assert cause_of(said, "b3_daily upload") != cause_of(said, "b3_daily refine")
        assert cause_of(said, "b3_daily upload") == cause_of(said.replace("123", "77"), "b3_daily upload")

    def test_of_a_warning_keeps_no_page_back(self):
        assert alert(severity=Severity.WARN).key != alert(severity=Severity.PAGE).key


def test_the_sentence_gives_what_was_expected_and_found():
    assert expected_and_found("WrongDate: f.zip: expected 1 day; found 2. Ask again.") == ("1 day", "2. Ask again.")
    assert expected_and_found("CheckViolated: expected a, b, found none") == ("a, b", "none")
    assert expected_and_found("no reason given\nexpected a, found b") is None
