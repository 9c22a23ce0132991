-- low <= open, close <= high. The average is left out: B3's can lie outside.
WITH
  wrong AS (
    SELECT ticker, low, open, close, high
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND coalesce(low <= open AND low <= close AND open <= high AND close <= high, false) = false
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows of quotes on {{ period(dag_run, ti) }} have open or close outside low '
           || 'and high, as ' || coalesce(max(ticker), '?') || ' (low ' || coalesce(CAST(max_by(low, ticker) AS varchar), 'null')
           || ', open ' || coalesce(CAST(max_by(open, ticker) AS varchar), 'null')
           || ', close ' || coalesce(CAST(max_by(close, ticker) AS varchar), 'null')
           || ', high ' || coalesce(CAST(max_by(high, ticker) AS varchar), 'null')
           || '): expected low <= open, close <= high' AS integer)
       END AS prices_lie_within_low_and_high
FROM wrong
