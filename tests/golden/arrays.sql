-- literals
-- same
SELECT ARRAY[1, 2, 3], '{1,2,3}'::int[], ARRAY['a', NULL];

-- literal_text_quoted
-- same
SELECT '{a,"b c",NULL,"q\"x"}'::text[];

-- empty
-- same
SELECT ARRAY[]::int[], '{}'::text[];

-- nested
-- same
SELECT ARRAY[[1, 2], [3, 4]], (ARRAY[[1, 2], [3, 4]])[2][1];

-- subscript
-- same
SELECT (ARRAY[10, 20, 30])[1], (ARRAY[10, 20, 30])[4], (ARRAY[10, 20, 30])[0], tags[1] FROM orders;

-- subscript_negative
-- same
SELECT (ARRAY[10, 20, 30])[-1];

-- slice
-- same
SELECT (ARRAY[1, 2, 3, 4])[2:3], (ARRAY[1, 2, 3, 4])[:2], (ARRAY[1, 2, 3, 4])[3:], tags[1:1] FROM orders;

-- slice_out_of_range
-- same
SELECT (ARRAY[1, 2, 3])[2:9], (ARRAY[1, 2, 3])[5:6], (ARRAY[1, 2, 3])[0:1], (ARRAY[1, 2, 3])[-1:2];

-- lengths
-- same
SELECT array_length(tags, 1), cardinality(tags), array_length(ARRAY[]::int[], 1), cardinality(ARRAY[]::int[]) FROM orders;

-- bounds
-- same
SELECT array_upper(ARRAY[1, 2, 3], 1), array_lower(ARRAY[1, 2, 3], 1), array_upper(tags, 1) FROM orders;

-- dimensions
-- same
SELECT array_ndims(ARRAY[[1, 2], [3, 4]]), array_dims(ARRAY[1, 2, 3]), array_ndims(ARRAY[1]);

-- dimensions_of_column
-- same
SELECT array_dims(tags), array_ndims(tags) FROM orders;

-- append_prepend
-- same
SELECT array_append(ARRAY[1, 2], 3), array_prepend(0, ARRAY[1, 2]), array_append(NULL::int[], 1);

-- cat
-- same
SELECT array_cat(ARRAY[1, 2], ARRAY[3]), ARRAY[1] || ARRAY[2, 3], ARRAY[1] || 2, 0 || ARRAY[1];

-- cat_null
-- error: array_concat takes no such arguments
SELECT ARRAY[1] || NULL, array_cat(ARRAY[1], NULL), array_cat(tags, ARRAY['z']) FROM orders;

-- position
-- same
SELECT array_position(ARRAY['a', 'b', 'a'], 'a'), array_position(ARRAY[1, 2], 9), array_position(tags, 'light') FROM orders;

-- position_start
-- same
SELECT array_position(ARRAY[1, 2, 1], 1, 2);

-- position_of_null
-- same
SELECT array_position(ARRAY[1, NULL, 3], NULL);

-- positions
-- same
SELECT array_positions(ARRAY[1, 2, 1], 1), array_positions(ARRAY[1], 9);

-- remove
-- same
SELECT array_remove(ARRAY[1, 2, 1, 3], 1), array_remove(tags, 'home') FROM orders;

-- remove_null
-- error: array_remove of NULL is not supported
SELECT array_remove(ARRAY[1, NULL, 2], NULL);

-- replace
-- same
SELECT array_replace(ARRAY[1, 2, 1], 1, 9), array_replace(tags, 'home', 'house') FROM orders;

-- replace_null
-- same
SELECT array_replace(ARRAY[1, NULL], NULL, 0);

-- to_string
-- same
SELECT array_to_string(ARRAY[1, 2, NULL, 4], ','), array_to_string(ARRAY[1, NULL], ',', '*'), array_to_string(tags, '|') FROM orders;

-- to_string_of_floats
-- wrong: a decimal literal is a double: 2.0 is written 2
SELECT array_to_string(ARRAY[1.5, 2.0], ',');

-- to_text
-- error: no cast of an array to text, but of a literal one
SELECT ARRAY[1, 2, NULL]::text, tags::text FROM orders;

-- fill
-- error: no function array_fill
SELECT array_fill(7, ARRAY[3]);

-- trim
-- same
SELECT trim_array(ARRAY[1, 2, 3, 4], 2);

-- contains
-- same
SELECT ARRAY[1, 2, 3] @> ARRAY[2], ARRAY[1] <@ ARRAY[1, 2], ARRAY[1, 2] && ARRAY[2, 3], tags @> ARRAY['home'] FROM orders;

-- contains_null
-- wrong: a NULL in an array equals a NULL
SELECT ARRAY[1, NULL] @> ARRAY[NULL]::int[], ARRAY[1, NULL] && ARRAY[NULL]::int[];

-- equal
-- same
SELECT ARRAY[1, 2] = ARRAY[1, 2], ARRAY[1, 2] = ARRAY[2, 1], ARRAY[1, 2] < ARRAY[1, 3];

-- equal_null_elements
-- same
SELECT ARRAY[1, NULL] = ARRAY[1, NULL];

-- equal_any
-- same
SELECT id FROM people WHERE id = ANY (ARRAY[1, 3]);

-- equal_any_literal
-- same
SELECT id FROM people WHERE id = ANY ('{1,3}'::int[]);

-- equal_any_column
-- same
SELECT id FROM orders WHERE 'home' = ANY (tags);

-- equal_any_null
-- same
SELECT 1 = ANY (ARRAY[2, NULL]), 1 = ANY (NULL::int[]), 1 = ANY (ARRAY[]::int[]);

-- not_equal_all
-- same
SELECT 1 <> ALL (ARRAY[2, 3]), 1 <> ALL (ARRAY[2, NULL]), 1 <> ALL (ARRAY[]::int[]);

-- greater_any
-- same
SELECT 2 > ANY (ARRAY[1, 5]), 2 > ALL (ARRAY[1, 5]), 2 >= ALL (ARRAY[1, 2]);

-- unnest_select
-- same
SELECT unnest(ARRAY[1, 2, 3]);

-- unnest_select_column
-- same
SELECT id, unnest(tags) FROM orders;

-- unnest_from
-- same
SELECT * FROM unnest(ARRAY['a', 'b']);

-- unnest_from_alias
-- same
SELECT t.x FROM unnest(ARRAY['a', 'b']) AS t(x);

-- unnest_two
-- same
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b', 'c']) AS t(n, s);

-- unnest_ordinality
-- error: no WITH ORDINALITY
SELECT * FROM unnest(ARRAY['a', 'b']) WITH ORDINALITY AS t(x, i);

-- unnest_lateral
-- same
SELECT o.id, t.tag FROM orders o CROSS JOIN LATERAL unnest(o.tags) AS t(tag);

-- unnest_left_lateral
-- error: no set-returning function unnest in FROM
SELECT o.id, t.tag FROM orders o LEFT JOIN LATERAL unnest(o.tags) AS t(tag) ON true;

-- unnest_nested
-- same
SELECT unnest(ARRAY[[1, 2], [3, 4]]);

-- unnest_in_subquery
-- same
SELECT count(*) FROM (SELECT unnest(tags) AS t FROM orders) x;

-- unnest_group
-- same
SELECT t, count(*) FROM (SELECT unnest(tags) AS t FROM orders) x GROUP BY t;

-- unnest_two_in_select
-- same
SELECT unnest(ARRAY[1, 2]), unnest(ARRAY['a', 'b', 'c']);

-- generate_subscripts
-- error: no function generate_subscripts
SELECT generate_subscripts(ARRAY['a', 'b'], 1);

-- aggregate
-- same
SELECT array_agg(id ORDER BY id) FROM people;

-- aggregate_distinct
-- same
SELECT array_agg(DISTINCT city ORDER BY city) FROM people;

-- aggregate_arrays
-- same
SELECT array_agg(tags) FROM orders WHERE id = 10;

-- aggregate_group
-- same
SELECT person_id, array_agg(product ORDER BY id) FROM orders GROUP BY person_id;

-- cast_elements
-- same
SELECT ARRAY['1', '2']::int[], ARRAY[1, 2]::text[];

-- in_where
-- same
SELECT id FROM orders WHERE tags = ARRAY['home', 'light'];

-- is_null_in
-- same
SELECT tags IS NULL, tags[2] IS NULL FROM orders;

-- array_of_dates
-- same
SELECT ARRAY[date '2024-01-01', date '2024-02-01'];

-- array_in_case
-- same
SELECT CASE WHEN cardinality(tags) > 1 THEN tags[2] ELSE 'one' END FROM orders;

-- array_shuffle_sample
-- error: no function array_sample
SELECT cardinality(array_sample(ARRAY[1, 2, 3], 2));

-- mixed_element_types
-- same
SELECT ARRAY[1, 2.5];

-- array_compare_length
-- same
SELECT ARRAY[1] < ARRAY[1, 1], ARRAY[2] > ARRAY[1, 1];

-- array_group_by
-- same
SELECT tags, count(*) FROM orders GROUP BY tags;

-- array_distinct
-- same
SELECT DISTINCT tags FROM orders;

-- array_subquery_unnest
-- error: IN (SELECT …) outside of WHERE
SELECT id FROM orders WHERE 'soft' IN (SELECT unnest(tags));
