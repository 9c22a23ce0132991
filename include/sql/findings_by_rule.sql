-- The findings of a run by rule: their number, the number of their sessions, and the first finding.
WITH
  numbered AS (
    SELECT
      findings.*,
      row_number() OVER (PARTITION BY rule ORDER BY trade_date, file_line) AS place
    FROM findings
    WHERE {{ period(dag_run, ti).sql }}
  )
SELECT
  rule,
  count(*) AS findings,
  count(DISTINCT trade_date) AS sessions,
  min(trade_date) AS first_date,
  max(CASE WHEN place = 1 THEN ticker END) AS ticker,
  max(CASE WHEN place = 1 THEN expected END) AS expected,
  max(CASE WHEN place = 1 THEN found END) AS found
FROM numbered
GROUP BY rule
ORDER BY rule
