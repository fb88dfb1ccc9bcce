-- fetch
SELECT a FROM t ORDER BY a OFFSET 3 ROWS FETCH NEXT 5 ROWS ONLY;
-- becomes
SELECT a FROM t ORDER BY a OFFSET 3 LIMIT 5;

-- fetch_one
SELECT a FROM t FETCH FIRST ROW ONLY;
-- becomes
SELECT a FROM t LIMIT 1;

-- names
SELECT DISTINCT ON (d ->> 'a') d ->> 'a', d ->> 'b' AS b, d ->> 'c' c, CASE WHEN d ->> 'e' = 'f' THEN 1 END, upper(d ->> 'g'), d -> 'h' IS NOT DISTINCT FROM '1' FROM t;
-- becomes
SELECT DISTINCT ON (json_object_field_text(d, 'a')) json_object_field_text(d, 'a') AS "?column?", json_object_field_text(d, 'b') AS b, json_object_field_text(d, 'c') c, CASE WHEN json_object_field_text(d, 'e') = 'f' THEN 1 END AS "case", upper(json_object_field_text(d, 'g')) AS "upper", json_object_field(d, 'h') IS NOT DISTINCT FROM '1' AS "?column?" FROM t;

-- distinct_on
SELECT DISTINCT ON (a, b) json_build_array(a), pg_typeof(b) FROM t;
-- becomes
SELECT DISTINCT ON (a, b) json_build_array(make_array(to_json(CAST(a AS VARCHAR), arrow_typeof(a)))) AS "json_build_array", type_name(arrow_typeof(b)) AS "pg_typeof" FROM t;

-- names_in_subqueries
SELECT * FROM (SELECT d ->> 'a' FROM t UNION SELECT d ->> 'b' FROM t) s;
-- becomes
SELECT * FROM (SELECT json_object_field_text(d, 'a') AS "?column?" FROM t UNION SELECT json_object_field_text(d, 'b') AS "?column?" FROM t) s;

-- words
SELECT localtimestamp, localtime;
-- becomes
SELECT CAST(now() AS TIMESTAMP) AS "localtimestamp", CAST(now() AS TIME) AS "localtime";

-- collations
SELECT a COLLATE "C" < 'b' COLLATE pg_catalog."C" FROM t;
-- becomes
SELECT a < 'b' COLLATE pg_catalog."C" AS "?column?" FROM t;
