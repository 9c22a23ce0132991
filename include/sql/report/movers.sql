-- Which stocks and units rose most, fell most and traded most on a session, ten each, with their last 60 closes?
-- All figures are of the round lot. Gainers and losers are among the hundred with the largest volume, so that a single
-- trade in a share that hardly trades does not lead. Changes are from open to close. `closes` holds the closes for one
-- share, oldest first, parted by spaces; they are not adjusted for splits, dividends or changes of currency.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -120, trade_date) AS first_date FROM given),
  sessions AS (
    SELECT p.trade_date
    FROM "quotes$partitions" p
    JOIN asked ON p.trade_date >= asked.first_date AND p.trade_date <= asked.trade_date
    ORDER BY p.trade_date DESC
    LIMIT 60
  ),
  traded AS (
    SELECT q.trade_date, q.ticker, q.short_name, q.unit_close, q.change_pct, q.financial_volume
    FROM quotes q
    JOIN sessions ON q.trade_date = sessions.trade_date
    JOIN asked ON q.trade_date >= asked.first_date AND q.trade_date <= asked.trade_date
    WHERE q.market_type = '010'
      AND q.asset_class IN ('stock', 'unit')
  ),
  of_session AS (
    SELECT t.*, row_number() OVER (ORDER BY t.financial_volume DESC, t.ticker, t.unit_close) AS volume_rank
    FROM traded t
    JOIN asked ON t.trade_date = asked.trade_date
  ),
  ranked AS (
    SELECT
      o.*,
      CASE
        WHEN volume_rank <= 100 AND change_pct > 0
          THEN row_number() OVER (PARTITION BY volume_rank <= 100 ORDER BY change_pct DESC NULLS LAST, ticker, volume_rank)
      END AS gainer_rank,
      CASE
        WHEN volume_rank <= 100 AND change_pct < 0
          THEN row_number() OVER (PARTITION BY volume_rank <= 100 ORDER BY change_pct NULLS LAST, ticker, volume_rank)
      END AS loser_rank
    FROM of_session o
  ),
  chosen AS (
    SELECT * FROM ranked WHERE volume_rank <= 10 OR gainer_rank <= 10 OR loser_rank <= 10
  ),
  -- A key may repeat in B3's files of 1986: a session has one close all the same.
  daily AS (
    SELECT t.ticker, t.trade_date, max(t.unit_close) AS unit_close
    FROM traded t
    WHERE t.unit_close IS NOT NULL
      AND t.ticker IN (SELECT ticker FROM chosen)
    GROUP BY t.ticker, t.trade_date
  ),
  history AS (
    SELECT ticker, array_join(array_agg(CAST(unit_close AS varchar) ORDER BY trade_date), ' ') AS closes
    FROM daily
    GROUP BY ticker
  )
SELECT
  c.ticker,
  c.short_name,
  c.unit_close AS close,
  c.change_pct,
  c.financial_volume,
  CASE WHEN c.volume_rank <= 10 THEN c.volume_rank END AS volume_rank,
  CASE WHEN c.gainer_rank <= 10 THEN c.gainer_rank END AS gainer_rank,
  CASE WHEN c.loser_rank <= 10 THEN c.loser_rank END AS loser_rank,
  h.closes
FROM chosen c
LEFT JOIN history h ON h.ticker = c.ticker
ORDER BY c.ticker, c.volume_rank
