-- Every minute lies in the partition of its day in UTC, and begins at second zero.
WITH
  astray AS (
    SELECT 'raw_btc_minutes' AS layer, symbol, minute
    FROM raw_btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND (CAST(minute AS date) IS DISTINCT FROM trade_date OR minute IS DISTINCT FROM date_trunc('minute', minute))
    UNION ALL
    SELECT 'btc_minutes' AS layer, symbol, minute
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND (CAST(minute AS date) IS DISTINCT FROM trade_date OR minute IS DISTINCT FROM date_trunc('minute', minute))
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows in the partitions of {{ period(dag_run, ti) }} are of another day, or '
           || 'begin within a minute, as ' || coalesce(CAST(min(minute) AS varchar), 'null') || ' UTC of ' || max(symbol)
           || ' in ' || max(layer) || ': expected minutes of the trade date; run bitcoin.upload and bitcoin.refine again'
           AS integer)
       END AS minutes_carry_their_trade_date
FROM astray
