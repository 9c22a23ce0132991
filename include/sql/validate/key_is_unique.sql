-- Trade date, ticker, market type and forward days name one row.
WITH
  repeated AS (
    SELECT trade_date, ticker, market_type, forward_days, count(*) AS times
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date, ticker, market_type, forward_days
    HAVING count(*) > 1
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' keys repeat in quotes of {{ period(dag_run, ti) }}, as ticker '
           || coalesce(max(ticker), '?') || ' up to ' || CAST(max(times) AS varchar)
           || ' times: expected each (trade_date, ticker, market_type, forward_days) once' AS integer)
       END AS key_is_unique
FROM repeated
