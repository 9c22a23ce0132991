-- Quantity and volume of a constituent are those of its round lot, odd lot (F) and auction (L) in quotes, to the cent.
WITH
  traded AS (
    SELECT
      CASE
        WHEN market_type = '010' THEN ticker
        WHEN market_type = '020' AND ticker LIKE '%F' THEN substr(ticker, 1, length(ticker) - 1)
        WHEN market_type = '017' AND ticker LIKE '%L' THEN substr(ticker, 1, length(ticker) - 1)
      END AS ticker,
      sum(quantity) AS quantity,
      sum(financial_volume) AS financial_volume
    FROM quotes
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
      AND market_type IN ('010', '017', '020')
    GROUP BY 1
  ),
  wrong AS (
    SELECT s.index_code || ' ' || s.ticker AS constituent, s.total_quantity, s.total_financial_volume,
           t.quantity, t.financial_volume
    FROM index_stocks s
    LEFT JOIN traded t ON t.ticker = s.ticker
    WHERE s.trade_date = date '{{ trade_date(dag_run) }}'
      AND (s.total_quantity IS DISTINCT FROM t.quantity
           OR s.total_financial_volume IS DISTINCT FROM t.financial_volume)
  )
SELECT CASE
         WHEN count(*) = 0 THEN 1
         ELSE CAST(
           CAST(count(*) AS varchar) || ' constituents of index_stocks on {{ trade_date(dag_run) }} have other totals '
           || 'than quotes, as ' || max(constituent)
           || ' (quantity ' || coalesce(CAST(max_by(total_quantity, constituent) AS varchar), 'null')
           || ', volume ' || coalesce(CAST(max_by(total_financial_volume, constituent) AS varchar), 'null')
           || '): expected quantity ' || coalesce(CAST(max_by(quantity, constituent) AS varchar), 'null')
           || ', volume ' || coalesce(CAST(max_by(financial_volume, constituent) AS varchar), 'null')
           || ' over round lot, odd lot and auction; run refine again' AS integer)
       END AS index_volumes_agree_with_quotes
FROM wrong
