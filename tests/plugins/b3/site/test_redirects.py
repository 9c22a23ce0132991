"""Redirects, asked for with the real hook over servers on 127.0.0.1."""

import io
import ssl
import time

import pytest

from b3.errors import NotServed, SourceError, TransientError
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

NAME = "COTAHIST_D30042020.ZIP"
FILE = Answer(body=b"PK\3\4 a file")


def to(location: str, status: int = 302, **fields) -> Answer:
    return Answer(status, headers={"Location": location}, **fields)


@pytest.fixture
def other():
    """A server that is none of the connection's hosts."""
    server = Exchange()
    server.will(FILE)
    yield server
    server.close()


@pytest.fixture
def fetch(hook_to):
    def run(url: str, **extra) -> bytes:
        sink = io.BytesIO()
        hook_to(url, **{"attempts": 1, **extra}).download_quotes(NAME, sink)
        return sink.getvalue()

    return run


class TestARedirectWithinTheHosts:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("location", ["/novo/a.zip", "{url}/novo/a.zip", "//{host}/novo/a.zip"])
    def test_is_followed(self, exchange, fetch, status, location):
        url = exchange.url
        exchange.will(to(location.format(url=url, host=url.removeprefix("http://")), status), FILE)

        assert fetch(url) == FILE.body
        assert [request.path for request in exchange.requests][1:] == ["/novo/a.zip"]

    def test_may_go_to_another_host_of_the_connection(self, exchange, other, fetch):
        exchange.will(to(f"{other.url}/a.zip"))

        assert fetch(exchange.url, site_host=other.url) == FILE.body

    def test_keeps_the_address_that_was_asked_for(self, exchange, hook_to):
        exchange.will(to("/a.zip?token=s3cret"), FILE)

        download = hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert download.url == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert exchange.requests[1].path == "/a.zip?token=s3cret"

    def test_has_a_body_that_nobody_waits_for(self, exchange, fetch):
        exchange.will(to("/a.zip", fault="trickle"), FILE)
        began = time.monotonic()

        assert fetch(exchange.url) == FILE.body
        assert time.monotonic() - began < 2

    def test_that_ends_in_nothing_is_told_by_the_address_asked_for(self, exchange, fetch):
        exchange.will(to("/a.zip?token=s3cret"), Answer(404))

        with pytest.raises(NotServed) as error:
            fetch(exchange.url)

        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert "s3cret" not in str(error.value)

    def test_is_followed_ten_times_and_no_more(self, exchange, fetch):
        exchange.will(*[to("/a.zip")] * 10, FILE)
        assert fetch(exchange.url) == FILE.body

        exchange.requests.clear()
        exchange.will(to("/round?token=s3cret"))
        with pytest.raises(
            SourceError, match=r"expected an answer after at most 10 redirects; found one more, to .*/round\?…"
        ):
            fetch(exchange.url)
        assert len(exchange.requests) == 11


class TestARedirectElsewhere:
    def test_to_another_port_of_the_machine_is_refused(self, exchange, other, fetch):
        exchange.will(to(f"{other.url}/a.zip?sig=s3cret"))

        with pytest.raises(SourceError) as error:
            fetch(exchange.url)

        assert not isinstance(error.value, TransientError)
        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert error.value.expected == f"an answer, or a redirect within {exchange.url.removeprefix('http://')}"
        assert error.value.found == f"status 302, a redirect to {other.url}/a.zip?…"
        assert other.requests == []

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "https://b3.example/a.zip",
            "http://127.0.0.1@b3.example/a.zip",
            "ftp://127.0.0.1/a.zip",
            "file:///etc/passwd",
            "http://[::1",
            "http://127.0.0.1:port/",
            "mailto:ana@b3.example",
        ],
    )
    def test_to_another_host_or_scheme_is_refused(self, exchange, fetch, location):
        exchange.will(to(location))

        with pytest.raises(
            SourceError, match=r"expected an answer, or a redirect within 127\.0\.0\.1:.*; found status 302"
        ):
            fetch(exchange.url)

        assert len(exchange.requests) == 1

    def test_from_https_to_http_is_refused(self, other, fetch, tmp_path):
        certificate = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        secure = Exchange(context)
        secure.will(to(f"{other.url}/a.zip"))
        try:
            with pytest.raises(
                SourceError, match=r"redirect within .*, over https; found status 302, a redirect to http:"
            ):
                fetch(secure.url, site_host=other.url, ca_bundle=str(certificate[0]))
        finally:
            secure.close()
        assert other.requests == []
