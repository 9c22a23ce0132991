-- Every price of a minute is above zero, and no volume or number of trades is below.
WITH
  wrong AS (
    SELECT symbol, minute,
           'low ' || CAST(low AS varchar) || ', volume ' || CAST(volume AS varchar) AS amounts
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND (coalesce(open > 0 AND high > 0 AND low > 0 AND close > 0 AND volume >= 0, false) = false
           OR quote_volume < 0 OR trades < 0)
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' minutes have a price that is not above zero, '
           || 'or a volume below zero, as ' || CAST(min(minute) AS varchar) || ' UTC of ' || min_by(symbol, minute)
           || ': found ' || coalesce(min_by(amounts, minute), 'null') || '; compare with the answer in landing/bitcoin/'
           AS integer)
       END AS minute_amounts_are_positive
FROM wrong
