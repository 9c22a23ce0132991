-- What does each sector of an index weigh, and how did it trade? The sectors are those of B3's portfolio.
-- Only dates with all constituents, of one generation, are shown. A filter on trade_date reads only its partitions.
CREATE OR REPLACE VIEW sector_summary AS
WITH
  counted AS (
    SELECT
      s.*,
      count(*) OVER (PARTITION BY s.trade_date, s.index_code) AS row_count,
      min(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS first_generation,
      max(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS last_generation
    FROM index_stocks s
  ),
  sectors AS (
    SELECT
      trade_date,
      index_code,
      sector,
      count(*) AS constituents,
      count_if(market_count > 0) AS traded_constituents,
      sum(weight_pct) AS weight_pct,
      coalesce(sum(total_financial_volume), CAST(0 AS decimal(38,2))) AS total_financial_volume,
      avg(CAST(100 * (close - open) AS decimal(20,4)) / nullif(open, 0)) AS average_change_pct
    FROM counted
    WHERE row_count = constituent_count
      AND first_generation = last_generation
    GROUP BY trade_date, index_code, sector
  )
SELECT
  trade_date,
  index_code,
  sector,
  constituents,
  traded_constituents,
  weight_pct,
  total_financial_volume,
  CAST(
    CAST(100 * total_financial_volume AS decimal(38,4))
    / nullif(sum(total_financial_volume) OVER (PARTITION BY trade_date, index_code), 0) AS decimal(7,4)
  ) AS volume_share_pct,
  TRY_CAST(average_change_pct AS decimal(13,4)) AS average_change_pct
FROM sectors
