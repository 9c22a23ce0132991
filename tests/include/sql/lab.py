"""A lake of simulated sessions, written straight as Parquet, and pandas' view of the same rows.

What the Glue job and the parsers do has tests of its own; here rows only have to be of the tables' types.
"""

import datetime as dt
import io
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import boto3
import jinja2
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from b3.airflow import run_hours
from b3.airflow.run_dates import Period
from b3.calendar import sessions
from b3.indexes.sector_labels import split_label
from local.exchange.files import cotahist_file, sector_workbook
from local.exchange.market import indexes
from local.exchange.market import sectors as labels
from local.lake.analyses import Asked
from tests.places import SQL

DAYS = sessions.sessions(dt.date(2024, 2, 7), dt.date(2024, 3, 14))
# The lake lacks the sessions between this one and the first of DAYS.
APART = dt.date(2024, 1, 31)
ANCIENT = dt.date(2023, 6, 1)
# Sessions on which the sector classification was new.
FIRST_CLASSIFIED, CLASSIFIED = DAYS[1], dt.date(2024, 2, 15)
TABLES = {
    "raw_quotes": "raw/quotes/",
    "raw_index_portfolio": "raw/index_portfolio/",
    "raw_sectors": "raw/sectors/",
    "quotes": "refined/quotes/",
    "findings": "refined/findings/",
    "index_stocks": "refined/index_stocks/",
    "visual_index_stocks": "refined_visual/index_stocks/",
    "run_metrics": "metrics/run_metrics/",
    "raw_btc_minutes": "raw_bitcoin/btc_minutes/",
    "btc_minutes": "refined_bitcoin/btc_minutes/",
}
# A share with quote factor 1000.
PENNY = "ZWQB3"
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")


def rounded(value: Decimal, places: int) -> Decimal:
    """Half up, as Trino rounds decimals."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def price_change(open_: Decimal, close: Decimal) -> Decimal:
    return rounded((close - open_) * 100 / open_, 4)


@dataclass
class Answer:
    rows: list[dict[str, str | None]]
    bytes_scanned: int


class Failed(Exception):
    """Athena's reason."""


class Lab:
    """The lake on a local AWS: put rows, ask SQL."""

    def __init__(self, endpoint: str, outputs: dict[str, str]) -> None:
        self.outputs = outputs
        self.s3 = boto3.client("s3", endpoint_url=endpoint)
        self.glue = boto3.client("glue", endpoint_url=endpoint)
        self.athena = boto3.client("athena", endpoint_url=endpoint)
        self.schemas = {name: self._schema(name) for name in TABLES}

    def _schema(self, name: str) -> pa.Schema:
        found = self.glue.get_table(DatabaseName=self.outputs["GlueDatabase"], Name=name)["Table"]
        return pa.schema([(c["Name"], _arrow(c["Type"])) for c in found["StorageDescriptor"]["Columns"]])

    def put(self, table: str, rows: Sequence[dict[str, Any]], *values: str) -> int:
        """Write a partition's one object; returns its size. It is seen once it is registered."""
        keys = ("trade_date", "symbol" if table.endswith("btc_minutes") else "ticker")
        schema = self.schemas[table]
        body = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema), body)
        folder = "/".join(f"{key}={value}" for key, value in zip(keys, values, strict=False))
        self.s3.put_object(
            Bucket=self.outputs["LakeBucket"], Key=f"{TABLES[table]}{folder}/part.parquet", Body=body.getvalue()
        )
        return len(body.getvalue())

    def put_index_stocks(self, rows: Iterable[dict[str, Any]], day: dt.date) -> None:
        """A partition for each ticker, as the Glue job writes them."""
        by_ticker: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_ticker.setdefault(row["ticker"], []).append(row)
        for ticker, of_ticker in by_ticker.items():
            self.put("index_stocks", of_ticker, str(day), ticker)

    def crawl(self) -> None:
        for name in (self.outputs["RawCrawler"], self.outputs["RefinedCrawler"]):
            self.glue.start_crawler(Name=name)
        for name in (self.outputs["RawCrawler"], self.outputs["RefinedCrawler"]):
            while (crawler := self.glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
                time.sleep(0.05)
            assert crawler["LastCrawl"]["Status"] == "SUCCEEDED", crawler

    def ask(self, sql: str) -> Answer:
        """Run a statement through Athena's API; raises Failed with Athena's reason."""
        identity = self.athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.outputs["GlueDatabase"]},
            WorkGroup=self.outputs["AthenaWorkgroup"],
        )["QueryExecutionId"]
        while True:
            execution = self.athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.04)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise Failed(execution["Status"]["StateChangeReason"])
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=identity)
        lines = [[cell.get("VarCharValue") for cell in row["Data"]] for of in pages for row in of["ResultSet"]["Rows"]]
        header, *rows = lines or [[]]
        return Answer(
            [dict(zip(header, row, strict=True)) for row in rows], execution["Statistics"]["DataScannedInBytes"]
        )

    def analyse(
        self, name: str, day: dt.date | None = None, asked: Asked | None = None, **replaced: tuple[str, str]
    ) -> Answer:
        """Run a file of analysis/, with its defaults or as `make query FILE=… DATE=…` does; with texts replaced."""
        sql = (SQL / "analysis" / f"{name}.sql").read_text()
        for old, new in replaced.values():
            assert sql.count(old) == 1
            sql = sql.replace(old, new)
        return self.ask((asked or Asked(date=day)).fill(sql, name))

    def scanned_partitions(self, table: str, *days: dt.date) -> int:
        """Bytes of the objects of these partitions."""
        sizes = [
            entry["Size"]
            for day in days
            for page in self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.outputs["LakeBucket"], Prefix=f"{TABLES[table]}trade_date={day}/"
            )
            for entry in page["Contents"]
        ]
        return sum(sizes)

    def check(
        self, name: str, day: dt.date, last: dt.date | None = None, *, uploaded: Sequence[str] = (), **rows: int
    ) -> Answer:
        """Run a file of validate/, as the task of b3_daily renders it, or with `last` that of b3_history.

        Its `rows` are what the tasks said that they wrote, and `uploaded` the hours of btc_minutes.
        """

        class TaskInstance:
            def xcom_pull(self, task_ids: str) -> Any:
                if task_ids == "bitcoin.upload":
                    return list(uploaded)
                return {"rows": rows[task_ids.partition(".")[0]]}

        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(SQL))
        (path,) = (SQL / "validate").glob(f"*/{name}.sql")
        template = environment.get_template(str(path.relative_to(SQL)))
        period = Period(day, last or day)
        given = {
            "trade_date": lambda run: day,
            "period": lambda run, of: period,
            "uploaded_sql": run_hours.uploaded_sql,
        }
        return self.ask(template.render(**given, dag_run=None, ti=TaskInstance(), triggering_asset_events=None))


def _arrow(glue: str) -> pa.DataType:
    if glue.startswith("decimal"):
        precision, scale = glue[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "string": pa.string(), "date": pa.date32(), "int": pa.int32(), "smallint": pa.int16(), "bigint": pa.int64(),
        "timestamp": pa.timestamp("ms"),
    }[glue]  # fmt: skip


def asset_class(market_type: str, specification: str, isin: str, bdi_code: str) -> str:
    if market_type in ("070", "080"):
        return "option"
    if market_type not in ("010", "017", "020"):
        return "other"
    if specification.startswith("UNT"):
        return "unit"
    if isin[6:9] in ("ACN", "ARN") and " REC" not in specification:
        return "stock"
    if bdi_code == "12":
        return "fii"
    return "bdr" if specification.startswith("DR") else "fund"


def quotes(day: dt.date, roots: set[str], *, options: bool) -> list[dict[str, Any]]:
    """Refined quotes of a simulated session, spot, odd lot and auction and, if asked for, options.

    They are of these roots, of a fifth of the others, and of a few BDRs and funds.
    """
    columns = cotahist_file.session_columns(day)
    texts = {n: [v.decode("latin-1").strip() for v in c.tolist()] for n, c in columns.items() if c.dtype.kind == "S"}
    whole = {n: c.tolist() for n, c in columns.items() if c.dtype.kind == "i"}
    kinds = {"010", "017", "020"} | ({"070", "080"} if options else set())
    chosen = [
        i
        for i, (kind, ticker) in enumerate(zip(texts["market_type"], texts["ticker"], strict=True))
        if kind in kinds and (ticker[:4] in roots or zlib.crc32(ticker[:4].encode()) % 5 == 0)
    ]
    before = sessions.previous_session(day)
    rows = []
    for i in chosen:
        factor = whole["quote_factor"][i]
        expiry = whole["expiry_date"][i]
        row: dict[str, Any] = {
            "trade_date": day,
            "source_date": day,
            **{name: values[i] for name, values in texts.items() if name != "forward_days"},
            **{name: Decimal(whole[name][i]).scaleb(-2) for name in (*PRICES, "financial_volume", "strike_price")},
            "trade_count": whole["trade_count"][i],
            "quantity": whole["quantity"][i],
            "quote_factor": factor,
            "distribution_number": whole["distribution_number"][i],
            "expiry_date": dt.date.fromisoformat(str(expiry)) if expiry != 99991231 else None,
            "previous_session": before,
        }
        row |= {f"unit_{name}": row[name] / factor for name in PRICES}
        row["change_pct"] = price_change(row["open"], row["close"])
        row["days_to_expiry"] = (row["expiry_date"] - day).days if row["expiry_date"] else None
        row["asset_class"] = asset_class(row["market_type"], row["specification"], row["isin"], row["bdi_code"])
        rows.append(row)
    return rows


def with_chain(share: dict[str, Any]) -> list[dict[str, Any]]:
    """A call and a put on a share that is quoted per thousand, at 0.45 of that, and that trades the most after this."""
    share |= {"close": Decimal("0.45"), "unit_close": Decimal("0.00045"), "financial_volume": Decimal("3000000000.00")}
    series = {
        **share, "asset_class": "option", "expiry_date": DAYS[-1] + dt.timedelta(days=36), "days_to_expiry": 36,
        "strike_price": Decimal("0.47"), "financial_volume": Decimal("1.00"),
    }  # fmt: skip
    return [
        {**series, "ticker": f"{PENNY[:4]}D47", "market_type": "070", "unit_close": Decimal("0.00002")},
        {**series, "ticker": f"{PENNY[:4]}P47", "market_type": "080", "unit_close": Decimal("0.00004")},
    ]


def portfolio(index: str, day: dt.date) -> list[dict[str, Any]]:
    """Rows of raw_index_portfolio, of portfolio_day."""
    found = indexes.portfolio(index, day)
    rows = []
    for of in found.constituents:
        sector, subsector = split_label(labels.label(of.sector, of.issuer))
        rows.append(
            {
                "trade_date": day, "source_date": day, "index": index, "endpoint": "portfolio_day",
                "ticker": of.ticker, "company": of.company, "share_type": of.specification, "sector": sector,
                "subsector": subsector, "weight_pct": Decimal(of.weight).scaleb(-3),
                "theoretical_quantity": of.quantity, "reductor": Decimal(found.reductor).scaleb(-8),
            }
        )  # fmt: skip
    return rows


def index_stocks(
    constituents: Sequence[dict[str, Any]], traded: Sequence[dict[str, Any]], generation: str = "a" * 16
) -> list[dict[str, Any]]:
    """Rows of index_stocks of one session, from its rows of the portfolio and of the quotes."""
    of_day = [row for row in constituents if row["endpoint"] == "portfolio_day"]
    by_key = {(row["ticker"], row["market_type"]): row for row in traded}
    rows = []
    for row in of_day:
        ticker = row["ticker"]
        lots = [by_key[key] for key in ((ticker, "010"), (ticker + "F", "020"), (ticker + "L", "017")) if key in by_key]
        round_lot = by_key.get((ticker, "010"), {})
        rows.append(
            {
                **{name: row[name] for name in ("trade_date", "ticker", "share_type", "sector", "subsector")},
                **{name: row[name] for name in ("weight_pct", "theoretical_quantity")},
                **{name: round_lot.get(name) for name in ("open", "high", "low", "close", "quote_factor")},
                "index_code": row["index"],
                "company_name": row["company"],
                "total_quantity": sum(lot["quantity"] for lot in lots) if lots else None,
                "total_financial_volume": sum((lot["financial_volume"] for lot in lots), Decimal()) if lots else None,
                "market_count": len(lots),
                "constituent_count": sum(other["index"] == row["index"] for other in of_day),
                "generation": generation,
            }
        )
    return rows


def classification(day: dt.date, *, without: str) -> list[dict[str, Any]]:
    """Rows of raw_sectors, but for one root."""
    names = ("root", "sector", "subsector", "segment", "listing_segment")
    rows = [{**{n: getattr(of, n) for n in names}, "company": of.name} for of in sector_workbook.classification(day)]
    return [row for row in rows if row["root"] != without]


@dataclass
class Market:
    """The rows that the lake holds, for pandas.

    Attributes:
        lab: the lake.
        quotes: of all sessions.
        index_stocks: those of the last three sessions.
        portfolio: raw_index_portfolio of the last session.
        sectors: the newest sector classification.
        unclassified: the root that it lacks.
        odd_only: a constituent that traded no round lot on the last session.
        silent: one that did not trade on it.
        interrupted: one that did not trade three sessions before.
    """

    lab: Lab
    quotes: pd.DataFrame
    index_stocks: list[dict[str, Any]]
    portfolio: list[dict[str, Any]]
    sectors: list[dict[str, Any]]
    unclassified: str
    odd_only: str
    silent: str
    interrupted: str

    def spot(self, *kinds: str) -> pd.DataFrame:
        """Quotes of stocks and units on these market types."""
        of = self.quotes
        return of[of.market_type.isin(kinds) & of.asset_class.isin(["stock", "unit"])]


def build(lab: Lab) -> Market:
    """Sessions of quotes, two classifications, and for the last three sessions two indexes.

    IBOV lacks a constituent on the last but one, and has rows of two generations on the one before.
    """
    last, missing, mixed = DAYS[-1], DAYS[-2], DAYS[-3]
    portfolios = {day: [row for index in ("IBOV", "SMLL") for row in portfolio(index, day)] for day in DAYS[-3:]}
    for day in (missing, mixed):
        portfolios[day] = [row for row in portfolios[day] if row["ticker"][:4] < "XN"]
    # Two constituents of one weight; the heaviest takes the difference.
    one, other, *rest = (row for row in portfolios[last] if row["index"] == "IBOV")
    max(rest, key=lambda row: row["weight_pct"])["weight_pct"] += one["weight_pct"] - other["weight_pct"]
    one["weight_pct"] = other["weight_pct"]
    of_ibov = [row["ticker"] for row in portfolios[last] if row["index"] == "IBOV"]
    roots = {row["ticker"][:4] for rows in portfolios.values() for row in rows}
    odd_only, spoiled, silent, interrupted = of_ibov[3], of_ibov[5], of_ibov[7], of_ibov[11]
    gone = {
        last: {(odd_only, "010"), (silent, "010"), (silent + "F", "020"), (silent + "L", "017")},
        DAYS[-4]: {(interrupted, "010")},
    }
    found: list[dict[str, Any]] = []
    stocks: list[dict[str, Any]] = []
    for day in (ANCIENT, APART, *DAYS):
        rows = [
            row for row in quotes(day, roots, options=day == last)
            if (row["ticker"], row["market_type"]) not in gone.get(day, set())
        ]  # fmt: skip
        if day == last:
            # The largest volumes are of an odd lot and of a BDR, which no ranking of round lots of shares may show.
            for row in rows:
                if row["ticker"] == f"{interrupted}F" or row["asset_class"] == "bdr":
                    row["financial_volume"] *= 100_000
            rows += with_chain(next(row for row in rows if row["ticker"] == PENNY))
        lab.put("quotes", rows, str(day))
        found += rows
        if day in portfolios:
            lab.put("raw_index_portfolio", portfolios[day], str(day))
            of_day = index_stocks(portfolios[day], rows)
            for row in list(of_day):
                if (row["index_code"], row["ticker"]) == ("IBOV", spoiled):
                    if day == missing:
                        of_day.remove(row)
                    if day == mixed:
                        row["generation"] = "b" * 16
            lab.put_index_stocks(of_day, day)
            stocks += of_day
    unclassified = of_ibov[0][:4]
    classified = classification(last, without=unclassified)
    lab.put("raw_sectors", [{**row, "sector": "Before"} for row in classified], str(FIRST_CLASSIFIED))
    lab.put("raw_sectors", classified, str(CLASSIFIED))
    lab.crawl()
    return Market(
        lab, pd.DataFrame(found), stocks, portfolios[last], classified, unclassified, odd_only, silent, interrupted
    )
