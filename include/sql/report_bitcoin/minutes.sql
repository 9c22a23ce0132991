-- The minutes of a day in UTC, by market.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "btc_minutes$partitions") AS trade_date)
SELECT m.symbol, date_format(m.minute, '%H:%i') AS time_of_day, m.open, m.high, m.low, m.close, m.volume, m.provider
FROM btc_minutes m
JOIN asked ON m.trade_date = asked.trade_date
ORDER BY m.symbol, m.minute
