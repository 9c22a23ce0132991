-- The refined partition has the raw one's rows, quantity, financial volume and prices, to the cent.
WITH
  source AS (
    SELECT count(*) AS records, sum(quantity) AS quantity, sum(financial_volume) AS volume,
           sum(open + high + low + average + close) AS prices
    FROM raw_quotes
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
  ),
  refined AS (
    SELECT count(*) AS records, sum(quantity) AS quantity, sum(financial_volume) AS volume,
           sum(open + high + low + average + close) AS prices
    FROM quotes
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
  )
SELECT CASE
         WHEN source.records = refined.records
          AND source.quantity = refined.quantity
          AND source.volume = refined.volume
          AND source.prices = refined.prices THEN 1
         ELSE CAST(
           'on {{ trade_date(dag_run) }} raw_quotes has ' || CAST(source.records AS varchar) || ' rows, quantity '
           || coalesce(CAST(source.quantity AS varchar), 'null') || ', volume '
           || coalesce(CAST(source.volume AS varchar), 'null')
           || ', prices that sum to ' || coalesce(CAST(source.prices AS varchar), 'null')
           || '; expected the same of quotes, found ' || CAST(refined.records AS varchar) || ' rows, quantity '
           || coalesce(CAST(refined.quantity AS varchar), 'null') || ', volume '
           || coalesce(CAST(refined.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(refined.prices AS varchar), 'null') || '; run refine again' AS integer)
       END AS raw_and_refined_agree
FROM source CROSS JOIN refined
