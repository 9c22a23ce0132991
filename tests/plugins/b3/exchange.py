"""B3's web server as it can be: each request takes the next of the answers prepared for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Answer:
    """An answer as sent. A header of several values is sent several times; one of None is not sent.

    `fault` is "reset" (no answer, the connection is reset), "silence" (nothing comes), "trickle" (a body without end, a
    byte every 50 ms) or "trickling headers" (the same of headers).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str | tuple[str, ...] | None] = field(default_factory=dict)
    fault: str = ""


@dataclass
class Request:
    """A request as received."""

    method: str
    path: str
    headers: dict[str, str]


class Exchange:
    """A server on 127.0.0.1 whose last prepared answer is given again and again."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque([Answer(404)])
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def will(self, *answers: Answer) -> None:
        """Prepare the answers to come."""
        self.answers = deque(answers)

    def answer(self, path: str) -> Answer:
        """The answer to the next request."""
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                exchange.requests.append(Request(self.command, self.path, dict(self.headers)))
                answer = exchange.answer(self.path)
                self.close_connection = True
                if answer.fault == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                if answer.fault == "silence":
                    exchange._closing.wait(30)
                    return
                if answer.fault == "trickling headers":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                    self._trickle()
                    return
                self.send_response(answer.status)
                # Said, so that no client sends its next request over a connection that is being closed.
                self.send_header("Connection", "close")
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    for each in (value,) if isinstance(value, str) else value or ():
                        self.send_header(name, each)
                self.end_headers()
                self.wfile.write(answer.body)
                if answer.fault == "trickle":
                    self._trickle()

            def _trickle(self) -> None:
                with contextlib.suppress(OSError):
                    while not exchange._closing.wait(0.05):
                        self.wfile.write(b"x")
                        self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def self_signed(folder: Path) -> tuple[Path, Path]:
    """PEM files of a certificate for 127.0.0.1 that no authority signed, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, key_file = folder / "certificate.pem", folder / "key.pem"
    bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return bundle, key_file
