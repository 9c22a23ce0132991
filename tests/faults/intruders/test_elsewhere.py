"""Someone answers in B3's place, reads what is said, types a command, or asks the UI."""

import asyncio
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from b3.errors import SourceError
from b3.lake.layout import Lake
from b3.quotes import land
from local.lake import ui_server
from tests.faults.fault import Fault, Shown, shows, text_of
from tests.faults.quotes import DATE
from tests.places import ROOT
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

SECRET = "s3cret"
REFUSED = "The redirect is not followed: no other host is asked. Nothing lands."


@pytest.fixture
def other() -> Iterator[Exchange]:
    """A server that is none of the connection's hosts."""
    server = Exchange()
    server.will(Answer(body=b"PK"))
    yield server
    server.close()


@pytest.fixture
def refusal(hook_to: Any, s3: Any, lake: Lake) -> Callable[..., SourceError]:
    """Scrape from an address, and return the error."""

    def run(url: str, **extra: Any) -> SourceError:
        with pytest.raises(SourceError) as error:
            land.capture_quotes(hook_to(url, **{"attempts": 1, **extra}), s3, lake, DATE)
        return error.value

    return run


@shows(
    Fault("B3's answer leads to another port of the machine", "expected an answer, or a redirect within 127.0.0.1:…; "
          "found status 302, a redirect to http://127.0.0.1:…/a.zip?…", REFUSED, "{other}/a.zip?token=" + SECRET),
    Fault("B3's answer leads to the machine's credentials in the cloud", "found status 302, a redirect to http://"
          "169.254.169.254/latest/meta-data/", REFUSED, "http://169.254.169.254/latest/meta-data/"),
    Fault("B3's answer leads to a file of the machine", "found status 302, a redirect to file:///etc/passwd", REFUSED,
          "file:///etc/passwd"),
)  # fmt: skip
def test_a_redirect_elsewhere(fault: Shown, exchange: Exchange, other: Exchange, refusal: Any, objects: Any) -> None:
    exchange.will(Answer(302, headers={"Location": fault.given.format(other=other.url)}))

    error = refusal(exchange.url)

    fault.is_seen(error)
    fault.is_left((other.requests, objects(), SECRET in text_of(error)), ([], {}, False))


@shows(Fault("B3's answer leads from https to http", "over https; found status 302, a redirect to http://", REFUSED))
def test_a_redirect_without_tls(fault: Shown, other: Exchange, refusal: Any, objects: Any, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    secure = Exchange(context)
    secure.will(Answer(302, headers={"Location": f"{other.url}/a.zip"}))
    try:
        error = refusal(secure.url, site_host=other.url, ca_bundle=str(certificate[0]))
    finally:
        secure.close()

    fault.is_seen(error)
    fault.is_left((other.requests, objects()), ([], {}))


@shows(
    Fault("somebody reads the messages for a password of the connection", "expected status 200; found status 401",
          "The password is sent to its host alone. It is in no message, metadata or XCom."),
)  # fmt: skip
def test_a_password_is_in_no_message(fault: Shown, exchange: Exchange, refusal: Any, objects: Any, caplog: Any) -> None:
    caplog.set_level("DEBUG", "b3")
    exchange.will(Answer(401))

    error = refusal(exchange.url.replace("http://", f"http://ana:{SECRET}@"))

    fault.is_seen(error)
    sent = [request.headers.get("Authorization", "").startswith("Basic ") for request in exchange.requests]
    fault.is_left((sent, SECRET in text_of(error) + caplog.text, objects()), ([True], False, {}))


@shows(
    Fault("a server in B3's place asks for the user's own password", "expected status 200; found status 401",
          "~/.netrc is not read, and no password is sent."),
)  # fmt: skip
def test_netrc_is_not_sent(
    fault: Shown, exchange: Exchange, refusal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login bob password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    exchange.will(Answer(401, headers={"WWW-Authenticate": "Basic"}))

    fault.is_seen(refusal(exchange.url))

    fault.is_left([request.headers.get("Authorization") for request in exchange.requests], [None])


@shows(
    Fault("a date ends its string and runs a command", '"; touch ran; "', "The command gets the text as it was typed. "
          "Nothing is run.", "DATE=\"; touch ran; \""),
    Fault("a query runs a command of the shell", "$(touch ran)",
          "Athena gets the text as it was typed. Nothing is run.",
          "SQL=$(touch ran)"),
    Fault("a query runs a command of make", "$(shell touch ran)",
          "Athena gets the text as it was typed. Nothing is run.",
          "SQL=$(shell touch ran)"),
)  # fmt: skip
def test_what_is_typed_after_make(fault: Shown, tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    target = "run" if fault.given.startswith("DATE") else "query"
    command = ["make", "-C", str(tmp_path), "-f", str(ROOT / "Makefile"), "-o", "setup", target, fault.given]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)

    fault.is_seen(done.stdout)
    fault.is_left([path.name for path in tmp_path.iterdir()], [".venv"])


@shows(
    Fault("a page of another name asks the UI for a token", "Invalid host header", "Status 400; Airflow does not see "
          "the request, and gives no token."),
)  # fmt: skip
def test_the_ui_under_another_name(fault: Shown) -> None:
    reached: list[str] = []
    sent: list[dict[str, Any]] = []

    async def airflow(*_: Any) -> None:
        reached.append("airflow")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/auth/token",
        "query_string": b"",
        "headers": [(b"host", b"evil.example:8080")],
    }
    asyncio.run(ui_server.guarded(airflow)(scope, None, send))

    fault.is_seen(sent[1]["body"].decode())
    fault.is_left((sent[0]["status"], reached), (400, []))
