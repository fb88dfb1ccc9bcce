-- lateral_named_like_a_column
-- same
SELECT p.age, l.age FROM people p, LATERAL (SELECT p.age + 1 AS age) l;

-- unnest_named_like_a_column
-- same
SELECT o.product, t.product FROM orders o, unnest(tags) AS t(product);

-- elements_beside_a_value
-- same
SELECT v.value, e.value FROM (VALUES ('a', '[1,2]')) v(value, doc), json_array_elements_text(v.doc::json) e;

-- lateral_of_a_lateral
-- same
SELECT l.n, m.n FROM people p, LATERAL (SELECT p.age AS n) l, LATERAL (SELECT l.n + 1 AS n) m;

-- star_of_the_table_beside_unnest
-- error: * beside columns of t is not supported: name the columns
SELECT o.* FROM orders o, unnest(tags) t;

-- star_beside_unnest
-- same
SELECT * FROM (SELECT id, tags FROM orders) o, unnest(tags) t;

-- all_of_the_same_table
-- error: The table before >= ALL (SELECT …) needs an alias of its own here
SELECT id FROM staff WHERE pay >= ALL (SELECT pay FROM staff WHERE pay IS NOT NULL);

-- any_of_the_same_table
-- error: The table before < ANY (SELECT …) needs an alias of its own here
SELECT id FROM staff WHERE pay < ANY (SELECT pay FROM staff);

-- all_of_the_same_table_with_alias
-- same
SELECT s.id FROM staff s WHERE s.pay >= ALL (SELECT pay FROM staff WHERE pay IS NOT NULL);

-- all_of_an_expression
-- error: Columns before >= ALL (SELECT …) need the name of their table here
SELECT id FROM staff WHERE (pay) >= ALL (SELECT pay FROM staff WHERE pay IS NOT NULL);

-- distinct_from_and_more
-- same
SELECT id FROM people WHERE age IS DISTINCT FROM 36 AND id < 4 OR active IS NOT DISTINCT FROM true AND id = 1;

-- distinct_from_in_a_list
-- same
SELECT age > 30 IS DISTINCT FROM true OR id = 1, NOT age IS DISTINCT FROM 36 AND true FROM people;

-- negative_of_bits
-- same
SELECT -(n & 5), - (n | 2), n - (n & 3) FROM numbers;

-- json_of_a_subquery
-- same
SELECT json_build_object('k', (SELECT json_agg(k) FROM lefts WHERE k = 1));

-- json_of_coalesce
-- same
SELECT json_build_object('k', coalesce(json_agg(id), '[]'::json)) FROM people WHERE id = 1;

-- json_of_case
-- same
SELECT json_build_object('k', CASE WHEN id = 1 THEN json_build_array(1) END) FROM people;

-- json_of_json_columns
-- same
SELECT json_agg(j::json) FROM (SELECT json_build_object('a', 1) AS j) t;

-- json_of_a_derived_column
-- same
SELECT json_agg(j ORDER BY id) FROM (SELECT id, json_build_object('id', id) AS j FROM people) t;

-- json_of_elements
-- same
SELECT json_agg(e) FROM json_array_elements('[1,{"a":2}]') e;

-- json_of_members
-- same
SELECT json_object_agg(e.key, e.value) FROM json_each('{"a":1,"b":"x"}') e;

-- json_of_a_cte
-- same
WITH t AS (SELECT jsonb_build_object('b', 1) AS doc) SELECT json_build_object('d', doc) FROM t;

-- json_of_a_text_of_the_same_name
-- same
SELECT json_agg(value) FROM (SELECT 'x' AS value) t;

-- json_arrays_of_json
-- error: array_to_json of values of JSON is not supported
SELECT array_to_json(array_agg(json_build_object('id', id) ORDER BY id)) FROM people;

-- jsonb_of_coalesce
-- same
SELECT coalesce('{"b":1}'::jsonb, '{}'::jsonb) || '{"c":1}';

-- jsonb_comparison
-- error: Values of jsonb have no order here: take a number or a text out of them
SELECT '10'::jsonb < '9'::jsonb;

-- absolute_binds_like_others
-- same
SELECT @ -7 - 10, @ n - 10 FROM numbers;

-- complement_binds_like_others
-- same
SELECT ~5 + 1, ~ 5 & 3;

-- roots_bind_like_others
-- same
SELECT |/ 16 + 9, ||/ 27.0 * 1;

-- mode_of_a_comparison
-- same
SELECT mode() WITHIN GROUP (ORDER BY age = 29), mode() WITHIN GROUP (ORDER BY active IS NULL) FROM people;

-- percentile_of_a_comparison
-- same
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY age > 30 DESC) FROM people;

-- jsonb_set_existing_only
-- error: jsonb_set is supported with create_if_missing true only
SELECT jsonb_set('{"a":1}'::jsonb, '{b}', '2', false);

-- column_named_now
-- same
SELECT now AT TIME ZONE 'Europe/Berlin' FROM (SELECT timestamp '2024-01-01 00:00:00' AS now) t;

-- zoned_literal_at_time_zone
-- same
SELECT timestamptz '2024-01-01 12:00:00+00' AT TIME ZONE 'Europe/Berlin', '2024-07-01 12:00+00'::timestamptz AT TIME ZONE 'Europe/Berlin';

-- now_at_time_zone_is_local
-- same
SELECT (now() AT TIME ZONE 'UTC') - localtimestamp < interval '1 second';

-- hours_of_a_qualified_date
-- same
SELECT o.shipped + interval '1 hour' FROM orders o;

-- symmetric_with_null
-- same
SELECT n BETWEEN SYMMETRIC NULL AND 1, n NOT BETWEEN SYMMETRIC 3 AND 1 FROM numbers;

-- numbers_as_text
-- same
SELECT .5::text, 007::text, 1.::text, 'a' || .5, 1e3::text;

-- based_numbers_wrong
-- same
SELECT 0b12;

-- huge_number_as_integer
-- same
SELECT 12345678901234567890123456789012345.5::int;

-- member_by_cast
-- same
SELECT payload -> 'x'::text, '[1,2]'::json -> 1::int, '[1,2]'::json -> CAST(1 AS integer), '[1,2]'::json -> (1) FROM events;

-- member_by_column
-- same
SELECT payload ->> kind::text FROM events;

-- using_beside_types
-- same
SELECT count(*) FROM (SELECT born AS date FROM people) a JOIN (SELECT born AS date FROM people) b USING (date) WHERE a.date > date '1900-01-01' AND date::text > '1900';

-- using_beside_extract
-- same
SELECT count(*) FROM (SELECT 1 AS year) a JOIN (SELECT 1 AS year) b USING (year) WHERE extract(year FROM date '2024-01-01') > year;

-- session_word_as_alias
-- same
SELECT age user FROM people WHERE id = 1;

-- isnull_with_alias
-- same
SELECT n ISNULL isn FROM numbers;

-- lateral_with_where
-- error: DataFusion error: This feature is not implemented: Physical plan does not support logical expression OuterRefe
SELECT p.id, l.n FROM people p, LATERAL (SELECT p.age AS n WHERE p.id = 1) l;

-- any_values
-- same
SELECT k FROM lefts WHERE k = ANY (VALUES (1), (2));

-- rows_in_values
-- error: Error during planning: Too many columns! The subquery should only return one column: column1, column2
SELECT id FROM people WHERE (id, active) IN (VALUES (1, true), (2, false));

-- using_in_a_union
-- error: Schema error: Ambiguous reference to unqualified field k
SELECT k FROM lefts JOIN rights USING (k) WHERE k > 1 UNION ALL SELECT k FROM rights WHERE k = 3;

-- using_behind_a_cross_join
-- same
SELECT count(*) FROM numbers CROSS JOIN lefts JOIN rights USING (k);

-- variance_over
-- same
SELECT id, variance(age) OVER () FROM people;

-- like_escape_of_an_expression
-- same
SELECT word FROM words WHERE word LIKE '%' || 'a' || '%' ESCAPE '/';

-- like_escape_of_escapes
-- same
SELECT 'a_b' LIKE 'a' || '/_b' ESCAPE '/', 'acb' LIKE 'a' || '/_b' ESCAPE '/', 'a/b' LIKE 'a//' || 'b' ESCAPE '/';

-- distinct_on_prefix
-- error: This feature is not implemented: Unsupported SQL unary operator PGAbs
SELECT DISTINCT ON (age) @ age FROM people WHERE age IS NOT NULL ORDER BY age;

-- regular_expression_and_concat
-- same
SELECT 'abc' ~ ('a' || 'b');

-- text_of_at_time_zone
-- same
SELECT (ordered_at AT TIME ZONE 'Europe/Berlin')::text FROM orders;

-- epoch_as_bigint
-- same
SELECT extract(epoch FROM timestamp '2024-01-01 00:00:00.7')::bigint;

-- unknown_setting
-- same
SELECT current_setting('nosuch') FROM people;

-- unknown_setting_missing_ok
-- same
SELECT current_setting('nosuch', true) FROM people WHERE id = 1;

-- interval_too_long
-- same
SELECT ('9' || repeat('9', 300) || ' days')::interval;

-- group_by_member
-- same
SELECT payload ->> 'x', count(*) FROM events GROUP BY payload ->> 'x';

-- order_by_member
-- same
SELECT id FROM events ORDER BY payload ->> 's' NULLS LAST, id;

-- window_alone
-- same
SELECT id, sum(age) OVER (w) FROM people WINDOW w AS (ORDER BY id);

-- comments_between
-- same
SELECT payload /* a */ -> /* b */ 'y' /* c */ ->> 'z' -- d
FROM events;

-- nested_text_casts
-- same
SELECT age::text::text::varchar(1) FROM people;
