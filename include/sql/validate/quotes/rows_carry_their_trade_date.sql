-- Every row lies in the partition of its own trade date, in both layers.
WITH
  astray AS (
    SELECT 'raw_quotes' AS layer, ticker, source_date
    FROM raw_quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND source_date IS DISTINCT FROM trade_date
    UNION ALL
    SELECT 'quotes' AS layer, ticker, source_date
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND source_date IS DISTINCT FROM trade_date
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows in the partitions of {{ period(dag_run, ti) }} carry another date, as '
           || max(layer) || ' ' || coalesce(max(ticker), '?') || ' of '
           || coalesce(CAST(max(source_date) AS varchar), 'null')
           || ': expected their own trade date; run upload and refine again' AS integer)
       END AS rows_carry_their_trade_date
FROM astray
