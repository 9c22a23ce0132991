-- How easily do stocks and units trade, over the last 21 sessions of the lake: volume, presence, spread, price impact?
-- Only the round lot counts. average_volume is per session of the window, also of sessions without a trade. spread_bp
-- is the mean of closing ask minus bid, in basis points of their middle, over sessions that have both. amihud is the
-- mean of |return| in percent per million of volume. Returns are between the closes of sessions on which the share
-- traded. Prices are not adjusted for splits.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -44, trade_date) AS first_date FROM given),
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
  sessions AS (
    SELECT p.trade_date
    FROM "quotes$partitions" p
    JOIN asked ON p.trade_date >= asked.first_date AND p.trade_date <= asked.trade_date
    ORDER BY p.trade_date DESC
    LIMIT 21
  ),
  window_length AS (SELECT count(*) AS sessions FROM sessions),
  traded AS (
    SELECT
      q.ticker,
      q.trade_date,
      q.short_name,
      q.financial_volume,
      CASE
        WHEN q.best_bid > 0 AND q.best_ask >= q.best_bid
          THEN CAST(20000 * (q.best_ask - q.best_bid) AS decimal(30,4)) / (q.best_ask + q.best_bid)
      END AS spread_bp,
      CAST(q.unit_close AS double) AS close,
      lag(CAST(q.unit_close AS double)) OVER (PARTITION BY q.ticker ORDER BY q.trade_date) AS close_before
    FROM quotes q
    JOIN sessions ON q.trade_date = sessions.trade_date
    JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
    CROSS JOIN wanted
    WHERE q.market_type = '010'
      AND q.asset_class IN ('stock', 'unit')
      AND q.ticker = coalesce(wanted.ticker, q.ticker)
      AND (wanted.index_code IS NULL OR q.ticker IN (SELECT ticker FROM constituents))
  )
SELECT
  t.ticker,
  max_by(t.short_name, t.trade_date) AS short_name,
  count(*) AS sessions_traded,
  max(w.sessions) AS sessions,
  CAST(sum(t.financial_volume) / max(w.sessions) AS decimal(18,2)) AS average_volume,
  CAST(avg(t.spread_bp) AS decimal(13,4)) AS spread_bp,
  avg(100 * abs(t.close / nullif(t.close_before, 0) - 1) / (nullif(CAST(t.financial_volume AS double), 0) / 1e6)) AS amihud
FROM traded t
CROSS JOIN window_length w
GROUP BY t.ticker
ORDER BY average_volume DESC, t.ticker
