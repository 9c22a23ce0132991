-- Every refined partition has the raw one's rows, quantity, financial volume and prices, to the cent.
WITH
  source AS (
    SELECT trade_date, count(*) AS records, sum(CAST(quantity AS decimal(38,0))) AS quantity, sum(financial_volume) AS volume,
           sum(open + high + low + average + close) AS prices
    FROM raw_quotes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date
  ),
  refined AS (
    SELECT trade_date, count(*) AS records, sum(CAST(quantity AS decimal(38,0))) AS quantity, sum(financial_volume) AS volume,
           sum(open + high + low + average + close) AS prices
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
    GROUP BY trade_date
  ),
  wrong AS (
    SELECT coalesce(source.trade_date, refined.trade_date) AS trade_date,
           coalesce(CAST(source.records AS varchar), 'no') || ' rows, quantity '
           || coalesce(CAST(source.quantity AS varchar), 'null') || ', volume '
           || coalesce(CAST(source.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(source.prices AS varchar), 'null') AS expected,
           coalesce(CAST(refined.records AS varchar), 'no') || ' rows, quantity '
           || coalesce(CAST(refined.quantity AS varchar), 'null') || ', volume '
           || coalesce(CAST(refined.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(refined.prices AS varchar), 'null') AS found
    FROM source FULL JOIN refined ON source.trade_date = refined.trade_date
    WHERE source.records IS DISTINCT FROM refined.records
       OR source.quantity IS DISTINCT FROM refined.quantity
       OR source.volume IS DISTINCT FROM refined.volume
       OR source.prices IS DISTINCT FROM refined.prices
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' sessions differ between raw_quotes and quotes: '
           || CAST(min(trade_date) AS varchar) || ' has ' || min_by(expected, trade_date)
           || ' in raw_quotes; expected the same of quotes, found ' || min_by(found, trade_date)
           || '; run refine again' AS integer)
       END AS raw_and_refined_agree
FROM wrong
