-- Trade date, ticker, market type and forward days name one row; every row of a key that repeats is told in findings.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM (
  SELECT trade_date, ticker, count(*) OVER (PARTITION BY trade_date, ticker, market_type, forward_days) AS key_rows
  FROM quotes
  WHERE {{ period.sql }}
) keyed
WHERE key_rows > 1
{% endset -%}
{{ told("key_is_unique", "quotes share their key with another", breaches, period) }}
