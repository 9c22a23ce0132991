-- What a run found odd: by rule, how many findings on how many sessions, and the first of them.
SELECT
  rule,
  count(*) AS findings,
  count(DISTINCT trade_date) AS sessions,
  min(trade_date) AS first_date,
  min_by(ticker, trade_date) AS ticker,
  min_by(expected, trade_date) AS expected,
  min_by(found, trade_date) AS found
FROM findings
WHERE {{ period(dag_run, ti).sql }}
GROUP BY rule
ORDER BY rule
