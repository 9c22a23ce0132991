import datetime as dt
import hashlib
import io
import zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from b3.lake import layout
from b3.verify import catalog, inventory
from b3.verify import differences as kinds
from b3.verify.lake import NothingToVerify
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_zip
from tests.plugins.b3.simulated import TODAY
from tests.plugins.b3.verify.conftest import SESSIONS

FIRST = SESSIONS[0]
LANDED = layout.landing_quotes_key(layout.daily_quotes_file(TODAY))
PORTFOLIO = layout.landing_index_key("IBOV", "portfolio_day", TODAY)
RAW, REFINED, FINDINGS = (of(FIRST) for of in (layout.raw_quotes_key, layout.refined_quotes_key, layout.findings_key))
YEAR = layout.landing_quotes_key(layout.annual_quotes_file(FIRST.year))
NOT_A_SESSION = dt.date(2026, 1, 4)


def edited(body: bytes, change) -> bytes:
    """A Parquet file with other rows."""
    sink = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(body))), sink)
    return sink.getvalue()


def with_other_record(archive: bytes, date: dt.date) -> bytes:
    """A COTAHIST file with another number of trades in its first record."""
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        (member,) = packed.namelist()
        lines = packed.read(member).split(b"\n")
    # Columns 148 to 152 of the layout count the trades.
    assert lines[1][2:10] == f"{date:%Y%m%d}".encode()
    lines[1] = lines[1][:147] + b"00007" + lines[1][152:]
    return build_zip(b"\n".join(lines), member)


def with_other_price(table: pa.Table) -> pa.Table:
    """The same rows and volumes, and one other price."""
    first = pa.array(range(len(table)))
    dearer = pc.add(table["close"], pa.scalar(1, table.schema.field("close").type))
    close = pc.if_else(pc.equal(first, 0), dearer.cast(table.schema.field("close").type), table["close"])
    return table.set_column(table.schema.names.index("close"), "close", close)


class TestACleanLake:
    def test_has_no_difference(self, lab):
        report = lab.verify()

        assert report.lines() == []
        assert report.verdict() == "no difference"

    def test_was_compared_as_a_whole(self, lab):
        report = lab.verify()

        listed = lab.s3.list_objects_v2(Bucket=lab.lake.bucket)["Contents"]
        keys = [entry["Key"] for entry in listed if entry["Key"].startswith(("landing/", "raw/", "refined/"))]
        assert report.objects == len(keys)
        assert report.partitions == sum(not key.startswith("landing/") for key in keys)
        assert report.sessions >= set(SESSIONS)

    def test_may_be_verified_in_part(self, lab):
        report = lab.verify(FIRST, FIRST)

        assert report.lines() == []
        assert report.sessions == {FIRST}
        assert 0 < report.objects < lab.verify().objects

    def test_without_the_sessions_asked_for_is_no_success(self, lab):
        with pytest.raises(NothingToVerify, match="expected sessions from 2001-01-01 to 2001-12-31"):
            lab.verify(dt.date(2001, 1, 1), dt.date(2001, 12, 31))


class TestLandedBytes:
    @pytest.mark.parametrize("key", [LANDED, YEAR, PORTFOLIO, layout.landing_sectors_key(TODAY)])
    def test_that_changed_are_told_with_both_sha256s(self, lab, key):
        with lab.breaking(key) as stored:
            lab.put(key, stored.body[:-1] + b"x", stored.metadata)

            (found,) = lab.verify().differences

        assert (found.kind, found.uri) == (kinds.LANDED_DAMAGED, lab.lake.uri(key))
        assert found.expected == f"sha256 {stored.metadata['source-sha256']}"
        assert found.found.startswith("sha256 ")
        assert "list-object-versions" in found.mend

    def test_of_no_known_origin_are_told(self, lab):
        with lab.breaking(LANDED) as stored:
            lab.put(LANDED, stored.body, {})

            assert lab.differences() == [(kinds.LANDED_DAMAGED, LANDED)]

    def test_kept_answers_are_verified_too(self, lab):
        key = layout.rejected_key("0" * 64, "COTAHIST_D02012026.ZIP")
        lab.put(key, b"page", {"source": "b3", "source-url": "https://b3.example/", "source-sha256": "0" * 64})

        assert lab.differences() == [(kinds.LANDED_DAMAGED, key)]
        lab.erase(key)

    def test_that_are_deleted_are_told_with_the_marker_that_hides_them(self, lab):
        with lab.breaking(PORTFOLIO):
            marker = lab.s3.delete_object(Bucket=lab.lake.bucket, Key=PORTFOLIO)["VersionId"]

            found = {each.kind: each for each in lab.verify().differences}

        assert found[kinds.LANDED_HIDDEN].uri == lab.lake.uri(PORTFOLIO)
        assert marker in found[kinds.LANDED_HIDDEN].found
        # Without its required portfolio, the index has no source.
        assert found[kinds.ORPHAN].uri == lab.lake.raw_index_portfolio(TODAY)
        assert len(found) == 2


class TestRawQuotes:
    def test_that_are_gone_are_told_once_for_each_object_that_needs_them(self, lab):
        with lab.breaking(RAW):
            lab.erase(RAW)

            assert lab.differences() == sorted(
                [(kinds.MISSING, RAW), (kinds.NO_OBJECT, RAW), (kinds.ORPHAN, REFINED), (kinds.ORPHAN, FINDINGS)]
            )

    def test_that_lost_rows_are_told_with_the_file_that_has_them(self, lab):
        with lab.breaking(RAW) as stored:
            rows = int(stored.metadata["rows"])
            lab.put(RAW, edited(stored.body, lambda table: table.slice(1)), stored.metadata)

            found = next(each for each in lab.verify().differences if each.uri == lab.lake.uri(RAW))

        assert found.kind in (kinds.ROWS, kinds.STALE)
        assert f"{rows} rows" in found.expected
        assert found.expected.endswith(f"as in {lab.lake.uri(YEAR)}")
        assert f"{rows - 1} rows" in found.found
        assert "1 rows lacking, 0 too many, 0 changed" in found.found
        assert found.mend == f"make rebuild FROM={FIRST} TO={FIRST}"

    def test_with_one_other_price_and_the_same_sums_are_told(self, lab):
        with lab.breaking(RAW) as stored:
            lab.put(RAW, edited(stored.body, with_other_price), stored.metadata)

            found = next(each for each in lab.verify().differences if each.uri == lab.lake.uri(RAW))

        assert "0 rows lacking, 0 too many, 1 changed" in found.found

    def test_of_a_file_that_was_fetched_before_the_newest_are_stale(self, lab):
        """B3 corrected one price in the daily file, and nobody has uploaded it."""
        key = layout.landing_quotes_key(layout.daily_quotes_file(FIRST))
        with lab.breaking(key) as stored:
            corrected = with_other_record(stored.body, FIRST)
            fetched = {"fetched-at": "2100-01-01T00:00:00+00:00", "source-sha256": sha256(corrected)}
            lab.put(key, corrected, stored.metadata | fetched)

            (found,) = lab.verify().differences

        assert (found.kind, found.uri) == (kinds.STALE, lab.lake.uri(RAW))
        assert found.expected.endswith(f"as in {lab.lake.uri(key)}")
        assert "0 rows lacking, 0 too many, 1 changed; made from http" in found.found

    def test_of_an_unreadable_file_are_not_compared_and_the_file_is_told(self, lab):
        key = layout.landing_quotes_key(layout.daily_quotes_file(FIRST))
        with lab.breaking(key) as stored:
            fetched = {"fetched-at": "2100-01-01T00:00:00+00:00", "source-sha256": sha256(b"<html>")}
            lab.put(key, b"<html>", stored.metadata | fetched)

            assert lab.differences() == [(kinds.UNREADABLE_SOURCE, key)]

    def test_that_a_years_file_lacks_with_a_persons_consent_stay(self, lab):
        sha256_of_year = lab.get(YEAR).metadata["source-sha256"]
        key, stored = layout.raw_quotes_key(NOT_A_SESSION), lab.get(RAW)
        lab.put(key, stored.body, stored.metadata | {"lacked-by": sha256_of_year})

        found = lab.differences()

        lab.erase(key)
        assert (kinds.ORPHAN, key) not in found
        assert (kinds.NOT_IN_CATALOG, key) in found

    def test_of_other_bytes_and_the_same_rows_hold_the_source(self, lab):
        """Another release of the writer encodes otherwise; refined objects were made from the former bytes."""
        with lab.breaking(RAW) as stored:
            lab.put(RAW, edited(stored.body, lambda table: table), stored.metadata)

            assert lab.differences() == sorted([(kinds.STALE, REFINED), (kinds.STALE, FINDINGS)])

    def test_that_are_no_parquet_are_told(self, lab):
        with lab.breaking(RAW) as stored:
            lab.put(RAW, b"PAR1 no more", stored.metadata)

            assert (kinds.DAMAGED, RAW) in lab.differences()

    def test_without_a_file_in_landing_are_told(self, lab):
        key = layout.raw_quotes_key(NOT_A_SESSION)
        stored = lab.get(RAW)
        lab.put(key, stored.body, stored.metadata)

        found = lab.differences()

        lab.erase(key)
        assert (kinds.ORPHAN, key) in found
        assert (kinds.NOT_IN_CATALOG, key) in found


class TestRawPortfoliosAndSectors:
    @pytest.mark.parametrize("key", [layout.raw_index_portfolio_key(TODAY), layout.raw_sectors_key(TODAY)])
    def test_that_are_gone_are_told(self, lab, key):
        with lab.breaking(key):
            lab.erase(key)

            assert (kinds.MISSING, key) in lab.differences()

    @pytest.mark.parametrize("key", [layout.raw_index_portfolio_key(TODAY), layout.raw_sectors_key(TODAY)])
    def test_that_lost_rows_are_told(self, lab, key):
        with lab.breaking(key) as stored:
            lab.put(key, edited(stored.body, lambda table: table.slice(0, len(table) - 1)), stored.metadata)

            assert (kinds.ROWS, key) in lab.differences()

    def test_that_landed_ahead_of_their_session_are_no_difference(self, lab):
        ahead = dt.date(2026, 1, 9)
        keys = [layout.landing_index_key("IBOV", endpoint, ahead) for endpoint in ("portfolio_day", "theoretical")]
        day, theoretical = (lab.get(key.replace(str(ahead), str(TODAY))) for key in keys)
        assert f"{TODAY:%d/%m/%y}".encode() in day.body
        body = day.body.replace(f"{TODAY:%d/%m/%y}".encode(), f"{ahead:%d/%m/%y}".encode())
        lab.put(keys[0], body, day.metadata | {"source-sha256": sha256(body)})
        lab.put(keys[1], theoretical.body, theoretical.metadata)
        before_its_run = lab.differences()
        # Its quotes landed, by b3_history, and no run of b3_daily has used the portfolios.
        quotes = lab.get(LANDED)
        daily = layout.landing_quotes_key(layout.daily_quotes_file(ahead))
        lab.put(daily, quotes.body, quotes.metadata)
        after = lab.differences()
        for key in (*keys, daily):
            lab.erase(key)

        assert before_its_run == []
        assert (kinds.MISSING, layout.raw_index_portfolio_key(ahead)) in after


class TestRefinedObjects:
    def test_whose_bytes_changed_are_told(self, lab):
        with lab.breaking(REFINED) as stored:
            lab.put(REFINED, edited(stored.body, lambda table: table), stored.metadata)

            assert lab.differences() == [(kinds.DAMAGED, REFINED)]

    @pytest.mark.parametrize("key", [REFINED, FINDINGS])
    def test_of_former_raw_quotes_are_stale(self, lab, key):
        with lab.breaking(key) as stored:
            lab.put(key, stored.body, stored.metadata | {"raw-etag": "0" * 32})

            (found,) = lab.verify().differences

        assert (found.kind, found.uri) == (kinds.STALE, lab.lake.uri(key))
        assert found.found == "0" * 32

    def test_with_other_sums_than_raw_are_told(self, lab):
        """Metadata of its own bytes, and one row less."""
        with lab.breaking(REFINED) as stored:
            body = edited(stored.body, lambda table: table.slice(1))
            rows = int(stored.metadata["rows"]) - 1
            lab.put(REFINED, body, stored.metadata | {"content-sha256": sha256(body), "rows": str(rows)})

            assert lab.differences() == [(kinds.ROWS, REFINED)]

    def test_without_findings_are_told(self, lab):
        with lab.breaking(FINDINGS):
            lab.erase(FINDINGS)

            assert lab.differences() == [(kinds.MISSING, FINDINGS), (kinds.NO_OBJECT, FINDINGS)]

    def test_that_a_delete_marker_hides_are_told_with_the_marker(self, lab):
        with lab.breaking(REFINED):
            marker = lab.s3.delete_object(Bucket=lab.lake.bucket, Key=REFINED)["VersionId"]

            found = next(each for each in lab.verify().differences if each.kind == kinds.MISSING)

        assert found.uri == lab.lake.uri(REFINED)
        assert found.found == f"delete marker {marker} over a former version"

    def test_of_constituents_are_compared_with_the_portfolio(self, lab):
        prefix = layout.refined_index_stocks_prefix(TODAY)
        key = lab.s3.list_objects_v2(Bucket=lab.lake.bucket, Prefix=prefix)["Contents"][0]["Key"]
        with lab.breaking(key) as stored:
            lab.put(key, stored.body, stored.metadata | {"generation": "0" * 16})
            stale = lab.differences()
            lab.put(key, stored.body[:-1] + b"x", stored.metadata)
            damaged = lab.differences()
            lab.erase(key)
            gone = lab.differences()

        assert stale == [(kinds.STALE, key)]
        assert damaged == [(kinds.DAMAGED, key)]
        assert gone == [(kinds.MISSING, key), (kinds.NO_OBJECT, key)]

    def test_of_constituents_without_raw_portfolios_are_told_in_one_line(self, lab):
        key, prefix = layout.raw_index_portfolio_key(TODAY), layout.refined_index_stocks_prefix(TODAY)
        with lab.breaking(key):
            lab.erase(key)

            assert lab.differences() == [(kinds.MISSING, key), (kinds.ORPHAN, prefix), (kinds.NO_OBJECT, key)]

    def test_of_a_stock_that_no_portfolio_has_are_told(self, lab):
        prefix = layout.refined_index_stocks_prefix(TODAY)
        stored = lab.get(lab.s3.list_objects_v2(Bucket=lab.lake.bucket, Prefix=prefix)["Contents"][0]["Key"])
        key = layout.refined_index_stocks_key(TODAY, "GONE3")
        lab.put(key, stored.body, stored.metadata)

        found = lab.differences()
        lab.erase(key)

        assert found == sorted([(kinds.ORPHAN, key), (kinds.NOT_IN_CATALOG, key)])


class TestTheCatalog:
    def test_without_a_partition_is_told(self, lab):
        partition = lab.partition("quotes", FIRST.isoformat())
        lab.unregister("quotes", FIRST.isoformat())

        (found,) = lab.verify().differences
        lab.register("quotes", partition)

        assert (found.kind, found.uri) == (kinds.NOT_IN_CATALOG, lab.lake.uri(REFINED))
        assert found.expected == f"partition {FIRST} of {lab.database}.quotes"

    def test_gets_the_partitions_that_it_lacks_as_the_crawler_made_them(self, lab):
        partition = lab.partition("quotes", FIRST.isoformat())
        lab.unregister("quotes", FIRST.isoformat())
        found = inventory.take(lab.s3, lab.lake, inventory.Days(FIRST, FIRST))

        assert catalog.register(lab.glue, lab.database, lab.lake, found) == 1

        again = lab.partition("quotes", FIRST.isoformat())
        assert again["StorageDescriptor"]["Location"] == partition["StorageDescriptor"]["Location"]
        assert again["StorageDescriptor"]["Columns"] == partition["StorageDescriptor"]["Columns"]
        assert lab.differences() == []
        assert catalog.register(lab.glue, lab.database, lab.lake, found) == 0

    def test_with_a_partition_of_no_object_is_told(self, lab):
        partition = lab.partition("findings", FIRST.isoformat())
        location = partition["StorageDescriptor"]["Location"].replace(str(FIRST), str(NOT_A_SESSION))
        storage = partition["StorageDescriptor"] | {"Location": location}
        lab.register("findings", {"Values": [str(NOT_A_SESSION)], "StorageDescriptor": storage})

        found = lab.differences()
        lab.unregister("findings", str(NOT_A_SESSION))

        assert found == [(kinds.NO_OBJECT, layout.findings_key(NOT_A_SESSION))]

    def test_with_a_partition_that_points_elsewhere_is_told(self, lab):
        partition = lab.partition("quotes", FIRST.isoformat())
        lab.unregister("quotes", FIRST.isoformat())
        storage = partition["StorageDescriptor"] | {"Location": lab.lake.uri("elsewhere/")}
        lab.register("quotes", partition | {"StorageDescriptor": storage})

        found = lab.differences()
        lab.unregister("quotes", FIRST.isoformat())
        lab.register("quotes", partition)

        assert found == [(kinds.UNKNOWN_PARTITION, "elsewhere/")]

    def test_without_a_table_is_told(self, lab):
        table = lab.glue.get_table(DatabaseName=lab.database, Name="raw_sectors")["Table"]
        partition = lab.partition("raw_sectors", TODAY.isoformat())
        lab.glue.delete_table(DatabaseName=lab.database, Name="raw_sectors")

        (found,) = lab.verify().differences
        names = ("Name", "Description", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
        lab.glue.create_table(DatabaseName=lab.database, TableInput={name: table[name] for name in names})
        lab.register("raw_sectors", partition)

        assert found.kind == kinds.NO_TABLE
        assert found.uri.endswith(f"{lab.database}.raw_sectors")


class TestObjectsThatNobodyNames:
    @pytest.mark.parametrize(
        "key",
        [
            "raw/quotes/trade_date=2026-01-06/part-0.parquet",
            "raw/quotes/trade_date=20260106/quotes.parquet",
            "raw/notes.txt",
            "landing/quotes/COTAHIST_D31022026.ZIP",
            "landing/quotes/cotahist.txt",
            "landing/index/IBOV/other/2026-01-08.json",
            "refined/index_stocks/trade_date=2026-01-08/index_stocks.parquet",
        ],
    )
    def test_are_told(self, lab, key):
        lab.put(key, b"-", {})

        found = lab.differences()
        lab.erase(key)

        assert found == [(kinds.UNKNOWN, key)]

    def test_once_deleted_are_no_difference_though_a_marker_stays(self, lab):
        lab.put("raw/notes.txt", b"-", {})
        lab.s3.delete_object(Bucket=lab.lake.bucket, Key="raw/notes.txt")

        assert lab.differences() == []
        lab.erase("raw/notes.txt")


class TestAFailureOfAws:
    def test_is_raised_and_is_never_no_difference(self, lab, monkeypatch):
        def refused(**arguments):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

        monkeypatch.setattr(lab.s3, "get_object", refused)

        with pytest.raises(ClientError, match="AccessDenied"):
            lab.verify()

    def test_of_the_listing_is_raised(self, lab):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            type(lab)(lab.s3, lab.glue, lab.database, layout.Lake("no-such-bucket")).verify()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class TestWhatIsTold:
    def test_is_one_line_for_each_difference_behind_a_sentence_of_how_many(self, lab):
        with lab.breaking(REFINED) as stored, lab.breaking(FINDINGS):
            lab.put(REFINED, stored.body, stored.metadata | {"raw-etag": "0" * 32})
            lab.put(FINDINGS, b"-", {})
            report = lab.verify()

        message = str(kinds.LakeDiffers(report)).splitlines()
        assert message[0] == "2 differences: 1 stale, 1 bytes changed"
        assert len(message) == 3
        for line in message[1:]:
            assert ": s3://lake/refined/" in line
            assert "; found " in line
            assert f"; to mend: make rebuild FROM={FIRST} TO={FIRST}" in line
