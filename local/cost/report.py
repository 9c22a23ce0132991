"""`make cost`: writes docs/cost.md from measured.json and prices.yaml, so that neither is copied by hand."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from infra.checkout import ROOT
from local.cost import bitcoin, comparison, estimate, measure, price_list, stream
from local.cost.estimate import HOURS_A_MONTH, SESSIONS_A_MONTH, SESSIONS_A_YEAR
from local.cost.measure import Measured
from local.cost.price_list import PriceList

FILE = ROOT / "docs" / "cost.md"
GUESSED_JOB_SECONDS = (60, 120, 300)
FULL_SCAN_GB = 100


def main() -> None:
    """Write the document."""
    FILE.write_text(document(measure.read(), price_list.read()), encoding="utf-8")
    print(f"cost: wrote {FILE.relative_to(ROOT)}")


def document(measured: Measured, listed: PriceList) -> str:
    """The text of docs/cost.md."""
    parts = estimate.session(measured, listed)
    run = sum(parts.values(), Decimal(0))
    cheap = sum(estimate.session_without_crawls(measured, listed).values(), Decimal(0))
    kept = estimate.kept_bytes(measured)
    flex = estimate.job(measured.job_seconds, measured.workers, listed["glue_flex_dpu_hour"], listed)
    crawls, calls = measured.crawls * estimate.crawl(listed), estimate.registering(measured, listed)
    scan = FULL_SCAN_GB * 1024**3
    fixed = sum(
        (estimate.mwaa_month(listed), estimate.database_month(listed), estimate.endpoint_month(listed),
         estimate.network_month(listed)),
        Decimal(0),
    )  # fmt: skip
    month = fixed + SESSIONS_A_MONTH * run
    lines = [
        "# What it costs",
        "",
        "Made by `make cost`; do not edit. US dollars, AWS list prices in "
        f"{listed.region} as of {listed.as_of}, no free tier, no tax. The use is that of one run for "
        f"{measured.session} on the simulated exchange, "
        f"measured on {measured.measured_on} on the local stand-ins ({measured.machine}).",
        "",
        "**Nothing here comes from an AWS bill.** What stands in for what:",
        "",
        f"- Seconds of the Glue job ({measured.job_seconds}) are those of Spark on this machine, not of "
        f"{measured.workers} G.1X workers. Up to 60 seconds the bill is the same: Glue bills a minute at least.",
        "- Bytes scanned are what the local Athena counts: whole files of the partitions that a query reads, where AWS "
        "counts the columns that it reads. AWS bills 10 MB at least; the largest of these queries scanned "
        f"{_mb(max(measured.query_bytes))}.",
        "- S3 writes are the objects' versions. Reads, lists and catalog calls are counted once for each different "
        "request, so AWS would bill more of them: ten times all S3 requests would add "
        f"{_usd(9 * parts['S3 requests'])} to a session.",
        "- A crawl is billed as ten minutes, whatever it takes. How many DPUs it uses AWS tells only afterwards.",
        "- Log storage, SNS, SQS and CloudWatch's metrics and alarms are left out, as is what goes through the NAT "
        f"gateway, {listed['nat_gateway_gb']} a GB. What goes to S3 does not: mwaa.yaml's endpoint for it is free.",
        "",
        "## A session",
        "",
        *_table(("for", "use", "$"), _uses(measured, parts, listed)),
        "",
        f"With `B3_REGISTER=tasks` it costs **{_usd(cheap)}**: no crawl, and the {sum(measured.partitions.values())} "
        "partitions registered by calls of a hundred at most, reckoned as a request for each partition. This is "
        "computed from the same measured run; the tables and their bytes are the same (tests/e2e/test_daily.py).",
        "",
        f"It leaves {_mb(kept)} for good, {_usd(estimate.storage_month([kept], listed))} a month.",
        "",
        "## A year, a month",
        "",
        *_table(
            ("", "$"),
            [
                (f"a year of history, {SESSIONS_A_YEAR} sessions run one by one", _usd(SESSIONS_A_YEAR * run)),
                ("the same with B3_REGISTER=tasks", _usd(SESSIONS_A_YEAR * cheap)),
                ("keeping that year, a month", _usd(comparison.keeping(measured, listed, years=1))),
                (f"MWAA, mw1.small with its one worker, a month of {HOURS_A_MONTH} hours",
                 _usd(estimate.mwaa_month(listed))),
                (f"its database, reckoned as {estimate.DATABASE_GB} GB", _usd(estimate.database_month(listed))),
                ("its interface endpoint in two zones; WebserverAccess=PRIVATE_ONLY makes a second one",
                 _usd(estimate.endpoint_month(listed))),
                ("its NAT gateway with one address, without the data; NatGateways=2 doubles it",
                 _usd(estimate.network_month(listed))),
                (f"a month in all: MWAA, NAT gateway and {SESSIONS_A_MONTH} sessions", _usd(month)),
                (f"beside it, a second worker (MaxWorkers=2), reckoned as {estimate.WORKER_HOURS} hour of each session",
                 _usd(estimate.second_worker_month(listed))),
            ],
        ),
        "",
        f"MWAA and its network are {fixed / month:.0%} of the month. They are billed by the hour, runs or not.",
        "",
        "## Where Airflow runs",
        "",
        "The lake is the same; Airflow can be on MWAA, on one instance, or on a laptop ([laptop.md](laptop.md)). "
        "Dollars in all, of the lake and of Airflow; a month keeps a year of sessions in S3:",
        "",
        *_table(
            ("Airflow on", "a session, tasks register", f"a month of {SESSIONS_A_MONTH} sessions, crawlers",
             "the month, tasks register", f"{comparison.HISTORY_YEARS} years of history, tasks register"),
            comparison.rows(measured, listed, _usd),
        ),
        "",
        f"- Guesses: an environment made for a run is billed {comparison.ENVIRONMENT_HOURS} hours, an instance started "
        f"for one {comparison.INSTANCE_HOURS}. `b3_history` takes {comparison.YEAR_HOURS} hour a year, of which its "
        f"Glue job takes {comparison.YEAR_JOB_SECONDS} seconds. Each year is reckoned as large as one of today; those "
        "of the past were smaller.",
        f"- The history costs {_usd(comparison.history(measured, listed, crawls=False))} for the lake alone, "
        f"{_usd(comparison.history(measured, listed, crawls=True))} with crawlers. The rest of its column is "
        f"Airflow's. Keeping it costs {_usd(comparison.keeping(measured, listed, years=comparison.HISTORY_YEARS))} a "
        "month.",
        f"- The instance is a t3.medium with {comparison.DISK_GB} GB and a public address, and needs no NAT gateway.",
        "- An environment that is deleted takes its history of runs with it; the lake stays. Delete stack `STACK-mwaa` "
        "alone, and deploy again for the next run.",
        "- The price of mw1.micro is reckoned, see the prices below.",
        "- A budget tells before it is too late: `make deploy … PARAMETERS=\"BudgetDollars=10 AlertEmail=…\"`. It "
        "stops nothing.",
        "",
        "If the Glue job took longer on AWS, a session would cost:",
        "",
        *_table(
            ("seconds of the job", "$ a session"),
            [
                (str(seconds), _usd(run - parts["Glue job"]
                 + estimate.job(seconds, measured.workers, listed["glue_dpu_hour"], listed)))
                for seconds in GUESSED_JOB_SECONDS
            ],
        ),
        "",
        "## The optional stream",
        "",
        f"A month of [infra/stream.yaml](stream.md): {stream.minutes():,} polls of {stream.SYMBOLS} symbols. A call of "
        f"a function is reckoned as {stream.CALL_SECONDS} s. Requests of its queue, and its alarms, are left out.",
        "",
        *_table(("for", "$ a month"), _stream(stream.month(listed))),
        "",
        "## What the choices cost and save",
        "",
        *_table(
            ("choice", "$", "instead of", "$", "a year"),
            [
                _choice("crawlers register the partitions (B3_REGISTER=crawler)", crawls,
                        f"the tasks do (tasks): {sum(measured.partitions.values())} partitions, each reckoned as a "
                        "request",
                        calls),
                _choice("execution class STANDARD", parts["Glue job"], "FLEX (GlueExecutionClass)", flex),
                _choice("quotes by trade date, one object", Decimal(0),
                        f"by trade date and ticker, {measured.quotes:,} objects",
                        estimate.by_ticker(measured, listed)),
            ],
        ),
        "",
        f"- **Crawlers** are {crawls / run:.0%} of a session: each is billed ten minutes for a second's work. "
        "`B3_REGISTER=tasks` saves nearly all of it; partition projection, which needs no registering, would as well. "
        "Crawlers stay the default because the DAG is meant to show them; no table needs them.",
        "- **FLEX** saves a third of the job; the run then waits for spare capacity, for minutes or longer.",
        f"- **The scan limit** of the workgroup (AthenaScanLimitBytes) saves nothing on ordinary days. It bounds a "
        f"mistake: a query that reads {FULL_SCAN_GB} GB costs {_usd(estimate.query(scan, listed))}, each time.",
        "- **By trade date alone**: a partition for each ticker would pay a write, a read and a catalog call for each, "
        "in files of a few kilobytes, and slow every query. index_stocks has few enough constituents to afford it.",
        "",
        "## Bitcoin by the minute",
        "",
        f"The DAG `btc_minutes`, with {bitcoin.SYMBOLS} markets; see [bitcoin.md](bitcoin.md). MWAA and its network, "
        "which are paid anyway, are left out. So is a larger worker, which a DAG of each minute would need.",
        "",
        *_table(
            ("choice", "runs a month", "tasks a month", "$ a month"),
            [(what, f"{runs:,}", f"{tasks:,}", _usd(cost)) for what, runs, tasks, cost in bitcoin.rows(listed)],
        ),
        "",
        f"A run asks S3 for {bitcoin.WRITES} writes, {bitcoin.LISTS} lists and {bitcoin.READS} reads a market, and "
        f"Athena for {bitcoin.checks()} checks, each billed as 10 MB. It has no crawl and no Glue job.",
        "",
        "## Prices",
        "",
        *_table(
            ("", "", "AWS's page", "checked against"),
            [
                (f"{'$' if price.in_dollars else ''}{price.value}", price.unit, price.page, price.checked)
                for price in listed.entries.values()
            ],
        ),
        "",
        "They lie in `local/cost/prices.yaml`, the use in `local/cost/measured.json`. `make cost` computes this file "
        "from the two; `make cost MEASURE=2024-03-14` runs and counts that session first.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _uses(measured: Measured, parts: dict[str, Decimal], listed: PriceList) -> list[tuple[str, str, str]]:
    writes = sum(measured.objects.values())
    billed = max(measured.job_seconds, listed["glue_job_minimum_seconds"])
    uses = {
        "Glue job": f"{measured.job_seconds} s × {measured.workers} workers, billed as {billed} s",
        "Glue crawlers": f"{measured.crawls} crawls",
        "Athena": f"{len(measured.query_bytes)} queries, {_mb(sum(measured.query_bytes))} scanned",
        "S3 requests": f"{writes} writes, {measured.s3_lists} lists, {measured.s3_reads} reads",
        "Data Catalog requests": f"{measured.catalog_calls} calls",
    }
    rows = [(name, uses[name], _usd(dollars)) for name, dollars in parts.items()]
    return [*rows, ("**in all**", "", f"**{_usd(sum(parts.values(), Decimal(0)))}**")]


def _stream(parts: dict[str, Decimal]) -> list[tuple[str, str]]:
    in_all = ("**in all**", f"**{_usd(sum(parts.values(), Decimal(0)))}**")
    return [*((name, _usd(dollars)) for name, dollars in parts.items()), in_all]


def _choice(ours: str, cost: Decimal, other: str, its: Decimal) -> tuple[str, str, str, str, str]:
    change = (its - cost) * SESSIONS_A_YEAR
    return ours, _usd(cost), other, _usd(its), f"{'+' if change > 0 else '-'}{_usd(abs(change))}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]


def _usd(dollars: Decimal) -> str:
    if 0 < dollars < Decimal("0.0001"):
        return "less than 0.0001"
    return f"{dollars:,.2f}" if dollars >= 1 else f"{dollars:.4f}"


def _mb(size: int) -> str:
    return f"{Decimal(size) / 10**6:.1f} MB"


if __name__ == "__main__":
    main()
