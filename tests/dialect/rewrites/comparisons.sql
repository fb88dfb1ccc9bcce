-- null_tests
SELECT a ISNULL, b NOTNULL FROM t WHERE c ISNULL;
-- becomes
SELECT a IS NULL AS "?column?", b IS NOT NULL AS "?column?" FROM t WHERE c IS NULL;

-- similar
SELECT a FROM t WHERE a SIMILAR TO '(x|y)%' OR a || 'b' NOT SIMILAR TO 'z';
-- becomes
SELECT a FROM t WHERE similar_to(a, '(x|y)%') OR (NOT similar_to(a || 'b', 'z'));

-- any_of_a_literal
SELECT a FROM t WHERE a = ANY ('{1,2}') OR b <> ALL ('{x,y}');
-- becomes
SELECT a FROM t WHERE a = ANY (make_array(1, 2)) OR b <> ALL (array_of_text('{x,y}'));

-- any_of_a_query
SELECT a FROM t WHERE a = ANY (SELECT b FROM u) AND a <> ALL (SELECT b FROM u) AND a > ANY (SELECT a FROM u);
-- becomes
SELECT a FROM t WHERE a IN (SELECT b FROM u) AND a NOT IN (SELECT b FROM u) AND t.a > ANY (SELECT a FROM u);

-- like_any
SELECT a FROM t WHERE a LIKE ANY (ARRAY['x%', 'y%']) AND a NOT ILIKE ALL (ARRAY['z']);
-- becomes
SELECT a FROM t WHERE (a LIKE 'x%' OR a LIKE 'y%') AND (a NOT ILIKE 'z');

-- like_escape
SELECT a LIKE '10!%' ESCAPE '!', a LIKE '5#_\' ESCAPE '#' FROM t;
-- becomes
SELECT a LIKE '10\%' AS "?column?", a LIKE '5\_\\' AS "?column?" FROM t;

-- symmetric
SELECT a FROM t WHERE a BETWEEN SYMMETRIC 10 AND 1;
-- becomes
SELECT a FROM t WHERE ((a BETWEEN 10 AND 1 OR a BETWEEN 1 AND 10));

-- distinct_from
SELECT a FROM t WHERE a IS DISTINCT FROM b OR c > d IS NOT DISTINCT FROM true AND NOT e IS DISTINCT FROM f;
-- becomes
SELECT a FROM t WHERE (a IS DISTINCT FROM b) OR (c > d IS NOT DISTINCT FROM true) AND NOT e IS DISTINCT FROM f;

-- in_values
SELECT a FROM t WHERE a IN (VALUES (1), (2));
-- becomes
SELECT a FROM t WHERE a IN (SELECT column1 FROM (VALUES (1), (2)));
