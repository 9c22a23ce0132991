-- All constituents of the session were made from the same raw objects.
SELECT CASE
         WHEN count(*) > 0 AND count(generation) = count(*) AND min(generation) = max(generation) THEN 1
         ELSE CAST(
           'index_stocks of {{ trade_date(dag_run) }} has ' || CAST(count(DISTINCT generation) AS varchar)
           || ' generations in ' || CAST(count(*) AS varchar) || ' rows, '
           || coalesce(min(generation), 'none') || ' to ' || coalesce(max(generation), 'none') || ', and '
           || CAST(count(*) - count(generation) AS varchar)
           || ' rows without one: expected one generation; run refine again' AS integer)
       END AS index_stocks_are_one_generation
FROM index_stocks
WHERE trade_date = date '{{ trade_date(dag_run) }}'
