import base64
import datetime as dt
import io
import json
import re
import ssl
import zipfile
from dataclasses import asdict, replace

import pytest

from b3.doctor import checkup
from b3.doctor.diagnosis import NO_ANSWER, WIDTH
from b3.site.hook import USER_AGENT
from tests.plugins.b3.exchange import Answer, Exchange, self_signed
from tests.plugins.b3.indexes import index_pages as pages
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record
from tests.plugins.b3.sectors import sector_workbook
from tests.plugins.b3.simulated import NIGHT, SpoiledExchange, healthy

DAY, MONTH, YEAR = "COTAHIST_D08012026.ZIP", "COTAHIST_M012026.ZIP", "COTAHIST_A2026.ZIP"
OF_DAY, THEORETICAL, PREVIEW = "GetPortfolioDay IBOV", "GetTheoricalPortfolio IBOV", "GetQuartelyPreview IBOV"
WORKBOOK, HOLIDAYS = "sector workbook", "page of trading holidays"
# Each address's subject, and a part of its path.
PARTS = {
    DAY: DAY, MONTH: MONTH, YEAR: YEAR, OF_DAY: "/GetPortfolioDay/", THEORETICAL: "/GetTheoricalPortfolio/",
    PREVIEW: "/GetQuartelyPreview/", WORKBOOK: "/GetDownloadIndustryClassification/",
    HOLIDAYS: "/calendario-de-negociacao/feriados/",
}  # fmt: skip
WEB_PAGE = Answer(200, b"<html><title>Request Rejected</title></html>", {"Content-Type": "text/html"})


@pytest.fixture
def b3():
    server = SpoiledExchange()
    yield server
    server.close()


@pytest.fixture
def examine(b3, hook_to):
    """The examination at ten to eleven in the evening, São Paulo."""

    def run(indexes=("IBOV",), now=NIGHT, **extra):
        return checkup.examine(hook_to(b3.url, **extra), indexes, now, pause=0)

    return run


def by_subject(diagnoses):
    return {each.subject: each for each in diagnoses}


def instead(answer):
    return lambda healthy: answer


def with_body(change):
    return lambda healthy: replace(healthy, body=change(healthy.body))


def with_json(change):
    def changed(body):
        document = json.loads(body)
        change(document)
        return json.dumps(document).encode()

    return with_body(changed)


def with_text(change):
    """Of the one member of a ZIP."""

    def changed(body):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            (member,) = archive.namelist()
            return build_zip(change(archive.read(member)), member)

    return with_body(changed)


def trailer_counting(difference):
    def changed(text):
        start = text.rindex(b"99COTAHIST") + 31
        return text[:start] + b"%011d" % (int(text[start : start + 11]) + difference) + text[start + 11 :]

    return with_text(changed)


def renamed(old, new):
    def change(document):
        for row in document["results"]:
            row[new] = row.pop(old)

    return with_json(change)


def each_row(**fields):
    return with_json(lambda document: [row.update(fields) for row in document["results"]])


def header(**fields):
    return with_json(lambda document: document["header"].update(fields))


def no_rows(document):
    document["page"] |= {"totalRecords": 0, "totalPages": 0}
    document["results"] = []


def workbook_without_codes():
    rows = [tuple(cell for cell in row if cell != "CÓDIGO") for row in sector_workbook.ROWS]
    return sector_workbook.make_workbook(rows)


class TestOnAHealthyExchange:
    def test_every_address_is_as_expected_and_says_what_it_holds(self, examine):
        found = by_subject(examine())

        assert list(found) == list(PARTS)
        assert [each.subject for each in found.values() if not each.as_expected] == []
        notes = {subject: each.note for subject, each in found.items()}
        assert notes[DAY].startswith("6,396 records of 2026-01-08; its trailer counts ")
        assert notes[MONTH] == notes[YEAR] == "generated 2026-01-08; its first 1,376 records are right"
        assert notes[OF_DAY] == "79 rows, for the session of 2026-01-08"
        assert notes[THEORETICAL] == notes[PREVIEW] == "79 rows"
        assert notes[WORKBOOK] == "278 companies"
        assert notes[HOLIDAYS] == "agrees with the calendar"

    def test_each_address_is_asked_once_under_the_hooks_name(self, examine, b3):
        found = examine()

        assert len(b3.requests) == len(found)
        assert set(b3.asked.values()) == {1}
        assert [each.url for each in found] == [b3.url + request.path for request in b3.requests]
        assert {request.headers["User-Agent"] for request in b3.requests} == {USER_AGENT}

    def test_requests_are_half_a_second_apart(self, b3, hook_to, monkeypatch):
        slept = []
        monkeypatch.setattr("b3.doctor.checkup.time.sleep", slept.append)

        checkup.examine(hook_to(b3.url), ("IBOV",), NIGHT)

        assert slept == [0.5] * (len(b3.requests) - 1)

    def test_before_files_are_published_those_of_the_session_before_are_asked_for(self, examine, b3):
        found = examine(now=dt.datetime(2026, 1, 9, 1, 44, tzinfo=dt.UTC))  # 22:44 in São Paulo

        assert found[0].subject == "COTAHIST_D07012026.ZIP"
        assert found[0].note.endswith("records of 2026-01-07; its trailer counts " + found[0].note.split()[-1])

    def test_portfolios_are_asked_for_by_index(self, examine):
        found = [each.subject for each in examine(indexes=("SMLL", "IBOV")) if each.subject.startswith("Get")]

        assert found == [
            f"{method} {index}"
            for index in ("SMLL", "IBOV")
            for method in ("GetPortfolioDay", "GetTheoricalPortfolio", "GetQuartelyPreview")
        ]

    def test_without_an_index_the_sectors_are_not_asked_for_either(self, examine):
        assert [each.subject for each in examine(indexes=())] == [DAY, MONTH, YEAR, HOLIDAYS]

    def test_a_preview_may_have_no_rows(self, examine, b3):
        b3.spoil(PARTS[PREVIEW], with_json(no_rows))

        assert by_subject(examine())[PREVIEW].verdict == "as expected: no rows: B3 has no preview now"

    @pytest.mark.parametrize("form", ["quotes", "lines"])
    def test_says_what_the_trailer_counts(self, examine, b3, form):
        one = build_file([record(DATPRE=dt.date(2026, 1, 8))], trailer_records={"quotes": 1, "lines": 3}[form])
        b3.spoil(DAY, instead(Answer(200, build_zip(one))))

        assert by_subject(examine())[DAY].note == f"1 records of 2026-01-08; its trailer counts {form}"

    def test_a_small_file_of_a_month_is_read_to_its_trailer(self, examine, b3):
        small = build_zip(build_file([record(DATPRE=dt.date(2026, 1, 2))] * 3))
        b3.spoil(MONTH, instead(Answer(200, small)))

        assert by_subject(examine())[MONTH].note == "generated 2020-04-30; its first 3 records are right"

    def test_of_a_portfolio_of_several_pages_each_is_asked_once(self, examine, b3, monkeypatch):
        documents = pages.documents(header=pages.day_header(date="08/01/26"), page_size=2)

        def answer(path):
            if PARTS[OF_DAY] not in path:
                return healthy(path)
            asked = json.loads(base64.b64decode(path.rpartition("/")[2]))
            return Answer(200, pages.as_bytes(documents[asked["pageNumber"] - 1]))

        monkeypatch.setattr(b3, "answer", answer)

        found = by_subject(examine())

        assert found[OF_DAY].note == "5 rows, for the session of 2026-01-08"
        assert sum(PARTS[OF_DAY] in path for path in b3.asked) == 3
        assert set(b3.asked.values()) == {1}


class TestAnyAddress:
    @pytest.mark.parametrize("subject", PARTS)
    @pytest.mark.parametrize(
        ("answer", "found", "times"),
        [
            (Answer(404), "status 404 Not Found", 1),
            (Answer(500), "status 500 Internal Server Error", 2),
            (Answer(403, b"<html>"), "status 403 Forbidden", 1),
            (Answer(200), "not one byte", 1),
            (WEB_PAGE, '"Request Rejected"', 2),
            (Answer(fault="reset"), "reset by peer", 2),
        ],
        ids=["404", "500", "403", "empty", "web page", "reset"],
    )
    def test_that_answers_otherwise_differs_and_no_other_does(self, examine, b3, subject, answer, found, times):
        b3.spoil(PARTS[subject], instead(answer))

        diagnoses = by_subject(examine())

        differing = [each for each in diagnoses.values() if not each.as_expected]
        assert [each.subject for each in differing] == [subject]
        (only,) = differing
        assert found in only.found
        assert only.expected
        assert only.advice.endswith(".")
        assert PARTS[subject] in only.url
        asked_again = {path for path, count in b3.asked.items() if count > 1}
        if subject == HOLIDAYS and answer is WEB_PAGE:
            times = 1  # it is a web page, of another layout
        assert asked_again == ({only.url.removeprefix(b3.url)} if times == 2 else set())
        assert max(b3.asked.values()) == times

    @pytest.mark.parametrize("subject", PARTS)
    def test_that_answers_at_the_second_asking_is_as_expected(self, examine, b3, subject):
        answers = iter([Answer(520)])
        b3.spoil(PARTS[subject], lambda healthy: next(answers, healthy))

        assert by_subject(examine())[subject].as_expected


CASES = [
    (DAY, "trailer counts too many", trailer_counting(+7), r"[\d,]+ records with header and trailer", r"^6,398"),
    (DAY, "trailer counts too few", trailer_counting(-7), r"[\d,]+ records with header and trailer", r"^6,398"),
    (DAY, "cut short", with_body(lambda body: body[:-2000]), "a ZIP with its central directory", "without one"),
    (
        DAY, "another session", lambda _: healthy("/InstDados/SerHist/COTAHIST_D07012026.ZIP"),
        "every record of trade date 2026-01-08", "2026-01-07 in record 2",
    ),
    (
        DAY, "no record", instead(Answer(200, build_zip(build_file([])))),
        "the quotes of 2026-01-08", "without one record",
    ),
    (
        DAY, "a wider record", with_text(lambda text: text.replace(b"\r\n", b" \r\n")),
        "245 bytes and the line end", "246 bytes",
    ),
    (
        MONTH, "another month", instead(Answer(200, build_zip(build_file([record(DATPRE=dt.date(2025, 12, 30))])))),
        "sessions from 2026-01-01 to 2026-01-31 alone", "2025-12-30 to 2025-12-30",
    ),
    (MONTH, "cut short", with_body(lambda body: body[:20_000]), "central directory", "20,000 bytes without one"),
    (MONTH, "damaged", with_body(lambda body: body[:100] + bytes(100) + body[200:]), "deflated member", "damaged"),
    (
        YEAR, "a wider record", with_text(lambda text: text.replace(b"\r\n", b" \r\n")),
        "245 bytes and the line end", "246 bytes",
    ),
    (YEAR, "encrypted", with_body(lambda body: body[:6] + b"\1" + body[7:]), "not encrypted", "method 8, encrypted"),
    (YEAR, "another text", with_text(lambda text: text[200:]), "00COTAHIST", "contents beginning"),
    (OF_DAY, "renamed field", renamed("cod", "codigo"), "the fields asset, cod", "no cod and an unknown codigo"),
    (OF_DAY, "numbers of en-us", header(part="100.000"), "pt-br", "'100.000', as en-us writes it"),
    (OF_DAY, "cut short", with_body(lambda body: body[:-500]), "a page of JSON", "breaks off"),
    (
        OF_DAY, "a session long ago", header(date="08/01/25"),
        "a session from 2026-01-07 to 2026-01-09", "Wednesday 2025-01-08",
    ),
    (OF_DAY, "a Sunday", header(date="11/01/26"), "a session from 2026-01-07", "Sunday 2026-01-11"),
    (OF_DAY, "a year to come", header(date="08/01/99"), "a session from 2026-01-07", "2099-01-08"),
    (OF_DAY, "countless pages", with_json(lambda of: of["page"].update(totalPages=10**9)), "at most 50 pages", "10000"),
    (OF_DAY, "a lone surrogate", each_row(asset="\ud800"), ".", "."),
    (OF_DAY, "deep nesting", with_body(lambda _: b"[" * 100_000), ".", "."),
    (THEORETICAL, "no rows", with_json(no_rows), "a portfolio", "no rows"),
    (THEORETICAL, "a new field", each_row(isin="BRSINTACNOR0"), "the fields asset, cod", "an unknown isin"),
    (PREVIEW, "lost rows", with_json(lambda of: of["results"].pop()), "79 rows", "^78"),
    (
        WORKBOOK, "a column less", with_body(lambda _: workbook_without_codes()),
        "the heading 'CÓDIGO' in cell D4", "'SEGMENTO'",
    ),
    (WORKBOOK, "cut short", with_body(lambda body: body[:-3000]), "a whole workbook", "zip"),
    (
        HOLIDAYS, "another heading", with_body(lambda body: body.replace(b"rio do mercado", b"rio")),
        "a year and a month above each table", "no year",
    ),
    (
        HOLIDAYS, "another closure",
        with_body(lambda body: body.replace(b"<td>20</td><td>Consci", b"<td>19</td><td>Consci")),
        "the days without trading that b3.calendar.sessions has", "Thursday 2026-11-19: B3 closes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "how", "expected", "found"),
    [(subject, how, expected, found) for subject, _, how, expected, found in CASES],
    ids=[f"{subject}, {name}" for subject, name, *_ in CASES],
)
def test_what_changed_is_told_of_its_address_alone(examine, b3, subject, how, expected, found):
    b3.spoil(PARTS[subject], how)

    diagnoses = examine()

    differing = [each for each in diagnoses if not each.as_expected]
    assert [each.subject for each in differing] == [subject]
    assert re.search(expected, differing[0].expected), differing[0]
    assert re.search(found, differing[0].found), differing[0]
    assert differing[0].advice.endswith(".")
    assert max(b3.asked.values()) <= 2
    with pytest.raises(checkup.AddressesDiffer, match=f"^1 of 8 addresses of B3 differ: {re.escape(subject)}\n"):
        checkup.judge(diagnoses)


def test_a_portfolio_of_the_sunday_between_two_sessions_is_of_none(examine, b3):
    b3.spoil(PARTS[OF_DAY], header(date="11/01/26"))

    found = by_subject(examine(now=dt.datetime(2026, 1, 10, 15, tzinfo=dt.UTC)))[OF_DAY]

    assert found.expected == "header.date of a session from 2026-01-09 to 2026-01-12"
    assert found.found == "Sunday 2026-01-11"


class TestAMovedAddress:
    @pytest.fixture
    def move(self, b3):
        def to_another(status, there):
            b3.spoil(PARTS[HOLIDAYS], instead(Answer(status, headers={"Location": "/novo/calendario"})))
            b3.spoil("/novo/calendario", instead(there))
            return healthy(checkup.HOLIDAYS_PATH)

        return to_another

    def test_is_told_though_it_still_leads_to_the_page(self, examine, move):
        move(301, healthy(checkup.HOLIDAYS_PATH))

        found = by_subject(examine())[HOLIDAYS]

        assert found.found == "status 301: moved to /novo/calendario"
        assert "b3.site.addresses" in found.advice

    def test_is_told_where_it_led_to_nothing(self, examine, b3, move):
        move(301, Answer(404))

        assert by_subject(examine())[HOLIDAYS].found == (
            f"status 404 Not Found; after a redirect to {b3.url}/novo/calendario"
        )

    def test_for_a_while_is_as_expected(self, examine, move):
        move(302, healthy(checkup.HOLIDAYS_PATH))

        assert by_subject(examine())[HOLIDAYS].as_expected


class TestTheContentType:
    def test_is_told_where_it_is_not_that_of_the_data(self, examine, b3):
        b3.spoil(PARTS[OF_DAY], instead(Answer(200, b"BIG-IP", {"Content-Type": "text/plain"})))

        assert by_subject(examine())[OF_DAY].found.endswith("; sent as text/plain")

    def test_of_right_data_decides_nothing(self, examine, b3):
        b3.spoil(PARTS[DAY], lambda healthy: replace(healthy, headers={"Content-Type": "text/html"}))

        assert by_subject(examine())[DAY].as_expected


class TestABrokenOffB3:
    def test_is_told_as_one_cause(self, examine, b3):
        b3.spoil("/", instead(Answer(fault="reset")))

        diagnoses = examine()

        assert {each.answer for each in diagnoses} == {NO_ANSWER}
        with pytest.raises(checkup.OutOfReach) as error:
            checkup.judge(diagnoses)
        first, *rest = str(error.value).splitlines()
        cause = "ConnectionResetError: [Errno 104] Connection reset by peer"
        assert first == f"B3 does not answer at all: {cause}"
        assert "None of 8 addresses answered. The first of them:" in rest
        assert "\n".join(rest).count("ConnectionResetError") == 1
        assert f"  address   {diagnoses[0].url}" in rest
        assert "see whether this network reaches B3" in " ".join(" ".join(rest).split())

    def test_is_not_asked_again(self, examine, b3):
        b3.spoil("/", instead(Answer(fault="reset")))

        examine()

        assert set(b3.asked.values()) == {1}

    def test_that_sends_an_unknown_certificate_says_how_to_give_it(self, hook_to, tmp_path):
        bundle, key = self_signed(tmp_path)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(bundle, key)
        server = Exchange(tls)

        with pytest.raises(checkup.OutOfReach, match=r"CERTIFICATE_VERIFY_FAILED[\s\S]*ca_bundle"):
            checkup.judge(checkup.examine(hook_to(server.url, timeout=5), (), NIGHT, pause=0))
        server.close()


class TestTheVerdict:
    def test_of_a_healthy_b3_is_a_sentence(self, examine):
        assert checkup.judge(examine()) == "all 8 addresses answer as expected"

    def test_names_in_its_first_line_what_differs_and_then_tells_all(self, examine, b3):
        b3.spoil(PARTS[OF_DAY], renamed("part", "peso"))
        b3.spoil(PARTS[HOLIDAYS], instead(Answer(404)))
        diagnoses = examine()

        with pytest.raises(checkup.AddressesDiffer) as error:
            checkup.judge(diagnoses)

        first, empty, *rest = str(error.value).splitlines()
        assert first == "2 of 8 addresses of B3 differ: GetPortfolioDay IBOV, page of trading holidays"
        assert empty == ""
        text = "\n".join(rest)
        assert "\n  found     no part and an unknown peso\n" in text
        assert f"\n  address   {b3.url}{checkup.HOLIDAYS_PATH}\n" in text
        assert f"COTAHIST_D08012026.ZIP      {diagnoses[0].answer}" in text

    def test_fits_a_terminal_but_for_addresses(self, examine, b3):
        for subject in PARTS:
            b3.spoil(PARTS[subject], instead(WEB_PAGE))

        with pytest.raises(checkup.AddressesDiffer) as error:
            checkup.judge(examine())

        lines = str(error.value).splitlines()
        assert [line for line in lines if len(line) > WIDTH and not line.startswith("  address ")] == []
        assert lines[0] == "8 of 8 addresses of B3 differ: COTAHIST_D08012026.ZIP and 7 more"

    def test_can_be_kept_as_json(self, examine):
        diagnoses = examine()

        assert json.loads(json.dumps([asdict(each) for each in diagnoses]))[0]["subject"] == DAY
