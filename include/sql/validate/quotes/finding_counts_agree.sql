-- The finding_count of a session's quotes is the number of its findings, corrections aside.
WITH
  counted AS (
    SELECT trade_date, sum(finding_count) AS findings
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date
  ),
  told AS (
    SELECT trade_date, count(*) AS findings
    FROM findings
    WHERE {{ period(dag_run, ti).sql }}
      AND table_name = 'quotes'
      AND rule <> 'correction'
    GROUP BY trade_date
  ),
  wrong AS (
    SELECT
      coalesce(counted.trade_date, told.trade_date) AS trade_date,
      coalesce(counted.findings, 0) AS counted,
      coalesce(told.findings, 0) AS told
    FROM counted FULL JOIN told ON counted.trade_date = told.trade_date
    WHERE coalesce(counted.findings, 0) <> coalesce(told.findings, 0)
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' sessions of {{ period(dag_run, ti) }} count other findings than they have, '
           || 'as ' || CAST(min(trade_date) AS varchar) || ': finding_count of quotes sums to '
           || CAST(min_by(counted, trade_date) AS varchar) || '; expected the rows of findings, '
           || CAST(min_by(told, trade_date) AS varchar) || '; run refine again' AS integer)
       END AS finding_counts_agree
FROM wrong
