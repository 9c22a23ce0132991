import datetime as dt
import hashlib
from dataclasses import replace

import pytest

from b3.arrivals import inbox, landing, runs
from b3.arrivals.landing import Landed, Rejected
from b3.calendar import publication
from b3.errors import NotB3Data, RecordsLost, Unreadable
from b3.lake import layout
from b3.quotes import choose, cotahist, raw
from b3.quotes import land as quotes_land
from b3.verify import landed
from tests.plugins.b3.downloads import downloaded
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

DAYS = [dt.date(2020, 4, 28), dt.date(2020, 4, 29), dt.date(2020, 4, 30)]
DATE = DAYS[-1]
NAME = "COTAHIST_D30042020.ZIP"
KEY = f"landing/quotes/{NAME}"
TEXT = build_file([record(), record(CODNEG="SINT4")])
SENT = build_zip(TEXT)
CORRECTED = build_zip(build_file([record(), record(CODNEG="SINT4", PREULT=1051)]))
MONTH = build_zip(build_file([record(DATPRE=day) for day in DAYS]))


def started(outcome):
    assert isinstance(outcome, Landed), outcome
    return [(run.dag_id, run.conf) for run in runs.of_file(outcome)]


def of_session(date):
    return "b3_daily", {"trade_date": date.isoformat(), "source": "landing"}


class TestTheFileOfADay:
    def test_lands_byte_for_byte_under_b3s_name_with_its_origin(self, arrive, s3, lake):
        outcome = arrive(NAME, SENT)

        found = s3.get_object(Bucket=lake.bucket, Key=KEY)
        assert found["Body"].read() == SENT
        assert found["Metadata"] == {
            "source": "b3",
            "source-url": f"s3://{lake.bucket}/inbox/{NAME}",
            "source-sha256": hashlib.sha256(SENT).hexdigest(),
            "fetched-at": outcome.arrival.arrived_at.isoformat(timespec="seconds"),
        }

    @pytest.mark.parametrize("name", ["COTAHIST_D30042020.TXT", "quotes of april.zip"])
    @pytest.mark.parametrize("sent", [SENT, TEXT], ids=["ZIP", "text"])
    def test_may_be_a_zip_or_text_of_any_name_and_upload_reads_it(self, arrive, s3, lake, body, name, sent):
        assert started(arrive(name, sent)) == [of_session(DATE)]

        assert body(KEY) == sent
        (written,) = raw.write_quotes(s3, lake, DATE).partitions
        assert written.rows == 2

    def test_that_comes_again_changes_nothing_and_starts_the_same_run(self, arrive, versions):
        first = runs.of_file(arrive(NAME, SENT))
        before = {key: ids for key, ids in versions().items() if not key.startswith("inbox/")}

        assert runs.of_file(arrive("the same.zip", SENT)) == first

        assert {key: ids for key, ids in versions().items() if not key.startswith("inbox/")} == before

    def test_of_other_bytes_is_a_correction_and_starts_a_run_of_its_own(self, arrive, versions, body):
        first = runs.of_file(arrive(NAME, SENT))

        (second,) = runs.of_file(arrive(NAME, CORRECTED))

        assert second.run_id not in [run.run_id for run in first]
        assert body(KEY) == CORRECTED
        assert len(versions()[KEY]) == 2

    def test_whose_bytes_come_back_after_a_correction_is_a_correction_of_it(self, s3, lake, put):
        """The clock of S3 has seconds, and a test is quicker."""
        ids = []
        for second, sent in enumerate([SENT, CORRECTED, SENT]):
            put(NAME, sent)
            ids += [run.run_id for run in runs.of_file(landing.land(s3, lake, at(s3, lake, second), "b3"))]

        assert len(set(ids)) == 3

    def test_is_what_a_run_takes_that_asks_nothing_of_b3(self, arrive, s3, lake):
        outcome = arrive(NAME, SENT)

        assert quotes_land.landed_quotes(s3, lake, DATE).uri == outcome.uri

    def test_that_b3_serves_as_well_is_the_same_object(self, arrive, s3, lake, exchange, hook_to, versions):
        arrive(NAME, SENT)
        exchange.will(Answer(body=SENT))

        quotes_land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

        assert len(versions()[KEY]) == 1


class TestTheFileOfAMonth:
    def test_starts_a_run_of_each_session_in_order_and_each_finds_it_there(self, arrive, s3, lake):
        outcome = arrive("COTAHIST_M042020.ZIP", MONTH)

        assert started(outcome) == [of_session(day) for day in DAYS]
        for day in DAYS:
            assert choose.landed(s3, lake, day)[0].uri == outcome.uri
            assert raw.write_quotes(s3, lake, day).partitions[0].rows == 1

    def test_starts_each_run_once_however_often_it_comes(self, arrive):
        first, second = (runs.of_file(arrive("COTAHIST_M042020.ZIP", MONTH)) for _ in range(2))

        assert first == second
        assert len({run.run_id for run in first}) == len(DAYS)


class TestTheFileOfAYear:
    def test_starts_one_run_which_finds_every_session(self, arrive, s3, lake):
        days = [dt.date(2020, 1, 2), dt.date(2020, 1, 3)]
        sent = build_zip(build_file([record(DATPRE=day) for day in days]))

        outcome = arrive("COTAHIST_A2020.ZIP", sent)

        assert started(outcome) == [("b3_history", {"year": 2020, "source": "landing"})]
        written = raw.write_year(s3, lake, 2020).partitions
        assert [each.trade_date for each in written] == ["2020-01-02", "2020-01-03"]

    def test_that_lacks_sessions_which_an_arrival_had_waits_for_a_person(self, arrive, s3, lake):
        whole, short = (
            build_zip(build_file([record(DATPRE=dt.date(2020, 1, day)) for day in days])) for days in ((2, 3), (2,))
        )
        arrive("COTAHIST_A2020.ZIP", whole)
        raw.write_year(s3, lake, 2020)
        file, download = downloaded(short)
        quotes_land.keep(s3, lake, "landing/quotes/COTAHIST_A2020.ZIP", file, download)

        with pytest.raises(RecordsLost, match="1 of them gone: 2020-01-03"):
            raw.write_year(s3, lake, 2020)


def at(s3, lake, second):
    """Return the one file of inbox/ as if it had come at a second of 1 May 2020; the clock of S3 has seconds."""
    (found,) = inbox.waiting(s3, lake)
    return replace(found, arrived_at=dt.datetime(2020, 5, 1, 0, 0, second, tzinfo=dt.UTC))


class TestAFileThatHasFewerSessionsThanTheLandedOne:
    @pytest.mark.parametrize(
        ("name", "whole", "part"),
        [
            ("COTAHIST_M042020.ZIP", DAYS, DAYS[1:]),
            ("COTAHIST_A1995.TXT", [dt.date(1995, 3, day) for day in (13, 14, 15)], [dt.date(1995, 3, 13)]),
        ],
    )
    def test_is_rejected_and_says_which_are_gone(self, arrive, body, name, whole, part):
        sent, fewer = (build_zip(build_file([record(DATPRE=day) for day in days])) for days in (whole, part))
        landed = arrive(name, sent)

        outcome = arrive(name, fewer)

        assert isinstance(outcome, Rejected)
        gone = ", ".join(str(day) for day in whole if day not in part)
        assert outcome.reason.startswith("RecordsLost: ")
        assert f"expected every session of {landed.uri}; found {len(whole) - len(part)} of them gone: {gone}." in (
            outcome.reason
        )
        assert body(f"landing/quotes/{name[:-4]}.ZIP") == sent

    def test_lands_once_a_person_has_deleted_the_landed_one(self, arrive, s3, lake):
        arrive("COTAHIST_M042020.ZIP", MONTH)
        s3.delete_object(Bucket=lake.bucket, Key="landing/quotes/COTAHIST_M042020.ZIP")

        outcome = arrive("COTAHIST_M042020.ZIP", build_zip(build_file([record(DATPRE=DATE)])))

        assert started(outcome) == [of_session(DATE)]

    def test_and_not_b3s_name_is_rejected_whatever_has_landed(self, arrive):
        outcome = arrive("two days.zip", build_zip(build_file([record(DATPRE=day) for day in DAYS[1:]])))

        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("WrongDate: ")

    def test_takes_no_session_from_raw_without_a_person_if_the_former_was_text(self, arrive, s3, lake):
        """B3's own file comes by download, which knows nothing of the former."""
        days = [dt.date(1995, 1, 2), dt.date(1995, 1, 3)]
        arrive("COTAHIST_A1995.TXT", build_file([record(DATPRE=day) for day in days]))
        raw.write_year(s3, lake, 1995)
        file, download = downloaded(build_zip(build_file([record(DATPRE=days[0])])))
        quotes_land.keep(s3, lake, "landing/quotes/COTAHIST_A1995.ZIP", file, download)

        with pytest.raises(RecordsLost, match="1 of them gone: 1995-01-03"):
            raw.write_year(s3, lake, 1995)


class TestAnOldCopyOfTheLandedFile:
    RECORDS = (record(), record(CODNEG="SINT4"))
    OLD = build_zip(build_file(RECORDS, date=dt.date(2020, 4, 30)))
    NEW = build_zip(build_file(RECORDS, date=dt.date(2020, 5, 4)))

    def test_is_rejected_by_the_date_on_which_b3_generated_it(self, arrive, body):
        landed = arrive(NAME, self.NEW)

        outcome = arrive(NAME, self.OLD)

        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("Outdated: ")
        assert f"generated on 2020-05-04 or later, as the one in {landed.uri}; found one generated on 2020-04-30" in (
            outcome.reason
        )
        assert body(KEY) == self.NEW

    def test_is_a_correction_if_it_is_the_newer_one(self, arrive):
        for sent in (self.OLD, self.NEW):
            assert started(arrive(NAME, sent)) == [of_session(DATE)]

    def test_is_taken_if_the_landed_one_is_text_whose_date_is_not_read(self, arrive, body):
        arrive(NAME, build_file(self.RECORDS, date=dt.date(2020, 5, 4)))

        assert started(arrive(NAME, self.OLD)) == [of_session(DATE)]

        assert body(KEY) == self.OLD


class TestLandedAgainAfterAKill:
    @pytest.mark.parametrize("seconds", [(0, 1), (0, 0)], ids=["one after the other", "in one second"])
    def test_two_files_of_a_day_give_the_same_runs_and_no_new_version(self, s3, lake, put, body, versions, seconds):
        arrivals = []
        for name, sent, second in zip(("a.zip", "b.zip"), (SENT, CORRECTED), seconds, strict=True):
            put(name, sent)
            (found,) = (each for each in inbox.waiting(s3, lake) if each.name == name)
            arrivals.append(replace(found, arrived_at=dt.datetime(2020, 5, 1, 0, 0, second, tzinfo=dt.UTC)))

        first = [runs.of_file(landing.land(s3, lake, arrival, "b3")) for arrival in arrivals]
        again = [runs.of_file(landing.land(s3, lake, arrival, "b3")) for arrival in arrivals]

        assert again == first
        assert len({run.run_id for found in first for run in found}) == 2
        assert (body(KEY), len(versions()[KEY])) == (CORRECTED, 2)


class TestAFileThatNobodyHasForeseen:
    def test_of_the_future_is_rejected(self, arrive, monkeypatch):
        """22:00 of 29 April in São Paulo, when it is the 30th in UTC."""
        monkeypatch.setattr(publication, "now", lambda: dt.datetime(2020, 4, 30, 1, tzinfo=dt.UTC))

        outcome = arrive(NAME, SENT)

        assert isinstance(outcome, Rejected)
        assert "expected sessions until today, 2020-04-29; found 2020-04-30. See whether" in outcome.reason

    def test_of_a_long_name_lands_with_metadata_that_s3_takes(self, arrive, s3, lake):
        arrive("ç" * 480 + ".zip", SENT)

        url = s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]["source-url"]
        assert len(url) <= 1000
        assert url.startswith(f"s3://{lake.bucket}/inbox/%C3%A7")
        assert url.endswith("%C3%A7.zip")

    def test_of_a_name_as_long_as_a_key_is_rejected_under_a_key_that_s3_takes(self, arrive, lake):
        outcome = arrive("x" * 1000 + ".zip", b"none")

        assert isinstance(outcome, Rejected)
        assert len(layout.rejection_reason_key(lake.key(outcome.uri))) <= 1024
        assert outcome.uri.endswith("x.zip")

    def test_of_a_gigabyte_is_not_fetched(self, s3, lake, put):
        put(NAME, SENT)
        (found,) = inbox.waiting(s3, lake)
        assert found.size == len(SENT)

        with pytest.raises(NotB3Data, match="found 1,073,741,825 bytes"):
            landing.land(s3, lake, replace(found, size=inbox.MOST_BYTES + 1), "b3")

    def test_that_unpacks_to_more_than_a_year_is_rejected_unread(self, arrive, monkeypatch):
        monkeypatch.setattr(landing, "MOST_UNPACKED", len(TEXT) - 1)

        outcome = arrive(NAME, SENT)

        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("BadLayout: ")
        assert f"found {len(TEXT):,} bytes" in outcome.reason


class TestWhatIsNoCotahistFile:
    @pytest.mark.parametrize(
        ("name", "sent", "reason"),
        [
            (NAME, b"<html>Em manuten\xe7\xe3o</html>", "NotB3Data"),
            (NAME, SENT[:-40], "Truncated"),
            (NAME, b"", "NotPublished"),
            ("COTAHIST_D29042020.ZIP", SENT, "WrongDate"),
            ("COTAHIST_M052020.ZIP", MONTH, "WrongDate"),
            ("COTAHIST_M042020.ZIP", build_zip(build_file([])), "NoRecords"),
            ("any.zip", build_zip(build_file([])), "NoRecords"),
            ("any.zip", build_zip(build_file([record(DATPRE=dt.date(2020, 5, 1))])), "ClosedDay"),
        ],
    )
    def test_is_kept_apart_with_the_reason_beside_it(self, arrive, s3, lake, versions, body, name, sent, reason):
        outcome = arrive(name, sent)

        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith(f"{reason}: ")
        assert outcome.reason.endswith("into inbox/." if reason != "NoRecords" else "once it has records.")
        key = f"landing/rejected/{hashlib.sha256(sent).hexdigest()}/{name}"
        assert {each for each in versions() if not each.startswith("inbox/")} == {key, f"{key}.reason.txt"}
        assert body(key) == sent
        assert body(f"{key}.reason.txt").decode() == f"{outcome.reason}\n"
        assert [landed.read(s3, lake, each).difference for each in (key, f"{key}.reason.txt")] == [None, None]

    def test_leaves_a_landed_file_of_the_session_alone(self, arrive, body):
        arrive(NAME, SENT)

        assert isinstance(arrive(NAME, SENT[:-40]), Rejected)

        assert body(KEY) == SENT

    def test_may_be_put_again(self, arrive):
        assert arrive(NAME, b"x").uri == arrive(NAME, b"x").uri

    def test_is_not_a_file_that_this_machine_could_not_read(self, arrive, s3, lake, put, monkeypatch):
        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(cotahist, "verify", full)

        with pytest.raises(Unreadable, match="No space left"):
            arrive(NAME, SENT)

        assert [arrival.name for arrival in inbox.waiting(s3, lake)] == [NAME]

    def test_is_a_file_that_b3_has_replaced_since_it_came(self, s3, lake, put, body):
        """It waited in inbox/ while the DAG was switched off."""
        put(NAME, SENT)
        (found,) = inbox.waiting(s3, lake)
        file, download = downloaded(CORRECTED)
        quotes_land.keep(s3, lake, KEY, file, download)
        early = inbox.Arrival(found.key, found.etag, dt.datetime(2020, 5, 1, tzinfo=dt.UTC))

        outcome = landing.land(s3, lake, early, "b3")

        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("Outdated: ")
        assert body(KEY) == CORRECTED
        assert body(lake.key(outcome.uri)) == SENT
