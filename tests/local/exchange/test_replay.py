"""A folder of files, served as they are."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from email.utils import parsedate_to_datetime

import pytest

from local.exchange.replay import Replay

SERIES = "/InstDados/SerHist/"
MODIFIED = dt.datetime(2021, 1, 16, 1, 30, tzinfo=dt.UTC)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "recorded"
    folder.mkdir()
    return folder


@pytest.fixture
def request_to(folder, serving):
    with serving(Replay(folder)) as request:
        yield request


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (MODIFIED.timestamp(), MODIFIED.timestamp()))
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"PK\x03\x04" + bytes(range(256)) * 4000, id="large file"),
        pytest.param(b"PK\x03\x04 cut sh", id="truncated ZIP"),
        pytest.param(b"", id="no bytes"),
        pytest.param(b"<html>Servi\xe7o indispon\xedvel</html>", id="HTML page"),
    ],
)
@pytest.mark.parametrize("name", ["COTAHIST_D15012021.ZIP", "COTAHIST_M012021.ZIP", "COTAHIST_A2021.ZIP"])
def test_a_file_is_served_byte_for_byte_whatever_it_holds(name, content, folder, request_to):
    put(folder, name, content)
    status, headers, body = request_to(SERIES + name)
    assert (status, body) == (200, content)
    assert headers["Content-Length"] == str(len(content))
    assert parsedate_to_datetime(headers["Last-Modified"]) == MODIFIED
    assert headers["ETag"]
    assert "X-B3-Source" not in headers


def test_an_html_page_in_place_of_a_zip_says_so(folder, request_to):
    put(folder, "COTAHIST_D15012021.ZIP", b"<html></html>")
    assert request_to(SERIES + "COTAHIST_D15012021.ZIP")[1]["Content-Type"].startswith("text/html")


def test_head_has_the_headers_of_get_and_no_body(folder, request_to):
    put(folder, "COTAHIST_D15012021.ZIP", b"PK content")
    status, headers, body = request_to(SERIES + "COTAHIST_D15012021.ZIP", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "10", b"")


def test_the_etag_follows_the_file_and_spares_a_second_download(folder, request_to):
    path = SERIES + put(folder, "COTAHIST_D15012021.ZIP", b"PK one").name
    etag = request_to(path)[1]["ETag"]
    assert request_to(path, **{"If-None-Match": etag})[0] == 304
    put(folder, "COTAHIST_D15012021.ZIP", b"PK another")
    assert request_to(path, **{"If-None-Match": etag})[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        SERIES + "COTAHIST_D15012021.ZIP",
        SERIES + "COTAHIST_D15012021.zip",
        SERIES + "cotahist_D14012021.ZIP",
        SERIES,
        "/",
        "/indexProxy/indexCall/GetPortfolioDay/e30=",
    ],
)
def test_what_is_not_there_is_a_404_with_a_page(path, folder, request_to):
    put(folder, "COTAHIST_D14012021.ZIP", b"PK")
    put(folder, "COTAHIST_D15012021.zip", b"PK")
    status, headers, body = request_to(path)
    assert status == 404
    assert headers["Content-Type"].startswith("text/html")
    assert b"<html>" in body


@pytest.mark.parametrize(
    "name",
    [
        "../COTAHIST_D15012021.ZIP",
        "%2e%2e%2fCOTAHIST_D15012021.ZIP",
        "..%5cCOTAHIST_D15012021.ZIP",
        "%2fetc%2fpasswd",
        "COTAHIST_D15012021.ZIP%00",
        "notes.txt",
    ],
)
def test_nothing_outside_the_folder_or_under_another_name_is_served(name, folder, tmp_path, request_to):
    put(tmp_path, "COTAHIST_D15012021.ZIP", b"outside")
    put(folder, "notes.txt", b"not B3's")
    status, _, body = request_to(SERIES + name)
    assert status == 404
    assert b"outside" not in body


def test_links_that_lead_out_of_the_folder_are_refused(folder, tmp_path, request_to):
    outside = put(tmp_path, "elsewhere.ZIP", b"outside")
    (folder / "COTAHIST_D15012021.ZIP").symlink_to(outside)
    assert request_to(SERIES + "COTAHIST_D15012021.ZIP")[0] == 404


def test_links_within_the_folder_are_followed(folder, request_to):
    put(folder, "COTAHIST_D14012021.ZIP", b"inside")
    (folder / "COTAHIST_D15012021.ZIP").symlink_to("COTAHIST_D14012021.ZIP")
    assert request_to(SERIES + "COTAHIST_D15012021.ZIP")[2] == b"inside"


def index_call(method, **parameters):
    encoded = base64.b64encode(json.dumps(parameters).encode()).decode()
    return f"/indexProxy/indexCall/{method}/{encoded}"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("GetPortfolioDay.IBOV.json", index_call("GetPortfolioDay", index="IBOV", pageNumber=1, segment="2")),
        ("GetPortfolioDay.IBOV.page2.json", index_call("GetPortfolioDay", index="IBOV", pageNumber=2)),
        ("GetStockIndex.json", index_call("GetStockIndex", pageNumber=1, pageSize=9999)),
        (
            "GetDownloadIndustryClassification.xlsx",
            "/listedCompaniesProxy/CompanyCall/GetDownloadIndustryClassification/eyJsYW5ndWFnZSI6InB0LWJyIn0=",
        ),
        (
            "feriados.html",
            "/pt_br/solucoes/plataformas/puma-trading-system/para-participantes-e-traders/"
            "calendario-de-negociacao/feriados/",
        ),
    ],
)
@pytest.mark.parametrize("content", [b'{"page":{}}', b"", b"<html>blocked</html>"])
def test_the_other_answers_are_files_too(name, path, content, folder, request_to):
    assert request_to(path)[0] == 404
    put(folder, name, content)
    status, headers, body = request_to(path)
    assert (status, body) == (200, content)
    assert headers["Content-Type"].startswith("text/html") == (content.startswith(b"<") or name == "feriados.html")


@pytest.mark.parametrize("index", ["../IBOV", "..", "a/b", {"a": 1}, "IBOV\u0000"])
def test_parameters_do_not_lead_out_of_the_folder(index, folder, tmp_path, request_to):
    put(tmp_path, "IBOV.json", b"outside")
    put(folder, "GetPortfolioDay.IBOV.json", b"inside")
    assert request_to(index_call("GetPortfolioDay", index=index, pageNumber=1))[0] == 404
