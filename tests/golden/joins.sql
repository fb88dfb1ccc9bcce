-- inner
-- same
SELECT p.name, o.product FROM people p JOIN orders o ON o.person_id = p.id;

-- left
-- same
SELECT p.name, o.product FROM people p LEFT JOIN orders o ON o.person_id = p.id;

-- right
-- same
SELECT p.name, o.product FROM people p RIGHT JOIN orders o ON o.person_id = p.id;

-- full
-- same
SELECT p.name, o.product FROM people p FULL JOIN orders o ON o.person_id = p.id;

-- full_with_condition
-- same
SELECT x, y FROM lefts FULL JOIN rights ON lefts.k = rights.k AND lefts.k > 1;

-- cross
-- same
SELECT count(*) FROM lefts CROSS JOIN rights;

-- comma
-- same
SELECT x, y FROM lefts, rights WHERE lefts.k = rights.k;

-- using_inner
-- same
SELECT * FROM lefts JOIN rights USING (k);

-- using_left_star
-- same
SELECT * FROM lefts LEFT JOIN rights USING (k);

-- using_right_star
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT * FROM lefts RIGHT JOIN rights USING (k);

-- using_full_star
-- error: FULL JOIN with USING or NATURAL is not supported
SELECT * FROM lefts FULL JOIN rights USING (k);

-- using_left_key
-- same
SELECT k, x, y FROM lefts LEFT JOIN rights USING (k);

-- using_right_key
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT k, x, y FROM lefts RIGHT JOIN rights USING (k);

-- using_full_key
-- error: FULL JOIN with USING or NATURAL is not supported
SELECT k, x, y FROM lefts FULL JOIN rights USING (k);

-- using_full_where
-- error: the key of JOIN USING is ambiguous in WHERE and in a further join
SELECT x, y FROM lefts FULL JOIN rights USING (k) WHERE k = 3;

-- using_right_group
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT k, count(*) FROM lefts RIGHT JOIN rights USING (k) GROUP BY k;

-- using_right_order
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT k, y FROM lefts RIGHT JOIN rights USING (k) ORDER BY k, y;

-- using_qualified
-- error: FULL JOIN with USING or NATURAL is not supported
SELECT lefts.k, rights.k FROM lefts FULL JOIN rights USING (k);

-- using_alias
-- error: the parser does not know AS here
SELECT j.k FROM lefts JOIN rights USING (k) AS j;

-- natural
-- same
SELECT * FROM lefts NATURAL JOIN rights;

-- natural_left
-- same
SELECT * FROM lefts NATURAL LEFT JOIN rights;

-- natural_right
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT * FROM lefts NATURAL RIGHT JOIN rights;

-- natural_full
-- error: FULL JOIN with USING or NATURAL is not supported
SELECT * FROM lefts NATURAL FULL JOIN rights;

-- natural_without_common_columns
-- same
SELECT count(*) FROM lefts NATURAL JOIN words;

-- using_three
-- same
SELECT * FROM lefts JOIN rights USING (k) JOIN (VALUES (1, 'v')) AS v(k, z) USING (k);

-- using_three_outer
-- error: the key of JOIN USING is ambiguous in WHERE and in a further join
SELECT k, x, y, z FROM lefts FULL JOIN rights USING (k) FULL JOIN (VALUES (3, 'v'), (7, 'w')) AS v(k, z) USING (k);

-- self
-- same
SELECT a.title, b.title FROM staff a JOIN staff b ON a.boss = b.id;

-- theta
-- same
SELECT a.id, b.id FROM staff a JOIN staff b ON a.pay < b.pay;

-- left_on_inequality
-- same
SELECT a.id, b.id FROM staff a LEFT JOIN staff b ON a.pay > b.pay AND b.level = 3;

-- nested
-- same
SELECT p.name, s.title FROM people p LEFT JOIN (orders o JOIN staff s ON o.quantity = s.id) ON o.person_id = p.id;

-- left_where_null
-- same
SELECT p.id FROM people p LEFT JOIN orders o ON o.person_id = p.id WHERE o.id IS NULL;

-- star_of_one_table
-- same
SELECT o.* FROM people p JOIN orders o ON o.person_id = p.id;

-- join_on_true
-- same
SELECT count(*) FROM lefts JOIN rights ON true;

-- join_on_expression
-- same
SELECT x, y FROM lefts JOIN rights ON lefts.k + 1 = rights.k;

-- table_alias_columns
-- same
SELECT a, b FROM lefts AS t(a, b);

-- whole_row
-- error: no name lefts: a keyword, a whole row or an alias of Postgres
SELECT lefts FROM lefts WHERE k = 1;

-- duplicate_column_names
-- same
SELECT 1 AS a, 2 AS a;

-- lateral_equality
-- same
SELECT p.id, t.total FROM people p, LATERAL (SELECT sum(amount) AS total FROM orders o WHERE o.person_id = p.id) t;

-- lateral_limit
-- error: LATERAL that is no join by equality
SELECT p.id, t.product FROM people p CROSS JOIN LATERAL (SELECT product FROM orders o WHERE o.person_id = p.id ORDER BY amount DESC LIMIT 1) t;

-- lateral_left
-- error: LATERAL that is no join by equality
SELECT p.id, t.product FROM people p LEFT JOIN LATERAL (SELECT product FROM orders o WHERE o.person_id = p.id ORDER BY amount LIMIT 1) t ON true;

-- lateral_inequality
-- error: LATERAL that is no join by equality
SELECT s.id, t.n FROM staff s, LATERAL (SELECT count(*) AS n FROM staff b WHERE b.pay <= s.pay) t;

-- lateral_expression
-- same
SELECT p.id, t.twice FROM people p, LATERAL (SELECT p.age * 2 AS twice) t;

-- lateral_series
-- same
SELECT l.k, g FROM lefts l, LATERAL generate_series(1, l.k) g;

-- lateral_values
-- error: LATERAL that is no join by equality
SELECT l.k, v.n FROM lefts l CROSS JOIN LATERAL (VALUES (l.k + 1), (l.k + 2)) v(n);

-- lateral_unnest
-- same
SELECT o.id, t FROM orders o, unnest(o.tags) t;

-- lateral_count_of_none
-- same
SELECT p.id, t.n FROM people p, LATERAL (SELECT count(*) AS n FROM orders o WHERE o.person_id = p.id) t;

-- semi_exists
-- same
SELECT id FROM people p WHERE EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id AND o.amount > 100);

-- anti_exists
-- same
SELECT id FROM people p WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.person_id = p.id);

-- on_false
-- same
SELECT x, y FROM lefts LEFT JOIN rights ON false;

-- full_on_false
-- same
SELECT count(*) FROM lefts FULL JOIN rights ON false;

-- left_filter_in_on
-- same
SELECT x, y FROM lefts LEFT JOIN rights ON lefts.k = rights.k AND rights.y = 'r1';

-- left_filter_in_where
-- same
SELECT x, y FROM lefts LEFT JOIN rights ON lefts.k = rights.k WHERE y IS NULL;

-- using_left_where
-- same
SELECT k, x FROM lefts LEFT JOIN rights USING (k) WHERE k IS NOT NULL;

-- using_right_where
-- error: the key of JOIN USING is ambiguous in WHERE and in a further join
SELECT k, y FROM lefts RIGHT JOIN rights USING (k) WHERE k > 2;

-- using_aggregate
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT max(k), count(k) FROM lefts RIGHT JOIN rights USING (k);

-- using_in_derived
-- error: RIGHT JOIN with USING or NATURAL is not supported
SELECT t.k, t.y FROM (SELECT * FROM lefts RIGHT JOIN rights USING (k)) t;

-- join_of_different_types
-- same
SELECT p.id FROM people p JOIN numbers n ON p.id = n.b;
