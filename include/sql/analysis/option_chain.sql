-- At which prices did the calls and puts on one underlying trade on a session, by strike, for one expiry?
-- The default is the most traded underlying and its nearest expiry; set others in `wanted`. The underlying is the
-- security with the ISIN of the series. If a root has several (ON and PN), it is the one whose options traded most.
-- Prices are for one share. Series of equal strike and kind are ranked by volume, one row each.
WITH
  asked AS (SELECT (SELECT max(trade_date) FROM "quotes$partitions") AS trade_date),
  wanted AS (
    SELECT
      CAST(NULL AS varchar) AS ticker,   -- the underlying, such as 'ABCD4'; NULL: any
      CAST(NULL AS varchar) AS root,     -- such as 'ABCD'; NULL: the most traded underlying
      CAST(NULL AS date) AS expiry_date  -- such as date '2024-03-15'; NULL: the nearest expiry
  ),
  traded AS (
    SELECT q.ticker, q.isin, q.market_type, q.asset_class, q.unit_close, q.quantity, q.financial_volume,
           q.strike_price, q.quote_factor, q.expiry_date, q.days_to_expiry
    FROM quotes q
    JOIN asked ON q.trade_date = asked.trade_date
    WHERE q.market_type = '010' OR q.asset_class = 'option'
  ),
  underlying AS (
    SELECT o.isin, max(s.ticker) AS ticker, max(s.unit_close) AS spot
    FROM traded o
    JOIN traded s ON s.isin = o.isin AND s.market_type = '010'
    CROSS JOIN wanted
    WHERE o.asset_class = 'option'
      AND s.ticker = coalesce(wanted.ticker, s.ticker)
      AND substr(s.ticker, 1, 4) = coalesce(wanted.root, substr(s.ticker, 1, 4))
      AND o.expiry_date = coalesce(wanted.expiry_date, o.expiry_date)
    GROUP BY o.isin
    ORDER BY sum(o.financial_volume) DESC, o.isin
    LIMIT 1
  ),
  expiry AS (
    SELECT min(o.expiry_date) AS expiry_date
    FROM traded o
    JOIN underlying u ON u.isin = o.isin
    CROSS JOIN wanted
    WHERE o.asset_class = 'option'
      AND o.expiry_date = coalesce(wanted.expiry_date, o.expiry_date)
  ),
  series AS (
    SELECT
      u.ticker AS underlying,
      u.spot,
      o.ticker,
      o.market_type,
      o.expiry_date,
      o.days_to_expiry,
      CAST(o.strike_price AS decimal(19,8)) / nullif(o.quote_factor, 0) AS strike,
      o.unit_close,
      o.quantity,
      o.financial_volume,
      row_number() OVER (
        PARTITION BY o.market_type, CAST(o.strike_price AS decimal(19,8)) / nullif(o.quote_factor, 0)
        ORDER BY o.financial_volume DESC, o.ticker
      ) AS place
    FROM traded o
    JOIN underlying u ON u.isin = o.isin
    JOIN expiry e ON e.expiry_date = o.expiry_date
    WHERE o.asset_class = 'option'
  )
SELECT
  underlying,
  spot,
  expiry_date,
  days_to_expiry,
  strike,
  TRY_CAST(100 * (strike - spot) / nullif(spot, 0) AS decimal(13,4)) AS distance_pct,
  max(CASE WHEN market_type = '070' THEN ticker END) AS call_ticker,
  max(CASE WHEN market_type = '070' THEN unit_close END) AS call_close,
  max(CASE WHEN market_type = '070' THEN quantity END) AS call_quantity,
  max(CASE WHEN market_type = '070' THEN financial_volume END) AS call_volume,
  max(CASE WHEN market_type = '080' THEN ticker END) AS put_ticker,
  max(CASE WHEN market_type = '080' THEN unit_close END) AS put_close,
  max(CASE WHEN market_type = '080' THEN quantity END) AS put_quantity,
  max(CASE WHEN market_type = '080' THEN financial_volume END) AS put_volume
FROM series
GROUP BY underlying, spot, expiry_date, days_to_expiry, strike, place
ORDER BY strike, place
