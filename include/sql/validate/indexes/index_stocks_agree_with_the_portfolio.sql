-- index_stocks has the constituents of portfolio_day, index by index: tickers, weights, quantities, and their number.
WITH
  portfolio AS (
    SELECT "index" AS index_code, ticker, weight_pct, theoretical_quantity
    FROM raw_index_portfolio
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
      AND endpoint = 'portfolio_day'
  ),
  refined AS (
    SELECT index_code, ticker, weight_pct, theoretical_quantity, constituent_count,
           count(*) OVER (PARTITION BY index_code) AS rows_there
    FROM index_stocks
    WHERE trade_date = date '{{ trade_date(dag_run) }}'
  ),
  compared AS (
    SELECT
      coalesce(p.index_code, r.index_code) || ' ' || coalesce(p.ticker, r.ticker) AS constituent,
      coalesce(
        p.weight_pct = r.weight_pct
        AND p.theoretical_quantity = r.theoretical_quantity
        AND r.rows_there = r.constituent_count,
        false) AS agrees,
      coalesce('weight ' || CAST(p.weight_pct AS varchar) || ', quantity ' || CAST(p.theoretical_quantity AS varchar),
               'nothing') AS wanted,
      coalesce('weight ' || CAST(r.weight_pct AS varchar) || ', quantity ' || CAST(r.theoretical_quantity AS varchar)
               || ', as one of ' || CAST(r.rows_there AS varchar) || ' rows where constituent_count is '
               || CAST(r.constituent_count AS varchar),
               'nothing') AS got
    FROM portfolio p
    FULL JOIN refined r ON r.index_code = p.index_code AND r.ticker = p.ticker
  )
SELECT CASE
         WHEN count(*) > 0 AND count_if(NOT agrees) = 0 THEN 1
         ELSE CAST(
           CAST(count_if(NOT agrees) AS varchar) || ' of ' || CAST(count(*) AS varchar)
           || ' constituents on {{ trade_date(dag_run) }} differ between raw_index_portfolio and index_stocks'
           || coalesce(', as ' || max(CASE WHEN NOT agrees THEN constituent END) || ': expected '
                       || max_by(wanted, CASE WHEN NOT agrees THEN constituent END) || '; found '
                       || max_by(got, CASE WHEN NOT agrees THEN constituent END),
                       ': expected some')
           || '; run refine again' AS integer)
       END AS index_stocks_agree_with_the_portfolio
FROM compared
