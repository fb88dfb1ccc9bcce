-- null_comparisons
-- same
SELECT NULL = NULL, NULL <> 1, 1 = NULL, NULL IS NULL;

-- null_in_where
-- same
SELECT id FROM people WHERE age <> 29;

-- null_not_in_subquery
-- same
SELECT id FROM people WHERE id NOT IN (SELECT person_id FROM orders);

-- null_in_subquery
-- same
SELECT id FROM people WHERE id IN (SELECT person_id FROM orders);

-- null_in_select_list
-- error: IN (SELECT …) outside of WHERE
SELECT id, id IN (SELECT person_id FROM orders) FROM people;

-- null_not_in_select_list
-- error: IN (SELECT …) outside of WHERE
SELECT id, id NOT IN (SELECT person_id FROM orders) FROM people;

-- null_and_or
-- same
SELECT NULL AND false, NULL AND true, NULL OR true, NULL OR false, NOT NULL;

-- null_in_aggregates
-- same
SELECT count(*), count(age), sum(age), avg(age), min(age), max(city) FROM people;

-- null_group
-- same
SELECT city, count(*) FROM people GROUP BY city;

-- null_distinct
-- same
SELECT DISTINCT city FROM people;

-- null_order_ascending
-- same
SELECT id, city FROM people ORDER BY city, id;

-- null_order_descending
-- same
SELECT id, city FROM people ORDER BY city DESC, id;

-- null_order_first
-- same
SELECT id, city FROM people ORDER BY city NULLS FIRST, id;

-- null_order_last
-- same
SELECT id, city FROM people ORDER BY city DESC NULLS LAST, id;

-- null_concat_functions
-- same
SELECT concat(city, '!'), city || '!' FROM people;

-- null_coalesce
-- same
SELECT coalesce(city, name), coalesce(NULL, NULL) FROM people;

-- null_case
-- same
SELECT CASE WHEN age > 30 THEN 'a' WHEN age <= 30 THEN 'b' END FROM people;

-- null_join
-- same
SELECT x, y FROM lefts JOIN rights ON lefts.k = rights.k;

-- null_safe_join
-- same
SELECT x, y FROM lefts JOIN rights ON lefts.k IS NOT DISTINCT FROM rights.k;

-- null_union
-- same
SELECT NULL UNION SELECT NULL;

-- null_intersect
-- same
SELECT k FROM lefts INTERSECT SELECT k FROM rights;

-- null_except
-- same
SELECT k FROM lefts EXCEPT SELECT k FROM rights;

-- null_all
-- error: ALL and ANY (SELECT …) outside of WHERE
SELECT 5 > ALL (SELECT k FROM rights), 0 < ANY (SELECT k FROM rights);

-- null_all_empty
-- error: ALL and ANY (SELECT …) outside of WHERE
SELECT 5 > ALL (SELECT k FROM rights WHERE false), 5 > ANY (SELECT k FROM rights WHERE false);

-- null_row
-- wrong: a row of NULLs IS NULL is false, and a row with one IS NOT NULL true
SELECT ROW(NULL, NULL) IS NULL, ROW(1, NULL) IS NULL, ROW(1, NULL) IS NOT NULL;

-- null_between
-- same
SELECT 5 BETWEEN NULL AND 3, 5 BETWEEN NULL AND 10;

-- null_greatest
-- same
SELECT greatest(NULL, NULL), least(age, 30) FROM people;

-- null_like
-- same
SELECT city LIKE NULL, NULL LIKE 'a' FROM people;

-- null_in_list_literals
-- same
SELECT 1 IN (NULL), 1 IN (1, NULL), 2 NOT IN (1, NULL);

-- null_window
-- same
SELECT id, sum(age) OVER (ORDER BY id) FROM people;

-- null_typed_cast
-- same
SELECT NULL::int, NULL::text, NULL::date, NULL::int[];

-- null_array_element
-- same
SELECT ARRAY[1, NULL, 3], (ARRAY[1, NULL])[2];

-- null_filter
-- same
SELECT count(*) FILTER (WHERE active), count(*) FILTER (WHERE NOT active) FROM people;

-- null_scalar_subquery
-- same
SELECT (SELECT name FROM people WHERE id = 99);

-- null_distinct_count_pairs
-- same
SELECT count(DISTINCT (city, age)) FROM people;
