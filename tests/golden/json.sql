-- arrow
-- error: no operator ->: json_object_field, json_array_element, json_extract_path and their _text
SELECT payload -> 'x', payload -> 'y' FROM events;

-- arrow_text
-- error: no operator ->>: json_object_field, json_array_element, json_extract_path and their _text
SELECT payload ->> 'x', payload ->> 's', payload ->> 'e' FROM events;

-- arrow_index
-- error: no operator ->: json_object_field, json_array_element, json_extract_path and their _text
SELECT payload -> 1, payload ->> 1, payload -> -1 FROM events;

-- path
-- error: no operator #>: json_object_field, json_array_element, json_extract_path and their _text
SELECT payload #> '{y,z}', payload #>> '{y,z,0}' FROM events;

-- arrow_chain
-- error: no operator ->: json_object_field, json_array_element, json_extract_path and their _text
SELECT payload -> 'y' -> 'z' ->> 2 FROM events;

-- arrow_cast
-- error: no operator ->>: json_object_field, json_array_element, json_extract_path and their _text
SELECT (payload ->> 'x')::int + 1 FROM events;

-- where_arrow
-- error: no operator ->>: json_object_field, json_array_element, json_extract_path and their _text
SELECT id FROM events WHERE payload ->> 'x' = '1';

-- contains
-- error: no type jsonb
SELECT payload::jsonb @> '{"x": 1}' FROM events;

-- has_key
-- error: no type jsonb
SELECT payload::jsonb ? 'x' FROM events;

-- has_any_key
-- error: no type jsonb
SELECT payload::jsonb ?| ARRAY['x', 'f'], payload::jsonb ?& ARRAY['x', 'f'] FROM events;

-- delete_key
-- error: no type jsonb
SELECT '{"a": 1, "b": 2}'::jsonb - 'a';

-- concat
-- error: no type jsonb
SELECT '{"a": 1}'::jsonb || '{"b": 2}'::jsonb;

-- cast_json
-- error: no type json
SELECT '{"b": 1, "a": [1,2]}'::json, '{"b": 1, "a": [1,2]}'::jsonb;

-- cast_json_bad
-- same
SELECT '{bad'::json;

-- jsonb_dedupes
-- error: no type jsonb
SELECT '{"a": 1, "a": 2}'::jsonb;

-- jsonb_equality
-- error: no type jsonb
SELECT '{"a":1,"b":2}'::jsonb = '{"b":2, "a":1}'::jsonb;

-- extract_path
-- error: json_extract_path is registered with other arguments: engine.functions.calls writes the call
SELECT json_extract_path(payload, 'y', 'z') FROM events;

-- extract_path_text
-- error: json_extract_path_text is registered with other arguments: engine.functions.calls writes the call
SELECT json_extract_path_text(payload, 'y', 'z', '1'), json_extract_path_text(payload, 's') FROM events;

-- extract_path_one
-- error: json_extract_path_text is registered with other arguments: engine.functions.calls writes the call
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
-- error: no set-returning function json_array_elements in FROM
SELECT value FROM json_array_elements('[1, "two", {"a": 3}]');

-- array_elements_text
-- error: no set-returning function json_array_elements_text in FROM
SELECT * FROM json_array_elements_text('[1, "two", null]');

-- array_elements_lateral
-- error: no set-returning function json_array_elements in FROM
SELECT id, e FROM events, json_array_elements(payload) e WHERE json_typeof(payload) = 'array';

-- object_keys
-- error: no function json_object_keys: engine.functions.calls writes the call
SELECT json_object_keys('{"b": 1, "a": 2}');

-- each
-- error: no set-returning function json_each in FROM
SELECT key, value FROM json_each('{"a": 1, "b": "x"}');

-- each_text
-- error: no set-returning function json_each_text in FROM
SELECT key, value FROM json_each_text('{"a": 1, "b": "x"}');

-- to_json_values
-- error: to_json is registered with other arguments: engine.functions.calls writes the call
SELECT to_json(1), to_json('a"b'::text), to_json(true), to_json(1.50), to_json(NULL::text);

-- to_json_temporal
-- error: to_json is registered with other arguments: engine.functions.calls writes the call
SELECT to_json(date '2024-01-02'), to_json(timestamp '2024-01-02 03:04:05.5'), to_json(timestamptz '2024-01-02 03:04:05+00');

-- to_json_columns
-- error: to_json is registered with other arguments: engine.functions.calls writes the call
SELECT to_json(name), to_json(born), to_json(salary), to_json(active) FROM people;

-- to_json_array
-- error: to_json is registered with other arguments: engine.functions.calls writes the call
SELECT to_json(ARRAY[1, 2, NULL]), to_json(ARRAY['a', 'b,c']);

-- to_jsonb_values
-- error: no function to_jsonb: engine.functions.calls writes the call
SELECT to_jsonb(1), to_jsonb('x'::text);

-- row_to_json
-- error: no function row_to_json
SELECT row_to_json(lefts) FROM lefts;

-- row_to_json_subquery
-- error: no function row_to_json
SELECT row_to_json(t) FROM (SELECT id, name FROM people) t;

-- array_to_json
-- error: array_to_json is registered with other arguments: engine.functions.calls writes the call
SELECT array_to_json(ARRAY[1, 2]), array_to_json(tags) FROM orders;

-- build_object
-- error: json_build_object is registered with other arguments: engine.functions.calls writes the call
SELECT json_build_object('a', 1, 'b', 'x', 'c', NULL);

-- build_object_columns
-- error: json_build_object is registered with other arguments: engine.functions.calls writes the call
SELECT json_build_object('id', id, 'name', name, 'born', born, 'active', active) FROM people;

-- jsonb_build_object
-- error: no function jsonb_build_object: engine.functions.calls writes the call
SELECT jsonb_build_object('b', 1, 'aa', true, 'c', 1.50);

-- build_object_nested
-- error: json_build_array is registered with other arguments: engine.functions.calls writes the call
SELECT json_build_object('a', json_build_array(1, 'x', NULL), 'b', json_build_object());

-- build_array
-- error: json_build_array is registered with other arguments: engine.functions.calls writes the call
SELECT json_build_array(1, 'a', NULL, true, 1.5), json_build_array();

-- jsonb_build_array
-- error: no function jsonb_build_array: engine.functions.calls writes the call
SELECT jsonb_build_array(1, 'a', NULL);

-- json_object_arrays
-- error: json_object is registered with other arguments
SELECT json_object('{a,1,b,2}'), json_object(ARRAY['a', 'b'], ARRAY['1', NULL]);

-- agg
-- error: no function json_agg: engine.functions.calls writes the call
SELECT json_agg(id ORDER BY id) FROM people;

-- agg_text
-- error: no function json_agg: engine.functions.calls writes the call
SELECT json_agg(name ORDER BY id) FROM people;

-- agg_rows
-- error: no function json_agg: engine.functions.calls writes the call
SELECT json_agg(t) FROM (SELECT id, name FROM people ORDER BY id) t;

-- agg_none
-- error: no function json_agg: engine.functions.calls writes the call
SELECT json_agg(id) FROM people WHERE false;

-- jsonb_agg
-- error: no function jsonb_agg: engine.functions.calls writes the call
SELECT jsonb_agg(city ORDER BY id) FROM people;

-- object_agg
-- error: no function json_object_agg: engine.functions.calls writes the call
SELECT json_object_agg(name, age ORDER BY id) FROM people;

-- jsonb_object_agg
-- error: no function jsonb_object_agg: engine.functions.calls writes the call
SELECT jsonb_object_agg(k, y) FROM rights WHERE k IS NOT NULL;

-- agg_grouped
-- error: no function json_agg: engine.functions.calls writes the call
SELECT city, json_agg(age ORDER BY id) FROM people GROUP BY city;

-- strip_nulls
-- same
SELECT json_strip_nulls('{"a": 1, "b": null, "c": [null, {"d": null}]}');

-- pretty
-- same
SELECT jsonb_pretty('{"a": [1, 2], "b": {}}');

-- set
-- error: jsonb_set is registered with other arguments
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
-- error: jsonb_extract_path_text is registered with other arguments: engine.functions.calls writes the call
SELECT jsonb_extract_path_text('{"a": {"b": "x"}}', 'a', 'b');

-- jsonb_numbers
-- error: no type jsonb
SELECT '[1.0, 1e2, 0.10]'::jsonb;

-- json_is_predicate
-- error: the parser does not know JSON here
SELECT '{"a": 1}' IS JSON;

-- to_record
-- error: no set-returning function json_to_record in FROM
SELECT * FROM json_to_record('{"a": 1, "b": "x"}') AS t(a int, b text);

-- unicode
-- error: no type json
SELECT '{"k": "\u00e9"}'::json ->> 'k', to_json('é'::text);

-- escapes
-- error: to_json is registered with other arguments: engine.functions.calls writes the call
SELECT to_json(E'a\nb\t"c"\\'::text);
