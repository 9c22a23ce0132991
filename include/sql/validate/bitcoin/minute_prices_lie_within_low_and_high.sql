-- Open and close of every minute lie between its low and its high.
WITH
  outside AS (
    SELECT symbol, minute,
           'open ' || CAST(open AS varchar) || ', close ' || CAST(close AS varchar) || ', low ' || CAST(low AS varchar)
           || ', high ' || CAST(high AS varchar) AS prices
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND coalesce(low <= open AND low <= close AND open <= high AND close <= high, false) = false
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' minutes have open or close outside low and '
           || 'high, as ' || CAST(min(minute) AS varchar) || ' UTC of ' || min_by(symbol, minute) || ': found '
           || coalesce(min_by(prices, minute), 'null') || '; compare with the answer in landing/bitcoin/' AS integer)
       END AS minute_prices_lie_within_low_and_high
FROM outside
