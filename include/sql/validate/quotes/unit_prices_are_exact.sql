-- A unit price times the quote factor gives B3's price back, digit for digit. By a factor that is no power of ten there
-- is none.
WITH
  wrong AS (
    SELECT ticker, quote_factor, close, unit_close
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND coalesce(
            CASE
              WHEN quote_factor IN (1, 10, 100, 1000, 10000, 100000, 1000000) THEN
                unit_open * quote_factor = open
                AND unit_high * quote_factor = high
                AND unit_low * quote_factor = low
                AND unit_average * quote_factor = average
                AND unit_close * quote_factor = close
                AND unit_best_bid * quote_factor = best_bid
                AND unit_best_ask * quote_factor = best_ask
              ELSE unit_open IS NULL AND unit_high IS NULL AND unit_low IS NULL AND unit_average IS NULL
               AND unit_close IS NULL AND unit_best_bid IS NULL AND unit_best_ask IS NULL
            END,
            false) = false
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows of quotes on {{ period(dag_run, ti) }} have a unit price that is not '
           || 'the price by the quote factor, as ' || coalesce(max(ticker), '?') || ' (close '
           || coalesce(CAST(max_by(close, ticker) AS varchar), 'null') || ', quote factor '
           || coalesce(CAST(max_by(quote_factor, ticker) AS varchar), 'null') || ', unit close '
           || coalesce(CAST(max_by(unit_close, ticker) AS varchar), 'null') || '); run refine again' AS integer)
       END AS unit_prices_are_exact
FROM wrong
