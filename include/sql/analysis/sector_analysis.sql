-- How did the sectors of the whole market trade on a session: volume, its share, and stocks and units up and down?
-- Volume includes round lot, odd lot and auction. Changes are of the round lot, from open to close, weighted by its
-- volume. Sectors are from B3's newest workbook up to the session. A company that is not in it is Unclassified.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  newest AS (
    SELECT max(p.trade_date) AS trade_date
    FROM "raw_sectors$partitions" p
    JOIN asked ON p.trade_date <= asked.trade_date
  ),
  classified AS (
    SELECT s.root, s.sector
    FROM raw_sectors s
    JOIN newest ON s.trade_date = newest.trade_date
  ),
  securities AS (
    SELECT
      CASE q.market_type
        WHEN '020' THEN regexp_replace(q.ticker, 'F$')
        WHEN '017' THEN regexp_replace(q.ticker, 'L$')
        ELSE q.ticker
      END AS ticker,
      sum(q.financial_volume) AS financial_volume,
      max(CASE WHEN q.market_type = '010' THEN q.change_pct END) AS change_pct,
      max(CASE WHEN q.market_type = '010' THEN q.financial_volume END) AS round_lot_volume
    FROM quotes q
    JOIN asked ON q.trade_date = asked.trade_date
    WHERE q.market_type IN ('010', '017', '020')
      AND q.asset_class IN ('stock', 'unit')
    GROUP BY 1
  ),
  sectors AS (
    SELECT
      coalesce(c.sector, 'Unclassified') AS sector,
      count(*) AS tickers,
      count_if(s.change_pct > 0) AS advancers,
      count_if(s.change_pct < 0) AS decliners,
      sum(s.financial_volume) AS financial_volume,
      sum(s.change_pct * s.round_lot_volume) / nullif(sum(s.round_lot_volume), 0) AS weighted_change_pct
    FROM securities s
    LEFT JOIN classified c ON c.root = substr(s.ticker, 1, 4)
    GROUP BY 1
  )
SELECT
  sector,
  tickers,
  advancers,
  decliners,
  financial_volume,
  CAST(
    CAST(100 * financial_volume AS decimal(38,4)) / nullif(sum(financial_volume) OVER (), 0) AS decimal(7,4)
  ) AS volume_share_pct,
  CAST(weighted_change_pct AS decimal(13,4)) AS weighted_change_pct
FROM sectors
ORDER BY financial_volume DESC, sector
