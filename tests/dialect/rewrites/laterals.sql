-- names_of_columns
SELECT *, g.g FROM unnest(ARRAY[1, 2]) AS n, json_array_elements_text('[1]'), generate_series(1, 3) AS g;
-- becomes
SELECT *, g.g FROM unnest(ARRAY[1, 2]) AS "n"("n"), unnest(json_array_elements_text_list('[1]')) AS "json_array_elements_text"("value"), generate_series(1, 3) AS "g"("g");

-- value_of_datafusion
SELECT value, s.value FROM generate_series(1, 3) AS s;
-- becomes
SELECT value, s.value FROM generate_series(1, 3) AS s;

-- value_or_row
SELECT e ->> 'a' FROM json_array_elements('[]') AS e;
-- becomes
SELECT json_object_field_text(e, 'a') AS "?column?" FROM unnest(json_array_elements_list('[]')) AS "e"("e");

-- value
SELECT e.value ->> 'a' FROM json_array_elements('[]') AS e;
-- becomes
SELECT json_object_field_text(e.value, 'a') AS "?column?" FROM unnest(json_array_elements_list('[]')) AS "e"("value");

-- two_columns
SELECT key, value FROM json_each('{"a": 1}');
-- becomes
SELECT key, value FROM (SELECT "m"['key'], "m"['value'] FROM unnest(json_each_list('{"a": 1}')) AS "u"("m")) AS "json_each"("key", "value");

-- series_of_expressions
SELECT d FROM generate_series(date '2024-01-01', date '2024-02-01', interval '1 day') AS d;
-- becomes
SELECT d FROM unnest(generate_series(date '2024-01-01', date '2024-02-01', interval '1 day')) AS "d"("d");

-- over_a_table
SELECT o.id, t.tag FROM orders o CROSS JOIN LATERAL unnest(o.tags) AS t(tag) WHERE t.tag <> '';
-- becomes
SELECT o.id, "o"."t.tag" AS "tag" FROM (SELECT "o".*, unnest(o.tags) AS "t.tag" FROM orders o) AS "o" WHERE "o"."t.tag" <> '';

-- over_a_table_twice
SELECT id, x, y FROM t, unnest(a) AS x, unnest(b) AS y;
-- becomes
SELECT id, "t"."x.x" AS "x", "t"."y.y" AS "y" FROM (SELECT "t".*, unnest(b) AS "y.y" FROM (SELECT "t".*, unnest(a) AS "x.x" FROM t) AS "t") AS "t";

-- over_a_table_json
SELECT id, e ->> 'k' FROM sales.events, json_array_elements(payload) e;
-- becomes
SELECT id, json_object_field_text("events"."e.e", 'k') AS "?column?" FROM (SELECT "events".*, unnest(json_array_elements_list(payload)) AS "e.e" FROM sales.events) AS "events";

-- expression
SELECT p.id, d.twice FROM people p, LATERAL (SELECT p.age * 2 AS twice) d;
-- becomes
SELECT p.id, "p"."d.twice" AS "twice" FROM (SELECT "p".*, p.age * 2 AS "d.twice" FROM people p) AS "p";

-- beside_a_subquery
SELECT x FROM t, unnest(a) AS x WHERE EXISTS (SELECT 1 FROM s WHERE x = s.y AND x.x = s.z);
-- becomes
SELECT "t"."x.x" AS "x" FROM (SELECT "t".*, unnest(a) AS "x.x" FROM t) AS "t" WHERE EXISTS (SELECT 1 FROM s WHERE x = s.y AND "t"."x.x" = s.z);

-- ordinary_lateral
SELECT c.id, x.n FROM c, LATERAL (SELECT count(*) AS n FROM o WHERE o.c_id = c.id) x;
-- becomes
SELECT c.id, x.n FROM c, LATERAL (SELECT count(*) AS n FROM o WHERE o.c_id = c.id) x;
