-- The catalog shows the raw partition of the session, and it is not empty.
SELECT CASE
         WHEN count(*) > 0 THEN 1
         ELSE CAST(
           'raw_quotes shows no row for {{ period(dag_run, ti) }}: expected the session''s quotes; '
           || 'see whether upload wrote the partition and crawl_raw registered it' AS integer)
       END AS raw_partition_is_there
FROM raw_quotes
WHERE {{ period(dag_run, ti).sql }}
