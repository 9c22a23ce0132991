import datetime as dt
import itertools
import json
import re
from decimal import Decimal

import pyarrow as pa
import pytest

from b3.errors import BadLayout, NoPortfolio, NotB3Data, NotPublished, Truncated, WrongDate
from b3.indexes import portfolio
from b3.indexes.portfolio import header_date, join_pages, page_count, read_table
from tests.places import ROOT
from tests.plugins.b3.indexes import index_pages as pages

REFINE = ROOT / "include" / "glue" / "refine" / "portfolio.py"
SESSION = dt.date(2026, 10, 5)


def read_day(body, **keywords):
    return read_table(body, endpoint="portfolio_day", index="IBOV", **keywords)


def row_changed(number, **changes):
    rows = pages.day_rows()
    rows[number] |= changes
    return pages.day(rows=rows)


class TestThePortfolioOfTheDay:
    def test_has_the_columns_of_the_contract(self):
        schema = read_day(pages.day()).schema

        assert schema == portfolio.SCHEMA
        assert [(field.name, field.type) for field in schema] == [
            ("trade_date", pa.date32()),
            ("index", pa.string()),
            ("endpoint", pa.string()),
            ("ticker", pa.string()),
            ("company", pa.string()),
            ("share_type", pa.string()),
            ("sector", pa.string()),
            ("subsector", pa.string()),
            ("weight_pct", pa.decimal128(9, 3)),
            ("theoretical_quantity", pa.int64()),
            ("reductor", pa.decimal128(28, 8)),
        ]

    def test_is_read_exactly_in_b3s_order(self):
        shared = {
            "trade_date": SESSION,
            "index": "IBOV",
            "endpoint": "portfolio_day",
            "reductor": Decimal("16134548.84098888"),
        }

        assert read_day(pages.day()).to_pylist() == [
            shared
            | {
                "ticker": ticker,
                "company": company,
                "share_type": share_type,
                "sector": sector,
                "subsector": subsector,
                "weight_pct": Decimal(weight),
                "theoretical_quantity": quantity,
            }
            for ticker, company, share_type, sector, subsector, weight, quantity in [
                (
                    "MAQS3",
                    "MAQUINAS",
                    "ON      NM",
                    "Bens Industriais",
                    "Máquinas e Equipamentos",
                    "20.500",
                    1460506056,
                ),
                ("BANC3", "BANCO", "ON  ED  N1", "Financeiro e Outros", "Intermediários Financeiros", "10.125", 711833),
                ("BANC4", "BANCO", "PN  ED  N1", "Financeiro e Outros", "Intermediários Financeiros", "20.000", 999),
                ("OLEO3", "OLEO", "ON", "Petróleo, Gás e Biocombustíveis", None, "39.375", 2000000000),
                ("LUZZ11", "LUZ", "UNT     N2", "Utilidade Pública", "Energia Elétrica", "10.000", 10000),
            ]
        ]

    def test_is_checked_against_the_session_it_is_for(self):
        assert read_day(pages.day(), trade_date=SESSION).num_rows == 5

        # Asked on a Sunday, B3 gave the portfolio of the Tuesday after the holiday.
        body = pages.day(header=pages.day_header(date="08/09/26"))
        with pytest.raises(WrongDate, match=r"expected the portfolio of 2026-09-04; found that of 2026-09-08\. .*had"):
            read_day(body, trade_date=dt.date(2026, 9, 4))

    def test_names_its_session(self):
        assert header_date(pages.day()) == SESSION

    def test_names_its_session_on_any_one_of_its_pages(self):
        for document in pages.documents(page_size=2):
            assert header_date(pages.as_bytes(document)) == SESSION

    def test_without_sectors_has_nulls(self):
        rows = [row | {"segment": None, "partAcum": None} for row in pages.day_rows()]

        table = read_day(pages.day(rows=rows, header=pages.day_header(partAcum=None)))

        assert table["sector"].null_count == table["subsector"].null_count == table.num_rows == 5

    def test_without_a_reductor_has_nulls(self):
        assert read_day(pages.day(header=pages.day_header(reductor=None)))["reductor"].null_count == 5

    def test_may_begin_with_a_byte_order_mark(self):
        assert read_day(b"\xef\xbb\xbf" + pages.day()).num_rows == 5


@pytest.mark.parametrize("endpoint", ["theoretical", "preview"])
class TestThePortfoliosWithoutADate:
    def test_are_read_exactly(self, endpoint):
        table = read_table(pages.undated(), endpoint=endpoint, index="SMLL", trade_date=SESSION)

        day = read_day(pages.day())
        assert table.select(["ticker", "company", "share_type", "weight_pct", "theoretical_quantity"]) == day.select(
            ["ticker", "company", "share_type", "weight_pct", "theoretical_quantity"]
        )
        assert set(table["trade_date"].to_pylist()) == {SESSION}
        assert set(table["index"].to_pylist()) == {"SMLL"}
        assert set(table["endpoint"].to_pylist()) == {endpoint}
        assert table["sector"].null_count == table["subsector"].null_count == 5

    def test_have_no_trade_date_that_nobody_gave(self, endpoint):
        assert read_table(pages.undated(), endpoint=endpoint, index="IBOV")["trade_date"].null_count == 5

    def test_refuse_the_fields_of_the_day(self, endpoint):
        with pytest.raises(BadLayout, match=r"header of page 1; found an unknown date, partAcum, text, textReductor\."):
            read_table(pages.day(), endpoint=endpoint, index="IBOV")


class TestPages:
    @pytest.fixture
    def three(self):
        return [pages.as_bytes(document) for document in pages.documents(page_size=2)]

    def test_are_counted_by_the_first(self, three):
        assert page_count(three[0]) == 3
        assert page_count(pages.day()) == 1

    def test_join_to_the_same_rows_in_whatever_order(self, three):
        whole = read_day(pages.day())
        for order in itertools.permutations(three):
            assert read_day(join_pages(order)) == whole

    def test_are_kept_as_received(self, three):
        assert join_pages(three[:1]) == three[0]
        joined = join_pages(three)
        assert all(page in joined for page in three)
        assert json.loads(joined) == [json.loads(page) for page in three]

    def test_join_with_the_marks_and_ends_that_servers_add(self, three):
        assert read_day(join_pages([b"\xef\xbb\xbf" + page + b"\r\n" for page in three])).num_rows == 5

    @pytest.mark.parametrize(("kept", "missing"), [((0, 2), "2"), ((0,), "2, 3"), ((1, 2), "1")])
    def test_that_are_missing_are_named(self, three, kept, missing):
        with pytest.raises(Truncated, match=rf"expected the pages 1 to 3; found no page {missing}\."):
            read_day(join_pages([three[number] for number in kept]))

    def test_that_come_twice_are_named(self, three):
        with pytest.raises(BadLayout, match=r"the pages 1 to 3, each once; found the pages 1, 2, 2, 3\."):
            read_day(join_pages([*three, three[1]]))

    def test_of_two_portfolios_are_refused(self):
        first, second, third = pages.documents(page_size=2)
        second["header"]["date"] = "06/10/26"

        with pytest.raises(BadLayout, match=r"header\.date '05/10/26' on every page; found '06/10/26' on page 2"):
            read_day(pages.as_bytes([first, second, third]))

    @pytest.mark.parametrize("field", ["totalPages", "totalRecords"])
    def test_that_announce_different_totals_are_refused(self, field):
        first, second, third = pages.documents(page_size=2)
        third["page"][field] += 1

        with pytest.raises(BadLayout, match=rf"page\.{field} [35] on every page; found [46] on page 3"):
            read_day(pages.as_bytes([first, second, third]))

    def test_of_which_there_is_none(self):
        with pytest.raises(BadLayout, match="expected at least one page; found none"):
            read_day(b"[]")


class TestAnAnswerThatIsNoPortfolio:
    @pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("reader", [read_day, header_date, page_count])
    def test_empty(self, reader, body):
        with pytest.raises(NotPublished, match="expected a page of JSON; found not one byte"):
            reader(body)

    @pytest.mark.parametrize("reader", [read_day, header_date, page_count])
    def test_a_web_page_is_said_by_its_title(self, reader):
        body = (
            b"\r\n<!DOCTYPE html><html><head><title>\n 520:  Web server\n is returning an unknown error</title>"
            b"</head><body>" + b"<p>Ray ID</p>" * 5000
        )

        with pytest.raises(NotB3Data, match=r'a web page, "520: Web server is returning an unknown error"') as error:
            reader(body)

        assert len(str(error.value)) < 400

    @pytest.mark.parametrize(
        ("body", "title"),
        [
            (b"<html><h1>Access  Denied</h1><p>by the firewall</p></html>", "Access Denied"),
            (b"<p>Request blocked.</p>", "Request blocked."),
            (b"<html><title>" + b"a" * 500 + b"</title>", "a" * 80 + "…"),
            (b"\xef\xbb\xbf<html>", ""),
        ],
        ids=["no title", "no heading", "a long title", "nothing in it"],
    )
    def test_a_web_page_is_said_shortly(self, body, title):
        with pytest.raises(NotB3Data) as error:
            read_day(body)

        assert error.value.found == f'a web page, "{title}"'

    def test_text(self):
        with pytest.raises(NotB3Data, match=r"expected a page of JSON; found 'Service unavailable' \(Expecting value"):
            read_day(b"Service unavailable")

    def test_bytes(self):
        with pytest.raises(NotB3Data, match="which is no UTF-8"):
            read_day(b"PK\x03\x04\xff\xfe")

    def test_a_number_beyond_measure(self):
        with pytest.raises(NotB3Data, match="expected a page of JSON"):
            read_day(b"[" + b"9" * 5000 + b"]")

    def test_broken_off_anywhere(self):
        whole = pages.day()
        for length in range(1, len(whole)):
            with pytest.raises(Truncated, match="JSON that breaks off"):
                read_day(whole[:length])

    @pytest.mark.parametrize("body", [b'"SUJPVg=="', b"17", b"[[]]", b"null"])
    def test_json_of_another_form(self, body):
        with pytest.raises(BadLayout, match="expected the fields header, page, results in the page"):
            read_day(body)

    def test_no_rows_of_an_unknown_index_or_between_previews(self):
        body = pages.as_bytes(
            {
                "page": {"pageNumber": 1, "pageSize": 120, "totalRecords": 0, "totalPages": 0},
                "header": None,
                "results": None,
            }
        )

        for reader in (read_day, header_date, page_count):
            with pytest.raises(NoPortfolio, match=r"an answer of no rows \(page\.totalRecords 0\)"):
                reader(body)

    def test_no_list_of_rows(self):
        (document,) = pages.documents()
        document["results"] = None

        with pytest.raises(BadLayout, match="expected a list in results; found None"):
            read_day(pages.as_bytes(document))

    def test_a_row_that_is_none(self):
        (document,) = pages.documents()
        document["results"][1] = "BANC3"

        with pytest.raises(BadLayout, match=r"expected the fields .* in row 2 of page 1; found 'BANC3'"):
            read_day(pages.as_bytes(document))

    def test_an_endpoint_that_does_not_exist(self):
        with pytest.raises(ValueError, match="'quarterly' is no endpoint: portfolio_day, theoretical, preview"):
            read_table(pages.day(), endpoint="quarterly", index="IBOV")

    def test_is_named_by_what_it_is_of(self):
        with pytest.raises(NotPublished, match=r"^GetQuartelyPreview of SMLL: "):
            read_table(b"", endpoint="preview", index="SMLL")
        with pytest.raises(NotPublished, match=r"^s3://lake/IBOV\.json: "):
            read_day(b"", source="s3://lake/IBOV.json")


def place_of(document, place):
    return {"answer": document, "page": document["page"], "header": document["header"], "row": document["results"][3]}[
        place
    ]


FIELDS = {
    "answer": ["page", "header", "results"],
    "page": ["pageNumber", "pageSize", "totalRecords", "totalPages"],
    "header": [*pages.day_header()],
    "row": [*pages.DAY_NAMES],
}
PLACES = {"answer": "the page", "page": "page", "header": "header of page 1", "row": "row 4 of page 1"}


class TestFields:
    @pytest.mark.parametrize(("place", "field"), [(place, field) for place in FIELDS for field in FIELDS[place]])
    def test_missing_are_named(self, place, field):
        (document,) = pages.documents()
        del place_of(document, place)[field]

        with pytest.raises(BadLayout, match=rf"in {PLACES[place]}; found no {field}\. B3 changed its answer"):
            read_day(pages.as_bytes(document))

    @pytest.mark.parametrize("place", FIELDS)
    def test_unknown_are_named(self, place):
        (document,) = pages.documents()
        place_of(document, place)["theoreticalQty"] = "1"

        with pytest.raises(BadLayout, match=rf"in {PLACES[place]}; found an unknown theoreticalQty\."):
            read_day(pages.as_bytes(document))

    def test_renamed_are_named_both(self):
        rows = pages.day_rows()
        rows[0]["ticker"] = rows[0].pop("cod")

        with pytest.raises(BadLayout, match=r"row 1 of page 1; found no cod and an unknown ticker\."):
            read_day(pages.day(rows=rows))

    @pytest.mark.parametrize("field", ["cod", "asset", "type", "segment"])
    @pytest.mark.parametrize("value", ["", "  ", 7])
    def test_of_text_hold_text(self, field, value):
        with pytest.raises(BadLayout, match=rf"expected a text in {field} in row 2 of page 1; found {value!r}"):
            read_day(row_changed(1, **{field: value}))

    @pytest.mark.parametrize("field", ["cod", "asset", "type", "segment"])
    def test_of_text_hold_no_half_of_a_letter(self, field):
        """JSON can name half of a surrogate pair, which nothing that writes UTF-8 takes."""
        with pytest.raises(
            BadLayout, match=rf"of whole letters in {field} in row 2 of page 1; found 'BAN\\ud800', which"
        ) as error:
            read_day(row_changed(1, **{field: "BAN?"}).replace(b"BAN?", rb"BAN\ud800"))

        assert str(error.value).encode()

    def test_unknown_are_named_in_utf8_and_shortly(self):
        unknown = rb'"\ud800%s": "711.833"' % (b"y" * 500)

        with pytest.raises(BadLayout, match=r"found no theoricalQty and an unknown \\ud800y{54}…\.") as error:
            read_day(pages.day().replace(b'"theoricalQty": "711.833"', unknown))

        assert str(error.value).encode()

    @pytest.mark.parametrize("value", ["1", -1, 1.0, None, True])
    def test_of_the_page_are_counts(self, value):
        with pytest.raises(BadLayout, match=r"expected a count in page\.totalPages; found"):
            read_day(pages.day(totalPages=value))


class TestNumbers:
    @pytest.mark.parametrize(
        "value",
        [
            "1,460,506,056",
            "1460506056",
            "1.46.056",
            "1.460,5",
            "",
            "-1",
            1460506056,
            None,
            "1.460.506.056 ",
            "٣",
            "0x10",
        ],
    )
    def test_whole_ones_are_of_pt_br(self, value):
        with pytest.raises(BadLayout, match=r"a whole number in pt-br.* in theoricalQty in row 1 of page 1; found"):
            read_day(row_changed(0, theoricalQty=value))

    @pytest.mark.parametrize("value", ["20.500", "20", "1.2,500", ",500", "20,", "-20,500", "2.050,0,0", 20.5, None])
    def test_weights_are_of_pt_br(self, value):
        with pytest.raises(BadLayout, match=r"decimal places in pt-br.* in part in row 1 of page 1; found"):
            read_day(row_changed(0, part=value))

    def test_more_decimal_places_than_the_column_holds_are_refused_not_rounded(self):
        with pytest.raises(BadLayout, match=r"at most 3 decimal places in part in row 1 of page 1; found '20,5001'"):
            read_day(row_changed(0, part="20,5001"))
        with pytest.raises(BadLayout, match=r"at most 8 decimal places in header\.reductor; found '1,123456789'"):
            read_day(pages.day(header=pages.day_header(reductor="1,123456789")))

    def test_fewer_are_as_good(self):
        assert read_day(row_changed(0, part="20,5"))["weight_pct"][0].as_py() == Decimal("20.500")

    @pytest.mark.parametrize("endpoint", ["portfolio_day", "theoretical", "preview"])
    def test_of_en_us_are_refused_with_what_to_ask_for(self, endpoint):
        day = endpoint == "portfolio_day"
        header = (pages.day_header if day else pages.portfolio_header)()
        rows = (pages.day_rows if day else pages.portfolio_rows)()
        swap = str.maketrans(".,", ",.")
        for record in (header, *rows):
            for field in {"part", "partAcum", "theoricalQty", "reductor"} & record.keys():
                record[field] = record[field].translate(swap)

        with pytest.raises(
            BadLayout, match=r"in pt-br, the language asked for, in header\.part; found '100\.000', as en-us writes it"
        ) as error:
            read_table((pages.day if day else pages.undated)(header=header, rows=rows), endpoint=endpoint, index="IBOV")

        assert '"language":"pt-br"' in error.value.hint

    def test_of_en_us_betray_a_date_of_another_month(self):
        body = pages.day(header=pages.day_header(date="04/07/25", part="100.000"))

        with pytest.raises(BadLayout, match="as en-us writes it"):
            header_date(body)


class TestTickers:
    @pytest.mark.parametrize("ticker", ["A", "B3SA3", "TAEE11", "ABCDEFGHIJ12", " PETR4 "])
    def test_are_letters_and_digits(self, ticker):
        assert read_day(row_changed(1, cod=ticker))["ticker"][1].as_py() == ticker.strip()

    @pytest.mark.parametrize("ticker", ["A B", "petr4", "PETR-4", "PETR4;", "AÇÃO3", "PETR٣", "A/B", "ABCDEFGHIJ123"])
    @pytest.mark.parametrize("endpoint", ["portfolio_day", "theoretical", "preview"])
    def test_are_nothing_else_in_any_endpoint(self, endpoint, ticker):
        day = endpoint == "portfolio_day"
        rows = pages.day_rows() if day else pages.portfolio_rows()
        rows[1]["cod"] = ticker

        with pytest.raises(
            BadLayout, match=r"a ticker of A-Z and 0-9, 12 characters at most, in cod in row 2 of page 1; found"
        ) as error:
            read_table((pages.day if day else pages.undated)(rows=rows), endpoint=endpoint, index="IBOV")

        assert error.value.found == repr(ticker)

    def test_hold_all_that_refine_asks_of_them(self):
        """What lands is not refused later."""
        rules = re.search(r"^PORTFOLIO_RULES = \{.*?^\}", REFINE.read_text(), re.DOTALL | re.MULTILINE)[0]

        assert "ticker <> '' AND NOT ticker RLIKE '[^A-Z0-9]'" in rules
        assert "weight_pct IS NOT NULL" in rules
        assert rules.count('": "') == 3


class TestTheDate:
    @pytest.mark.parametrize("value", ["2026-10-05", "05/10/2026", "5/10/26", "31/02/26", "10/25/26", "", None, 51026])
    def test_is_a_day_of_pt_br(self, value):
        body = pages.day(header=pages.day_header(date=value))

        for reader in (read_day, header_date):
            with pytest.raises(BadLayout, match=r"expected header\.date as dd/mm/yy; found"):
                reader(body)


class TestTotals:
    def test_rows_are_as_many_as_announced(self):
        with pytest.raises(BadLayout, match=r"expected 6 rows, as page\.totalRecords says; found 5\."):
            read_day(pages.day(totalRecords=6))

    def test_a_share_comes_once(self):
        with pytest.raises(
            BadLayout, match=r"expected every cod once; found BANC3 in row 2 of page 1 and in row 3 of page 1\."
        ):
            read_day(row_changed(2, cod="BANC3"))

    def test_a_share_comes_once_on_all_pages(self):
        rows = pages.day_rows()
        rows[4]["cod"] = "BANC3 "
        document = pages.as_bytes(pages.documents(rows=rows, page_size=2))

        with pytest.raises(BadLayout, match=r"found BANC3 in row 2 of page 1 and in row 1 of page 3\."):
            read_day(document)

    @pytest.mark.parametrize("weight", ["20,497", "20,503"])
    def test_weights_may_miss_100_by_their_rounding(self, weight):
        assert read_day(row_changed(0, part=weight)).num_rows == 5

    @pytest.mark.parametrize(("weight", "total"), [("20,496", "99.996"), ("20,504", "100.004"), ("2,050", "81.550")])
    def test_weights_that_miss_it_by_more_are_refused(self, weight, total):
        with pytest.raises(BadLayout, match=rf"that sum to 100, give or take 0\.0030; found {total}\."):
            read_day(row_changed(0, part=weight))

    def test_the_header_says_100(self):
        with pytest.raises(BadLayout, match=r"expected header\.part 100,000; found '99,000'"):
            read_day(pages.day(header=pages.day_header(part="99,000")))

    def test_quantities_sum_to_the_headers(self):
        with pytest.raises(
            BadLayout, match=r"that sum to the header's 3,461,228,888; found 3,461,228,887\. B3 changed its answer"
        ):
            read_day(row_changed(2, theoricalQty="998"))
