-- column_of_a_subquery
SELECT json_agg(t.j ORDER BY t.id) FROM (SELECT id, json_build_object('id', id) AS j FROM people) t;
-- becomes
SELECT json_build_array(array_agg(json_checked(t.j) ORDER BY t.id)) AS "json_agg" FROM (SELECT id, json_build_object(make_array(CAST('id' AS VARCHAR)), make_array(to_json(CAST(id AS VARCHAR), arrow_typeof(id)))) AS j FROM people) t;

-- column_of_a_cte
WITH t AS (SELECT '{}'::jsonb AS doc) SELECT json_build_object('d', doc, 'c', coalesce(doc, '[]')) FROM t;
-- becomes
WITH t AS (SELECT jsonb_text('{}') AS doc) SELECT json_build_object(make_array(CAST('d' AS VARCHAR), CAST('c' AS VARCHAR)), make_array(jsonb_text(doc), coalesce(jsonb_text(doc), '[]'))) AS "json_build_object" FROM t;

-- columns_of_functions
SELECT json_object_agg(e.key, e.value) FROM json_each('{}') AS e, json_array_elements('[]') AS x WHERE to_json(x) IS NOT NULL;
-- becomes
SELECT json_object_of_groups(array_agg(CAST(e.key AS VARCHAR)), array_agg(json_checked(e.value))) AS "json_object_agg" FROM (SELECT "m"['key'], "m"['value'] FROM unnest(json_each_list('{}')) AS "u"("m")) AS "e"("key", "value"), unnest(json_array_elements_list('[]')) AS "x"("x") WHERE json_checked(x) IS NOT NULL;

-- names_of_others
SELECT to_json(r) AS r, to_json(r) AS q, to_json(q) FROM numbers;
-- becomes
SELECT to_json(CAST(r AS VARCHAR), arrow_typeof(r)) AS r, to_json(CAST(r AS VARCHAR), arrow_typeof(r)) AS q, to_json(CAST(q AS VARCHAR), arrow_typeof(q)) AS "to_json" FROM numbers;
