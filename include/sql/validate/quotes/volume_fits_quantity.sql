-- Financial volume is quantity times a price between low and high, per quote factor, or findings tells. B3 truncates
-- each trade to the cent and its oldest rows are off by less than a hundredth, hence the slack; where the count of
-- trades could not be read, it is the most that fits its field. A volume of 0.00 passes only where quantity times high
-- is less than a cent.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM (
  -- Wide enough for the products.
  SELECT trade_date, ticker, trade_count, quantity, low, high, quote_factor,
         CAST(financial_volume AS decimal(24,2)) AS volume
  FROM quotes
  WHERE {{ period.sql }}
) q
WHERE coalesce(
        quantity > 0
        AND CASE
              WHEN volume = 0 THEN quantity * high * 100 < quote_factor
              ELSE volume > 0
               AND (100 * volume + coalesce(trade_count, 99999)) * quote_factor >= 99 * (quantity * low)
               AND (100 * volume - 1) * quote_factor <= 101 * (quantity * high)
            END,
        false) = false
{% endset -%}
{{ told("volume_fits_quantity", "quotes have a volume that quantity and prices do not explain", breaches, period) }}
