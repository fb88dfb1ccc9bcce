-- row_number
-- same
SELECT id, row_number() OVER (ORDER BY id DESC) FROM people;

-- ranks
-- same
SELECT id, rank() OVER (ORDER BY age), dense_rank() OVER (ORDER BY age), percent_rank() OVER (ORDER BY age), cume_dist() OVER (ORDER BY age) FROM people;

-- rank_descending_nulls
-- same
SELECT id, rank() OVER (ORDER BY age DESC) FROM people;

-- ntile
-- same
SELECT id, ntile(4) OVER (ORDER BY id) FROM staff;

-- partition
-- same
SELECT id, count(*) OVER (PARTITION BY title), sum(pay) OVER (PARTITION BY title) FROM staff;

-- running_sum
-- same
SELECT id, sum(pay) OVER (ORDER BY id) FROM staff;

-- running_sum_peers
-- same
SELECT id, sum(pay) OVER (ORDER BY level) FROM staff;

-- lag_lead
-- same
SELECT id, lag(pay) OVER (ORDER BY id), lead(pay, 2) OVER (ORDER BY id), lag(pay, 1, 0) OVER (ORDER BY id) FROM staff;

-- first_last_nth
-- same
SELECT id, first_value(pay) OVER (ORDER BY id), last_value(pay) OVER (ORDER BY id), nth_value(pay, 2) OVER (ORDER BY id) FROM staff;

-- last_value_whole
-- same
SELECT id, last_value(pay) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM staff;

-- rows_frame
-- same
SELECT id, sum(pay) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM staff;

-- rows_frame_following
-- same
SELECT id, sum(pay) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM staff;

-- range_frame
-- same
SELECT id, count(*) OVER (ORDER BY pay RANGE BETWEEN 50 PRECEDING AND CURRENT ROW) FROM staff WHERE pay IS NOT NULL;

-- range_frame_interval
-- same
SELECT id, count(*) OVER (ORDER BY ordered_at RANGE BETWEEN interval '30 days' PRECEDING AND CURRENT ROW) FROM orders WHERE ordered_at IS NOT NULL;

-- groups_frame
-- same
SELECT id, sum(pay) OVER (ORDER BY level GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM staff;

-- exclude_current_row
-- error: the parser does not know EXCLUDE here
SELECT id, sum(pay) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) FROM staff;

-- named_window
-- same
SELECT id, sum(pay) OVER w, count(*) OVER w FROM staff WINDOW w AS (PARTITION BY level ORDER BY id);

-- window_inherits
-- error: OVER (w …) is not supported: write PARTITION BY and ORDER BY of the window out
SELECT id, sum(pay) OVER (w ORDER BY id) FROM staff WINDOW w AS (PARTITION BY level);

-- window_of_aggregate
-- same
SELECT level, sum(sum(pay)) OVER (ORDER BY level) FROM staff GROUP BY level;

-- window_filter
-- same
SELECT id, count(*) FILTER (WHERE pay > 150) OVER (ORDER BY id) FROM staff;

-- window_distinct
-- wrong: count(DISTINCT) OVER is answered, Postgres refuses
SELECT id, count(DISTINCT title) OVER () FROM staff;

-- window_empty_over
-- same
SELECT id, count(*) OVER (), avg(pay) OVER () FROM staff;

-- window_in_order
-- same
SELECT id FROM staff ORDER BY row_number() OVER (ORDER BY id DESC);

-- window_in_where
-- same
SELECT id FROM staff WHERE row_number() OVER () = 1;

-- window_in_derived
-- same
SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY level ORDER BY id) AS n FROM staff) t WHERE n = 1;

-- window_string_agg
-- same
SELECT id, string_agg(title, ',') OVER (ORDER BY id) FROM staff;

-- window_array_agg
-- same
SELECT id, array_agg(pay) OVER (ORDER BY id) FROM staff;

-- window_bool
-- same
SELECT id, bool_or(pay > 500) OVER (PARTITION BY level) FROM staff;

-- window_max_dates
-- same
SELECT id, max(ordered_at) OVER (PARTITION BY product) FROM orders;

-- window_order_nulls
-- same
SELECT id, row_number() OVER (ORDER BY pay NULLS FIRST, id) FROM staff;

-- window_ignore_nulls
-- wrong: IGNORE NULLS is answered, Postgres refuses
SELECT id, lag(pay) IGNORE NULLS OVER (ORDER BY id) FROM staff;

-- window_division
-- same
SELECT id, round(100.0 * pay / sum(pay) OVER (), 2) FROM staff;

-- window_range_current
-- same
SELECT id, count(*) OVER (ORDER BY level RANGE CURRENT ROW) FROM staff;

-- window_avg_of_integers
-- same
SELECT id, avg(pay) OVER (ORDER BY id ROWS 2 PRECEDING) FROM staff;

-- window_range_descending
-- same
SELECT id, count(*) OVER (ORDER BY pay DESC RANGE BETWEEN 100 PRECEDING AND CURRENT ROW) FROM staff WHERE pay IS NOT NULL;

-- window_range_with_nulls
-- same
SELECT id, count(*) OVER (ORDER BY pay RANGE BETWEEN 100 PRECEDING AND CURRENT ROW) FROM staff;

-- window_range_month
-- same
SELECT id, count(*) OVER (ORDER BY ordered_at RANGE BETWEEN interval '1 month' PRECEDING AND CURRENT ROW) FROM orders WHERE ordered_at IS NOT NULL;

-- window_first_value_nulls
-- same
SELECT id, first_value(pay) OVER (ORDER BY pay NULLS FIRST, id) FROM staff;

-- window_over_empty_partition
-- same
SELECT id, sum(pay) OVER (PARTITION BY NULL) FROM staff;

-- window_frame_reversed
-- same
SELECT id, sum(pay) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING) FROM staff;

-- window_inherited_partition_and_frame
-- error: OVER (w …) is not supported: write PARTITION BY and ORDER BY of the window out
SELECT id, count(*) OVER (w ROWS 1 PRECEDING) FROM staff WINDOW w AS (PARTITION BY level ORDER BY id);

-- window_named_without_parentheses
-- same
SELECT id, rank() OVER w FROM staff WINDOW w AS (ORDER BY level);
