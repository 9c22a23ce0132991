import datetime as dt

from b3.lake import layout

DATE = dt.date(2020, 4, 30)
FILE = "COTAHIST_D30042020.ZIP"


def test_b3_names_a_sessions_file_day_first():
    assert layout.daily_quotes_file(DATE) == FILE
    assert layout.daily_quotes_file(dt.date(1986, 1, 2)) == "COTAHIST_D02011986.ZIP"


def test_keys():
    assert layout.landing_quotes_key(FILE) == f"landing/quotes/{FILE}"
    assert layout.received_key("0123abcd", "a.json") == "landing/received/0123abcd/a.json"
    assert layout.rejected_key("0123abcd", FILE) == f"landing/rejected/0123abcd/{FILE}"
    assert layout.raw_quotes_key(DATE) == "raw/quotes/trade_date=2020-04-30/quotes.parquet"
    assert layout.refined_quotes_key(DATE) == "refined/quotes/trade_date=2020-04-30/quotes.parquet"


def test_uris():
    here = layout.Lake("b3-lake")

    assert here.uri("landing/quotes/x") == "s3://b3-lake/landing/quotes/x"
    assert here.all_raw_quotes == "s3://b3-lake/raw/quotes/"
    assert here.all_refined_quotes == "s3://b3-lake/refined/quotes/"
    assert here.all_findings == "s3://b3-lake/refined/findings/"


def test_tables():
    assert (layout.RAW_QUOTES_TABLE, layout.QUOTES_TABLE) == ("raw_quotes", "quotes")
