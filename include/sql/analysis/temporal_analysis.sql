-- How did volume and breadth of stocks and units change over the last 21 sessions? Each session is compared with the
-- one before and with the average. Volume includes round lot, odd lot and auction. Tickers, advancers and decliners
-- (open to close) are of the round lot. Trades are not counted: B3's counter wraps at 100,000. A comparison is null if
-- the lake lacks a session for it.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -75, trade_date) AS first_date FROM given),
  days AS (
    SELECT
      q.trade_date,
      min(q.previous_session) AS previous_session,
      count_if(q.market_type = '010') AS tickers,
      count_if(q.market_type = '010' AND q.change_pct > 0) AS advancers,
      count_if(q.market_type = '010' AND q.change_pct < 0) AS decliners,
      sum(q.financial_volume) AS financial_volume
    FROM quotes q
    JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
    WHERE q.market_type IN ('010', '017', '020')
      AND q.asset_class IN ('stock', 'unit')
    GROUP BY q.trade_date
  ),
  linked AS (
    SELECT
      days.*,
      row_number() OVER (ORDER BY trade_date DESC) AS sessions_back,
      CASE WHEN lag(trade_date) OVER (ORDER BY trade_date) = previous_session THEN 1 ELSE 0 END AS follows,
      lag(financial_volume) OVER (ORDER BY trade_date) AS volume_before
    FROM days
  ),
  averaged AS (
    SELECT
      linked.*,
      sum(follows) OVER (ORDER BY trade_date ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS steps,
      avg(financial_volume) OVER (ORDER BY trade_date ROWS BETWEEN 20 PRECEDING AND CURRENT ROW) AS average_volume
    FROM linked
  )
SELECT
  trade_date,
  tickers,
  advancers,
  decliners,
  advancers - decliners AS net_advancers,
  financial_volume,
  CASE
    WHEN follows = 1 THEN CAST(
      CAST(100 * (financial_volume - volume_before) AS decimal(38,4)) / nullif(volume_before, 0) AS decimal(13,4))
  END AS volume_change_pct,
  CASE WHEN steps = 20 THEN average_volume END AS average_volume_21,
  CASE
    WHEN steps = 20 THEN CAST(
      CAST(100 * financial_volume AS decimal(38,4)) / nullif(average_volume, 0) AS decimal(13,4))
  END AS volume_to_average_pct
FROM averaged
WHERE sessions_back <= 21
ORDER BY trade_date DESC
