-- How did the runs of the last 45 days do: what they brought, how long they took, and how late they were?
-- One row for a DAG and a session, of the run that brought its data. rows_change is against the session before of the
-- same DAG. lag_seconds is from 22:30 of the session, São Paulo, until the checks had passed: a backfill's is years.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -44, trade_date) AS first_date FROM given)
SELECT
  r.trade_date,
  r.dag_id,
  r.run_type,
  r.sessions,
  r."rows",
  r."rows" - lag(r."rows") OVER (PARTITION BY r.dag_id ORDER BY r.trade_date) AS rows_change,
  r.bytes,
  r.findings,
  r.seconds,
  r.lag_seconds
FROM run_metrics r
JOIN asked ON r.trade_date >= asked.first_date AND r.trade_date <= asked.trade_date
ORDER BY r.trade_date DESC, r.dag_id
