-- Every minute of a market stands once in raw_btc_minutes and once in btc_minutes.
WITH
  repeated AS (
    SELECT 'raw_btc_minutes' AS layer, symbol, minute, count(*) AS times
    FROM raw_btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY symbol, minute
    HAVING count(*) > 1
    UNION ALL
    SELECT 'btc_minutes' AS layer, symbol, minute, count(*) AS times
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY symbol, minute
    HAVING count(*) > 1
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' minutes repeat, as '
           || CAST(min(minute) AS varchar) || ' UTC of ' || min_by(symbol, minute) || ' in ' || min_by(layer, minute)
           || ': expected it once, found it ' || CAST(min_by(times, minute) AS varchar)
           || ' times; delete the object that is none of btc_minutes, and run bitcoin.refine again' AS integer)
       END AS minutes_are_unique
FROM repeated
