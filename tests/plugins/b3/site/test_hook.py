import base64
import datetime as dt
import email.utils
import gzip
import hashlib
import io
import json
import ssl
import subprocess
import sys

import pytest
from airflow.sdk import Connection

from b3.errors import NotB3Data, NotPublished, NotServed, SourceError, TransientError
from b3.site.addresses import HOLIDAYS_PATH, INDEX_METHODS, LISTED_HOST, QUOTES_HOST, SITE_HOST
from b3.site.hook import USER_AGENT, B3Hook
from local.exchange import server
from local.exchange.simulation import Simulation
from tests.places import PLUGINS
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

NAME = "COTAHIST_D30042020.ZIP"
BODY = b"PK\3\4" + bytes(range(256)) * 1200  # more than the hook takes at a time
FILE = Answer(body=BODY)


def configured(**fields) -> B3Hook:
    hook = B3Hook(connection=Connection(conn_id="b3_default", conn_type="http", **fields))
    hook.get_conn()
    return hook


def query_of(path: str) -> str:
    return base64.b64decode(path.rpartition("/")[2], validate=True).decode()


class TestAnAnswer:
    def test_is_asked_for_once_at_b3s_path_under_a_browser_like_name(self, exchange, hook_to):
        exchange.will(FILE)

        hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        (request,) = exchange.requests
        assert (request.method, request.path) == ("GET", f"/InstDados/SerHist/{NAME}")
        assert request.headers["User-Agent"] == USER_AGENT
        assert USER_AGENT.startswith("Mozilla/5.0")

    def test_is_written_as_sent_and_described(self, exchange, hook_to):
        exchange.will(FILE)
        sink = io.BytesIO()
        before = dt.datetime.now(dt.UTC)

        download = hook_to(exchange.url, source="replay").download_quotes(NAME, sink)

        assert sink.tell() == 0
        assert sink.read() == BODY
        assert download.url == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert download.sha256 == hashlib.sha256(BODY).hexdigest()
        assert download.size == len(BODY)
        assert before <= download.fetched_at <= dt.datetime.now(dt.UTC)
        assert download.source == "replay"

    def test_takes_the_place_of_what_the_sink_held(self, exchange, hook_to):
        exchange.will(Answer(body=b"PK"))
        sink = io.BytesIO(b"of an earlier download")

        hook_to(exchange.url).download_quotes(NAME, sink)

        assert sink.getvalue() == b"PK"

    def test_that_the_server_compressed_on_the_way_is_the_file_within(self, exchange, hook_to):
        exchange.will(Answer(body=gzip.compress(BODY), headers={"Content-Encoding": "gzip"}))
        sink = io.BytesIO()

        hook_to(exchange.url).download_quotes(NAME, sink)

        assert sink.getvalue() == BODY

    def test_goes_under_the_user_agent_of_the_connection(self, exchange, hook_to):
        exchange.will(FILE)

        hook_to(exchange.url, user_agent="market-data/1").download_quotes(NAME, io.BytesIO())

        assert exchange.requests[0].headers["User-Agent"] == "market-data/1"


class TestTheBeginningOfAFile:
    def test_is_its_first_bytes_without_waiting_for_the_rest(self, exchange, hook_to):
        exchange.will(Answer(body=BODY, headers={"Content-Length": "90000000"}))

        assert hook_to(exchange.url, timeout=60, attempts=1).begin_quotes(NAME, 1000) == (BODY[:1000], False)

        assert [request.path for request in exchange.requests] == [f"/InstDados/SerHist/{NAME}"]

    @pytest.mark.parametrize(("size", "whole"), [(len(BODY), True), (len(BODY) - 1, False)])
    def test_of_a_small_file_is_all_of_it(self, exchange, hook_to, size, whole):
        exchange.will(FILE)

        assert hook_to(exchange.url).begin_quotes(NAME, size) == (BODY[:size], whole)

    def test_is_asked_for_again_where_the_fault_may_pass(self, exchange, hook_to, waits):
        cut = Answer(body=BODY[:-7], headers={"Content-Length": str(len(BODY))})
        exchange.will(Answer(503), cut, FILE)

        assert hook_to(exchange.url).begin_quotes(NAME, len(BODY)) == (BODY, True)

        assert len(exchange.requests) == 3

    @pytest.mark.parametrize(
        ("answer", "kind"), [(Answer(404), NotServed), (Answer(200), NotPublished), (Answer(403), SourceError)]
    )
    def test_is_refused_as_the_file_would_be(self, exchange, hook_to, answer, kind):
        exchange.will(answer)

        with pytest.raises(kind):
            hook_to(exchange.url).begin_quotes(NAME)


class TestAFaultThatMayPass:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 527])
    def test_a_failing_status_is_asked_again(self, exchange, hook_to, waits, status):
        exchange.will(Answer(status, b"<html>try later</html>"), FILE)
        sink = io.BytesIO()

        hook_to(exchange.url).download_quotes(NAME, sink)

        assert len(exchange.requests) == 2
        assert sink.getvalue() == BODY

    @pytest.mark.parametrize(
        "fault",
        [
            Answer(fault="reset"),
            Answer(fault="silence"),
            Answer(body=BODY[:-7], headers={"Content-Length": str(len(BODY))}),
            Answer(body=gzip.compress(BODY)[100:], headers={"Content-Encoding": "gzip"}),
        ],
        ids=["connection reset", "timeout", "short body", "damaged compression"],
    )
    def test_a_broken_answer_is_asked_again_and_leaves_nothing_of_itself(self, exchange, hook_to, waits, fault):
        exchange.will(fault, fault, FILE)
        sink = io.BytesIO()

        hook_to(exchange.url, timeout=0.3).download_quotes(NAME, sink)

        assert len(exchange.requests) == 3
        assert sink.getvalue() == BODY

    def test_the_waits_grow(self, exchange, hook_to, waits):
        exchange.will(*[Answer(503)] * 4, FILE)

        hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert [int(wait) for wait in waits] == pytest.approx([1, 2, 4, 8], abs=1)

    def test_ends_after_so_many_tries_with_what_was_expected_and_found(self, exchange, hook_to, waits):
        exchange.will(Answer(520))

        with pytest.raises(
            TransientError, match=r"expected status 200; found status 520\b.*run the task again"
        ) as error:
            hook_to(exchange.url, attempts=3).download_quotes(NAME, io.BytesIO())

        assert error.value.source == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert len(exchange.requests) == 3
        assert len(waits) == 2

    def test_five_tries_by_default(self, exchange, hook_to, waits):
        exchange.will(Answer(500))

        with pytest.raises(TransientError):
            hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert len(exchange.requests) == 5

    def test_a_short_body_at_every_try_names_both_lengths(self, exchange, hook_to, waits):
        exchange.will(Answer(body=b"PK", headers={"Content-Length": "1000"}))

        with pytest.raises(TransientError, match=r"expected a whole answer; found .*2 bytes read, 998 more expected"):
            hook_to(exchange.url, attempts=2).download_quotes(NAME, io.BytesIO())

    def test_a_server_that_is_not_there_is_named(self, hook_to, waits):
        gone = Exchange()
        gone.close()

        with pytest.raises(TransientError, match=rf"{gone.url}.*expected a whole answer; found ConnectionError"):
            hook_to(gone.url, attempts=2).download_quotes(NAME, io.BytesIO())


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_seconds_are_waited(self, exchange, hook_to, waits, status):
        exchange.will(Answer(status, headers={"Retry-After": "17"}), FILE)

        hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert waits == [17]

    @pytest.mark.parametrize("zone", ["GMT", "-0000"])
    def test_a_date_is_waited_for(self, exchange, hook_to, waits, zone):
        at = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90))
        exchange.will(Answer(503, headers={"Retry-After": at.replace("+0000", zone)}), FILE)

        hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert waits == [pytest.approx(90, abs=5)]

    @pytest.mark.parametrize(
        ("asked", "longest"),
        [("86400", 300), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", 3), ("²", 3), ("-5", 3)],
        ids=["longer than five minutes", "past", "words", "odd digit", "negative"],
    )
    def test_is_bounded_and_nonsense_is_ignored(self, exchange, hook_to, waits, asked, longest):
        exchange.will(Answer(503, headers={"Retry-After": asked}), FILE)

        hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert len(waits) == 1
        assert waits[0] <= longest


class TestAFaultThatWillNotPass:
    def test_404_is_not_served_and_not_asked_again(self, exchange, hook_to, waits):
        exchange.will(Answer(404, b"<html>not found</html>"))

        with pytest.raises(NotServed, match=r"expected status 200; found status 404"):
            hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert len(exchange.requests) == 1
        assert waits == []

    def test_an_empty_200_is_not_published(self, exchange, hook_to):
        exchange.will(Answer(200, b""))

        with pytest.raises(NotPublished, match=r"expected a ZIP file; found status 200 and not one byte") as error:
            hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert not isinstance(error.value, NotServed)
        assert len(exchange.requests) == 1

    def test_403_says_what_to_look_at(self, exchange, hook_to):
        exchange.will(Answer(403))

        with pytest.raises(SourceError, match=r"found status 403.*user_agent") as error:
            hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert type(error.value) is SourceError
        assert len(exchange.requests) == 1


class TestAPageOfAnIndex:
    PAGE = '{"page":{},"header":{},"results":[{"segment":"Saúde"}]}'.encode()

    @pytest.mark.parametrize(
        ("method", "query"),
        [
            ("GetPortfolioDay", '{"language":"pt-br","pageNumber":2,"pageSize":120,"index":"SMLL","segment":"2"}'),
            ("GetTheoricalPortfolio", '{"pageNumber":2,"pageSize":120,"language":"pt-br","index":"SMLL"}'),
            ("GetQuartelyPreview", '{"pageNumber":2,"pageSize":120,"language":"pt-br","index":"SMLL"}'),
        ],
    )
    def test_is_asked_for_as_b3s_own_pages_ask(self, exchange, hook_to, method, query):
        exchange.will(Answer(body=self.PAGE))

        hook_to(exchange.url).download_index(method, index="SMLL", page=2)

        (request,) = exchange.requests
        assert request.path.rpartition("/")[0] == f"/indexProxy/indexCall/{method}"
        assert query_of(request.path) == query
        assert request.headers["User-Agent"] == USER_AGENT

    def test_is_the_first_unless_said_otherwise(self, exchange, hook_to):
        exchange.will(Answer(body=self.PAGE))

        hook_to(exchange.url).download_index("GetTheoricalPortfolio", index="IBOV")

        assert exchange.requests[0].path == (
            "/indexProxy/indexCall/GetTheoricalPortfolio/"
            "eyJwYWdlTnVtYmVyIjoxLCJwYWdlU2l6ZSI6MTIwLCJsYW5ndWFnZSI6InB0LWJyIiwiaW5kZXgiOiJJQk9WIn0="
        )

    def test_is_given_as_sent_and_described(self, exchange, hook_to):
        exchange.will(Answer(body=gzip.compress(self.PAGE), headers={"Content-Encoding": "gzip"}))

        body, download = hook_to(exchange.url, source="replay").download_index("GetPortfolioDay", index="IBOV")

        assert body == self.PAGE
        assert download.url == exchange.url + exchange.requests[0].path
        assert download.sha256 == hashlib.sha256(self.PAGE).hexdigest()
        assert (download.size, download.source) == (len(self.PAGE), "replay")

    def test_comes_from_the_host_of_its_own(self, exchange, hook_to):
        exchange.will(Answer(body=self.PAGE))

        hook_to("http://127.0.0.1:9", listed_host=exchange.url).download_index("GetPortfolioDay", index="IBOV")

        assert len(exchange.requests) == 1

    @pytest.mark.parametrize("fault", [Answer(520), Answer(503), Answer(fault="reset")])
    def test_is_asked_for_again_after_a_fault_that_may_pass(self, exchange, hook_to, waits, fault):
        exchange.will(fault, fault, Answer(body=self.PAGE))

        body, _ = hook_to(exchange.url).download_index("GetPortfolioDay", index="IBOV")

        assert body == self.PAGE
        assert len(waits) == 2

    def test_of_a_server_that_stays_at_520_says_so(self, exchange, hook_to, waits):
        exchange.will(Answer(520, b"<html><title>520</title></html>"))

        with pytest.raises(TransientError, match=r"expected status 200; found status 520\b"):
            hook_to(exchange.url, attempts=2).download_index("GetPortfolioDay", index="IBOV")

    def test_without_a_byte_is_of_an_unknown_index(self, exchange, hook_to):
        exchange.will(Answer())

        with pytest.raises(
            NotPublished, match=r"expected a page of JSON; found status 200 and not one byte.*index's code"
        ):
            hook_to(exchange.url).download_index("GetPortfolioDay", index="IBOVESPA")

    def test_that_is_not_there_does_not_speak_of_sessions(self, exchange, hook_to):
        exchange.will(Answer(404))

        with pytest.raises(NotServed, match=r"found status 404.*see whether it moved its index pages"):
            hook_to(exchange.url).download_index("GetPortfolioDay", index="IBOV")

    def test_that_does_not_end_is_left_at_its_bound(self, exchange, hook_to, waits):
        exchange.will(Answer(body=bytes((4 << 20) + 1)))

        with pytest.raises(NotB3Data, match=r"expected a page of JSON of at most 4194304 bytes; found more"):
            hook_to(exchange.url).download_index("GetPortfolioDay", index="IBOV")

        assert waits == []

    def test_of_a_method_b3_does_not_have_is_not_asked_for(self, exchange, hook_to):
        with pytest.raises(ValueError, match=r"'GetQuarterlyPreview' is none of .*GetQuartelyPreview"):
            hook_to(exchange.url).download_index("GetQuarterlyPreview", index="IBOV")

        assert exchange.requests == []

    def test_has_a_method_for_each_endpoint_of_the_lake(self, exchange, hook_to):
        exchange.will(Answer(body=self.PAGE))
        for method in INDEX_METHODS.values():
            assert hook_to(exchange.url).download_index(method, index="IBOV")[0] == self.PAGE


class TestTheSectorWorkbook:
    def test_is_asked_for_in_portuguese_and_given_as_sent(self, exchange, hook_to):
        exchange.will(Answer(body=BODY))

        body, download = hook_to(exchange.url).download_sector_workbook()

        path = exchange.requests[0].path
        assert path.rpartition("/")[0] == "/listedCompaniesProxy/CompanyCall/GetDownloadIndustryClassification"
        assert query_of(path) == '{"language":"pt-br"}'
        assert body == BODY
        assert download.url == exchange.url + path

    def test_without_a_byte_is_not_published(self, exchange, hook_to):
        exchange.will(Answer())

        with pytest.raises(NotPublished, match="expected an xlsx workbook; found status 200 and not one byte"):
            hook_to(exchange.url).download_sector_workbook()


class TestThePageOfTradingHolidays:
    def test_is_asked_for_at_b3s_path_and_given_as_sent(self, exchange, hook_to):
        exchange.will(Answer(body=BODY))

        body, download = hook_to(exchange.url, source="replay").download_holidays()

        (request,) = exchange.requests
        assert request.path == HOLIDAYS_PATH
        assert body == BODY
        assert (download.url, download.source) == (exchange.url + HOLIDAYS_PATH, "replay")

    def test_comes_from_the_host_of_its_own(self, exchange, hook_to):
        exchange.will(Answer(body=BODY))

        hook_to("http://127.0.0.1:9", site_host=exchange.url).download_holidays()

        assert len(exchange.requests) == 1

    def test_is_served_by_the_simulated_exchange(self):
        paths = [pattern for pattern, _ in server.routes(Simulation(lambda: dt.date(2026, 1, 1)))]

        assert sum(bool(pattern.fullmatch(HOLIDAYS_PATH)) for pattern in paths) == 1

    @pytest.mark.parametrize(
        ("answer", "kind", "message"),
        [
            (Answer(), NotPublished, "expected a web page; found status 200 and not one byte"),
            (Answer(404), NotServed, "see whether it moved its page of trading holidays"),
        ],
    )
    def test_that_is_not_there_says_so(self, exchange, hook_to, answer, kind, message):
        exchange.will(answer)

        with pytest.raises(kind, match=message):
            hook_to(exchange.url).download_holidays()


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path):
        return self_signed(tmp_path)

    @pytest.fixture
    def exchange(self, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server = Exchange(context)
        server.will(FILE)
        yield server
        server.close()

    def test_an_unknown_certificate_is_refused_at_once(self, exchange, hook_to, waits):
        with pytest.raises(SourceError, match=r"expected a certificate chain that verifies.*ca_bundle") as error:
            hook_to(exchange.url).download_quotes(NAME, io.BytesIO())

        assert not isinstance(error.value, TransientError)
        assert exchange.requests == []
        assert waits == []

    @pytest.mark.parametrize("variable", ["", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_the_bundle_of_the_connection_is_trusted_whatever_the_environment_says(
        self, exchange, hook_to, certificate, monkeypatch, variable
    ):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        if variable:
            monkeypatch.setenv(variable, ssl.get_default_verify_paths().openssl_cafile)
        sink = io.BytesIO()

        hook_to(exchange.url, ca_bundle=str(certificate[0])).download_quotes(NAME, sink)

        assert sink.getvalue() == BODY

    def test_a_handshake_that_breaks_off_is_a_fault_that_may_pass(self, hook_to, waits):
        """The listener answers the greeting of TLS in plain HTTP, as a gateway in trouble does."""
        plain = Exchange()
        try:
            with pytest.raises(TransientError, match="SSLError"):
                hook_to(plain.url.replace("http:", "https:"), attempts=2).download_quotes(NAME, io.BytesIO())
        finally:
            plain.close()
        assert len(waits) == 1


class TestTheConnection:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"host": "https://b3.example"}, "https://b3.example"),
            ({"host": "https://b3.example/"}, "https://b3.example"),
            ({"host": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
            ({"host": "b3.example"}, "https://b3.example"),
            ({"host": "127.0.0.1", "port": 8000, "schema": "http"}, "http://127.0.0.1:8000"),
            ({"host": "https://b3.example", "port": 8443}, "https://b3.example:8443"),
            ({"host": ""}, QUOTES_HOST),
            ({}, QUOTES_HOST),
        ],
    )
    def test_names_the_host_in_each_form_airflow_knows(self, fields, expected):
        assert configured(**fields).base_url == expected

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"host": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
            ({"host": "127.0.0.1", "port": 8000, "schema": "http"}, "http://127.0.0.1:8000"),
            ({"host": "http://127.0.0.1", "extra": '{"listed_host": "https://l.example/"}'}, "https://l.example"),
            ({"extra": '{"listed_host": "https://l.example"}'}, "https://l.example"),
            ({}, LISTED_HOST),
        ],
    )
    def test_names_the_host_of_indexes_and_companies_too(self, fields, expected):
        assert configured(**fields).listed_url == expected

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"host": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
            ({"host": "http://127.0.0.1", "extra": '{"site_host": "https://s.example/"}'}, "https://s.example"),
            ({"extra": '{"listed_host": "https://l.example"}'}, SITE_HOST),
            ({}, SITE_HOST),
        ],
    )
    def test_names_the_host_of_the_web_site_too(self, fields, expected):
        assert configured(**fields).site_url == expected

    def test_is_found_by_its_id(self, monkeypatch):
        monkeypatch.setenv(
            "AIRFLOW_CONN_B3_MIRROR",
            json.dumps({"conn_type": "http", "host": "https://mirror.example", "extra": {"source": "mirror"}}),
        )
        hook = B3Hook("b3_mirror")

        hook.get_conn()

        assert hook.base_url == "https://mirror.example"
        assert hook.source == "mirror"

    def test_that_does_not_exist_means_b3_itself(self):
        hook = B3Hook()

        hook.get_conn()

        assert hook.base_url == "https://bvmf.bmfbovespa.com.br"
        assert hook.listed_url == "https://sistemaswebb3-listados.b3.com.br"
        assert hook.site_url == "https://www.b3.com.br"
        assert (hook.source, hook.timeout, hook.attempts, hook.verify) == ("b3", 30, 5, True)

    def test_is_configured_once(self, hook_to):
        hook = hook_to("http://127.0.0.1")

        assert hook.get_conn() is hook.get_conn()


WITHOUT_AIRFLOW = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
from types import SimpleNamespace
import b3.airflow.run_dates, b3.settings, b3.lake.layout, b3.calendar.sessions, b3.errors
loaded = {"pandas", "numpy", "pyarrow", "requests", "exchange_calendars"} & set(sys.modules)
assert not loaded, loaded
import b3.quotes.cotahist, b3.quotes.land, b3.quotes.raw, b3.site.hook, b3.sectors.workbook
import b3.indexes.land, b3.indexes.portfolio, b3.indexes.raw
assert not {"pandas", "bs4"} & set(sys.modules)
import b3.calendar.holidays
assert "pandas" not in sys.modules
given = SimpleNamespace(host="http://127.0.0.1:9", schema="", port=None, extra_dejson={"source": "elsewhere"})
for hook in b3.site.hook.B3Hook(connection=given), b3.site.hook.B3Hook():
    hook.get_conn()
    print(hook.base_url, hook.source)
"""


def test_the_package_works_without_airflow_and_loads_pandas_only_for_the_calendar(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_AIRFLOW, str(PLUGINS)], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["http://127.0.0.1:9 elsewhere", f"{QUOTES_HOST} b3"]
