-- The catalog shows the session's refined partition, and it has rows.
SELECT CASE
         WHEN count(*) > 0 THEN 1
         ELSE CAST(
           'quotes shows no row for {{ period(dag_run, ti) }}: expected the session''s quotes; '
           || 'check that refine wrote the partition and crawl_refined registered it' AS integer)
       END AS refined_partition_is_there
FROM quotes
WHERE {{ period(dag_run, ti).sql }}
