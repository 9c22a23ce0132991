-- Financial volume is quantity times a price between low and high, per quote factor. B3 truncates each trade to the
-- cent and its oldest rows are off by less than a hundredth, hence the slack. A volume of 0.00 passes only where
-- quantity times high is less than a cent.
WITH
  wrong AS (
    SELECT ticker, quantity, financial_volume
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND coalesce(
            quantity > 0
            AND CASE
                  WHEN financial_volume = 0 THEN quantity * high * 100 < quote_factor
                  ELSE financial_volume > 0
                   AND (100 * financial_volume + trade_count) * quote_factor >= 99 * quantity * low
                   AND (100 * financial_volume - 1) * quote_factor <= 101 * quantity * high
                END,
            false) = false
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' rows of quotes on {{ period(dag_run, ti) }} have a volume that their quantity '
           || 'and prices do not explain, as ' || coalesce(max(ticker), '?') || ' (quantity '
           || coalesce(CAST(max_by(quantity, ticker) AS varchar), 'null') || ', volume '
           || coalesce(CAST(max_by(financial_volume, ticker) AS varchar), 'null')
           || '): expected quantity x low <= volume x quote_factor <= quantity x high' AS integer)
       END AS volume_fits_quantity
FROM wrong
