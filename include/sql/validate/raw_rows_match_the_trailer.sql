-- As many raw rows as the source file's trailer counts, less its header and trailer; and its volume to the cent.
{% set source = ti.xcom_pull(task_ids='upload') -%}
SELECT CASE
         WHEN count(*) = {{ source['trailer_records'] }} - 2
          AND sum(financial_volume) = {{ source['financial_volume'] }} THEN 1
         ELSE CAST(
           'raw_quotes of {{ trade_date(dag_run) }} has ' || CAST(count(*) AS varchar) || ' rows and a volume of '
           || coalesce(CAST(sum(financial_volume) AS varchar), 'null')
           || ': expected {{ source['trailer_records'] }} - 2 rows by the trailer of the source file and a volume of '
           || '{{ source['financial_volume'] }}; run upload again' AS integer)
       END AS raw_rows_match_the_trailer
FROM raw_quotes
WHERE trade_date = date '{{ trade_date(dag_run) }}'
