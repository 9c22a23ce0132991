"""The rows that break a rule, found anew in the bytes of sessions and held against what was planted."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections import Counter, defaultdict
from functools import cache

import pytest

from local.exchange.files import cotahist_file
from local.exchange.market import oddities, session_rows, trading_days

FIELDS = "fields_are_readable"
KEY = "key_is_unique"
POSITIVE = "prices_are_positive"
OUTSIDE = "prices_lie_within_low_and_high"
FACTOR = "quote_factor_is_a_power_of_ten"
VOLUME = "volume_fits_quantity"

# What B3's files have: rows whose open or close lies outside low and high, and what else is odd.
OUTSIDE_A_YEAR = {
    1986: 29,
    1988: 1,
    1990: 6,
    1991: 1,
    1994: 2,
    1998: 18,
    1999: 32,
    2000: 68,
    2001: 108,
    2002: 44,
    2003: 25,
    2005: 620,
    2006: 1,
    2011: 2,
    2020: 280,
}
OTHERS_A_YEAR = {1986: {KEY: 2}, 1987: {FIELDS: 34}, 1988: {VOLUME: 1}}
# Years of which sessions are read in B3's format, one in so many; where few have odd rows, all of those too.
READ = {1986: 5, 1987: 5, 1988: 10, 1998: 10, 2005: 5}
FEW = 40


def days_of(year):
    return trading_days.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))


def breaches(quotes):
    """(rule, ticker, market type, term, row) of every breach in 01 records, by the rules of the lake."""
    found = []
    rows_of_key = defaultdict(list)
    lines = quotes.decode("latin-1").split("\r\n")[:-1]
    for row, line in enumerate(lines):
        ticker, market_type, term = line[12:24].rstrip(), line[24:27], line[49:52].strip(" ")
        opened, high, low, average, close = (int(line[start : start + 13]) for start in range(56, 121, 13))
        trade_count, quantity, volume = int(line[147:152]), int(line[152:170]), int(line[170:188])
        factor = int(line[210:217])
        readable = not term or term.isdigit()
        forward_days = int(term) if term and readable else None
        rules = []
        if not readable:
            rules.append(FIELDS)
        if min(opened, high, low, average, close) <= 0:
            rules.append(POSITIVE)
        if not (low <= min(opened, close) and max(opened, close) <= high):
            rules.append(OUTSIDE)
        if factor not in (1, 10, 100, 1000, 10_000, 100_000, 1_000_000):
            rules.append(FACTOR)
        if not volume_fits(quantity, volume, trade_count, low, high, factor):
            rules.append(VOLUME)
        found += [(rule, ticker, market_type, forward_days, row) for rule in rules]
        rows_of_key[ticker, market_type, term].append((KEY, ticker, market_type, forward_days, row))
    repeated = [breach for rows in rows_of_key.values() if len(rows) > 1 for breach in rows]
    return sorted(found + repeated, key=lambda breach: breach[-1])


def volume_fits(quantity, volume, trade_count, low, high, factor):
    """The rule of the volume. In reais it is (100 × volume + trades) × factor >= 99 × quantity × low.

    Volume and prices are cents here: 100 × volume in reais is the volume in cents, and the rest is taken by 100.
    """
    if quantity <= 0:
        return False
    if volume == 0:
        return quantity * high < factor
    return (
        100 * (volume + trade_count) * factor >= 99 * quantity * low
        and 100 * (volume - 1) * factor <= 101 * quantity * high
    )


@cache
def planted_in(year):
    """What was planted in each session of a year."""
    return {session: oddities.planted(session) for session in days_of(year)}


def sessions_to_read(year):
    odd = {session for session, planted in planted_in(year).items() if planted}
    return sorted({*days_of(year)[:: READ[year]], *(odd if len(odd) <= FEW else ())})


def expected_of(year):
    return Counter({OUTSIDE: OUTSIDE_A_YEAR.get(year, 0)} | OTHERS_A_YEAR.get(year, {}))


def text_of(file_name, days):
    out = io.BytesIO()
    cotahist_file.write_archive(out, file_name, days)
    with zipfile.ZipFile(out) as archive:
        return archive.read(cotahist_file.member_name(file_name))


@pytest.mark.parametrize("year", READ)
def test_every_row_that_breaks_a_rule_was_planted(year):
    for session in sessions_to_read(year):
        assert breaches(cotahist_file.session_quotes(session)) == planted_in(year)[session], session


@pytest.mark.parametrize("year", sorted(OUTSIDE_A_YEAR.keys() | OTHERS_A_YEAR.keys()))
def test_as_many_rows_are_planted_as_the_file_of_b3_has(year):
    counts = Counter(found.rule for planted in planted_in(year).values() for found in planted)
    assert +counts == +expected_of(year)


@pytest.mark.parametrize("session", [dt.date(2001, 7, 30), dt.date(2020, 1, 30), dt.date(2020, 9, 1)], ids=str)
def test_what_is_planted_on_a_day_of_another_year_is_all_that_is_odd_there(session):
    assert oddities.planted(session)
    assert breaches(cotahist_file.session_quotes(session)) == oddities.planted(session)


@pytest.mark.parametrize("session", [dt.date(1989, 6, 1), dt.date(2004, 3, 15), dt.date(2012, 7, 2)], ids=str)
def test_years_without_odd_rows_are_as_they_are_drawn(session):
    assert session.year not in OUTSIDE_A_YEAR.keys() | OTHERS_A_YEAR.keys()
    assert oddities.planted(session) == []
    drawn = session_rows.draw(session)
    for name, values in cotahist_file.session_columns(session).items():
        assert (values == drawn[name]).all()
    assert breaches(cotahist_file.session_quotes(session)) == []


def test_a_day_without_session_has_nothing_planted():
    days = [dt.date(1986, 1, 1) + dt.timedelta(days=n) for n in range(365)]
    closed = [day for day in days if not trading_days.is_session(day)]
    assert [oddities.planted(day) for day in closed] == [[]] * len(closed)
    assert oddities.planted(dt.date(1985, 12, 30)) == []


def test_the_repeated_key_is_a_forward_of_60_days_with_two_prices_on_10_october_1986(rows_of):
    session = dt.date(1986, 10, 10)
    first, second = (of for of in oddities.planted(session) if of.rule == KEY)
    rows = [rows_of(session)[of.row] for of in (first, second)]
    assert second.row == first.row + 1
    assert {(row.ticker, row.market_type, row.forward_days) for row in rows} == {(first.ticker, "030", "060")}
    assert rows[0].close < rows[1].close
    assert len(rows_of(session)) == len(session_rows.draw(session)["ticker"]) + 1


def test_terms_of_1987_hold_the_control_characters_of_b3_as_bytes():
    found = set()
    for session in days_of(1987)[::4]:
        planted = planted_in(1987)[session]
        records = cotahist_file.session_quotes(session).split(b"\r\n") if planted else []
        for of in planted:
            assert (of.market_type, of.forward_days, of.ticker[-1]) == ("020", None, "F")
            found.add(records[of.row][49:52])
    assert found == {b"\x00\x0f ", b"\x9c\x0f ", b"\x00\x07 "}


def test_the_volume_of_1988_is_that_of_a_price_per_share(rows_of):
    ((session, of),) = (
        (session, of) for session, planted in planted_in(1988).items() for of in planted if of.rule == VOLUME
    )
    row = rows_of(session)[of.row]
    assert row.quote_factor > 1
    assert row.quantity * row.low <= row.financial_volume <= row.quantity * row.high


def test_prices_outside_are_mostly_those_of_forwards_and_sometimes_of_the_spot_market():
    markets = Counter(of.market_type for planted in planted_in(2005).values() for of in planted)
    assert markets.keys() == {"010", "030"}
    assert markets["030"] > 4 * markets["010"]


def test_open_and_close_lie_above_and_below(rows_of):
    sides = set()
    for session in days_of(2005)[:12]:
        for of in planted_in(2005)[session]:
            row = rows_of(session)[of.row]
            sides |= {
                ("open above", row.open > row.high),
                ("open below", row.open < row.low),
                ("close above", row.close > row.high),
                ("close below", row.close < row.low),
            }
    assert {side for side, is_so in sides if is_so} == {"open above", "open below", "close above", "close below"}


def test_closes_of_the_spot_market_stay_as_the_indexes_have_them():
    moved = 0
    for session in days_of(2005)[:40]:
        spot = [of.row for of in planted_in(2005)[session] if of.market_type == "010"]
        if spot:
            published, drawn = cotahist_file.session_columns(session), session_rows.draw(session)
            moved += int((published["open"] != drawn["open"])[spot].sum())
            assert (published["close"] == drawn["close"])[spot].all()
    assert moved > 5


def test_a_row_is_planted_for_one_rule_even_where_all_forwards_of_a_session_are_odd(monkeypatch):
    session = dt.date(1986, 10, 10)
    monkeypatch.setitem(oddities._OUTSIDE, 1986, 20_000)
    planted = oddities.planted(session)
    assert Counter(of.rule for of in planted)[KEY] == 2
    assert len({of.row for of in planted}) == len(planted) > 50
    assert {of.row for of in planted} > {
        row
        for row, market_type in enumerate(cotahist_file.session_columns(session)["market_type"])
        if market_type == b"030"
    }
    assert breaches(cotahist_file.session_quotes(session)) == planted


def test_odd_rows_are_spread_over_the_year():
    counts = {session: len(planted) for session, planted in planted_in(2005).items()}
    of_months = Counter(dict.fromkeys(range(1, 13), 0))
    for session, count in counts.items():
        of_months[session.month] += count
    assert min(of_months.values()) > 25
    assert max(counts.values()) < 12


def test_a_session_has_the_same_rows_in_the_daily_the_monthly_and_the_annual_file():
    days = trading_days.sessions(dt.date(1986, 10, 6), dt.date(1986, 10, 14))
    of_month, of_year = text_of("COTAHIST_M101986.ZIP", days), text_of("COTAHIST_A1986.ZIP", days)
    odd = [session for session in days if oddities.planted(session)]
    assert {dt.date(1986, 10, 9), dt.date(1986, 10, 10)} <= set(odd)
    for session in odd:
        quotes = text_of(f"COTAHIST_D{session:%d%m%Y}.ZIP", [session])[247:-247]
        assert quotes in of_month
        assert quotes in of_year
