import datetime as dt
import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from b3.errors import SourceError, Truncated, Unreadable
from b3.lake import landed
from tests.plugins.b3.downloads import downloaded

KEY = "landing/quotes/COTAHIST_A2020.ZIP"
SENT, CORRECTED = b"as sent", b"corrected"


class TestAFailureThatNobodyForesaw:
    """While a downloaded file is read."""

    @pytest.fixture
    def fail(self, s3, lake):
        def run(error, client=s3):
            with landed.rejecting(client, lake, "x.json", *downloaded(b"[[[")):
                raise error

        return run

    KEPT = f"landing/rejected/{hashlib.sha256(b'[[[').hexdigest()}/x.json"

    @pytest.mark.parametrize(
        "cause", [RecursionError("too deep"), MemoryError(), AttributeError("x"), UnicodeError("x")], ids=repr
    )
    def test_is_an_error_of_the_source_and_its_bytes_are_kept(self, fail, body, lake, cause):
        with pytest.raises(Unreadable) as error:
            fail(cause)

        assert error.value.source == "https://b3.example/"
        assert error.value.found.startswith(type(cause).__name__)
        assert error.value.__cause__ is cause
        assert body(self.KEPT) == b"[[["
        assert error.value.__notes__ == [
            f"the 3 bytes that came from https://b3.example/ are kept in {lake.uri(self.KEPT)}"
        ]

    @pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
    def test_that_ends_the_process_does_so_and_its_bytes_are_kept(self, fail, body, end):
        with pytest.raises(end):
            fail(end())

        assert body(self.KEPT) == b"[[["

    def test_is_still_said_where_its_bytes_cannot_be_kept(self, fail, s3):
        class Failing:
            exceptions = s3.exceptions

            def head_object(self, **_: str) -> Any:
                raise ConnectionError("S3 is away")

        for cause in (RecursionError("too deep"), Truncated(source="x", expected="y", found="z", hint="w")):
            with pytest.raises(SourceError, match=r"too deep|expected y; found z") as error:
                fail(cause, Failing())
            assert error.value.__notes__[0].endswith("could not be kept: ConnectionError: S3 is away")


class TestAnAnswerThatIsReceived:
    def test_lies_there_with_its_origin_and_is_put_once(self, s3, lake, versions, body):
        key = f"landing/received/{hashlib.sha256(b'{}').hexdigest()}/x.json"
        first = landed.receive(s3, lake, "x.json", *downloaded(b"{}"))

        assert landed.receive(s3, lake, "x.json", *downloaded(b"{}", dt.datetime(2100, 1, 1, tzinfo=dt.UTC))) == first

        assert first.uri == lake.uri(key)
        assert body(key) == b"{}"
        assert [len(found) for found in versions().values()] == [1]
        metadata = s3.head_object(Bucket=lake.bucket, Key=key)["Metadata"]
        assert metadata.keys() == {"source", "source-url", "source-sha256", "fetched-at"}


class TestOpeningALandedFile:
    def test_gives_its_bytes_from_the_beginning(self, s3, lake):
        sink = io.BytesIO()

        landed.open_landed(s3, lake, landed.keep(s3, lake, KEY, *downloaded(SENT)), sink)

        assert sink.tell() == 0
        assert sink.read() == SENT

    def test_fails_if_the_object_is_not_the_one_that_landed(self, s3, lake):
        file = landed.keep(s3, lake, KEY, *downloaded(SENT))
        s3.put_object(Bucket=lake.bucket, Key=KEY, Body=CORRECTED)

        with pytest.raises(
            SourceError, match=rf"{KEY}: expected the bytes of sha256 {file.sha256}.*found sha256"
        ) as error:
            landed.open_landed(s3, lake, file, io.BytesIO())

        assert hashlib.sha256(CORRECTED).hexdigest() in error.value.found
        assert "run scrape again" in error.value.hint


class TestRunsThatLandTheSameFileAtOnce:
    @pytest.mark.parametrize("there", [None, b"the former"], ids=["for the first time", "in place of another"])
    def test_store_it_once(self, s3, lake, versions, there):
        key, runs = KEY, 4
        if there:
            landed.keep(s3, lake, key, *downloaded(there))
        looked = threading.Barrier(runs)

        class Meeting:
            """S3 as each run sees it: all have looked what is there before the first one puts."""

            exceptions = s3.exceptions

            def __init__(self) -> None:
                self.met = False

            def head_object(self, **arguments: str) -> Any:
                try:
                    return s3.head_object(**arguments)
                finally:
                    if not self.met:
                        self.met = True
                        looked.wait(10)

            def put_object(self, **arguments: Any) -> Any:
                return s3.put_object(**arguments)

        with ThreadPoolExecutor(runs) as pool:
            kept = [pool.submit(landed.keep, Meeting(), lake, key, *downloaded(SENT)) for _ in range(runs)]

        assert len({one.result() for one in kept}) == 1
        assert len(versions()[key]) == (2 if there else 1)


class TestADamagedFile:
    def test_is_mended_by_the_same_bytes_and_the_damaged_version_stays(self, s3, lake, body, versions):
        kept = landed.keep(s3, lake, KEY, *downloaded(SENT), **{"last-session": "2020-12-30"})
        metadata = s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]
        s3.put_object(Bucket=lake.bucket, Key=KEY, Body=b"damaged", Metadata=metadata)
        assert not landed.is_intact(s3, lake, kept)

        assert landed.keep(s3, lake, KEY, *downloaded(SENT)) == kept

        assert body(KEY) == SENT
        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == metadata
        assert len(versions()[KEY]) == 3

    def test_is_not_one_whose_etag_is_no_md5(self, s3, lake, versions):
        """As with a key of KMS."""
        landed.keep(s3, lake, KEY, *downloaded(SENT))

        class Encrypting:
            exceptions = s3.exceptions
            get_object = s3.get_object

            def head_object(self, **arguments: str) -> Any:
                return {**s3.head_object(**arguments), "ETag": '"0123"'}

        landed.keep(Encrypting(), lake, KEY, *downloaded(SENT))

        assert len(versions()[KEY]) == 1


class TestAClock:
    """Of a machine that fetches, a day away from S3's."""

    AHEAD, BEHIND = (dt.datetime.now(dt.UTC) + sign * dt.timedelta(days=1) for sign in (1, -1))

    def fetched_at(self, s3, lake):
        return landed.with_fetch_time(s3.head_object(Bucket=lake.bucket, Key=KEY))["fetched-at"]

    def test_that_was_ahead_once_does_not_hide_a_correction(self, s3, lake, body):
        landed.keep(s3, lake, KEY, *downloaded(SENT, self.AHEAD))
        assert self.fetched_at(s3, lake) <= dt.datetime.now(dt.UTC).isoformat(timespec="seconds")

        landed.keep(s3, lake, KEY, *downloaded(CORRECTED, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)))

        assert body(KEY) == CORRECTED

    def test_that_is_behind_does_not_hide_one_that_was_fetched_after_the_look_at_the_former(self, s3, lake, body):
        landed.keep(s3, lake, KEY, *downloaded(SENT))
        before = self.fetched_at(s3, lake)
        seen = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"]

        landed.keep(s3, lake, KEY, *downloaded(CORRECTED, self.BEHIND), seen=seen)

        assert body(KEY) == CORRECTED
        assert self.fetched_at(s3, lake) == before


class TestAFileThatWasFetchedLaterByAnotherRun:
    EARLIER = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)

    def test_is_not_replaced_by_the_older(self, s3, lake, body):
        key = KEY
        landed.keep(s3, lake, key, *downloaded(b"former", self.EARLIER - dt.timedelta(days=1)))
        seen = s3.head_object(Bucket=lake.bucket, Key=key)["ETag"]
        newer = landed.keep(s3, lake, key, *downloaded(b"newer"))

        assert landed.keep(s3, lake, key, *downloaded(b"older", self.EARLIER), seen=seen) == newer
        assert body(key) == b"newer"

    def test_and_deleted_since_does_not_stand_in_the_way(self, s3, lake, body):
        """Somebody follows an error's hint between a run's look at what is there and its PUT."""
        key = KEY
        landed.keep(s3, lake, key, *downloaded(b"former"))

        class Meanwhile:
            exceptions = s3.exceptions

            def head_object(self, **arguments: str) -> Any:
                head = s3.head_object(**arguments)
                s3.delete_object(**arguments)
                return head

            def put_object(self, **arguments: Any) -> Any:
                return s3.put_object(**arguments)

        landed.keep(Meanwhile(), lake, key, *downloaded(SENT))

        assert body(key) == SENT
