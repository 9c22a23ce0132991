-- visual_index_stocks has the constituents of index_stocks, with the same sums to the cent, weights, names and days.
WITH
  wanted AS (
    SELECT trade_date, index_code, ticker, company_name, weight_pct, theoretical_quantity, total_quantity,
           total_financial_volume, market_count, rebalance_date, days_since_rebalance
    FROM index_stocks
    WHERE {{ period(dag_run, triggering_asset_events).sql }}
  ),
  visual AS (
    SELECT trade_date, index_code, ticker, company_name, weight_pct, theoretical_quantity, total_quantity,
           total_financial_volume, market_count, period_start, days_since_period_start,
           count(*) OVER (PARTITION BY trade_date, index_code, ticker) AS copies
    FROM visual_index_stocks
    WHERE {{ period(dag_run, triggering_asset_events).sql }}
  ),
  compared AS (
    SELECT
      CAST(coalesce(w.trade_date, v.trade_date) AS varchar) || ' ' || coalesce(w.index_code, v.index_code) || ' '
        || coalesce(w.ticker, v.ticker) AS constituent,
      coalesce(
        w.ticker = v.ticker
        AND v.copies = 1
        AND w.company_name = v.company_name
        AND w.weight_pct = v.weight_pct
        AND w.theoretical_quantity = v.theoretical_quantity
        AND w.total_quantity IS NOT DISTINCT FROM v.total_quantity
        AND w.total_financial_volume IS NOT DISTINCT FROM v.total_financial_volume
        AND w.market_count = v.market_count
        -- A period starts on the first Monday of its month. If B3 is closed then, portfolios change on the next session.
        AND day_of_week(v.period_start) = 1
        AND day(v.period_start) <= 7
        AND month(v.period_start) IN (1, 5, 9)
        AND date_diff('day', v.period_start, w.rebalance_date) BETWEEN 0 AND 6
        AND v.days_since_period_start = w.days_since_rebalance + date_diff('day', v.period_start, w.rebalance_date),
        false) AS agrees,
      CASE WHEN w.ticker IS NULL THEN 'nothing'
           ELSE 'volume ' || coalesce(CAST(w.total_financial_volume AS varchar), 'none') || ', quantity '
             || coalesce(CAST(w.total_quantity AS varchar), 'none') || ', weight '
             || coalesce(CAST(w.weight_pct AS varchar), 'none') || ', of '
             || coalesce(CAST(w.theoretical_quantity AS varchar), 'none') || ', on '
             || coalesce(CAST(w.market_count AS varchar), 'none') || ' markets, rebalance '
             || coalesce(CAST(w.rebalance_date AS varchar), 'none') || ', '
             || coalesce(CAST(w.days_since_rebalance AS varchar), 'none') || ' days ago, company '
             || coalesce(w.company_name, 'none') END AS expected,
      CASE WHEN v.ticker IS NULL THEN 'nothing'
           ELSE 'volume ' || coalesce(CAST(v.total_financial_volume AS varchar), 'none') || ', quantity '
             || coalesce(CAST(v.total_quantity AS varchar), 'none') || ', weight '
             || coalesce(CAST(v.weight_pct AS varchar), 'none') || ', of '
             || coalesce(CAST(v.theoretical_quantity AS varchar), 'none') || ', on '
             || coalesce(CAST(v.market_count AS varchar), 'none') || ' markets, period from '
             || coalesce(CAST(v.period_start AS varchar), 'none') || ', '
             || coalesce(CAST(v.days_since_period_start AS varchar), 'none') || ' days ago, company '
             || coalesce(v.company_name, 'none')
             || CASE WHEN v.copies > 1 THEN ', ' || CAST(v.copies AS varchar) || ' times' ELSE '' END END AS got
    FROM wanted w
    FULL JOIN visual v
      ON v.trade_date = w.trade_date AND v.index_code = w.index_code AND v.ticker = w.ticker
  )
SELECT CASE
         WHEN count(*) > 0 AND count_if(NOT agrees) = 0 THEN 1
         ELSE CAST(
           CAST(count_if(NOT agrees) AS varchar) || ' of ' || CAST(count(*) AS varchar)
           || ' constituents of {{ period(dag_run, triggering_asset_events) }} differ between visual_index_stocks and'
           || ' index_stocks'
           || coalesce(', as ' || max(CASE WHEN NOT agrees THEN constituent END) || ': expected '
                       || max_by(expected, CASE WHEN NOT agrees THEN constituent END) || '; found '
                       || max_by(got, CASE WHEN NOT agrees THEN constituent END),
                       ': expected some')
           || '; run b3_visual again' AS integer)
       END AS visual_index_stocks_agree_with_index_stocks
FROM compared
