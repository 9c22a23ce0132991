"""
### Bitcoin by the minute, each minute once

```text
scrape ─▶ upload ─▶ refine ─┬▶ validate
  └▶ complete               └▶ compare_stream
```

Each hour, this DAG asks a provider for the closed one-minute candles of the hour that is over. It needs nothing of
B3's, and no DAG of B3's waits for it.

| task | does | leaves |
|---|---|---|
| `bitcoin.scrape` | downloads the candles of the hour, and of earlier hours that lack minutes | `landing/bitcoin/` |
| `bitcoin.upload` | writes them as typed Parquet, one object per hour and market | table `raw_btc_minutes` |
| `bitcoin.refine` | merges the day's hours into one object per market; tells missing minutes | table `btc_minutes` |
| `bitcoin.complete` | fails if some hours did not land while others did | |
| `bitcoin.compare_stream` | compares the optional stream, if there is one, with the hour before | |
| `validate.*` | run one Athena query per file of `include/sql/validate/bitcoin/` | |

**Which hour.** A scheduled or backfilled run has the hour of its data interval, in UTC. A manual run takes `hour`
(2026-10-31T13) and `hours` from the trigger form. Without them it takes the last hour that is over. The trade date is
the UTC day: it has 1,440 minutes on every date.

**Gaps.** A minute that the provider does not send is missing, and `bitcoin.refine` says so in its log and in its XCom
`summary`. Runs of the next 24 hours ask again for the hours that lack minutes, and those of the next four days for
hours that are missing whole. So a candle that came late, and the hours of an outage, are filled by the next run. On
Coinbase a minute without a trade has no candle, and stays missing.

**Backfills.** `airflow backfill create --dag-id btc_minutes --from-date 2026-10-01 --to-date 2026-10-31T23:00` makes
744 runs, both ends included. Runs may be side by side (`--max-active-runs 4`): the day's object is written on the
condition that nobody replaced it, so no run loses the hour of another.

**Running again** is always safe: the same answers give the same bytes. With `source: landing` in the trigger form the
tables are written again from `landing/bitcoin/`, and no provider is asked.

**When it fails.** Each message says what was expected and what was found. It goes to the alert topic, if one is set.

* `bitcoin.scrape`, *Refused*: the provider does not serve this place (451), banned this address (418), or its firewall
  refuses it (403). Airflow does not try again. Choose the other provider with `B3_BTC_PROVIDER`, or wait.
* `bitcoin.scrape`, *TransientError*: too many requests (429) or a failing server, in every try. The next run asks
  again.
* `bitcoin.scrape`, *BadLayout*, *Truncated* or *NotB3Data*: the provider sent something else. The bytes are in
  `landing/rejected/`.
* `bitcoin.complete`: as `bitcoin.scrape`, for some of the hours or markets. The others are published.
* `bitcoin.compare_stream`: minutes of the optional stream have other amounts than their candles. `btc_minutes` is
  right.
* `validate.*`: treat the trade date as suspect until the check passes.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_ATHENA_WORKGROUP`, `B3_BTC_SYMBOLS` (default BTCBRL,BTCUSDT),
`B3_BTC_PROVIDER` (binance or coinbase), `B3_ALERT_TOPIC_ARN`; connections `aws_default` and `btc_default`, whose host
replaces the provider's.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.sdk import DAG, TaskGroup
from airflow.timetables.interval import CronDataIntervalTimetable

from b3.airflow import aws, glue_arguments, task_docs, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks import bitcoin

SQL = Path(__file__).parent / "include" / "sql"

with DAG(
    dag_id="btc_minutes",
    description="Bitcoin's one-minute candles of each hour: capture, refine, validate",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    # Binance's first day of BTCUSDT.
    start_date=pendulum.datetime(2017, 8, 17),
    dagrun_timeout=dt.timedelta(hours=3),
    params=trigger_form.minutes(),
    template_searchpath=[str(SQL)],
    user_defined_macros=glue_arguments.MINUTES_MACROS,
    # Whoever wants Bitcoin switches it on.
    is_paused_upon_creation=True,
    **COMMON,
) as dag:
    with TaskGroup("bitcoin"):
        captured = bitcoin.scrape()
        refined = bitcoin.refine(bitcoin.upload(captured))
        bitcoin.complete(captured)
        refined >> bitcoin.compare_stream()
    refined >> aws.checks(SQL, "bitcoin", "validate")

task_docs.describe(dag)
