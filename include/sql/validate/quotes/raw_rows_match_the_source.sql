-- As many raw rows as the source file has of the session, and its volume to the cent. Sessions that a corrected file of
-- a year lacks, and that were kept as a person accepted, are left out.
{% set uploaded = ti.xcom_pull(task_ids='upload') -%}
WITH
  source (trade_date, records, volume) AS (
    VALUES
{%- for partition in uploaded['partitions'] %}
      (date '{{ partition['trade_date'] }}', {{ partition['rows'] }}, {{ partition['financial_volume'] }}){{ '' if loop.last else ',' }}
{%- endfor %}
  ),
  landed AS (
    SELECT trade_date, count(*) AS records, sum(financial_volume) AS volume
    FROM raw_quotes
    WHERE {{ period(dag_run, ti).sql }}
{%- for date in uploaded.get('kept', []) %}
      AND trade_date <> date '{{ date }}'
{%- endfor %}
    GROUP BY trade_date
  ),
  wrong AS (
    SELECT coalesce(source.trade_date, landed.trade_date) AS trade_date, source.records AS expected,
           source.volume AS expected_volume, landed.records AS found, landed.volume AS found_volume
    FROM source FULL JOIN landed ON source.trade_date = landed.trade_date
    WHERE source.records IS DISTINCT FROM landed.records OR source.volume IS DISTINCT FROM landed.volume
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'raw_quotes of {{ period(dag_run, ti) }} differs from the source file on ' || CAST(count(*) AS varchar) || ' sessions, as on '
           || CAST(min(trade_date) AS varchar) || ': '
           || coalesce(CAST(min_by(found, trade_date) AS varchar), 'no') || ' rows and a volume of '
           || coalesce(CAST(min_by(found_volume, trade_date) AS varchar), 'null') || '; expected '
           || coalesce(CAST(min_by(expected, trade_date) AS varchar), 'no') || ' rows and a volume of '
           || coalesce(CAST(min_by(expected_volume, trade_date) AS varchar), 'null') || '; run upload again' AS integer)
       END AS raw_rows_match_the_source
FROM wrong
