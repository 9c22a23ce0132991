"""The session's secrets: what it sends, and to whom."""

import base64
import io
import json
import logging
import traceback

import pytest
from airflow.sdk import Connection

from b3.errors import SourceError
from b3.lake.landed import keep
from b3.site.hook import B3Hook
from tests.plugins.b3.exchange import Answer, Exchange

NAME = "COTAHIST_D30042020.ZIP"
FILE = Answer(body=b"PK\3\4 a file")
SECRET = "s3cret"
BASIC = "Basic " + base64.b64encode(f"ana:{SECRET}".encode()).decode()


def with_password(url: str) -> str:
    return url.replace("http://", f"http://ana:{SECRET}@")


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login bob password of-netrc\n")
    monkeypatch.setenv("NETRC", str(file))


def authorization(exchange: Exchange) -> list[str | None]:
    return [request.headers.get("Authorization") for request in exchange.requests]


@pytest.mark.usefixtures("netrc")
def test_the_password_of_netrc_is_not_sent_not_even_after_a_redirect(exchange, hook_to):
    exchange.will(Answer(302, headers={"Location": "/a.zip"}), FILE)

    hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

    assert authorization(exchange) == [None, None]


@pytest.mark.usefixtures("netrc")
def test_the_password_of_the_host_is_sent_and_kept_nowhere(exchange, hook_to, s3, lake, caplog):
    caplog.set_level(logging.INFO)
    exchange.will(FILE)
    hook, sink = hook_to(with_password(exchange.url)), io.BytesIO()

    landed = keep(s3, lake, "landing/quotes/x", sink, hook.download_quotes(NAME, sink))

    assert authorization(exchange) == [BASIC]
    assert landed.url == f"{exchange.url}/InstDados/SerHist/{NAME}"
    kept = s3.head_object(Bucket=lake.bucket, Key="landing/quotes/x")["Metadata"]
    for text in (hook.base_url, hook.listed_url, hook.site_url, json.dumps(kept), caplog.text):
        assert SECRET not in text


def test_the_password_is_sent_to_its_host_alone(exchange, hook_to):
    other = Exchange()
    other.will(FILE)
    exchange.will(Answer(302, headers={"Location": f"{other.url}/a.zip"}))
    try:
        hook_to(with_password(exchange.url), site_host=other.url).download_quotes(NAME, io.BytesIO())
    finally:
        other.close()

    assert authorization(exchange) == [BASIC]
    assert authorization(other) == [None]


@pytest.mark.parametrize("answer", [Answer(404), Answer(403), Answer(302), Answer(fault="reset")])
def test_the_password_is_in_no_message(exchange, hook_to, answer):
    exchange.will(answer)

    with pytest.raises(SourceError) as error:
        hook_to(with_password(exchange.url), attempts=1).download_quotes(NAME, io.BytesIO())

    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_a_signed_query_is_in_no_message_of_a_failing_redirect(exchange, hook_to):
    gone = Exchange()
    gone.close()
    exchange.will(Answer(302, headers={"Location": f"{gone.url}/a.zip?sig={SECRET}"}))

    with pytest.raises(SourceError, match=r"Max retries exceeded with url: /a\.zip\?…") as error:
        hook_to(exchange.url, attempts=1, site_host=gone.url).download_quotes(NAME, io.BytesIO())

    # The cause is printed too, and its text has the query.
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_the_proxy_of_the_environment_is_used(exchange, monkeypatch):
    exchange.will(FILE)
    monkeypatch.setenv("HTTP_PROXY", exchange.url)
    monkeypatch.setenv("NO_PROXY", "")
    connection = Connection(conn_id="b3_default", conn_type="http", host="http://b3.example")

    B3Hook(connection=connection).download_quotes(NAME, io.BytesIO())

    assert [request.path for request in exchange.requests] == [f"http://b3.example/InstDados/SerHist/{NAME}"]
