-- A field that could not be read is null, and findings has its bytes.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM raw_quotes
WHERE {{ period.sql }}
  AND unreadable IS NOT NULL
{% endset -%}
{{ told("fields_are_readable", "raw quotes have fields that could not be read", breaches, period) }}
