-- variadic
SELECT format('%s is %s', name, age) FROM people;
-- becomes
SELECT format('%s is %s', make_array(CAST(name AS VARCHAR), CAST(age AS VARCHAR))) AS "format" FROM people;

-- no_arguments
SELECT json_build_array(), json_build_object();
-- becomes
SELECT json_build_array(make_array(NULL)[2:1]) AS "json_build_array", json_build_object(make_array(NULL)[2:1], make_array(NULL)[2:1]) AS "json_build_object";

-- nested_json
SELECT json_build_object('id', id, 'tags', json_build_array(1, a), 'n', NULL) AS o FROM t;
-- becomes
SELECT json_build_object(make_array(CAST('id' AS VARCHAR), CAST('tags' AS VARCHAR), CAST('n' AS VARCHAR)), make_array(to_json(CAST(id AS VARCHAR), arrow_typeof(id)), json_build_array(make_array('1', to_json(CAST(a AS VARCHAR), arrow_typeof(a)))), to_json(CAST(NULL AS VARCHAR), arrow_typeof(NULL)))) AS o FROM t;

-- aggregate
SELECT json_agg(x ORDER BY y DESC) FILTER (WHERE z) OVER (PARTITION BY q) FROM t;
-- becomes
SELECT json_build_array(array_agg(to_json(CAST(x AS VARCHAR), arrow_typeof(x)) ORDER BY y DESC) FILTER (WHERE z) OVER (PARTITION BY q)) AS "json_agg" FROM t;

-- within_group
SELECT mode() WITHIN GROUP (ORDER BY c), percentile_disc(0.5) WITHIN GROUP (ORDER BY c DESC) FROM t;
-- becomes
SELECT array_element(array_agg(c ORDER BY c) FILTER (WHERE c IS NOT NULL), mode_position(array_agg(c ORDER BY c) FILTER (WHERE c IS NOT NULL))) AS "mode", array_element(array_agg(c ORDER BY c DESC) FILTER (WHERE c IS NOT NULL), greatest(1, CAST(ceil((0.5) * count(c) FILTER (WHERE c IS NOT NULL)) AS BIGINT))) AS "percentile_disc" FROM t;

-- named_arguments
SELECT make_interval(days => 3, secs => 1.5);
-- becomes
SELECT make_interval(0, 0, 0, 3, 0, 0, 1.5) AS "make_interval";

-- defaults
SELECT age(born), make_timestamptz(2024, 1, 2, 3, 4, 5), regexp_split_to_array(w, ',') FROM t;
-- becomes
SELECT age(current_date, born) AS "age", make_timestamptz(2024, 1, 2, 3, 4, 5, 'UTC') AS "make_timestamptz", regexp_split_to_array(w, ',', '') AS "regexp_split_to_array" FROM t;

-- extract
SELECT extract(epoch FROM at), extract(year FROM at), date_part('second', at) FROM t;
-- becomes
SELECT extract_field('epoch', at) AS "extract", extract(year FROM at), CAST(extract_field('second', at) AS DOUBLE) AS "date_part" FROM t;

-- rows_in_select
SELECT id, generate_series(1, n), json_object_keys(doc) FROM t;
-- becomes
SELECT id, unnest(generate_series(1, n)) AS "generate_series", unnest(json_object_keys_list(doc)) AS "json_object_keys" FROM t;

-- schema
SELECT pg_catalog.upper(a), pg_catalog.pg_typeof(a), mine.format(a) FROM t;
-- becomes
SELECT upper(a) AS "upper", type_name(arrow_typeof(a)) AS "pg_typeof", mine.format(a) FROM t;

-- alias_like_a_function
SELECT a.mode, x format FROM t AS mode(format) JOIN u sign(x) ON true;
-- becomes
SELECT a.mode, x format FROM t AS mode(format) JOIN u sign(x) ON true;

-- cte_like_a_function
WITH format(a) AS (SELECT 1) SELECT a FROM format;
-- becomes
WITH format(a) AS (SELECT 1) SELECT a FROM format;

-- quoted
SELECT "format"('%s', a), 'format(a)', "format(a)" FROM t /* format(a) */ -- format(a);
-- becomes
SELECT format('%s', make_array(CAST(a AS VARCHAR))) AS "format", 'format(a)', "format(a)" FROM t /* format(a) */ -- format(a);

-- trim_and_substring
SELECT trim(leading FROM a), substring(a FROM 'b.c'), substring(a FROM 2 FOR 3) FROM t;
-- becomes
SELECT ltrim(a) AS "trim", substring_by_regexp(a, 'b.c') AS "substring", substring(a FROM 2 FOR 3) FROM t;

-- regexp_replace
SELECT regexp_replace(a, 'b', '$1 \& \1');
-- becomes
SELECT regexp_replace(a, 'b', '$$1 ${0} \1') AS "regexp_replace";
