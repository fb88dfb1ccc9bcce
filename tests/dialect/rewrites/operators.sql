-- json_members
SELECT doc -> 'a' -> 0 ->> -1, doc #>> '{a,b}' FROM t WHERE doc->>'k' = 'v' GROUP BY doc->>'k';
-- becomes
SELECT json_array_element_text(json_array_element(json_object_field(doc, 'a'), 0), -1) AS "?column?", json_extract_path_text(doc, array_of_text('{a,b}')) AS "?column?" FROM t WHERE json_object_field_text(doc, 'k') = 'v' GROUP BY json_object_field_text(doc, 'k');

-- json_and_concat
SELECT doc ->> 'a' || '-' || b AS c FROM t;
-- becomes
SELECT json_object_field_text(doc, 'a') || '-' || b AS c FROM t;

-- jsonb
SELECT doc::jsonb - 'a' || '{}'::jsonb, doc::jsonb ?| ARRAY['a'] FROM t WHERE doc @> '{"a": 1}' AND tags @> ARRAY['x'];
-- becomes
SELECT jsonb_concat(jsonb_delete(jsonb_text(doc), 'a'), jsonb_text('{}')) AS "?column?", jsonb_exists_any(jsonb_text(doc), ARRAY['a']) AS "?column?" FROM t WHERE jsonb_contains(doc, '{"a": 1}') AND tags @> ARRAY['x'];

-- key_by_parameter
SELECT doc -> $1,doc ->> $2 FROM t;
-- becomes
SELECT json_object_field(doc, CAST($1 AS TEXT)) AS "?column?",json_object_field_text(doc, CAST($2 AS TEXT)) AS "?column?" FROM t;

-- power
SELECT -2 ^ 2, 2 ^ 3, 2 * -x ^ 2;
-- becomes
SELECT power(-2, 2) AS "?column?", 2 ^ 3, 2 * power(-x, 2) AS "?column?";

-- prefixes
SELECT |/ 4, @ -5, ~ a, - - 3, a - -1 FROM t;
-- becomes
SELECT sqrt(4) AS "?column?", abs(-5) AS "?column?", (-(a) - 1) AS "?column?", - - 3, a - -1 FROM t;

-- negative_bits
SELECT -(a & b), - (c | 5), -(d), a - (b & c) FROM t;
-- becomes
SELECT (0 - (a & b)) AS "?column?", (0 - (c | 5)) AS "?column?", -(d), a - (b & c) FROM t;

-- intervals
SELECT at + 2 * interval '1 day', interval '1 day' / 2, day + interval '90 minutes', day + interval '1 month' FROM t;
-- becomes
SELECT (date_trunc('microsecond', at) + interval_times(interval '1 day', CAST(2 AS DOUBLE))) AS "?column?", interval_divided(interval '1 day', CAST(2 AS DOUBLE)) AS "?column?", (date_trunc('microsecond', day) + interval '90 minutes') AS "?column?", day + interval '1 month' FROM t;

-- dates
SELECT date '2024-01-31' + interval '1 month', current_date - interval '1 day';
-- becomes
SELECT (CAST(date '2024-01-31' AS TIMESTAMP) + interval '1 month') AS "?column?", (CAST(current_date AS TIMESTAMP) - interval '1 day') AS "?column?";

-- regular_expressions
SELECT a ~ 'x.y', a ~ '^x', a !~* '\mfoo\M', a ~ b FROM t;
-- becomes
SELECT a ~ '(?s)x.y' AS "?column?", a ~ '^x', (NOT regexp_test(a, '\mfoo\M', 'i')) AS "?column?", a ~ b FROM t;

-- vectors
SELECT id FROM docs ORDER BY embedding <=> '[1, 2]' LIMIT 5;
-- becomes
SELECT id FROM docs ORDER BY cosine_distance(embedding, ARRAY[1, 2]) LIMIT 5;

-- arrays
SELECT a && ARRAY[1], a || 2, 1.50 || '' FROM t;
-- becomes
SELECT array_has_any(a, ARRAY[1]) AS "?column?", a || 2, '1.50' || '' AS "?column?" FROM t;

-- starts_with
SELECT a ^@ 'b' FROM t;
-- becomes
SELECT starts_with(a, 'b') AS "?column?" FROM t;
