-- The portfolios of the session are all there: as many rows as were written, each constituent once, weights of 100 %.
{% set source = ti.xcom_pull(task_ids='indexes.upload') -%}
WITH
  portfolio AS (
    SELECT "index" AS index_code, endpoint, ticker, weight_pct, source_date, trade_date
    FROM raw_index_portfolio
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
  ),
  found AS (
    SELECT
      count(*) AS records,
      count_if(endpoint = 'portfolio_day' AND source_date IS DISTINCT FROM trade_date) AS of_other_dates
    FROM portfolio
  ),
  repeated AS (
    SELECT count(*) AS keys, max(index_code || ' ' || endpoint || ' ' || ticker) AS example
    FROM (
      SELECT index_code, endpoint, ticker
      FROM portfolio
      GROUP BY index_code, endpoint, ticker
      HAVING count(*) > 1
    ) r
  ),
  unbalanced AS (
    SELECT count(*) AS indexes, max(index_code) AS example, max_by(weight, index_code) AS weight
    FROM (
      SELECT index_code, sum(weight_pct) AS weight
      FROM portfolio
      WHERE endpoint = 'portfolio_day'
      GROUP BY index_code
      HAVING coalesce(abs(sum(weight_pct) - 100) <= (count(*) + 1) * DECIMAL '0.0005', false) = false
    ) w
  )
SELECT CASE
         WHEN found.records = {{ source['rows'] }} AND found.of_other_dates = 0 AND repeated.keys = 0
          AND unbalanced.indexes = 0 THEN 1
         ELSE CAST(
           'raw_index_portfolio of {{ trade_date(dag_run) }} has ' || CAST(found.records AS varchar) || ' rows, '
           || CAST(found.of_other_dates AS varchar) || ' of portfolio_day with another source_date, '
           || CAST(repeated.keys AS varchar) || ' repeated constituents'
           || coalesce(', as ' || repeated.example, '') || ', '
           || CAST(unbalanced.indexes AS varchar) || ' indexes whose weights are not 100'
           || coalesce(', as ' || unbalanced.example || ' with ' || CAST(unbalanced.weight AS varchar), '')
           || ': expected {{ source['rows'] }} rows of this date, each (index, endpoint, ticker) once, and weights '
           || 'that sum to 100; run indexes.upload again' AS integer)
       END AS index_portfolio_is_complete
FROM found CROSS JOIN repeated CROSS JOIN unbalanced
