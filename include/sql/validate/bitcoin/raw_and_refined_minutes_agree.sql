-- Every hour that the run uploaded has the same minutes, prices and volume in the refined day, exactly.
-- Another run may have uploaded an hour that it has yet to refine: its own check is for that.
WITH
  source AS (
    SELECT symbol || ' ' || date_format(minute, '%Y-%m-%dT%H') AS begun, count(*) AS records,
           sum(open + high + low + close) AS prices, sum(volume) AS volume
    FROM raw_btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND {{ uploaded_sql(ti.xcom_pull(task_ids='bitcoin.upload'), "symbol || ' ' || date_format(minute, '%Y-%m-%dT%H')") }}
    GROUP BY 1
  ),
  refined AS (
    SELECT symbol || ' ' || date_format(minute, '%Y-%m-%dT%H') AS begun, count(*) AS records,
           sum(open + high + low + close) AS prices, sum(volume) AS volume
    FROM btc_minutes
    WHERE {{ period(dag_run, ti).sql }}
      AND {{ uploaded_sql(ti.xcom_pull(task_ids='bitcoin.upload'), "symbol || ' ' || date_format(minute, '%Y-%m-%dT%H')") }}
    GROUP BY 1
  ),
  wrong AS (
    SELECT coalesce(source.begun, refined.begun) AS begun,
           coalesce(CAST(source.records AS varchar), 'no') || ' minutes, volume '
           || coalesce(CAST(source.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(source.prices AS varchar), 'null') AS expected,
           coalesce(CAST(refined.records AS varchar), 'no') || ' minutes, volume '
           || coalesce(CAST(refined.volume AS varchar), 'null') || ', prices that sum to '
           || coalesce(CAST(refined.prices AS varchar), 'null') AS found
    FROM source FULL JOIN refined ON source.begun = refined.begun
    WHERE source.records IS DISTINCT FROM refined.records
       OR source.volume IS DISTINCT FROM refined.volume
       OR source.prices IS DISTINCT FROM refined.prices
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           'of {{ period(dag_run, ti) }}, ' || CAST(count(*) AS varchar) || ' hours differ between raw_btc_minutes and '
           || 'btc_minutes: ' || min(begun) || ' has ' || min_by(expected, begun)
           || ' in raw_btc_minutes; expected the same of btc_minutes, found ' || min_by(found, begun)
           || '; run bitcoin.refine again' AS integer)
       END AS raw_and_refined_minutes_agree
FROM wrong
