-- The catalog shows the refined partition of the session, and it is not empty.
SELECT CASE
         WHEN count(*) > 0 THEN 1
         ELSE CAST(
           'quotes shows no row for {{ period(dag_run, ti) }}: expected the session''s quotes; '
           || 'see whether refine wrote the partition and crawl_refined registered it' AS integer)
       END AS refined_partition_is_there
FROM quotes
WHERE {{ period(dag_run, ti).sql }}
