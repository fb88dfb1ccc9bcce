-- arrow
-- same
SELECT payload -> 'x', payload -> 'y' FROM events;

-- arrow_text
-- same
SELECT payload ->> 'x', payload ->> 's', payload ->> 'e' FROM events;

-- arrow_index
-- same
SELECT payload -> 1, payload ->> 1, payload -> -1 FROM events;

-- path
-- same
SELECT payload #> '{y,z}', payload #>> '{y,z,0}' FROM events;

-- arrow_chain
-- same
SELECT payload -> 'y' -> 'z' ->> 2 FROM events;

-- arrow_cast
-- same
SELECT (payload ->> 'x')::int + 1 FROM events;

-- where_arrow
-- same
SELECT id FROM events WHERE payload ->> 'x' = '1';

-- contains
-- same
SELECT payload::jsonb @> '{"x": 1}' FROM events;

-- has_key
-- same
SELECT payload::jsonb ? 'x' FROM events;

-- has_any_key
-- same
SELECT payload::jsonb ?| ARRAY['x', 'f'], payload::jsonb ?& ARRAY['x', 'f'] FROM events;

-- delete_key
-- same
SELECT '{"a": 1, "b": 2}'::jsonb - 'a';

-- concat
-- same
SELECT '{"a": 1}'::jsonb || '{"b": 2}'::jsonb;

-- cast_json
-- same
SELECT '{"b": 1, "a": [1,2]}'::json, '{"b": 1, "a": [1,2]}'::jsonb;

-- cast_json_bad
-- same
SELECT '{bad'::json;

-- jsonb_dedupes
-- same
SELECT '{"a": 1, "a": 2}'::jsonb;

-- jsonb_equality
-- same
SELECT '{"a":1,"b":2}'::jsonb = '{"b":2, "a":1}'::jsonb;

-- extract_path
-- same
SELECT json_extract_path(payload, 'y', 'z') FROM events;

-- extract_path_text
-- same
SELECT json_extract_path_text(payload, 'y', 'z', '1'), json_extract_path_text(payload, 's') FROM events;

-- extract_path_one
-- same
SELECT json_extract_path_text(payload, 'x') FROM events;

-- array_length
-- same
SELECT json_array_length('[1, 2, [3]]'), json_array_length('[]'), jsonb_array_length('[1]');

-- array_length_of_object
-- same
SELECT json_array_length('{"a": 1}');

-- typeof
-- same
SELECT json_typeof(payload) FROM events;

-- typeof_literals
-- same
SELECT json_typeof('1'), json_typeof('"a"'), json_typeof('null'), json_typeof('[]'), jsonb_typeof('true'), json_typeof('{}'), json_typeof(NULL);

-- array_elements
-- same
SELECT value FROM json_array_elements('[1, "two", {"a": 3}]');

-- array_elements_text
-- same
SELECT * FROM json_array_elements_text('[1, "two", null]');

-- array_elements_lateral
-- same
SELECT id, e FROM events, json_array_elements(payload) e WHERE json_typeof(payload) = 'array';

-- object_keys
-- same
SELECT json_object_keys('{"b": 1, "a": 2}');

-- each
-- same
SELECT key, value FROM json_each('{"a": 1, "b": "x"}');

-- each_text
-- same
SELECT key, value FROM json_each_text('{"a": 1, "b": "x"}');

-- to_json_values
-- same
SELECT to_json(1), to_json('a"b'::text), to_json(true), to_json(1.50), to_json(NULL::text);

-- to_json_temporal
-- same
SELECT to_json(date '2024-01-02'), to_json(timestamp '2024-01-02 03:04:05.5'), to_json(timestamptz '2024-01-02 03:04:05+00');

-- to_json_columns
-- same
SELECT to_json(name), to_json(born), to_json(salary), to_json(active) FROM people;

-- to_json_array
-- same
SELECT to_json(ARRAY[1, 2, NULL]), to_json(ARRAY['a', 'b,c']);

-- to_jsonb_values
-- same
SELECT to_jsonb(1), to_jsonb('x'::text);

-- row_to_json
-- error: no function row_to_json
SELECT row_to_json(lefts) FROM lefts;

-- row_to_json_subquery
-- error: no function row_to_json
SELECT row_to_json(t) FROM (SELECT id, name FROM people) t;

-- array_to_json
-- same
SELECT array_to_json(ARRAY[1, 2]), array_to_json(tags) FROM orders;

-- build_object
-- same
SELECT json_build_object('a', 1, 'b', 'x', 'c', NULL);

-- build_object_columns
-- same
SELECT json_build_object('id', id, 'name', name, 'born', born, 'active', active) FROM people;

-- jsonb_build_object
-- same
SELECT jsonb_build_object('b', 1, 'aa', true, 'c', 1.50);

-- build_object_nested
-- same
SELECT json_build_object('a', json_build_array(1, 'x', NULL), 'b', json_build_object());

-- build_array
-- same
SELECT json_build_array(1, 'a', NULL, true, 1.5), json_build_array();

-- jsonb_build_array
-- same
SELECT jsonb_build_array(1, 'a', NULL);

-- json_object_arrays
-- error: json_object is registered with other arguments
SELECT json_object('{a,1,b,2}'), json_object(ARRAY['a', 'b'], ARRAY['1', NULL]);

-- agg
-- same
SELECT json_agg(id ORDER BY id) FROM people;

-- agg_text
-- same
SELECT json_agg(name ORDER BY id) FROM people;

-- agg_rows
-- error: no name t: a whole row
SELECT json_agg(t) FROM (SELECT id, name FROM people ORDER BY id) t;

-- agg_none
-- same
SELECT json_agg(id) FROM people WHERE false;

-- jsonb_agg
-- same
SELECT jsonb_agg(city ORDER BY id) FROM people;

-- object_agg
-- same
SELECT json_object_agg(name, age ORDER BY id) FROM people;

-- jsonb_object_agg
-- same
SELECT jsonb_object_agg(k, y) FROM rights WHERE k IS NOT NULL;

-- agg_grouped
-- same
SELECT city, json_agg(age ORDER BY id) FROM people GROUP BY city;

-- strip_nulls
-- same
SELECT json_strip_nulls('{"a": 1, "b": null, "c": [null, {"d": null}]}');

-- pretty
-- same
SELECT jsonb_pretty('{"a": [1, 2], "b": {}}');

-- set
-- same
SELECT jsonb_set('{"a": 1}', '{a}', '2'), jsonb_set('{"a": {"b": 1}}', '{a,c}', '"x"');

-- insert
-- error: no function jsonb_insert
SELECT jsonb_insert('{"a": [0, 1]}', '{a,1}', '"new"');

-- path_query
-- error: no function jsonb_path_query
SELECT jsonb_path_query('{"a": [1, 2, 3]}', '$.a[*]');

-- path_exists
-- error: no function jsonb_path_exists
SELECT jsonb_path_exists('{"a": 1}', '$.a');

-- jsonb_extract_path_text
-- same
SELECT jsonb_extract_path_text('{"a": {"b": "x"}}', 'a', 'b');

-- jsonb_numbers
-- same
SELECT '[1.0, 1e2, 0.10]'::jsonb;

-- json_is_predicate
-- error: the parser does not know JSON here
SELECT '{"a": 1}' IS JSON;

-- to_record
-- error: no set-returning function json_to_record in FROM
SELECT * FROM json_to_record('{"a": 1, "b": "x"}') AS t(a int, b text);

-- unicode
-- same
SELECT '{"k": "\u00e9"}'::json ->> 'k', to_json('é'::text);

-- escapes
-- same
SELECT to_json(E'a\nb\t"c"\\'::text);
