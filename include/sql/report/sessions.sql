-- Breadth and volume of stocks and units on the last 60 sessions of the lake. Volume includes round lot, odd lot and
-- auction. Tickers that went up, down or nowhere (open to close) are of the round lot.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -120, trade_date) AS first_date FROM given),
  sessions AS (
    SELECT p.trade_date
    FROM "quotes$partitions" p
    JOIN asked ON p.trade_date >= asked.first_date AND p.trade_date <= asked.trade_date
    ORDER BY p.trade_date DESC
    LIMIT 60
  )
SELECT
  q.trade_date,
  count_if(q.market_type = '010' AND q.change_pct > 0) AS advancers,
  count_if(q.market_type = '010' AND q.change_pct < 0) AS decliners,
  count_if(q.market_type = '010' AND q.change_pct = 0) AS unchanged,
  sum(q.financial_volume) AS financial_volume
FROM quotes q
JOIN sessions ON q.trade_date = sessions.trade_date
JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
WHERE q.market_type IN ('010', '017', '020')
  AND q.asset_class IN ('stock', 'unit')
GROUP BY q.trade_date
ORDER BY q.trade_date
