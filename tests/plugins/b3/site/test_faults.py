"""Each fault of a request is a SourceError, and its advice fits."""

import io
import ssl

import pytest

from b3.errors import SourceError, TransientError
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

NAME = "COTAHIST_D30042020.ZIP"


@pytest.fixture
def refused(hook_to):
    """The error of a download from a host."""

    def run(url: str, **extra) -> SourceError:
        with pytest.raises(SourceError) as error:
            hook_to(url, attempts=1, **extra).download_quotes(NAME, io.BytesIO())
        return error.value

    return run


@pytest.mark.parametrize("proxy", ["http://", "http://ana:s3cret@:x", "foo:bar:baz", "gopher://127.0.0.1:70"])
def test_a_bad_proxy_url_is_told_with_the_address(refused, monkeypatch, proxy):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")

    error = refused("http://b3.example")

    assert error.source == f"http://b3.example/InstDados/SerHist/{NAME}"
    assert not isinstance(error, TransientError)
    assert "HTTPS_PROXY" in error.hint
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("by", ["extra", "REQUESTS_CA_BUNDLE"])
def test_a_missing_ca_bundle_is_told_with_its_path(refused, monkeypatch, by):
    url, path = "https://127.0.0.1:9", "/nowhere/bundle.pem"
    if by == "extra":
        error = refused(url, ca_bundle=path)
    else:
        monkeypatch.setenv(by, path)
        error = refused(url)

    assert not isinstance(error, TransientError)
    assert error.expected == "a CA bundle: a PEM file of certificates"
    assert path in error.found
    assert "ca_bundle" in error.hint


def test_a_ca_bundle_without_a_certificate_is_told(exchange, refused, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")

    error = refused(exchange.url.replace("http:", "https:"), ca_bundle=str(tmp_path / "empty.pem"))

    assert error.expected == "a CA bundle: a PEM file of certificates"


@pytest.mark.parametrize("host", ["http://b3..example", "http://b3 .example", "http://" + "a" * 70 + ".example"])
def test_a_host_that_is_no_name_is_told(refused, host):
    assert refused(host).source.startswith(host)


def test_529_may_pass(exchange, hook_to, waits):
    exchange.will(Answer(529), Answer(body=b"PK"))

    hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

    assert len(waits) == 1


class TestTheFirewall:
    @pytest.mark.parametrize("answer", [Answer(403, b"<html>Access denied"), Answer(fault="reset")])
    def test_is_named_where_it_is_likely(self, exchange, refused, answer):
        exchange.will(answer)

        assert "firewall" in refused(exchange.url).hint

    def test_is_named_after_a_failure_of_tls(self, refused):
        plain = Exchange()
        try:
            assert "firewall" in refused(plain.url.replace("http:", "https:")).hint
        finally:
            plain.close()

    @pytest.mark.parametrize("status", [400, 401, 404, 405, 410, 451, 503])
    def test_is_not_named_for_other_statuses(self, exchange, refused, status):
        exchange.will(Answer(status))

        assert "firewall" not in str(refused(exchange.url))

    def test_is_not_named_where_the_name_is_unknown_or_nobody_listens(self, refused):
        unknown = refused("http://b3.invalid")
        assert unknown.hint == "See whether this machine resolves the host's name, and run the task again."

        gone = Exchange()
        gone.close()
        assert "firewall" not in str(refused(gone.url))

    def test_is_not_named_where_the_certificate_is_unknown(self, refused, tmp_path):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self_signed(tmp_path))
        secure = Exchange(context)
        try:
            assert "firewall" not in str(refused(secure.url))
        finally:
            secure.close()
