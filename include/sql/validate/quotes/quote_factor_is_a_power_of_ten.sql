-- Prices are for 1, 10, … 1,000,000 units, so that a unit price is exact; another factor is told in findings.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM quotes
WHERE {{ period.sql }}
  AND coalesce(quote_factor IN (1, 10, 100, 1000, 10000, 100000, 1000000), false) = false
{% endset -%}
{{ told("quote_factor_is_a_power_of_ten", "quotes have another quote factor", breaches, period) }}
