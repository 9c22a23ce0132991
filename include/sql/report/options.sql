-- On which underlyings did options trade most on a session, and how does volume divide into calls and puts?
-- The first row is the whole market, without a root; ten roots follow. A root is the first four characters of the
-- series' tickers, which all shares of a company have in common.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  traded AS (
    SELECT substr(q.ticker, 1, 4) AS root, q.market_type, q.financial_volume
    FROM quotes q
    JOIN asked ON q.trade_date = asked.trade_date
    WHERE q.asset_class = 'option'
  ),
  summed AS (
    SELECT
      root,
      count(*) AS series,
      coalesce(sum(CASE WHEN market_type = '070' THEN financial_volume END), 0) AS call_volume,
      coalesce(sum(CASE WHEN market_type = '080' THEN financial_volume END), 0) AS put_volume
    FROM traded
    GROUP BY GROUPING SETS ((), (root))
  )
SELECT *
FROM summed
WHERE series > 0
ORDER BY CASE WHEN root IS NULL THEN 0 ELSE 1 END, call_volume + put_volume DESC, root
LIMIT 11
