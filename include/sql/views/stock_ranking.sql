-- How do the constituents of an index rank by weight, by volume and by change from open to close?
-- Only dates with all constituents, of one generation, are shown. A filter on trade_date reads only its partitions.
-- Ties are ordered by ticker. A constituent without trades has no rank by volume; without a round lot, none by change.
CREATE OR REPLACE VIEW stock_ranking AS
WITH
  counted AS (
    SELECT
      s.trade_date,
      s.index_code,
      s.ticker,
      s.company_name,
      s.sector,
      s.weight_pct,
      s.total_financial_volume,
      TRY_CAST(CAST(100 * (s.close - s.open) AS decimal(20,4)) / nullif(s.open, 0) AS decimal(13,4)) AS change_pct,
      s.constituent_count,
      count(*) OVER (PARTITION BY s.trade_date, s.index_code) AS row_count,
      min(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS first_generation,
      max(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS last_generation
    FROM index_stocks s
  )
SELECT
  trade_date,
  index_code,
  ticker,
  company_name,
  sector,
  weight_pct,
  row_number() OVER (PARTITION BY trade_date, index_code ORDER BY weight_pct DESC, ticker) AS weight_rank,
  total_financial_volume,
  CASE
    WHEN total_financial_volume IS NOT NULL THEN row_number() OVER (
      PARTITION BY trade_date, index_code ORDER BY total_financial_volume DESC NULLS LAST, ticker)
  END AS volume_rank,
  change_pct,
  CASE
    WHEN change_pct IS NOT NULL THEN row_number() OVER (
      PARTITION BY trade_date, index_code ORDER BY change_pct DESC NULLS LAST, ticker)
  END AS change_rank
FROM counted
WHERE row_count = constituent_count
  AND first_generation = last_generation
