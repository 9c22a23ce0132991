import io
import time

import pytest

from b3.arrivals import inbox
from b3.lake.commit import Overtaken


def test_the_files_of_the_inbox_come_in_the_order_of_their_arrival_without_markers_of_folders(s3, lake, put):
    put("sub/", b"")
    put("z.ZIP", b"-")
    s3.put_object(Bucket=lake.bucket, Key="landing/quotes/c.ZIP", Body=b"-")
    time.sleep(1.1)  # S3's clock has seconds, and a listing is in order of keys
    put("sub/a.ZIP", b"--")

    found = inbox.waiting(s3, lake)

    assert [(arrival.key, arrival.size) for arrival in found] == [("inbox/z.ZIP", 1), ("inbox/sub/a.ZIP", 2)]


def test_a_file_of_any_name_has_an_address_that_metadata_can_hold(s3, lake, put):
    put("cotação de maio.ZIP", b"bytes")
    (arrival,) = inbox.waiting(s3, lake)
    sink = io.BytesIO()

    download = inbox.fetch(s3, lake, arrival, sink, "b3")

    assert sink.getvalue() == b"bytes"
    assert download.url == f"s3://{lake.bucket}/inbox/cota%C3%A7%C3%A3o%20de%20maio.ZIP"
    assert (download.size, download.fetched_at) == (5, arrival.arrived_at)


def test_a_file_that_was_replaced_since_it_was_listed_is_neither_read_nor_removed(s3, lake, put, body):
    put("a.ZIP", b"first")
    (arrival,) = inbox.waiting(s3, lake)
    put("a.ZIP", b"second")

    with pytest.raises(Overtaken):
        inbox.fetch(s3, lake, arrival, io.BytesIO(), "b3")
    inbox.remove(s3, lake, arrival.key, arrival.etag)

    assert body("inbox/a.ZIP") == b"second"


def test_a_file_that_is_gone_already_can_be_removed_again(s3, lake, put):
    put("a.ZIP", b"-")
    (arrival,) = inbox.waiting(s3, lake)

    for _ in range(2):
        inbox.remove(s3, lake, arrival.key, arrival.etag)

    assert inbox.waiting(s3, lake) == []
