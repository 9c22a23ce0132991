import datetime as dt
import hashlib
import json
import random
from decimal import Decimal

import pyarrow as pa
import pytest
import yaml

from b3.errors import SourceError, WrongDate
from b3.indexes import portfolio, raw
from b3.indexes.land import LandedPortfolio
from b3.indexes.raw import RawIndexPortfolio
from b3.lake import layout
from b3.sectors import workbook
from tests.places import ROOT
from tests.plugins.b3.indexes import index_pages as pages

TEMPLATE = ROOT / "infra" / "lake.yaml"
DATE = dt.date(2026, 10, 5)
KEY = "raw/index_portfolio/trade_date=2026-10-05/index_portfolio.parquet"
SECTORS_KEY = "raw/sectors/trade_date=2026-10-05/sectors.parquet"
SENT = {"portfolio_day": pages.day(), "theoretical": pages.undated(), "preview": pages.undated()}


@pytest.fixture
def land_portfolio(put_landed):
    def put(endpoint, sent=None, index="IBOV", source="b3"):
        file = put_landed(layout.landing_index_key(index, endpoint, DATE), sent or SENT[endpoint], source)
        return LandedPortfolio(index, endpoint, file)

    return put


@pytest.fixture
def landed(land_portfolio):
    """Two indexes, one of them without a preview."""
    return [land_portfolio(endpoint) for endpoint in SENT] + [
        land_portfolio(endpoint, index="SMLL") for endpoint in ("portfolio_day", "theoretical")
    ]


class _Template(yaml.SafeLoader):
    """Reads the template without the functions of CloudFormation."""


_Template.add_multi_constructor("!", lambda *_: None)


def declared(resource):
    """Names and types of a table's columns in infra/lake.yaml."""
    template = yaml.load(TEMPLATE.read_text(), _Template)
    columns = template["Resources"][resource]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    return [(column["Name"], column["Type"]) for column in columns]


def glue_type(kind):
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    return {pa.string(): "string", pa.date32(): "date", pa.int64(): "bigint"}[kind]


@pytest.mark.parametrize(
    ("resource", "schema"),
    [("RawIndexPortfolio", raw.PORTFOLIO_SCHEMA), ("RawSectors", workbook.SCHEMA)],
)
def test_the_columns_are_those_of_the_table(resource, schema):
    assert [(field.name, glue_type(field.type)) for field in schema] == declared(resource)


class TestThePortfolios:
    def test_are_one_object_of_every_row(self, landed, table, raw_versions, s3, lake):
        written = raw.write_portfolios(s3, lake, landed, DATE)

        assert written == RawIndexPortfolio(
            f"s3://{lake.bucket}/{KEY}",
            25,
            {
                "IBOV": {"portfolio_day": 5, "theoretical": 5, "preview": 5},
                "SMLL": {"portfolio_day": 5, "theoretical": 5},
            },
        )
        assert list(raw_versions()) == [KEY]
        found = table(KEY)
        assert found.schema.names == raw.PORTFOLIO_SCHEMA.names
        rows = found.to_pylist()
        expected = [
            row
            for of in landed
            for row in portfolio.read_table(SENT[of.endpoint], endpoint=of.endpoint, index=of.index).to_pylist()
        ]
        assert [row | {"source_date": None} for row in rows] == [
            {"source_date": None} | {name: value for name, value in row.items() if name != "trade_date"}
            for row in expected
        ]
        assert rows[3] == {
            "source_date": DATE,
            "index": "IBOV",
            "endpoint": "portfolio_day",
            "ticker": "OLEO3",
            "company": "OLEO",
            "share_type": "ON",
            "sector": "Petróleo, Gás e Biocombustíveis",
            "subsector": None,
            "weight_pct": Decimal("39.375"),
            "theoretical_quantity": 2_000_000_000,
            "reductor": Decimal("16134548.84098888"),
        }

    def test_carry_the_date_that_the_source_names_and_no_other(self, landed, table, s3, lake):
        raw.write_portfolios(s3, lake, landed, DATE)

        dates = {(row["endpoint"], row["source_date"]) for row in table(KEY).to_pylist()}
        assert dates == {("portfolio_day", DATE), ("theoretical", None), ("preview", None)}

    def test_say_where_they_came_from(self, landed, s3, lake):
        raw.write_portfolios(s3, lake, landed, DATE)

        sha256s = "\n".join(sorted(of.file.sha256 for of in landed))
        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == {
            "source": "b3",
            "source-sha256": hashlib.sha256(sha256s.encode()).hexdigest(),
            "rows": "25",
        }

    def test_of_a_single_file_name_that_file(self, land_portfolio, s3, lake):
        landed = land_portfolio("portfolio_day")

        raw.write_portfolios(s3, lake, [landed], DATE)

        metadata = s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]
        assert metadata["source-sha256"] == landed.file.sha256

    def test_written_again_in_any_order_are_the_same_object(self, landed, raw_versions, s3, lake):
        first = raw.write_portfolios(s3, lake, landed, DATE)
        before = raw_versions()

        for seed in range(3):
            shuffled = random.Random(seed).sample(landed, len(landed))
            assert raw.write_portfolios(s3, lake, shuffled, DATE) == first

        assert raw_versions() == before

    def test_lost_and_written_again_have_the_same_bytes(self, landed, s3, lake):
        raw.write_portfolios(s3, lake, landed, DATE)
        etag = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"]
        s3.delete_object(Bucket=lake.bucket, Key=KEY)

        raw.write_portfolios(s3, lake, landed, DATE)

        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"] == etag

    def test_of_several_pages_are_read_to_the_last(self, land_portfolio, table, s3, lake):
        joined = portfolio.join_pages([pages.as_bytes(page) for page in pages.documents(page_size=2)])

        written = raw.write_portfolios(s3, lake, [land_portfolio("portfolio_day", joined)], DATE)

        assert written.rows == 5
        assert table(KEY)["ticker"].to_pylist() == [row["cod"] for row in pages.day_rows()]

    def test_of_another_date_are_refused_and_readers_see_the_former_ones(
        self, landed, land_portfolio, raw_versions, s3, lake
    ):
        raw.write_portfolios(s3, lake, landed, DATE)
        before = raw_versions()
        other = land_portfolio("portfolio_day", pages.day(header=pages.day_header(date="06/10/26")))

        with pytest.raises(WrongDate, match=r"portfolio_day/2026-10-05\.json: expected the portfolio of 2026-10-05"):
            raw.write_portfolios(s3, lake, [other, *landed[1:]], DATE)

        assert raw_versions() == before

    def test_real_and_simulated_are_not_mixed(self, landed, land_portfolio, raw_versions, s3, lake):
        simulated = land_portfolio("preview", index="SMLL", source="simulated")

        with pytest.raises(
            SourceError, match=r"SMLL/preview/.*expected a file of source 'b3'.*found one of source 'simulated'"
        ):
            raw.write_portfolios(s3, lake, [*landed, simulated], DATE)

        assert raw_versions() == {}

    def test_that_were_tampered_with_are_refused(self, landed, raw_versions, s3, lake):
        changed = json.dumps(json.loads(SENT["theoretical"]), indent=1).encode()
        s3.put_object(Bucket=lake.bucket, Key="landing/index/SMLL/theoretical/2026-10-05.json", Body=changed)

        with pytest.raises(SourceError, match=r"SMLL/theoretical/2026-10-05\.json: expected the bytes of sha256"):
            raw.write_portfolios(s3, lake, landed, DATE)

        assert raw_versions() == {}
