-- group_by
-- same
SELECT city, count(*), avg(age) FROM people GROUP BY city;

-- group_by_position
-- same
SELECT city, count(*) FROM people GROUP BY 1;

-- group_by_alias
-- same
SELECT upper(city) AS c, count(*) FROM people GROUP BY c;

-- group_by_expression
-- same
SELECT age / 10, count(*) FROM people GROUP BY age / 10;

-- group_by_missing_column
-- same
SELECT name, count(*) FROM people GROUP BY city;

-- having
-- same
SELECT city, count(*) FROM people GROUP BY city HAVING count(*) > 1;

-- having_without_group
-- same
SELECT count(*) FROM people HAVING count(*) > 100;

-- having_alias_is_refused
-- wrong: HAVING sees the names of the output, Postgres refuses
SELECT city, count(*) AS n FROM people GROUP BY city HAVING n > 1;

-- grouping_sets
-- same
SELECT city, active, count(*) FROM people GROUP BY GROUPING SETS ((city), (active), ());

-- rollup
-- same
SELECT level, title, sum(pay) FROM staff GROUP BY ROLLUP (level, title);

-- cube
-- same
SELECT level, title, sum(pay) FROM staff GROUP BY CUBE (level, title);

-- grouping_function
-- same
SELECT level, grouping(level), sum(pay) FROM staff GROUP BY ROLLUP (level);

-- grouping_function_two
-- same
SELECT level, title, grouping(level, title), count(*) FROM staff GROUP BY CUBE (level, title);

-- rollup_with_plain
-- same
SELECT level, title, count(*) FROM staff GROUP BY level, ROLLUP (title);

-- grouping_sets_empty_table
-- same
SELECT count(*) FROM people WHERE false GROUP BY GROUPING SETS ((), ());

-- rollup_composite
-- error: no tuples in ROLLUP
SELECT level, title, count(*) FROM staff GROUP BY ROLLUP ((level, title));

-- group_by_distinct
-- error: the parser does not know ROLLUP here
SELECT level, count(*) FROM staff GROUP BY DISTINCT ROLLUP (level), ROLLUP (level);

-- distinct_on
-- same
SELECT DISTINCT ON (city) city, name FROM people ORDER BY city, age;

-- distinct_on_two
-- same
SELECT DISTINCT ON (level, title) level, title, id FROM staff ORDER BY level, title, id DESC;

-- distinct_on_expression
-- same
SELECT DISTINCT ON (age / 10) age / 10 AS decade, name FROM people ORDER BY age / 10, name;

-- distinct_rows
-- same
SELECT DISTINCT level, title FROM staff;

-- aggregate_distinct
-- same
SELECT sum(DISTINCT pay), avg(DISTINCT pay), count(DISTINCT pay) FROM staff;

-- aggregate_filter
-- same
SELECT sum(pay) FILTER (WHERE level > 2), max(pay) FILTER (WHERE false) FROM staff;

-- aggregate_order
-- same
SELECT array_agg(id ORDER BY pay DESC NULLS LAST, id) FROM staff;

-- aggregate_of_expression
-- same
SELECT sum(quantity * amount) FROM orders;

-- aggregate_of_boolean
-- same
SELECT sum(CASE WHEN active THEN 1 ELSE 0 END) FROM people;

-- aggregate_in_case
-- same
SELECT CASE WHEN count(*) > 5 THEN 'many' ELSE 'few' END FROM people;

-- aggregate_nested_is_refused
-- same
SELECT max(count(*)) FROM people GROUP BY city;

-- group_by_boolean
-- same
SELECT active, count(*) FROM people GROUP BY active;

-- group_by_date_trunc
-- same
SELECT date_trunc('month', ordered_at), sum(amount) FROM orders GROUP BY 1;

-- group_by_all_constant
-- same
SELECT 1, count(*) FROM people GROUP BY 1;

-- first_value_as_aggregate
-- wrong: first_value is an aggregate too, Postgres refuses
SELECT first_value(id) FROM people;

-- array_agg_nulls
-- same
SELECT array_agg(city ORDER BY id) FROM people;

-- array_agg_of_none
-- same
SELECT array_agg(id) FROM people WHERE false;

-- count_star_filter_group
-- same
SELECT city, count(*) FILTER (WHERE age > 30) FROM people GROUP BY city;

-- group_by_null_literal
-- same
SELECT NULL, count(*) FROM people GROUP BY 1;

-- functional_dependency
-- same
SELECT p.id, p.name, count(o.id) FROM people p LEFT JOIN orders o ON o.person_id = p.id GROUP BY p.id, p.name;

-- percentile_grouped
-- same
SELECT level, percentile_cont(0.5) WITHIN GROUP (ORDER BY pay) FROM staff GROUP BY level;

-- union
-- same
SELECT k FROM lefts UNION SELECT k FROM rights;

-- union_all
-- same
SELECT k FROM lefts UNION ALL SELECT k FROM rights;

-- union_types
-- same
SELECT 1 UNION ALL SELECT 2.5;

-- union_text_and_null
-- same
SELECT 'a' UNION ALL SELECT NULL;

-- union_text_and_number_is_refused
-- wrong: UNION makes text of numbers, Postgres refuses
SELECT name FROM people UNION SELECT id FROM people;

-- intersect_all
-- error: INTERSECT ALL is not supported: duplicates would not be counted
SELECT k FROM lefts INTERSECT ALL SELECT k FROM rights;

-- except_all
-- error: EXCEPT ALL is not supported: duplicates would not be counted
SELECT k FROM lefts EXCEPT ALL SELECT k FROM rights;

-- except_all_duplicates
-- error: EXCEPT ALL is not supported: duplicates would not be counted
SELECT * FROM (VALUES (1), (1), (2)) t EXCEPT ALL SELECT 1;

-- intersect_all_duplicates
-- error: INTERSECT ALL is not supported: duplicates would not be counted
SELECT * FROM (VALUES (1), (1), (2)) t INTERSECT ALL SELECT * FROM (VALUES (1), (1), (1)) u;

-- set_precedence
-- same
SELECT 1 UNION SELECT 2 INTERSECT SELECT 3;

-- set_parentheses
-- same
(SELECT 1 UNION SELECT 2) INTERSECT SELECT 2;

-- union_order_limit
-- same
SELECT id FROM people UNION SELECT id FROM orders ORDER BY id DESC LIMIT 3;

-- union_names_of_the_first
-- same
SELECT k AS a FROM lefts UNION SELECT k AS b FROM rights ORDER BY a;

-- union_columns_mismatch
-- same
SELECT 1 UNION SELECT 1, 2;

-- order_by_position
-- same
SELECT name, age FROM people ORDER BY 2, 1;

-- order_by_alias
-- same
SELECT name AS n FROM people ORDER BY n;

-- order_by_expression
-- same
SELECT name FROM people ORDER BY length(name), name;

-- order_by_hidden
-- same
SELECT name FROM people ORDER BY born NULLS FIRST, id;

-- order_by_distinct_hidden_is_refused
-- same
SELECT DISTINCT name FROM people ORDER BY age;

-- order_by_boolean
-- same
SELECT id, active FROM people ORDER BY active, id;

-- order_by_descending_default
-- same
SELECT pay FROM staff ORDER BY pay DESC;

-- order_by_using
-- error: the parser does not know USING here
SELECT id FROM people ORDER BY id USING >;

-- limit_offset
-- same
SELECT id FROM people ORDER BY id LIMIT 2 OFFSET 3;

-- limit_all
-- same
SELECT id FROM people ORDER BY id LIMIT ALL OFFSET 4;

-- limit_null
-- same
SELECT id FROM people ORDER BY id LIMIT NULL;

-- fetch_first
-- same
SELECT id FROM people ORDER BY id FETCH FIRST 2 ROWS ONLY;

-- fetch_next_row
-- same
SELECT id FROM people ORDER BY id OFFSET 1 ROW FETCH NEXT ROW ONLY;

-- fetch_with_ties
-- error: no FETCH
SELECT id, age FROM people WHERE age IS NOT NULL ORDER BY age FETCH FIRST 1 ROW WITH TIES;

-- limit_expression
-- same
SELECT id FROM people ORDER BY id LIMIT 1 + 1;

-- offset_negative
-- same
SELECT id FROM people LIMIT 1 OFFSET -1;

-- tablesample
-- error: TABLESAMPLE is not supported
SELECT count(*) FROM people TABLESAMPLE BERNOULLI (100);

-- for_update
-- same
SELECT count(*) FROM (SELECT id FROM people FOR UPDATE) t;

-- order_of_arrays
-- same
SELECT tags FROM orders WHERE id IN (10, 11, 15) ORDER BY tags;

-- group_by_prefers_input_column
-- same
SELECT upper(city) AS name, count(*) FROM people GROUP BY name;

-- order_by_prefers_output_name
-- same
SELECT -id AS id FROM people ORDER BY id;

-- order_by_expression_of_alias_is_refused
-- wrong: expressions of ORDER BY see the names of the output, Postgres refuses
SELECT id AS x FROM people ORDER BY -x;

-- negative_zero_groups
-- same
SELECT count(*) FROM (SELECT DISTINCT x FROM (VALUES (0.0::float8), ('-0'::float8)) t(x)) u;

-- nan_groups
-- same
SELECT count(*) FROM (SELECT DISTINCT x FROM (VALUES ('NaN'::float8), ('NaN'::float8)) t(x)) u;

-- max_of_boolean_is_refused
-- wrong: max of booleans is answered, Postgres refuses
SELECT max(active) FROM people;

-- union_distinct_nulls
-- same
SELECT NULL::int AS a UNION SELECT NULL UNION SELECT 1;

-- rollup_having
-- same
SELECT level, sum(pay) FROM staff GROUP BY ROLLUP (level) HAVING sum(pay) > 450;

-- grouping_sets_duplicates
-- same
SELECT level, count(*) FROM staff GROUP BY GROUPING SETS ((level), (level));

-- group_by_real
-- same
SELECT r, count(*) FROM numbers GROUP BY r;

-- distinct_on_without_order
-- same
SELECT count(*) FROM (SELECT DISTINCT ON (level) level, id FROM staff) t;

-- limit_zero
-- same
SELECT id FROM people ORDER BY id LIMIT 0;

-- count_null
-- same
SELECT count(NULL), sum(NULL::int), max(NULL::text) FROM people;

-- array_agg_filter
-- same
SELECT array_agg(id ORDER BY id) FILTER (WHERE age > 30) FROM people;

-- array_agg_distinct_descending
-- same
SELECT array_agg(DISTINCT level ORDER BY level DESC) FROM staff;
