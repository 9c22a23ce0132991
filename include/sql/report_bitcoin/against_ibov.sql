-- Bitcoin against the IBOV, over the sessions of the last 45 days. Both are changes from open to close in percent. The
-- IBOV's is that of its constituents, by their weights; those that did not trade are left out. Bitcoin's is from 13:00 to
-- 20:00 UTC, which is 10:00 to 17:00 in São Paulo.
WITH
  given AS (SELECT (SELECT max(trade_date) FROM "btc_minutes$partitions") AS trade_date),
  asked AS (SELECT trade_date, date_add('day', -45, trade_date) AS first_date FROM given),
  constituents AS (
    SELECT
      s.trade_date,
      s.weight_pct,
      TRY_CAST(CAST(100 * (s.close - s.open) AS decimal(20,4)) / nullif(s.open, 0) AS decimal(13,4)) AS change_pct
    FROM index_stocks s
    JOIN asked ON s.trade_date >= asked.first_date AND s.trade_date <= asked.trade_date
    WHERE s.index_code = 'IBOV'
  ),
  ibov AS (
    SELECT trade_date, TRY_CAST(sum(weight_pct * change_pct) / sum(weight_pct) AS decimal(13,4)) AS change_pct
    FROM constituents
    WHERE change_pct IS NOT NULL
    GROUP BY trade_date
  ),
  bitcoin AS (
    SELECT m.trade_date, m.symbol, min_by(m.open, m.minute) AS open, max_by(m.close, m.minute) AS close
    FROM btc_minutes m
    JOIN asked ON m.trade_date >= asked.first_date AND m.trade_date <= asked.trade_date
    WHERE hour(m.minute) BETWEEN 13 AND 19
    GROUP BY m.trade_date, m.symbol
  )
SELECT
  b.trade_date,
  b.symbol,
  TRY_CAST(
    CAST(100 * (b.close - b.open) AS decimal(28,8)) / nullif(CAST(b.open AS decimal(28,8)), 0) AS decimal(13,4)
  ) AS bitcoin_change_pct,
  i.change_pct AS ibov_change_pct
FROM bitcoin b
JOIN ibov i ON i.trade_date = b.trade_date
ORDER BY b.trade_date, b.symbol
