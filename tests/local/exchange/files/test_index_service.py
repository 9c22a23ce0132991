"""The index service: shapes, formats, pages, dates."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json

import pytest

from local.exchange.market import indexes
from local.exchange.simulation import Simulation

SESSION = dt.date(2026, 10, 5)
GOLDEN = "b34c5432d4a990e717edd5988cfc8ff6fa6af9da9f90c4c0b09395a2ed4467cf"


def call(method, **parameters):
    encoded = base64.b64encode(json.dumps(parameters, separators=(",", ":")).encode()).decode()
    return f"/indexProxy/indexCall/{method}/{encoded}"


def portfolio_day(**changed):
    parameters = {"language": "pt-br", "pageNumber": 1, "pageSize": 120, "index": "IBOV", "segment": "2"}
    return call("GetPortfolioDay", **parameters | changed)


def as_rebalanced(method, **changed):
    return call(method, **{"pageNumber": 1, "pageSize": 120, "language": "pt-br", "index": "IBOV"} | changed)


@pytest.fixture
def ask_on(serving):
    def ask_on(today, path):
        simulation = Simulation(lambda: today)
        try:
            with serving(simulation) as request:
                status, headers, body = request(path)
        finally:
            simulation.close()
        assert status == 200, body
        assert headers["Content-Type"].startswith("application/json")
        assert headers["X-B3-Source"] == "simulated"
        return json.loads(body)

    return ask_on


@pytest.fixture
def ask(ask_on):
    return lambda path: ask_on(SESSION, path)


def number(text):
    return int(text.replace(".", "").replace(",", ""))


def test_the_portfolio_by_sector(ask):
    answer = ask(portfolio_day())
    expected = indexes.portfolio("IBOV", SESSION)
    count = len(expected.constituents)
    assert answer["page"] == {"pageNumber": 1, "pageSize": 120, "totalRecords": count, "totalPages": 1}
    header = answer["header"]
    assert list(header) == ["date", "text", "part", "partAcum", "textReductor", "reductor", "theoricalQty"]
    assert header["date"] == "05/10/26"
    assert (header["text"], header["textReductor"]) == ("Quantidade Teórica Total", "Redutor")
    assert header["part"] == header["partAcum"] == "100,000"
    assert number(header["reductor"]) == expected.reductor
    assert header["reductor"][-9] == ","
    rows = answer["results"]
    assert {row["cod"]: (number(row["theoricalQty"]), number(row["part"])) for row in rows} == {
        of.ticker: (of.quantity, of.weight) for of in expected.constituents
    }
    assert number(header["theoricalQty"]) == sum(number(row["theoricalQty"]) for row in rows)
    fields = ["segment", "cod", "asset", "type", "part", "partAcum", "theoricalQty"]
    assert all(list(row) == fields for row in rows)
    assert rows == sorted(rows, key=lambda row: (row["segment"], row["asset"], row["cod"]))


def test_a_sector_has_its_total_in_each_of_its_rows(ask):
    rows = ask(portfolio_day())["results"]
    for label in {row["segment"] for row in rows}:
        of_sector = [row for row in rows if row["segment"] == label]
        assert {number(row["partAcum"]) for row in of_sector} == {sum(number(row["part"]) for row in of_sector)}


def test_sectors_are_spelt_as_inconsistently_as_b3_does(ask):
    labels = {row["segment"] for row in ask(portfolio_day())["results"]}
    assert any(" / " in label for label in labels)
    assert any("/" in label and " / " not in label for label in labels)
    assert any("  " in label for label in labels)
    assert any("/" not in label for label in labels)
    assert {"Financ e Outros", "Financeiro e Outros"} <= {label.split("/")[0].strip() for label in labels}


def test_the_portfolio_by_company_is_the_same_without_sectors(ask):
    by_sector, by_company = ask(portfolio_day()), ask(portfolio_day(segment="1"))
    assert by_company["header"] == by_sector["header"] | {"partAcum": None}
    assert by_company["page"] == by_sector["page"]
    rows = by_company["results"]
    assert rows == sorted(rows, key=lambda row: (row["asset"], row["cod"]))
    stripped = [row | {"segment": None, "partAcum": None} for row in by_sector["results"]]
    assert rows == sorted(stripped, key=lambda row: (row["asset"], row["cod"]))


def test_english_has_other_dates_and_numbers_and_the_same_figures(ask):
    portuguese, english = ask(portfolio_day()), ask(portfolio_day(language="en-us"))
    assert english["header"]["date"] == "10/05/26"
    assert english["header"]["text"] == "Total Theorethical Quantity"
    assert english["header"]["textReductor"] == "Reductor"
    assert english["header"]["part"] == "100.000"
    assert english["header"]["reductor"][-9] == "."
    swap = str.maketrans(".,", ",.")
    for field in ("part", "partAcum", "theoricalQty"):
        assert [row[field] for row in english["results"]] == [
            row[field].translate(swap) for row in portuguese["results"]
        ]


@pytest.mark.parametrize("index", indexes.INDEXES)
@pytest.mark.parametrize("path", [portfolio_day, lambda **c: as_rebalanced("GetTheoricalPortfolio", **c)])
@pytest.mark.parametrize("size", [20, 50])
def test_pages_are_disjoint_and_hold_every_row(index, path, size, ask):
    everything = ask(path(index=index, pageSize=9999))
    first = ask(path(index=index, pageSize=size))
    pages = [ask(path(index=index, pageSize=size, pageNumber=n + 1)) for n in range(first["page"]["totalPages"])]
    assert len(pages) == -(-len(everything["results"]) // size) > 1
    assert [row for page in pages for row in page["results"]] == everything["results"]
    assert all(page["header"] == everything["header"] for page in pages)
    beyond = ask(path(index=index, pageSize=size, pageNumber=len(pages) + 1))
    assert beyond["results"] == []
    assert beyond["page"]["totalRecords"] == len(everything["results"])


@pytest.mark.parametrize(
    ("today", "date"),
    [
        pytest.param(dt.date(2026, 9, 4), "04/09/26", id="session"),
        pytest.param(dt.date(2026, 9, 6), "08/09/26", id="Sunday before a holiday"),
        pytest.param(dt.date(2026, 9, 7), "08/09/26", id="holiday"),
        pytest.param(dt.date(2026, 12, 31), "04/01/27", id="last day of the year"),
    ],
)
def test_the_date_is_that_of_the_session_the_portfolio_is_for(today, date, ask_on):
    answer = ask_on(today, portfolio_day())
    assert answer["header"]["date"] == date
    expected = indexes.portfolio("IBOV", dt.datetime.strptime(date, "%d/%m/%y").date())  # noqa: DTZ007
    assert {row["cod"] for row in answer["results"]} == {of.ticker for of in expected.constituents}


@pytest.mark.parametrize("method", ["GetTheoricalPortfolio", "GetQuartelyPreview"])
def test_portfolios_as_of_a_rebalance_are_by_ticker(method, ask):
    answer = ask(as_rebalanced(method))
    assert list(answer["header"]) == ["part", "theoricalQty", "reductor"]
    rows = answer["results"]
    assert all(list(row) == ["cod", "asset", "type", "theoricalQty", "part", "cont"] for row in rows)
    assert rows == sorted(rows, key=lambda row: row["cod"])
    by_position = sorted(rows, key=lambda row: row["cont"])
    assert [row["cont"] for row in by_position] == list(range(1, len(rows) + 1))
    assert by_position == sorted(rows, key=lambda row: (row["asset"], row["cod"]))
    assert sum(number(row["theoricalQty"]) for row in rows) == number(answer["header"]["theoricalQty"])
    assert sum(number(row["part"]) for row in rows) == number(answer["header"]["part"])


def test_the_preview_before_a_rebalance_is_the_portfolio_after_it(ask_on):
    def quantities(answer):
        return {row["cod"]: row["theoricalQty"] for row in answer["results"]}

    previewed = quantities(ask_on(dt.date(2026, 9, 4), as_rebalanced("GetQuartelyPreview")))
    assert previewed != quantities(ask_on(dt.date(2026, 9, 4), portfolio_day()))
    assert previewed == quantities(ask_on(dt.date(2026, 9, 8), portfolio_day()))
    assert previewed == quantities(ask_on(dt.date(2026, 9, 8), as_rebalanced("GetTheoricalPortfolio")))


def test_which_indexes_hold_a_share(ask):
    answer = ask(call("GetStockIndex", pageNumber=1, pageSize=9999))
    assert answer["header"] == {"update": "2026-10-05", "startMonth": 9, "endMonth": 12, "year": 2026}
    rows = answer["results"]
    assert all(list(row) == ["company", "spotlight", "code", "indexes"] for row in rows)
    for index in indexes.INDEXES:
        held = {row["code"] for row in rows if index in row["indexes"].split(",")}
        assert held == {of.ticker for of in indexes.portfolio(index, SESSION).constituents}
    assert any(row["spotlight"] == "ON   NM" for row in rows)


def test_an_unknown_index_has_no_rows(ask):
    for path in (portfolio_day(index="XXXX"), as_rebalanced("GetQuartelyPreview", index="XXXX")):
        answer = ask(path)
        assert answer["page"]["totalRecords"] == answer["page"]["totalPages"] == 0
        assert answer["results"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/indexProxy/indexCall/GetPortfolioDay/e30=", 400),
        ("/indexProxy/indexCall/GetPortfolioDay/not-base64", 400),
        ("/indexProxy/indexCall/GetPortfolioDay/MQ==", 400),
        ("/indexProxy/indexCall/GetPortfolioDay/", 404),
        (portfolio_day(segment="3"), 400),
        (portfolio_day(language="fr-fr"), 400),
        (portfolio_day(pageNumber=0), 400),
        (portfolio_day(pageSize="20"), 400),
        (call("GetSomethingElse", pageNumber=1, pageSize=20), 404),
    ],
)
def test_a_call_that_cannot_be_answered_is_an_error_page(path, status, serving):
    with serving(Simulation(lambda: SESSION)) as request:
        answered, headers, body = request(path)
    assert answered == status
    assert headers["Content-Type"].startswith("text/html")
    assert b"<html>" in body


def test_before_the_first_portfolio_there_is_none(serving):
    with serving(Simulation(lambda: dt.date(1986, 12, 30))) as request:
        assert request(portfolio_day())[0] == 404


def test_a_date_has_the_same_answers_on_every_machine(serving):
    paths = [portfolio_day(index=index) for index in indexes.INDEXES]
    paths += [as_rebalanced("GetTheoricalPortfolio"), call("GetStockIndex", pageNumber=1, pageSize=9999)]
    with serving(Simulation(lambda: SESSION)) as request:
        content = b"\n".join(request(path)[2] for path in paths)
    assert hashlib.sha256(content).hexdigest() == GOLDEN
