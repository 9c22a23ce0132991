-- Which ten stocks and units had the largest financial volume of the round lot on a session? close is for one share.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  wanted AS (
    SELECT
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
  )
SELECT q.ticker, q.short_name, q.asset_class, q.unit_close AS close, q.change_pct, q.quantity, q.financial_volume
FROM quotes q
JOIN asked ON q.trade_date = asked.trade_date
CROSS JOIN wanted
WHERE q.market_type = '010'
  AND q.asset_class IN ('stock', 'unit')
  AND (wanted.index_code IS NULL OR q.ticker IN (SELECT ticker FROM constituents))
ORDER BY q.financial_volume DESC, q.ticker
LIMIT 10
