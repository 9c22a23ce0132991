-- A row is in the file because it traded: open, high, low, average and close are prices above zero, or findings tells.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM quotes
WHERE {{ period.sql }}
  AND coalesce(least(open, high, low, average, close) > 0, false) = false
{% endset -%}
{{ told("prices_are_positive", "quotes have a price that is not above zero", breaches, period) }}
