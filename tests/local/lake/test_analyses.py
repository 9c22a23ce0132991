import datetime as dt
import re

import pytest

from local.lake import query_client
from local.lake.analyses import INDEX, LAST_SESSION, PLACES, TICKER, Asked, NotInTheLake
from tests.local.conftest import ROWS
from tests.places import SQL

ANALYSES = {path.stem: path.read_text() for path in (SQL / "analysis").glob("*.sql")}
TAKE = {
    "TICKER": {"price_trend", "liquidity", "option_chain"},
    "INDEX": {"price_trend", "liquidity", "top_stocks"},
    "DATE": set(ANALYSES),
}
ASKED = {
    "DATE": Asked(date=dt.date(2024, 3, 14)),
    "TICKER": Asked(ticker="PETR4"),
    "INDEX": Asked(index="IBOV"),
}
PUT = {"DATE": "date '2024-03-14'", "TICKER": "'PETR4' AS ticker", "INDEX": "'IBOV' AS index_code"}


@pytest.mark.parametrize("variable", TAKE)
@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_an_analysis_takes_a_variable_or_refuses_it(name, variable):
    if name in TAKE[variable]:
        filled = ASKED[variable].fill(ANALYSES[name], name)
        assert PUT[variable] in filled
        assert PLACES[variable] not in filled
    else:
        with pytest.raises(ValueError, match=f"{name} does not take {variable}=.*: it takes DATE"):
            ASKED[variable].fill(ANALYSES[name], name)


@pytest.mark.parametrize("place", [LAST_SESSION, TICKER, INDEX])
def test_a_statement_with_two_places_for_a_variable_is_refused(place):
    variable = next(name for name, text in PLACES.items() if text == place)

    with pytest.raises(ValueError, match="found it 2x"):
        ASKED[variable].fill(f"SELECT {place}, {place}", "SQL")


def test_a_statement_is_left_alone_where_nothing_is_asked():
    assert Asked.of("", "", "").fill("SELECT 1", "SQL") == "SELECT 1"


def test_small_letters_are_taken_for_capitals():
    assert Asked.of("2024-03-14", "petr4", " ibov ") == Asked(dt.date(2024, 3, 14), "PETR4", "IBOV")


@pytest.mark.parametrize(
    "text", ["x' OR 1=1 --", "PETR4'", "ABC", "PETR4;", "PETR 4", "É0004", "A" * 13, "PETR4\nX", " "]
)
def test_what_b3_never_writes_gets_into_no_sql(text):
    with pytest.raises(ValueError, match="expected TICKER= as B3 writes it, such as PETR4; found"):
        Asked.of("", text, "")
    with pytest.raises(ValueError, match="expected INDEX= as B3 writes it, such as IBOV; found"):
        Asked.of("", "", text)


class TestOnALake:
    """It has the session of 2024-03-14 alone."""

    @pytest.mark.parametrize(
        ("date", "said"),
        [
            ("2024-03-13", "has no quotes; the nearest that it has: 2024-03-14. `make run DATE=2024-03-13` brings it"),
            ("2024-03-10", "Sunday 2024-03-10, on which B3 was closed"),
            ("2099-01-05", "found DATE=2099-01-05, which is yet to come"),
            ("1980-01-02", "B3's historical quotes begin in 1986"),
        ],
    )
    def test_a_session_that_it_lacks_is_told_with_the_nearest(self, held_session, date, said):
        with pytest.raises(NotInTheLake) as told:
            Asked.of(date, "", "").check_session(held_session)

        assert said in str(told.value)
        assert "the nearest that it has: 2024-03-14" in str(told.value)

    def test_its_session_is_taken(self, held_session):
        Asked.of("2024-03-14", "", "").check_session(held_session)

    def test_a_ticker_of_which_nothing_is_found_is_told_with_a_way_to_find_others(self, held_session):
        found = query_client.ask(held_session, "SELECT ticker FROM quotes WHERE ticker = 'ABCD3'")
        none = query_client.ask(held_session, "SELECT ticker FROM quotes WHERE ticker = 'VALE3'")
        Asked.of("", "ABCD3", "").check_found(held_session, found)

        with pytest.raises(NotInTheLake, match="expected rows for TICKER=VALE3 up to 2024-03-14, found none") as told:
            Asked.of("", "VALE3", "").check_found(held_session, none)
        (sql,) = re.findall(r'make query SQL="(.*)"', str(told.value))
        assert [row[0] for row in query_client.query(held_session, sql).rows] == [row[0] for row in ROWS]
