-- The sector classification is all there: as many rows as were written, each root of four characters once, no blanks.
{% set source = ti.xcom_pull(task_ids='sectors.upload') -%}
SELECT CASE
         WHEN count(*) = {{ source['rows'] }}
          AND count(DISTINCT root) = count(*)
          AND count_if(coalesce(length(root) = 4, false)) = count(*)
          AND count_if(coalesce(length(trim(sector)) > 0, false)) = count(*) THEN 1
         ELSE CAST(
           'raw_sectors of {{ trade_date(dag_run) }} has ' || CAST(count(*) AS varchar) || ' rows of '
           || CAST(count(DISTINCT root) AS varchar) || ' roots, '
           || CAST(count(*) - count_if(coalesce(length(root) = 4, false)) AS varchar)
           || ' of them not of four characters, and '
           || CAST(count(*) - count_if(coalesce(length(trim(sector)) > 0, false)) AS varchar)
           || ' without a sector: expected {{ source['rows'] }} rows, each root of four characters once, and a sector '
           || 'in each; run sectors.upload again' AS integer)
       END AS sectors_are_whole
FROM raw_sectors
WHERE trade_date = date '{{ trade_date(dag_run) }}'
