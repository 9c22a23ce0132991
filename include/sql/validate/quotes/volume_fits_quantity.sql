-- Financial volume is quantity times a price between low and high, divided by the quote factor. findings has every row
-- that breaks this. The check allows some slack: B3 truncates each trade to the cent, and its oldest rows are off by
-- less than one percent. An unreadable count of trades counts as the most that its field can hold. A volume of 0.00
-- passes only if quantity times high is less than a cent.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM (
  -- The wider decimal holds the products below.
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
