"""Bounds of bytes and time, with the real hook over a server on 127.0.0.1."""

import hashlib
import io
import ssl
import time

import pytest

from b3.errors import NotB3Data, SourceError, TooSlow, TransientError
from b3.site import bounds, hook
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

DAY = "COTAHIST_D30042020.ZIP"
WITHOUT_LENGTH = {"Content-Length": None}


class TestTheTimeOfAnAnswer:
    @pytest.mark.parametrize(
        "answer",
        [
            Answer(fault="trickle", headers=WITHOUT_LENGTH),
            Answer(fault="trickle", headers={"Content-Length": "1000000"}),
            Answer(body=b"PK", fault="trickle", headers=WITHOUT_LENGTH),
            Answer(fault="trickling headers"),
        ],
        ids=["without length", "with length", "after a beginning", "headers"],
    )
    def test_is_bounded_however_the_bytes_trickle(self, exchange, hook_to, waits, answer):
        exchange.will(answer)
        began = time.monotonic()

        with pytest.raises(TooSlow, match=r"expected an answer within the time of one answer.*total_timeout") as error:
            hook_to(exchange.url, total_timeout=0.4).download_quotes(DAY, io.BytesIO())

        assert 0.4 <= time.monotonic() - began < 3
        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{DAY}"
        assert waits == []

    def test_is_bounded_of_a_beginning_and_of_a_small_answer_too(self, exchange, hook_to):
        exchange.will(Answer(fault="trickle", headers=WITHOUT_LENGTH))
        to_exchange = hook_to(exchange.url, total_timeout=0.3)

        with pytest.raises(TooSlow):
            to_exchange.begin_quotes(DAY)
        with pytest.raises(TooSlow):
            to_exchange.download_index("GetPortfolioDay", index="IBOV")

    def test_is_bounded_over_tls(self, hook_to, tmp_path):
        certificate = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        secure = Exchange(context)
        secure.will(Answer(fault="trickle", headers=WITHOUT_LENGTH))
        try:
            with pytest.raises(TooSlow):
                hook_to(secure.url, total_timeout=0.4, ca_bundle=str(certificate[0])).download_quotes(DAY, io.BytesIO())
        finally:
            secure.close()

    def test_begins_again_with_each_answer(self, exchange, hook_to):
        exchange.will(Answer(fault="trickle", headers=WITHOUT_LENGTH), Answer(body=b"PK\3\4"))
        to_exchange, sink = hook_to(exchange.url, total_timeout=0.3), io.BytesIO()

        with pytest.raises(TooSlow):
            to_exchange.download_quotes(DAY, sink)
        to_exchange.download_quotes(DAY, sink)

        assert sink.getvalue() == b"PK\3\4"

    def test_is_fifteen_minutes_by_default(self, hook_to):
        to_b3 = hook_to("http://127.0.0.1")
        to_b3.get_conn()

        assert to_b3.total_timeout == 900


class TestTheSizeOfQuotes:
    @pytest.mark.parametrize(
        ("name", "limit"),
        [(DAY, 128 << 20), ("COTAHIST_M042020.ZIP", 128 << 20), ("COTAHIST_A2020.ZIP", 1 << 30)],
    )
    def test_is_refused_as_announced_before_a_byte_is_taken(self, exchange, hook_to, name, limit):
        exchange.will(Answer(body=b"PK", headers={"Content-Length": str(limit + 1)}))

        with pytest.raises(
            NotB3Data, match=rf"of at most {limit} bytes; found {limit + 1} bytes announced. None"
        ) as error:
            hook_to(exchange.url, attempts=1).download_quotes(name, io.BytesIO())

        assert error.value.received is None

    def test_is_bounded_where_it_is_not_announced_and_its_beginning_is_kept(self, exchange, hook_to, monkeypatch):
        monkeypatch.setattr(bounds, "MOST_KEPT", 1 << 20)
        body = b"PK\3\4" + bytes((128 << 20) - 3)
        exchange.will(Answer(body=body, headers=WITHOUT_LENGTH))

        with pytest.raises(NotB3Data, match=r"of at most 134217728 bytes; found more. The rest was not taken") as error:
            hook_to(exchange.url, attempts=1).download_quotes(DAY, io.BytesIO())

        kept, download = error.value.received
        assert kept == body[: 1 << 20]
        assert (download.size, download.sha256) == (1 << 20, hashlib.sha256(kept).hexdigest())

    def test_at_the_bound_is_taken(self, exchange, hook_to, monkeypatch):
        monkeypatch.setattr(hook, "_CHUNK", 1 << 20)
        sink = io.BytesIO()
        exchange.will(Answer(body=bytes(128 << 20)))

        hook_to(exchange.url).download_quotes(DAY, sink)

        assert len(sink.getvalue()) == 128 << 20


class TestWhatCameOfASmallAnswerBeyondItsBound:
    def test_is_received(self, exchange, hook_to):
        body = b"{" + b" " * (4 << 20)
        exchange.will(Answer(body=body))

        with pytest.raises(NotB3Data) as error:
            hook_to(exchange.url).download_index("GetPortfolioDay", index="IBOV")

        assert error.value.received[0] == body


class TestTheLengthThatAnAnswerAnnounces:
    @pytest.mark.parametrize("length", ["abc", "-5", "5.0", "٥", ("4", "4")], ids=str)
    def test_has_to_be_one_number_and_what_came_is_received(self, exchange, hook_to, length):
        exchange.will(Answer(body=b"PK\3\4", headers={"Content-Length": length if length != "٥" else "Ù¥"}))

        with pytest.raises(SourceError, match="expected one number in the header Content-Length; found '") as error:
            hook_to(exchange.url, attempts=1).download_quotes(DAY, io.BytesIO())

        assert not isinstance(error.value, TransientError)
        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{DAY}"
        assert error.value.received[0] == b"PK\3\4"

    def test_twice_and_differently_is_told(self, exchange, hook_to):
        exchange.will(Answer(body=b"PK\3\4", headers={"Content-Length": ("4", "5")}))

        with pytest.raises(SourceError, match=r"expected an answer in HTTP; found InvalidHeader.*4, ?5") as error:
            hook_to(exchange.url, attempts=1).download_quotes(DAY, io.BytesIO())

        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{DAY}"
