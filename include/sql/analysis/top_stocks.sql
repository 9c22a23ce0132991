-- Which ten stocks and units had the largest financial volume of the round lot on a session? close is for one share.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date)
SELECT q.ticker, q.short_name, q.asset_class, q.unit_close AS close, q.change_pct, q.quantity, q.financial_volume
FROM quotes q
JOIN asked ON q.trade_date = asked.trade_date
WHERE q.market_type = '010'
  AND q.asset_class IN ('stock', 'unit')
ORDER BY q.financial_volume DESC, q.ticker
LIMIT 10
