-- findings has a row for each quote with a field that could not be read. Such a field is null.
{% from "macros/told.sql" import told -%}
{% set period = period(dag_run, ti) -%}
{% set breaches %}
SELECT trade_date, ticker
FROM raw_quotes
WHERE {{ period.sql }}
  AND unreadable IS NOT NULL
{% endset -%}
{{ told("fields_are_readable", "raw quotes have fields that could not be read", breaches, period) }}
