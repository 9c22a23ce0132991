import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from b3.calendar import publication
from b3.errors import BadLayout, NotB3Data, NotPublished, NotServed, SourceError, TransientError, Truncated, WrongDate
from b3.quotes import late_files
from b3.quotes.late_files import Answer, DeadlineOver

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
SESSION = dt.date(2020, 4, 30)
UNTIL = publication.deadline(SESSION)


def sao_paulo(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=SAO_PAULO)


def error(kind: type[SourceError], found: str = "status 404 Not Found") -> SourceError:
    return kind(source="https://b3/COTAHIST_D30042020.ZIP", expected="a file", found=found, hint="Wait.")


def wait(given: SourceError, at: str, earlier: list[Answer] | None = None) -> list[Answer]:
    return late_files.record_answer(given, earlier or [], SESSION, until=UNTIL, at=sao_paulo(at))


class TestBeforeTheDeadline:
    @pytest.mark.parametrize("kind", [NotPublished, NotServed, NotB3Data, TransientError])
    @pytest.mark.parametrize("at", ["2020-04-30T00:00", "2020-04-30T22:30", "2020-05-01T11:59"])
    def test_what_is_not_published_or_may_pass_is_waited_for(self, kind, at):
        assert wait(error(kind), at) == [Answer(sao_paulo(at), "status 404 Not Found")]

    def test_every_answer_is_kept(self):
        first = wait(error(NotServed), "2020-04-30T22:30")
        second = wait(error(NotPublished, "not one byte"), "2020-04-30T22:40", first)

        assert [answer.said for answer in second] == ["status 404 Not Found", "not one byte"]
        assert first == second[:1]

    @pytest.mark.parametrize("kind", [Truncated, BadLayout, WrongDate, SourceError])
    def test_what_is_broken_is_not_waited_for(self, kind):
        broken = error(kind)

        with pytest.raises(kind) as raised:
            wait(broken, "2020-04-30T22:30")

        assert raised.value is broken

    def test_what_breaks_after_a_while_tells_the_answers_before(self):
        earlier = [Answer(sao_paulo("2020-04-30T22:30"), "status 404 Not Found")]

        with pytest.raises(Truncated) as raised:
            wait(error(Truncated), "2020-04-30T22:40", earlier)

        assert raised.value.__notes__ == [
            "before that, B3 had no file to give: status 404 Not Found at 2020-04-30 22:30"
        ]

    def test_a_session_yet_to_come_is_not_waited_for(self):
        with pytest.raises(NotServed) as raised:
            wait(error(NotServed), "2020-04-29T23:59")

        assert raised.value.__notes__ == [
            "the session of 2020-04-30 is yet to come: run it from the evening of that day on"
        ]


class TestFromTheDeadlineOn:
    @pytest.mark.parametrize("at", ["2020-05-01T12:00", "2026-01-02T12:00"])
    def test_an_old_session_fails_at_once_as_b3_answered(self, at):
        answer = error(NotServed)

        with pytest.raises(NotServed) as raised:
            wait(answer, at)

        assert raised.value is answer

    def test_the_failure_tells_each_answer_and_when_it_came(self):
        earlier = [
            Answer(sao_paulo("2020-04-30T22:30"), "status 404 Not Found"),
            Answer(sao_paulo("2020-04-30T22:40"), "status 404 Not Found"),
            Answer(sao_paulo("2020-04-30T22:50"), "status 200 and not one byte"),
        ]
        last = error(NotB3Data, "a web page titled 'B3'")

        with pytest.raises(DeadlineOver) as raised:
            wait(last, "2020-05-01T12:00", earlier)

        assert str(raised.value) == (
            "https://b3/COTAHIST_D30042020.ZIP: expected the file of 2020-04-30 by 2020-05-01 12:00, São Paulo; found "
            "status 404 Not Found at 2020-04-30 22:30, 2020-04-30 22:40; status 200 and not one byte at "
            "2020-04-30 22:50; a web page titled 'B3' at 2020-05-01 12:00. "
            "Clear the task once B3 gives the file: see whether it announces a delay."
        )
        assert raised.value.__cause__ is last
