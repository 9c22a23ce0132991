-- How does the close of each stock and unit compare with its average over 7 and 21 sessions, and what is its return?
-- Prices are for one share of the round lot, and NOT adjusted: a split or a dividend in the window shows as a return. A
-- figure is null unless the share closed on every session of its window. The window of a return also has the close
-- before.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -45, trade_date) AS first_date FROM given),
  wanted AS (
    SELECT
      CAST(NULL AS varchar) AS ticker,     -- such as 'ABCD3'; NULL: all
      CAST(NULL AS varchar) AS index_code  -- such as 'IBOV'; NULL: all stocks and units
  ),
  newest AS (
    SELECT max(p.trade_date) AS trade_date
    FROM "index_stocks$partitions" p
    JOIN asked ON p.trade_date <= asked.trade_date
    CROSS JOIN wanted
    WHERE wanted.index_code IS NOT NULL
  ),
  constituents AS (
    SELECT s.ticker
    FROM index_stocks s
    JOIN newest ON s.trade_date = newest.trade_date
    JOIN wanted ON s.index_code = wanted.index_code
  ),
  closes AS (
    SELECT
      q.trade_date,
      q.ticker,
      q.short_name,
      q.unit_close,
      CASE
        WHEN lag(q.trade_date) OVER (PARTITION BY q.ticker ORDER BY q.trade_date) = q.previous_session THEN 1 ELSE 0
      END AS follows
    FROM quotes q
    JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
    CROSS JOIN wanted
    WHERE q.market_type = '010'
      AND q.asset_class IN ('stock', 'unit')
      AND q.ticker = coalesce(wanted.ticker, q.ticker)
      AND (wanted.index_code IS NULL OR q.ticker IN (SELECT ticker FROM constituents))
  ),
  windows AS (
    SELECT
      closes.*,
      sum(follows) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) AS steps_6,
      sum(follows) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS steps_7,
      sum(follows) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS steps_20,
      sum(follows) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 20 PRECEDING AND CURRENT ROW) AS steps_21,
      avg(unit_close) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS mean_7,
      avg(unit_close) OVER (
        PARTITION BY ticker ORDER BY trade_date ROWS BETWEEN 20 PRECEDING AND CURRENT ROW) AS mean_21,
      lag(unit_close, 7) OVER (PARTITION BY ticker ORDER BY trade_date) AS close_7,
      lag(unit_close, 21) OVER (PARTITION BY ticker ORDER BY trade_date) AS close_21
    FROM closes
  )
SELECT
  w.ticker,
  w.short_name,
  w.unit_close,
  CASE WHEN w.steps_6 = 6 THEN w.mean_7 END AS average_7,
  CASE WHEN w.steps_20 = 20 THEN w.mean_21 END AS average_21,
  CASE
    WHEN w.steps_7 = 7 THEN TRY_CAST(100 * (w.unit_close - w.close_7) / nullif(w.close_7, 0) AS decimal(13,4))
  END AS return_7_pct,
  CASE
    WHEN w.steps_21 = 21 THEN TRY_CAST(100 * (w.unit_close - w.close_21) / nullif(w.close_21, 0) AS decimal(13,4))
  END AS return_21_pct
FROM windows w
JOIN asked ON w.trade_date = asked.trade_date
ORDER BY w.ticker
