-- How did the sectors of the market change on each of the last 21 sessions of the lake? Changes are of the round lot of
-- stocks and units, from open to close, weighted by volume. Sectors are from B3's newest workbook up to the session
-- asked for. A company that is not in it is left out.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -60, trade_date) AS first_date FROM given),
  sessions AS (
    SELECT p.trade_date
    FROM "quotes$partitions" p
    JOIN asked ON p.trade_date >= asked.first_date AND p.trade_date <= asked.trade_date
    ORDER BY p.trade_date DESC
    LIMIT 21
  ),
  newest AS (
    SELECT max(p.trade_date) AS trade_date
    FROM "raw_sectors$partitions" p
    JOIN asked ON p.trade_date <= asked.trade_date
  ),
  classified AS (
    SELECT s.root, s.sector
    FROM raw_sectors s
    JOIN newest ON s.trade_date = newest.trade_date
  )
SELECT
  q.trade_date,
  c.sector,
  CAST(sum(q.change_pct * q.financial_volume) / nullif(sum(q.financial_volume), 0) AS decimal(13,4)) AS change_pct,
  sum(q.financial_volume) AS financial_volume
FROM quotes q
JOIN sessions ON q.trade_date = sessions.trade_date
JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
JOIN classified c ON c.root = substr(q.ticker, 1, 4)
WHERE q.market_type = '010'
  AND q.asset_class IN ('stock', 'unit')
  AND q.change_pct IS NOT NULL
GROUP BY q.trade_date, c.sector
ORDER BY c.sector, q.trade_date
