"""What the lake holds costs a fixed number of listings, none of landing/."""

import datetime as dt

import pytest

from b3.lake import layout
from b3.page.listing import Sessions, list_further, list_sessions
from tests.plugins.b3.page.lake_objects import put_session

DAY, NEXT, LATER = dt.date(2024, 3, 14), dt.date(2024, 3, 15), dt.date(2025, 1, 2)

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


@pytest.fixture
def requests(s3):
    """Operation and prefix of each request to S3."""
    made: list[tuple[str, str]] = []

    def note(params, model, **_):
        query = params["query_string"]
        made.append((model.name, query.get("prefix", "")))

    s3.meta.events.register("before-call.s3", note, unique_id="test-requests")
    yield made
    s3.meta.events.unregister("before-call.s3", unique_id="test-requests")


def test_sessions_are_found_by_the_objects_of_their_quotes(s3, lake):
    put_session(s3, lake, DAY)
    put_session(s3, lake, NEXT, "raw", "report")

    found = list_sessions(s3, lake, NOW)

    assert found.raw.keys() == {DAY, NEXT} and found.refined.keys() == {DAY} and found.reports == {NEXT}
    assert found.dates == [DAY, NEXT]
    sizes = [len(f"<p>{part} of {date}</p>") for part, date in (("raw", DAY), ("raw", NEXT), ("refined", DAY))]
    assert found.size == sum(sizes)


def test_other_keys_below_the_prefixes_are_left_out(s3, lake):
    for key in ("raw/quotes/trade_date=2024-13-99/quotes.parquet", "raw/quotes/trade_date=2024-03-14/_SUCCESS",
                "refined/quotes/notes.txt", "reports/trade_date=2024-03-14/other.html"):  # fmt: skip
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"?")

    assert list_sessions(s3, lake, NOW) == Sessions({}, {}, frozenset(), NOW)


def test_further_tables_are_those_of_the_years_asked_for(s3, lake):
    put_session(s3, lake, DAY, "raw", "findings", "portfolio", "constituents")
    put_session(s3, lake, LATER, "raw", "findings", "portfolio", "constituents")

    found = list_further(s3, lake, [2024], list_sessions(s3, lake, NOW))

    assert found.findings == found.portfolios == found.constituents == {DAY}
    assert not found.stale


def test_the_number_of_listings_does_not_depend_on_the_number_of_objects(s3, lake, requests):
    for day in range(11, 16):
        put_session(s3, lake, dt.date(2024, 3, day), "raw", "refined", "findings", "portfolio", "report")
        for ticker in ("PETR4", "VALE3", "ITUB4"):
            key = layout.refined_index_stocks_key(dt.date(2024, 3, day), ticker)
            s3.put_object(Bucket=lake.bucket, Key=key, Body=b"?")
    requests.clear()

    found = list_further(s3, lake, [2024, 2023], list_sessions(s3, lake, NOW))

    assert len(found.constituents) == 5
    assert sorted(requests) == sorted(
        ("ListObjectsV2", prefix)
        for prefix in (
            "raw/quotes/", "refined/quotes/", "reports/",
            *(f"{table}/trade_date={year}-" for year in (2023, 2024)
              for table in ("refined/findings", "raw/index_portfolio", "refined/index_stocks")),
        )
    )  # fmt: skip


@pytest.mark.parametrize("made_from_the_present", [True, False])
def test_quotes_refined_before_raw_was_put_are_stale_unless_they_name_its_bytes(s3, lake, made_from_the_present):
    put_session(s3, lake, DAY, "raw")
    etag = s3.head_object(Bucket=lake.bucket, Key=layout.raw_quotes_key(DAY))["ETag"].strip('"')
    named = etag if made_from_the_present else "another"
    s3.put_object(Bucket=lake.bucket, Key=layout.refined_quotes_key(DAY), Body=b"?", Metadata={layout.RAW_ETAG: named})
    sessions = list_sessions(s3, lake, NOW)
    # S3 tells times in whole seconds: put raw a minute later, without waiting for it.
    raw = {DAY: sessions.raw[DAY]._replace(modified=sessions.raw[DAY].modified + dt.timedelta(minutes=1))}

    found = list_further(s3, lake, [2024], Sessions(raw, sessions.refined, sessions.reports, NOW))

    assert found.stale == (frozenset() if made_from_the_present else {DAY})


def test_quotes_refined_after_raw_are_not_asked_about(s3, lake, requests):
    put_session(s3, lake, DAY)
    sessions = list_sessions(s3, lake, NOW)
    requests.clear()

    list_further(s3, lake, [2024], sessions)

    assert "HeadObject" not in {operation for operation, _ in requests}
