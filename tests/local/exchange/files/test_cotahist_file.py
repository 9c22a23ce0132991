"""What a simulated session looks like, held against what B3's files are known to look like."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import zipfile
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from b3.calendar import sessions
from local.exchange.files import cotahist_file
from local.exchange.market import oddities, universe

THURSDAY_2024 = dt.date(2024, 3, 14)
MODERN = [dt.date(2020, 5, 4), dt.date(2021, 1, 15), THURSDAY_2024]
OLD = [dt.date(1986, 1, 2), dt.date(1993, 8, 2), dt.date(2003, 2, 12), dt.date(2014, 1, 28)]
EXPIRY_DAYS = [dt.date(2021, 1, 18), dt.date(2024, 3, 15)]
SAMPLE = MODERN + OLD + EXPIRY_DAYS


def is_share(row):
    return row.market_type == "010" and row.isin[6:9] in ("ACN", "CDA", "UNT")


class TestDeterminism:
    @pytest.mark.parametrize(
        ("session", "sha256"),
        [
            (dt.date(2021, 1, 15), "8441c9ad92b01a96694e5b879fca4f6b577446dc4ecd464540435dc6b18c31b2"),
            (dt.date(2024, 3, 14), "95b8d9027019fe3ea1a5fbc568696ed39002fd28a7dbb796692e2722a05472b4"),
        ],
    )
    def test_a_date_has_the_same_text_on_every_machine(self, session, sha256):
        assert hashlib.sha256(cotahist_file.session_records(session)).hexdigest() == sha256

    def test_the_zip_is_the_same_every_time(self):
        assert cotahist_file.session_file(THURSDAY_2024) == cotahist_file.session_file(THURSDAY_2024)

    def test_a_date_without_session_has_no_file(self):
        with pytest.raises(ValueError, match="no session on 2024-03-16"):
            cotahist_file.session_file(dt.date(2024, 3, 16))


class TestFile:
    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_records_are_245_bytes_and_crlf_between_a_header_and_a_trailer(self, session):
        text = cotahist_file.session_records(session)
        lines = text.split(b"\r\n")
        assert lines.pop() == b""
        assert {len(line) for line in lines} == {245}
        assert lines[0].rstrip() == f"00COTAHIST.{session:%Y}BOVESPA {session:%Y%m%d}".encode()
        assert lines[-1].rstrip() == (f"99COTAHIST.{session:%Y}BOVESPA {session:%Y%m%d}{len(lines):011d}".encode())
        assert {line[:10] for line in lines[1:-1]} == {f"01{session:%Y%m%d}".encode()}

    @pytest.mark.parametrize(
        ("file_name", "member"),
        [
            ("COTAHIST_A1986.ZIP", "COTAHIST.A1986"),
            ("COTAHIST_A2000.ZIP", "COTAHIST.A2000"),
            ("COTAHIST_A2001.ZIP", "COTAHIST_A2001"),
            ("COTAHIST_A2002.ZIP", "COTAHIST_A2002.TXT"),
            ("COTAHIST_M012021.ZIP", "COTAHIST_M012021.TXT"),
            ("COTAHIST_D15012021.ZIP", "COTAHIST_D15012021.TXT"),
        ],
    )
    def test_the_member_is_named_as_b3_named_it_then(self, file_name, member):
        assert cotahist_file.member_name(file_name) == member

    def test_the_zip_holds_the_text_and_nothing_else(self):
        with zipfile.ZipFile(io.BytesIO(cotahist_file.session_file(THURSDAY_2024))) as archive:
            assert archive.namelist() == ["COTAHIST_D14032024.TXT"]
            assert archive.read("COTAHIST_D14032024.TXT") == cotahist_file.session_records(THURSDAY_2024)

    @pytest.mark.parametrize("session", [d for d in SAMPLE if d.year < 2023], ids=str)
    def test_rows_are_sorted_until_2022(self, session, rows_of):
        keys = [(r.ticker, r.market_type, r.forward_days) for r in rows_of(session)]
        assert keys == sorted(keys)

    def test_rows_are_not_sorted_since_2023(self, rows_of):
        tickers = [row.ticker for row in rows_of(THURSDAY_2024)]
        descents = sum(a > b for a, b in pairwise(tickers))
        assert descents > len(tickers) // 3

    @pytest.mark.parametrize(
        ("session", "currency"),
        [
            (dt.date(1986, 1, 2), "Cr$"),
            (dt.date(1988, 6, 1), "Cz$"),
            (dt.date(1989, 6, 1), "NCz$"),
            (dt.date(1991, 6, 3), "Cr$"),
            (dt.date(1993, 8, 2), "CR$"),
            (dt.date(1994, 7, 1), "R$"),
            (dt.date(2024, 3, 14), "R$"),
        ],
    )
    def test_the_currency_is_that_of_the_era(self, session, currency, rows_of):
        assert {row.currency for row in rows_of(session)} == {currency}


class TestEveryRow:
    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_the_four_part_key_is_unique(self, session, rows_of):
        keys = Counter((r.trade_date, r.ticker, r.market_type, r.forward_days) for r in rows_of(session))
        assert max(keys.values()) == 1

    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_open_and_close_lie_between_low_and_high(self, session, rows_of):
        assert not oddities.planted(session)
        for row in rows_of(session):
            assert 0 < row.low <= min(row.open, row.close), row
            assert max(row.open, row.close) <= row.high, row

    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_volume_is_quantity_times_a_price_of_the_range_per_quote_factor(self, session, rows_of):
        for row in rows_of(session):
            least, most = (row.quantity * price // row.quote_factor for price in (row.low, row.high))
            assert least <= row.financial_volume <= most, row
            assert row.quantity > 0

    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_bids_are_below_asks(self, session, rows_of):
        for row in rows_of(session):
            if row.best_bid and row.best_ask:
                assert row.best_bid < row.best_ask or row.close == 1, row

    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_isins_have_a_right_check_digit(self, session, rows_of):
        for isin in {row.isin for row in rows_of(session)}:
            digits = [int(d) for c in isin for d in str(int(c, 36))]
            doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
            assert sum(doubled) % 10 == 0, isin

    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_the_traps_of_real_files_are_there(self, session, rows_of):
        rows = rows_of(session)
        assert any(not r.low <= r.average <= r.high for r in rows)
        assert sum(r.best_bid == 0 for r in rows) > len(rows) // 5
        assert any(set("ÇÃÉ") & set(r.short_name) for r in rows)
        assert {1, 10, 100, 1000} == {r.quote_factor for r in rows}

    def test_a_few_volumes_round_to_nothing(self, rows_of):
        worthless = [row for session in MODERN for row in rows_of(session) if row.financial_volume == 0]
        assert 1 <= len(worthless) <= 15

    def test_the_trade_count_of_the_busiest_wraps(self, rows_of):
        lots_per_trade = [
            row.quantity / 100 / max(1, row.trade_count)
            for session in sessions.sessions(dt.date(2024, 1, 2), dt.date(2024, 1, 31))
            for row in rows_of(session)
            if row.ticker == universe.companies()[0].tickers[0]
        ]
        assert max(lots_per_trade) > 5


class TestClasses:
    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_a_modern_session_has_as_many_of_each_class_as_b3(self, session, rows_of):
        rows = rows_of(session)
        bdi, markets = Counter(r.bdi_code for r in rows), Counter(r.market_type for r in rows)
        assert 350 <= sum(map(is_share, rows)) <= 430
        assert 55 <= bdi["14"] <= 65
        assert 330 <= bdi["12"] <= 380
        assert 480 <= sum(r.isin[6:9] == "BDR" and r.market_type == "010" for r in rows) <= 560
        assert 500 <= markets["020"] <= 750
        assert 2500 <= markets["070"] + markets["080"] <= 5000
        assert 400 <= markets["030"] <= 700
        assert markets["017"] >= 1
        assert bdi["10"] >= 1
        assert 5000 <= len(rows) <= 7000

    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_spot_rows_have_no_term_and_no_expiry(self, session, rows_of):
        for row in rows_of(session):
            if row.market_type in ("010", "017", "020", "021"):
                assert (row.forward_days, row.expiry_date, row.strike_price) == ("", "99991231", 0)

    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_odd_lots_belong_to_a_spot_ticker(self, session, rows_of):
        rows = rows_of(session)
        spot = {r.ticker: r.isin for r in rows if r.market_type == "010"}
        odd = [r for r in rows if r.market_type == "020"]
        assert {r.bdi_code for r in odd} == {"96"}
        assert all(spot[r.ticker.removesuffix("F")] == r.isin for r in odd)
        shares = {r.ticker for r in rows if is_share(r)}
        assert len({r.ticker for r in odd} & {f"{t}F" for t in shares}) > 0.85 * len(shares)

    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_a_ticker_has_forwards_of_several_terms(self, session, rows_of):
        terms = defaultdict(set)
        for row in rows_of(session):
            if row.market_type == "030":
                assert (row.bdi_code, row.ticker[-1], len(row.forward_days)) == ("62", "T", 3)
                terms[row.ticker].add(row.forward_days)
        assert max(map(len, terms.values())) >= 4

    def test_bdrs_are_round_lots_until_2022_and_undocumented_codes_after(self, rows_of):
        def codes(session):
            return {r.bdi_code for r in rows_of(session) if r.isin[6:9] == "BDR" and r.market_type == "010"}

        assert codes(dt.date(2021, 1, 15)) == {"02"}
        assert codes(THURSDAY_2024) == {"02", "34", "35", "36"}

    def test_undocumented_markets_are_there(self, rows_of):
        rows = rows_of(THURSDAY_2024)
        assert {r.bdi_code for r in rows if r.market_type == "021"} == {"92", "93"}

    def test_history_begins_with_fewer_instruments_and_no_funds(self, rows_of):
        first = rows_of(dt.date(1986, 1, 2))
        assert len(first) < 1500
        assert not any(r.isin[6:9] in ("CTF", "BDR") for r in first)


class TestOptions:
    @pytest.mark.parametrize("session", SAMPLE, ids=str)
    def test_codes_terms_and_letters_say_call_or_put_and_month(self, session, rows_of):
        for row in rows_of(session):
            if row.market_type in ("070", "080"):
                call = row.market_type == "070"
                assert row.bdi_code in (("78", "74") if call else ("82", "75"))
                assert row.forward_days == "000"
                assert f"{session:%Y%m%d}" < row.expiry_date < f"{session + dt.timedelta(days=330):%Y%m%d}"
                month = int(row.expiry_date[4:6])
                assert row.ticker[4] == "ABCDEFGHIJKLMNOPQRSTUVWX"[month - 1 + (0 if call else 12)]
                assert row.strike_price > 0

    def test_a_series_keeps_its_strike_and_expiry(self, rows_of):
        series = defaultdict(set)
        for session in sessions.sessions(dt.date(2024, 3, 1), dt.date(2024, 3, 28)):
            for row in rows_of(session):
                if row.market_type in ("070", "080"):
                    series[row.ticker].add((row.strike_price, row.expiry_date, row.isin))
        assert {len(terms) for terms in series.values()} == {1}

    def test_shares_options_expire_on_third_mondays_until_april_2021_and_on_third_fridays_since(self, rows_of):
        def expiries(session):
            return {
                dt.date.fromisoformat(r.expiry_date)
                for r in rows_of(session)
                if r.market_type == "070" and r.bdi_code == "78"
            }

        assert {dt.date(2020, 5, 18), dt.date(2020, 6, 15)} <= expiries(dt.date(2020, 5, 4))
        for expiry in expiries(THURSDAY_2024):
            assert sessions.is_session(expiry)
            assert (expiry.weekday(), (expiry.day - 1) // 7) in {(4, 2), (3, 1), (3, 2)}

    @pytest.mark.parametrize("session", MODERN, ids=str)
    def test_index_options_carry_their_strike_in_points(self, session, rows_of):
        options = [r for r in rows_of(session) if r.market_type in ("070", "080")]
        indexes = [r for r in options if r.bdi_code in ("74", "75")]
        assert len(indexes) > 10
        assert all(r.strike_points == r.strike_price * 10_000 > 0 and r.isin[6:9] == "IND" for r in indexes)
        assert {r.strike_correction for r in indexes} == {"0", "6"}
        assert all(r.strike_points == 0 for r in options if r not in indexes)

    @pytest.mark.parametrize("session", EXPIRY_DAYS, ids=str)
    def test_series_in_the_money_are_exercised_on_their_last_day(self, session, rows_of):
        exercised = [r for r in rows_of(session) if r.market_type in ("012", "013")]
        last = [r for r in exercised if r.expiry_date == f"{session:%Y%m%d}"]
        assert len(last) > 100
        for row in exercised:
            assert row.ticker.endswith("E")
            assert row.bdi_code in {"012": ("38", "32"), "013": ("42", "33")}[row.market_type]
            assert {row.open, row.high, row.low, row.average, row.close} == {row.strike_price}


DAYS = sessions.sessions(dt.date(2022, 1, 3), dt.date(2022, 3, 3))


@pytest.fixture(scope="module")
def closes():
    """Close, specification, distribution number and ISIN by spot ticker and session."""
    names = ("ticker", "close", "specification", "distribution_number", "isin")
    found = defaultdict(dict)
    for session in DAYS:
        columns = cotahist_file.session_columns(session)
        spot = columns["market_type"] == b"010"
        for ticker, *values in zip(*(columns[name][spot].tolist() for name in names), strict=True):
            found[ticker.decode()][session] = values
    return found


class TestThroughTime:
    def test_prices_join_up_from_session_to_session(self, closes):
        moves = []
        for days in closes.values():
            known = [days[day][0] for day in DAYS if day in days]
            moves += [abs(b / a - 1) for a, b in pairwise(known) if a > 200]
        moves.sort()
        assert moves[len(moves) // 2] < 0.02
        assert moves[len(moves) * 999 // 1000] < 0.15

    def test_some_instruments_trade_on_some_days_only(self, closes):
        assert sum(len(DAYS) // 3 < len(days) < len(DAYS) for days in closes.values()) > 20

    def test_a_split_drops_the_price_raises_the_distribution_number_and_marks_the_paper(self, closes):
        splits = []
        for days in closes.values():
            known = [days[day] for day in DAYS if day in days]
            for before, after in pairwise(known):
                if before[3][6:9] == b"ACN" and before[0] > 200 and not 0.7 < after[0] / before[0] < 1.4:
                    splits.append((before, after))
        assert splits
        for before, after in splits:
            assert after[2] == before[2] + 1
            assert after[1][4:6] in (b"EB", b"EG")

    def test_dividends_and_interest_are_marked(self, closes):
        marks = {values[1][4:6] for days in closes.values() for values in days.values()}
        assert {b"ED", b"EJ", b"ER"} <= marks

    def test_companies_list_and_delist(self):
        companies = universe.companies()
        assert sum(2010 <= company.listed.year <= 2019 for company in companies) > 50
        assert sum(2010 <= company.delisted.year <= 2019 for company in companies) > 50


class TestUniverse:
    def test_tickers_are_unique_and_cannot_be_taken_for_real_ones(self):
        tickers = [ticker.decode() for ticker in universe.instruments().ticker.tolist()]
        assert len(set(tickers)) == len(tickers)
        assert all(t[0] in "KQWXYZ" and t[1] in "KQWXYZ0" for t in tickers)

    def test_every_company_has_a_sector(self):
        assert {(c.sector, c.subsector) for c in universe.companies()} == set(universe.SECTORS)
