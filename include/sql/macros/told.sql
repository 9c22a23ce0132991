{#- Fails unless findings has as many rows of a rule, on each trade date, as rows of a table break it.

    rule:     its name in findings
    what:     what these rows are, in words
    breaches: a query of (trade_date, ticker), a row for each breach
    period:   the run's period, see b3.airflow.period
-#}
{% macro told(rule, what, breaches, period) -%}
WITH
  breaches AS (
    {{ breaches | trim | indent(4) }}
  ),
  odd AS (
    SELECT trade_date, count(*) AS records, max(ticker) AS example
    FROM breaches
    GROUP BY trade_date
  ),
  told AS (
    SELECT trade_date, count(*) AS records
    FROM findings
    WHERE {{ period.sql }}
      AND rule = '{{ rule }}'
    GROUP BY trade_date
  ),
  wrong AS (
    SELECT
      coalesce(odd.trade_date, told.trade_date) AS trade_date,
      coalesce(odd.records, 0) AS odd_records,
      coalesce(told.records, 0) AS told_records,
      odd.example
    FROM odd FULL JOIN told ON odd.trade_date = told.trade_date
    WHERE odd.records IS DISTINCT FROM told.records
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'findings of {{ period }} does not tell what is odd on ' || CAST(count(*) AS varchar)
           || ' sessions, as on ' || CAST(min(trade_date) AS varchar) || ': '
           || CAST(min_by(odd_records, trade_date) AS varchar) || ' {{ what }}'
           || coalesce(', as ' || min_by(example, trade_date), '') || '; expected as many rows of rule {{ rule }}, found '
           || CAST(min_by(told_records, trade_date) AS varchar) || '; run refine again' AS integer)
       END AS {{ rule }}
FROM wrong
{%- endmacro %}
