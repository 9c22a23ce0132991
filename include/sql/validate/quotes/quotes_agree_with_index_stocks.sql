-- Quantity and volume of a constituent are those of its round lot, odd lot (F) and auction (L) in quotes, to the cent.
-- Dates without constituents pass. b3_history writes quotes alone: where it corrected them, b3_daily has to follow.
WITH
  traded AS (
    SELECT
      trade_date,
      CASE
        WHEN market_type = '010' THEN ticker
        WHEN market_type = '020' AND ticker LIKE '%F' THEN substr(ticker, 1, length(ticker) - 1)
        WHEN market_type = '017' AND ticker LIKE '%L' THEN substr(ticker, 1, length(ticker) - 1)
      END AS ticker,
      sum(quantity) AS quantity,
      sum(financial_volume) AS financial_volume
    FROM quotes
    WHERE {{ period(dag_run, ti).sql }}
      AND market_type IN ('010', '017', '020')
    GROUP BY 1, 2
  ),
  constituents AS (
    SELECT trade_date, index_code, ticker, total_quantity, total_financial_volume
    FROM index_stocks
    WHERE {{ period(dag_run, ti).sql }}
  ),
  wrong AS (
    SELECT c.trade_date, CAST(c.trade_date AS varchar) || ', ' || c.index_code || ' ' || c.ticker AS constituent,
           c.total_quantity, c.total_financial_volume, t.quantity, t.financial_volume
    -- On the right, where Trino builds: of quotes it may then skip the dates without constituents.
    FROM traded t
    RIGHT JOIN constituents c ON c.trade_date = t.trade_date AND c.ticker = t.ticker
    WHERE c.total_quantity IS DISTINCT FROM t.quantity
       OR c.total_financial_volume IS DISTINCT FROM t.financial_volume
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' constituents of index_stocks in {{ period(dag_run, ti) }}, on '
           || CAST(count(DISTINCT trade_date) AS varchar) || ' dates, have other totals than quotes, as on '
           || min(constituent)
           || ' (quantity ' || coalesce(CAST(min_by(total_quantity, constituent) AS varchar), 'null')
           || ', volume ' || coalesce(CAST(min_by(total_financial_volume, constituent) AS varchar), 'null')
           || '): expected quantity ' || coalesce(CAST(min_by(quantity, constituent) AS varchar), 'null')
           || ', volume ' || coalesce(CAST(min_by(financial_volume, constituent) AS varchar), 'null')
           || ' over round lot, odd lot and auction; run b3_daily again, from scrape on, for '
           || array_join(array_sort(array_agg(DISTINCT CAST(trade_date AS varchar))), ', ') AS integer)
       END AS quotes_agree_with_index_stocks
FROM wrong
