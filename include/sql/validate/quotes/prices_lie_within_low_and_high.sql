-- low <= open, close <= high, or findings tells. The average is left out: B3's can lie outside.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM quotes
WHERE {{ period.sql }}
  AND coalesce(low <= open AND low <= close AND open <= high AND close <= high, false) = false
{% endset -%}
{{ told("prices_lie_within_low_and_high", "quotes have open or close outside low and high", breaches, period) }}
