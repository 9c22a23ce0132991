-- Every refined day of a market has the same minutes, prices and volume as its raw hours, exactly.
WITH
  source AS (
    SELECT trade_date, symbol, count(*) AS records, sum(open + high + low + close) AS prices, sum(volume) AS volume
    FROM raw_btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date, symbol
  ),
  refined AS (
    SELECT trade_date, symbol, count(*) AS records, sum(open + high + low + close) AS prices, sum(volume) AS volume
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date, symbol
  ),
  wrong AS (
    SELECT coalesce(source.symbol, refined.symbol) || ' on '
           || CAST(coalesce(source.trade_date, refined.trade_date) AS varchar) AS day,
           coalesce(CAST(source.records AS varchar), 'no') || ' minutes, volume '
           || coalesce(CAST(source.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(source.prices AS varchar), 'null') AS expected,
           coalesce(CAST(refined.records AS varchar), 'no') || ' minutes, volume '
           || coalesce(CAST(refined.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(refined.prices AS varchar), 'null') AS found
    FROM source FULL JOIN refined ON source.trade_date = refined.trade_date AND source.symbol = refined.symbol
    WHERE source.records IS DISTINCT FROM refined.records
       OR source.volume IS DISTINCT FROM refined.volume
       OR source.prices IS DISTINCT FROM refined.prices
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' days differ between raw_btc_minutes and '
           || 'btc_minutes: ' || min(day) || ' has ' || min_by(expected, day)
           || ' in raw_btc_minutes; expected the same of btc_minutes, found ' || min_by(found, day)
           || '; run bitcoin.refine again' AS integer)
       END AS raw_and_refined_minutes_agree
FROM wrong
