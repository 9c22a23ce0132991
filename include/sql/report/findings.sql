-- Which rules do the quotes of a session break, how often, and what is the first example?
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  numbered AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.rule ORDER BY f.file_line) AS place
    FROM findings f
    JOIN asked ON f.trade_date = asked.trade_date
  )
SELECT
  rule,
  count(*) AS findings,
  max(CASE WHEN place = 1 THEN ticker END) AS ticker,
  max(CASE WHEN place = 1 THEN expected END) AS expected,
  max(CASE WHEN place = 1 THEN found END) AS found
FROM numbered
GROUP BY rule
ORDER BY rule
