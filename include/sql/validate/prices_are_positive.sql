-- A row is in the file because it traded: open, high, low, average and close are prices above zero.
WITH
  wrong AS (
    SELECT ticker, least(open, high, low, average, close) AS price
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND coalesce(least(open, high, low, average, close) > 0, false) = false
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows of quotes on {{ period(dag_run, ti) }} have a price that is not above '
           || 'zero, as ' || coalesce(min_by(ticker, price), '?') || ' at '
           || coalesce(CAST(min(price) AS varchar), 'null')
           || ': expected open, high, low, average and close above 0.00' AS integer)
       END AS prices_are_positive
FROM wrong
