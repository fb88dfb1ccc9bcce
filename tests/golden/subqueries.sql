-- scalar
-- same
SELECT name, (SELECT max(amount) FROM orders) FROM people;

-- scalar_correlated
-- same
SELECT name, (SELECT count(*) FROM orders o WHERE o.person_id = p.id) FROM people p;

-- scalar_correlated_sum
-- same
SELECT name, (SELECT sum(amount) FROM orders o WHERE o.person_id = p.id) FROM people p;

-- scalar_correlated_no_aggregate
-- error: a correlated scalar subquery without an aggregate, or where it cannot be
SELECT o.id, (SELECT name FROM people p WHERE p.id = o.person_id) FROM orders o;

-- scalar_correlated_limit
-- error: a correlated scalar subquery that is no join by equality
SELECT p.id, (SELECT product FROM orders o WHERE o.person_id = p.id ORDER BY amount DESC LIMIT 1) FROM people p;

-- scalar_correlated_inequality
-- error: a correlated scalar subquery that is no join by equality
SELECT s.id, (SELECT count(*) FROM staff b WHERE b.pay > s.pay) FROM staff s;

-- scalar_more_than_one_row
-- same
SELECT (SELECT id FROM people);

-- scalar_in_where
-- same
SELECT id FROM people WHERE age = (SELECT max(age) FROM people);

-- scalar_in_case
-- same
SELECT CASE WHEN (SELECT count(*) FROM orders) > 3 THEN 'many' ELSE 'few' END;

-- scalar_in_order
-- error: a correlated scalar subquery without an aggregate, or where it cannot be
SELECT id FROM people ORDER BY (SELECT count(*) FROM orders o WHERE o.person_id = people.id) DESC, id;

-- derived_table
-- same
SELECT city, n FROM (SELECT city, count(*) AS n FROM people GROUP BY city) t WHERE n > 1;

-- derived_without_alias
-- same
SELECT * FROM (SELECT 1 AS a);

-- any_subquery
-- error: x > ANY (SELECT x FROM the same table) needs an alias
SELECT id FROM people WHERE age > ANY (SELECT age FROM people WHERE city = 'London');

-- all_subquery
-- error: x >= ALL (SELECT x FROM the same table) needs an alias
SELECT id FROM people WHERE age >= ALL (SELECT age FROM people WHERE age IS NOT NULL);

-- equals_some
-- same
SELECT id FROM people WHERE id = SOME (SELECT person_id FROM orders);

-- row_in_subquery
-- error: no rows or VALUES in IN (SELECT …)
SELECT id FROM people WHERE (id, city) IN (SELECT 1, 'London');

-- array_subquery
-- error: no function array
SELECT ARRAY(SELECT id FROM people ORDER BY id);

-- array_subquery_correlated
-- error: no function array
SELECT p.id, ARRAY(SELECT o.product FROM orders o WHERE o.person_id = p.id ORDER BY o.id) FROM people p;

-- exists_in_select
-- error: EXISTS outside of WHERE
SELECT id, EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id) FROM people p;

-- nested_correlation
-- error: no name p: a keyword, a whole row or an alias of Postgres
SELECT p.id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id AND o.amount = (SELECT max(amount) FROM orders i WHERE i.person_id = p.id));

-- in_with_expression
-- same
SELECT id FROM people WHERE age + 1 IN (SELECT level * 10 FROM staff);

-- having_subquery
-- same
SELECT city FROM people GROUP BY city HAVING count(*) > (SELECT 1);

-- limit_subquery
-- error: no subquery in LIMIT
SELECT id FROM people ORDER BY id LIMIT (SELECT 2);

-- union_in_subquery
-- same
SELECT count(*) FROM (SELECT id FROM people UNION ALL SELECT id FROM orders) t;

-- values_table
-- same
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, s);

-- values_statement
-- same
VALUES (1, 'a'), (2, 'b');

-- values_mixed_types
-- same
SELECT * FROM (VALUES (1), (2.5), (NULL)) AS t(n);

-- values_order_limit
-- same
VALUES (3), (1), (2) ORDER BY 1 LIMIT 2;

-- table_command
-- error: the parser does not know TABLE here
TABLE lefts;

-- in_values
-- same
SELECT id FROM people WHERE id IN (VALUES (1), (3));

-- select_without_columns
-- same
SELECT FROM people;

-- cte_basic
-- same
WITH t AS (SELECT city, count(*) AS n FROM people GROUP BY city) SELECT * FROM t WHERE n = 1;

-- cte_columns
-- same
WITH t(a, b) AS (SELECT id, name FROM people) SELECT a FROM t WHERE b = 'Ada';

-- cte_chain
-- same
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a, b;

-- cte_materialized
-- same
WITH t AS MATERIALIZED (SELECT id FROM people) SELECT count(*) FROM t;

-- cte_not_materialized
-- same
WITH t AS NOT MATERIALIZED (SELECT id FROM people) SELECT count(*) FROM t;

-- cte_shadows_table
-- same
WITH people AS (SELECT 1 AS id) SELECT * FROM people;

-- cte_nested
-- same
WITH a AS (WITH b AS (SELECT 2 AS z) SELECT z FROM b) SELECT z FROM a;

-- cte_recursive_numbers
-- same
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t;

-- cte_recursive_union
-- same
WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT (n + 1) % 4 FROM t) SELECT n FROM t;

-- cte_recursive_tree
-- same
WITH RECURSIVE t AS (SELECT id, boss, 1 AS depth FROM staff WHERE boss IS NULL UNION ALL SELECT s.id, s.boss, t.depth + 1 FROM staff s JOIN t ON s.boss = t.id) SELECT id, depth FROM t;

-- cte_recursive_path
-- same
WITH RECURSIVE t AS (SELECT id, title AS path FROM staff WHERE boss IS NULL UNION ALL SELECT s.id, t.path || '/' || s.title FROM staff s JOIN t ON s.boss = t.id) SELECT id, path FROM t;

-- cte_recursive_search
-- error: the parser does not know SEARCH here
WITH RECURSIVE t AS (SELECT id, boss FROM staff WHERE boss IS NULL UNION ALL SELECT s.id, s.boss FROM staff s JOIN t ON s.boss = t.id) SEARCH DEPTH FIRST BY id SET o SELECT id FROM t ORDER BY o;

-- cte_in_subquery
-- same
SELECT (WITH t AS (SELECT 5 AS v) SELECT v FROM t);

-- any_subquery_of_another_table
-- same
SELECT x FROM lefts WHERE k > ANY (SELECT k FROM rights);

-- all_subquery_of_another_table
-- same
SELECT x FROM lefts WHERE k >= ALL (SELECT k FROM rights WHERE k < 3);

-- all_subquery_with_null
-- same
SELECT x FROM lefts WHERE k >= ALL (SELECT k FROM rights);

-- any_subquery_aliased
-- same
SELECT p.id FROM people p WHERE p.age > ANY (SELECT q.age FROM people q WHERE q.city = 'London');

-- not_in_empty_subquery
-- same
SELECT id FROM people WHERE age NOT IN (SELECT k FROM rights WHERE false);

-- in_empty_subquery
-- same
SELECT id FROM people WHERE age IN (SELECT k FROM rights WHERE false);

-- not_in_null_on_the_left
-- same
SELECT id FROM people WHERE age NOT IN (SELECT k FROM rights WHERE k IS NOT NULL);

-- not_in_correlated
-- error: no correlated NOT IN
SELECT x FROM lefts l WHERE k NOT IN (SELECT r.k FROM rights r WHERE r.k = l.k);

-- exists_or
-- same
SELECT id FROM people p WHERE age > 60 OR EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id);

-- exists_limit_zero
-- same
SELECT count(*) FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id LIMIT 0);

-- exists_inequality
-- same
SELECT s.id FROM staff s WHERE EXISTS (SELECT 1 FROM staff b WHERE b.pay > s.pay AND b.level > s.level);

-- count_correlated_having
-- same
SELECT p.id FROM people p WHERE (SELECT count(*) FROM orders o WHERE o.person_id = p.id) = 0;

-- in_subquery_with_limit
-- same
SELECT id FROM people WHERE id IN (SELECT person_id FROM orders WHERE person_id IS NOT NULL ORDER BY id LIMIT 2);

-- where_alias_is_refused
-- same
SELECT id AS x FROM people WHERE x = 1;

-- cte_used_twice
-- same
WITH t AS (SELECT id, age FROM people) SELECT a.id FROM t a JOIN t b ON a.age = b.age AND a.id <> b.id;

-- cte_recursive_fibonacci
-- same
WITH RECURSIVE f(a, b) AS (VALUES (0, 1) UNION ALL SELECT b, a + b FROM f WHERE b < 100) SELECT a FROM f;
