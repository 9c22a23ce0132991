-- Do the raw and refined quotes of a session agree, and how much of it do the other tables have?
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  source AS (
    SELECT count(*) AS raw_quotes, sum(r.financial_volume) AS raw_volume
    FROM raw_quotes r
    JOIN asked ON r.trade_date = asked.trade_date
  ),
  refined AS (
    SELECT
      count(*) AS quotes,
      sum(q.financial_volume) AS volume,
      count_if(q.finding_count > 0) AS odd_quotes,
      min(q.previous_session) AS previous_session
    FROM quotes q
    JOIN asked ON q.trade_date = asked.trade_date
  ),
  portfolios AS (
    SELECT count(*) AS portfolio_rows
    FROM raw_index_portfolio i
    JOIN asked ON i.trade_date = asked.trade_date
  ),
  newest AS (
    SELECT max(p.trade_date) AS sectors_from
    FROM "raw_sectors$partitions" p
    JOIN asked ON p.trade_date <= asked.trade_date
  )
SELECT asked.trade_date, s.*, r.*, p.*, n.*
FROM asked CROSS JOIN source s CROSS JOIN refined r CROSS JOIN portfolios p CROSS JOIN newest n
