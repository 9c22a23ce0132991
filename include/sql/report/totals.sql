-- What traded on a session, by asset class: quotes, quantity and financial volume. All markets count.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date)
SELECT
  q.asset_class,
  min(trim(q.currency)) AS currency,
  count(*) AS quotes,
  sum(CAST(q.quantity AS decimal(38,0))) AS quantity,
  sum(q.financial_volume) AS financial_volume
FROM quotes q
JOIN asked ON q.trade_date = asked.trade_date
GROUP BY q.asset_class
ORDER BY financial_volume DESC, q.asset_class
