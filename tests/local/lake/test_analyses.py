import datetime as dt

import pytest

from local.lake.analyses import INDEX, LAST_SESSION, PLACES, TICKER, Asked
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
