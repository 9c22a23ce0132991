"""Asset events: which tables a run has brought up to date, for DAGs that start when they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias

from b3.lake import layout

# A run announces only the tables that it wrote, so the task names this alias and adds the assets as it ends.
LAKE = AssetAlias("b3_lake")


def asset_of(table: str) -> Asset:
    """Return the asset of a table, such as `b3_quotes`."""
    return Asset(f"b3_{table}")


def announce(outlet_events: Any, pulled: Mapping[str, Any], findings: int) -> None:
    """Add an event for each table that the run wrote, with its trade dates and rows as extra.

    Args:
        outlet_events: of the task's context.
        pulled: XComs of the run's uploads, by task; None for a task that wrote nothing.
        findings: number of findings in the run's quotes.
    """
    for table, extra in _written(pulled, findings).items():
        outlet_events[LAKE].add(asset_of(table), extra=extra)


def _written(pulled: Mapping[str, Any], findings: int) -> dict[str, dict[str, Any]]:
    partitions = pulled["upload"]["partitions"]
    if not partitions:
        return {}
    dates = {"first_date": partitions[0]["trade_date"], "last_date": partitions[-1]["trade_date"]}
    rows = sum(each["rows"] for each in partitions)
    found: dict[str, dict[str, Any]] = {
        layout.RAW_QUOTES_TABLE: {**dates, "rows": rows},
        layout.QUOTES_TABLE: {**dates, "rows": rows, "findings": findings},
        layout.FINDINGS_TABLE: {**dates, "rows": findings},
    }
    if portfolios := pulled.get("indexes.upload"):
        constituents = sum(of_index.get("portfolio_day", 0) for of_index in portfolios["rows_of"].values())
        found[layout.RAW_INDEX_PORTFOLIO_TABLE] = {**dates, "rows": portfolios["rows"]}
        found[layout.INDEX_STOCKS_TABLE] = {**dates, "rows": constituents}
    if sectors := pulled.get("sectors.upload"):
        found[layout.RAW_SECTORS_TABLE] = {**dates, "rows": sectors["rows"]}
    return found
