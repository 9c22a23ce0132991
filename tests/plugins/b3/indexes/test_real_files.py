"""The index portfolios and the sector workbook as B3 sent them, which are not part of this repository.

Looked for in ../shared/b3 beside the repository, or in the folder B3_REAL_FILES.
"""

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from b3.errors import BadLayout, Truncated
from b3.indexes import land, raw
from b3.indexes.portfolio import header_date, read_table
from b3.indexes.sector_labels import split_label
from b3.quotes import cotahist
from b3.sectors import land as sector_land
from b3.sectors import raw as sector_raw
from b3.sectors.workbook import read_workbook, root
from tests.places import REAL_FILES
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.indexes import index_pages as pages

FILES = REAL_FILES
FOLDER = FILES / "index"
THEORETICAL = FOLDER / "GetTheoricalPortfolio.IBOV.pt-br.2022.json"
EN_US = FOLDER / "GetPortfolioDay.IBOV.en-us.segment2.2025-04-07.json"
WORKBOOK = FOLDER / "SectorClassification.2025-03-10.pt.xlsx"

pytestmark = pytest.mark.skipif(not THEORETICAL.exists(), reason=f"no real index files in {FOLDER}; set B3_REAL_FILES")


def swapped(value):
    """A number of en-us as pt-br writes it."""
    return value.translate(str.maketrans(".,", ",."))


def in_pt_br():
    """The portfolio B3 sent in en-us, written as it would have sent it in pt-br."""
    answer = json.loads(EN_US.read_bytes())
    month, day, year = answer["header"]["date"].split("/")
    answer["header"]["date"] = f"{day}/{month}/{year}"
    for record in (answer["header"], *answer["results"]):
        for field in {"part", "partAcum", "theoricalQty", "reductor"} & record.keys():
            record[field] = swapped(record[field])
    return answer


def plain(rows):
    """Ticker, company, type, weight and quantity of rows in pt-br, read without b3."""
    return [
        (
            row["cod"],
            row["asset"],
            row["type"],
            Decimal(row["part"].replace(",", ".")),
            int(row["theoricalQty"].replace(".", "")),
        )
        for row in rows
    ]


def constituents(table):
    names = ["ticker", "company", "share_type", "weight_pct", "theoretical_quantity"]
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def in_an_answer(rows, total, **header):
    """Rows in the envelope of portfolio_day, of which the samples of rows alone have none."""
    fields = {"segment": None, "partAcum": None}
    return json.dumps(
        {
            "page": {"pageNumber": 1, "pageSize": 120, "totalRecords": len(rows), "totalPages": 1},
            "header": {"text": "", "part": "100,000", "partAcum": None, "textReductor": "", "reductor": None}
            | {"theoricalQty": total}
            | header,
            "results": [row | fields for row in rows],
        }
    ).encode()


@pytest.fixture(scope="module")
def workbook():
    return read_workbook(WORKBOOK.read_bytes())


@pytest.fixture(scope="module")
def roots(workbook):
    return set(workbook["root"].to_pylist())


def test_the_theoretical_portfolio_of_2022_is_as_its_source():
    body = THEORETICAL.read_bytes()
    table = read_table(body, endpoint="theoretical", index="IBOV", trade_date=dt.date(2022, 6, 6))

    assert table.num_rows == 92
    assert constituents(table) == plain(json.loads(body)["results"])
    assert pc.sum(table["weight_pct"]).as_py() == Decimal("100.001")
    assert pc.sum(table["theoretical_quantity"]).as_py() == 96_626_612_142
    assert set(table["reductor"].to_pylist()) == {Decimal("18673489.42022432")}


def test_the_portfolio_sent_in_en_us_is_refused():
    for reader in (lambda body: read_table(body, endpoint="portfolio_day", index="IBOV"), header_date):
        with pytest.raises(BadLayout, match="as en-us writes it"):
            reader(EN_US.read_bytes())


def test_the_portfolio_of_2025_04_07_written_in_pt_br_is_as_its_source():
    answer = in_pt_br()
    table = read_table(json.dumps(answer).encode(), endpoint="portfolio_day", index="IBOV")

    assert table.num_rows == 87
    assert set(table["trade_date"].to_pylist()) == {dt.date(2025, 4, 7)}
    assert constituents(table) == plain(answer["results"])
    assert pc.sum(table["weight_pct"]).as_py() == Decimal("100.000")
    assert pc.sum(table["theoretical_quantity"]).as_py() == 99_015_750_716
    assert set(table["reductor"].to_pylist()) == {Decimal("16036751.16744128")}


def test_captured_and_written_to_raw_every_row_weight_and_quantity_is_as_its_source(exchange, hook_to, s3, lake):
    """In two pages, as B3 would send it if asked for fewer rows at a time."""
    date, day = dt.date(2025, 4, 7), in_pt_br()
    in_two = [
        day | {"page": day["page"] | {"pageNumber": number, "totalPages": 2}, "results": rows}
        for number, rows in ((1, day["results"][:50]), (2, day["results"][50:]))
    ]
    theoretical = THEORETICAL.read_bytes()
    no_preview = json.loads(theoretical) | {"results": []}
    no_preview["page"] |= {"totalRecords": 0, "totalPages": 0}
    sent = [*(json.dumps(page).encode() for page in in_two), theoretical, json.dumps(no_preview).encode()]
    exchange.will(*map(Answer, [200] * 4, sent))

    landed = land.capture_portfolios(hook_to(exchange.url, attempts=1), s3, lake, date, ("IBOV",)).landed
    written = raw.write_portfolios(s3, lake, landed, date)

    assert written.rows_of == {"IBOV": {"portfolio_day": 87, "theoretical": 92}}
    key = written.uri.removeprefix(lake.uri(""))
    table = pq.read_table(io.BytesIO(s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))
    assert constituents(table) == plain(day["results"]) + plain(json.loads(theoretical)["results"])


def test_the_workbook_captured_and_written_to_raw_has_all_its_companies(exchange, hook_to, s3, lake, workbook):
    date = dt.date(2025, 4, 7)
    portfolio = pages.day(header=pages.day_header(date=f"{date:%d/%m/%y}"))
    exchange.will(Answer(body=portfolio), Answer(body=WORKBOOK.read_bytes()))

    landed = sector_land.capture_sectors(hook_to(exchange.url, attempts=1), s3, lake, date, "IBOV")
    written = sector_raw.write_sectors(s3, lake, landed, date)

    key = written.uri.removeprefix(lake.uri(""))
    table = pq.read_table(io.BytesIO(s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))
    assert table.num_rows == 393
    assert table.to_pylist() == workbook.to_pylist()


def test_its_labels_are_what_the_workbook_says_of_the_companies(workbook):
    of_root = {row["root"]: (row["sector"], row["subsector"]) for row in workbook.to_pylist()}
    differing = {
        (split_label(row["segment"]), of_root[root(row["cod"])])
        for row in json.loads(EN_US.read_bytes())["results"]
        if split_label(row["segment"]) != of_root[root(row["cod"])]
    }

    financial = {pair for pair in differing if pair[0][0] == "Financeiro e Outros"}
    assert {(ours[1], theirs[0], theirs[1]) for ours, theirs in financial} == {
        (name, "Financeiro", name)
        for name in (
            "Exploração de Imóveis",
            "Holdings Diversificadas",
            "Intermediários Financeiros",
            "Previdência e Seguros",
            "Serviços Financeiros Diversos",
        )
    }
    assert differing - financial == {
        (("Consumo Cíclico", "Comércio"), ("Consumo Cíclico", "Comércio Varejista")),
        (("Diversos", None), ("Consumo Cíclico", "Diversos")),
        (("Petróleo, Gás e Biocombustíveis", None), ("Petróleo, Gás e Biocombustíveis",) * 2),
        (("Telecomunicação", None), ("Comunicações", "Telecomunicações")),
    }


def test_rows_of_2025_07_14_are_as_their_source():
    rows = pq.read_table(FOLDER / "GetPortfolioDay.IBOV.pt-br.segment1.2025-07-14.rows.parquet").to_pylist()
    quantity = sum(quantity for *_, quantity in plain(rows))

    table = read_table(
        in_an_answer(rows, f"{quantity:,}".replace(",", "."), date="14/07/25"), endpoint="portfolio_day", index="IBOV"
    )

    assert table.num_rows == 84
    assert constituents(table) == plain(rows)


def test_rows_of_2025_07_10_sum_to_their_total():
    text = (FOLDER / "GetDownloadPortfolioDay.IBOV.2025-07-10.csv").read_text("latin-1")
    _, _, *lines, total, reductor = [line for line in csv.reader(text.splitlines(), delimiter=";") if line]
    names = ("cod", "asset", "type", "theoricalQty", "part")
    rows = [dict(zip(names, line[:5], strict=True)) for line in lines]

    table = read_table(
        in_an_answer(rows, total[3], date="10/07/25", reductor=reductor[3]), endpoint="portfolio_day", index="IBOV"
    )

    assert table.num_rows == 84
    assert constituents(table) == plain(rows)


def test_a_first_page_of_several_says_so():
    body = (FOLDER / "GetPortfolioDay.pt-br.segment1.2023-09-20.excerpt.json").read_bytes()

    assert header_date(body) == dt.date(2023, 9, 20)
    with pytest.raises(Truncated, match="the pages 1 to 6; found no page 2, 3, 4, 5, 6"):
        read_table(body, endpoint="portfolio_day", index="IBOV")


def test_an_excerpt_is_refused_by_the_fields_it_lacks():
    body = (FOLDER / "GetPortfolioDay.IBOV.pt-br.segment2.2026-10-05.excerpt.json").read_bytes()

    with pytest.raises(BadLayout, match="found no partAcum, reductor, textReductor, theoricalQty"):
        read_table(body, endpoint="portfolio_day", index="IBOV")


def test_the_workbook_has_all_its_companies(workbook):
    rows = {row["root"]: row for row in workbook.to_pylist()}

    assert workbook.num_rows == 393
    assert pc.count_distinct(workbook["sector"]).as_py() == 11
    assert rows["AZTE"]["listing_segment"] is None
    assert rows["PETR"] == {
        "root": "PETR",
        "company": "PETROBRAS",
        "sector": "Petróleo, Gás e Biocombustíveis",
        "subsector": "Petróleo, Gás e Biocombustíveis",
        "segment": "Exploração, Refino e Distribuição",
        "listing_segment": "N2",
    }
    # The first company below a heading that repeats its sector, and the last of the table.
    assert (rows["BMKS"]["sector"], rows["BMKS"]["subsector"]) == ("Consumo Cíclico", "Viagens e Lazer")
    assert (rows["OPTS"]["sector"], rows["OPTS"]["company"]) == ("Outros", "SUL 116 PART")


def test_every_share_of_an_index_of_the_month_after_joins_the_workbook(roots):
    """The indexes of 2025-04-07 but those of BDRs and funds, whose issuers the workbook does not classify."""
    others = {"BDRX", "IBBR", "IFIX", "IFIL"}
    rows = json.loads((FOLDER / "GetStockIndex.2025-04-07.json").read_bytes())["results"]
    tickers = {row["code"] for row in rows if set(row["indexes"].split(",")) - others}

    assert len(tickers) > 200
    assert {ticker for ticker in tickers if root(ticker) not in roots} == set()
    assert {row["cod"] for row in json.loads(EN_US.read_bytes())["results"] if root(row["cod"]) not in roots} == set()


@pytest.mark.parametrize(
    ("name", "shares", "joined"), [("COTAHIST_D30042020.ZIP", 345, 269), ("COTAHIST_D28012014.ZIP", 305, 193)]
)
def test_older_sessions_join_the_less_the_older_they_are(roots, name, shares, joined):
    """Companies that have merged, left or taken a new code since are not in a workbook of 2025."""
    quotes = cotahist.read_table(FILES / "cotahist" / name)
    tickers = {
        ticker
        for ticker, market, isin in zip(
            *(quotes[column].to_pylist() for column in ("ticker", "market_type", "isin")), strict=True
        )
        if market == "010" and isin[6:9] in ("ACN", "CDA", "UNT")
    }

    assert len(tickers) == shares
    assert sum(root(ticker) in roots for ticker in tickers) == joined
