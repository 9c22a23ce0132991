-- Who is in each index on a session, with which weight, and how did that change since the index's former session in
-- the lake? A share that has left has no weight_pct; one that came has no former_weight_pct. Changes are from open to
-- close. Only dates with all constituents, of one generation, count.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -31, trade_date) AS first_date FROM given),
  counted AS (
    SELECT
      s.*,
      count(*) OVER (PARTITION BY s.trade_date, s.index_code) AS row_count,
      min(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS first_generation,
      max(s.generation) OVER (PARTITION BY s.trade_date, s.index_code) AS last_generation
    FROM index_stocks s
    JOIN asked ON s.trade_date >= asked.first_date AND s.trade_date <= asked.trade_date
  ),
  whole AS (
    SELECT
      w.*,
      dense_rank() OVER (PARTITION BY w.index_code ORDER BY w.trade_date DESC) AS place,
      max(w.trade_date) OVER (PARTITION BY w.index_code) AS last_date
    FROM counted w
    WHERE w.row_count = w.constituent_count
      AND w.first_generation = w.last_generation
  ),
  present AS (
    SELECT w.* FROM whole w JOIN asked ON w.trade_date = asked.trade_date
  ),
  former AS (
    SELECT w.* FROM whole w JOIN asked ON w.last_date = asked.trade_date WHERE w.place = 2
  )
SELECT
  coalesce(p.index_code, f.index_code) AS index_code,
  coalesce(p.ticker, f.ticker) AS ticker,
  coalesce(p.company_name, f.company_name) AS company_name,
  coalesce(p.sector, f.sector) AS sector,
  p.weight_pct,
  f.weight_pct AS former_weight_pct,
  f.trade_date AS former_date,
  TRY_CAST(CAST(100 * (p.close - p.open) AS decimal(20,4)) / nullif(p.open, 0) AS decimal(13,4)) AS change_pct,
  p.total_financial_volume AS financial_volume
FROM present p
FULL JOIN former f ON f.index_code = p.index_code AND f.ticker = p.ticker
ORDER BY 1, p.weight_pct DESC NULLS LAST, 2
