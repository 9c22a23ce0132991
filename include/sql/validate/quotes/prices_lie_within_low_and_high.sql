-- Open and close lie between low and high. findings has every row that breaks this. The average may lie outside in B3's
-- files, so it is not checked.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM quotes
WHERE {{ period.sql }}
  AND coalesce(low <= open AND low <= close AND open <= high AND close <= high, false) = false
{% endset -%}
{{ told("prices_lie_within_low_and_high", "quotes have open or close outside low and high", breaches, period) }}
