import time

import pytest

from b3.errors import NotB3Data
from b3.site import webpage


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"<!DOCTYPE html><html><head><title>\n 520:  Web\n server </title><h1>Other</h1>", "520: Web server"),
        (b"\r\n <html><h1>Access  <b>Denied</b></h1><p>by the firewall</p></html>", "Access Denied"),
        (b"<p>Request blocked.</p>", "Request blocked."),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (b"<html><title>" + b"a" * 500 + b"</title>", "a" * 80 + "…"),
        (b"\xef\xbb\xbf<html>", ""),
        ("<title>Manutenção</title>".encode(), "Manutenção"),
        ("<title>Manutenção</title>".encode("latin-1"), "Manutenção"),
        ("<title>Manutenção</title><p>cut within a letter: ã".encode()[:-1], "Manutenção"),
        (b"<title>T</title>" + b"<p>x</p>" * 100_000, "T"),
        (b"<html><![a& no parser  takes", "<![a& no parser takes"),
        (b"<html><!-- <title>No</title> --><TITLE lang=pt>A &amp; B<br>&ccedil;</TITLE>", "A & B \u00e7"),
        (b"<html><script>if (a < b) x()</script><style>p {}</style><p>Blocked", "Blocked"),
        (b"<html>&#" + b"9" * 60_000, "\ufffd"),
    ],
    ids=[
        "title", "heading", "text", "xml", "a long title", "nothing", "utf-8", "latin-1", "cut", "long",
        "markup that breaks the parser", "comment and entities", "script", "a number without end",
    ],
)  # fmt: skip
def test_a_web_page_is_said_by_its_title_or_the_first_that_it_says(body, title):
    assert webpage.found(body) == f'a web page, "{title}"'
    with pytest.raises(NotB3Data) as error:
        webpage.refuse(body, source="https://b3.example/", expected="a page of JSON")
    assert str(error.value).startswith(f'https://b3.example/: expected a page of JSON; found a web page, "{title}". B3')


@pytest.mark.parametrize(
    "piece",
    [
        b"<a ",
        b"<",
        b"<!",
        b"<!--",
        b"<!-",
        b"<title",
        b"<title>",
        b"<h1 ",
        b"<script>",
        b"<style <script ",
        b"</",
        b"&#9",
    ],
)
def test_no_markup_takes_long(piece):
    body = (b"<p>" + piece * (1 << 16))[: 1 << 16]
    began = time.perf_counter()

    webpage.found(body)

    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("body", [b"", b" \n", b'{"a": "<html>"}', b"PK\3\4<", b"00COTAHIST"])
def test_anything_else_is_none(body):
    assert webpage.found(body) is None
    webpage.refuse(body, source="https://b3.example/", expected="anything")
