{#- Fails unless, on each trade date, findings has one row of a rule for each row of a table that breaks it.

    rule:     the rule's name in findings
    what:     the rest of a sentence about the rows that break it, after their number
    breaches: a query that returns (trade_date, ticker) of each such row
    period:   the run's period, see b3.airflow.run_dates
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
  recorded AS (
    SELECT trade_date, count(*) AS records
    FROM findings
    WHERE {{ period.sql }}
      AND rule = '{{ rule }}'
    GROUP BY trade_date
  ),
  wrong AS (
    SELECT
      coalesce(odd.trade_date, recorded.trade_date) AS trade_date,
      coalesce(odd.records, 0) AS odd_records,
      coalesce(recorded.records, 0) AS recorded_findings,
      odd.example
    FROM odd FULL JOIN recorded ON odd.trade_date = recorded.trade_date
    WHERE odd.records IS DISTINCT FROM recorded.records
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'findings of {{ period }} does not match the odd rows on ' || CAST(count(*) AS varchar)
           || ' sessions, as on ' || CAST(min(trade_date) AS varchar) || ': '
           || CAST(min_by(odd_records, trade_date) AS varchar) || ' {{ what }}'
           || coalesce(', as ' || min_by(example, trade_date), '') || '; expected as many rows of rule {{ rule }}, found '
           || CAST(min_by(recorded_findings, trade_date) AS varchar) || '; run refine again' AS integer)
       END AS {{ rule }}
FROM wrong
{%- endmacro %}
