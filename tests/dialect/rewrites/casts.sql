-- json
SELECT a::json, CAST(b AS jsonb), a::json::text, json '[1]' FROM t;
-- becomes
SELECT json_checked(a) AS "a", jsonb_text(b) AS "b", json_checked(a)::text AS "a", json_checked('[1]') AS "json" FROM t;

-- texts
SELECT a::text, t.b::varchar(3), CAST(c AS char(2)), 'x'::text, 1.50::text FROM t;
-- becomes
SELECT value_text(CAST(a AS VARCHAR), arrow_typeof(a)) AS "a", left(value_text(CAST(t.b AS VARCHAR), arrow_typeof(t.b)), 3) AS "b", rtrim(left(value_text(CAST(c AS VARCHAR), arrow_typeof(c)), 2)) AS "c", 'x'::text, '1.50' AS "text" FROM t;

-- arrays
SELECT '{1,2}'::int[], '{a,"b c"}'::text[], ARRAY[1]::text;
-- becomes
SELECT CAST(array_of_text('{1,2}') AS int[]) AS "int4", array_of_text('{a,"b c"}') AS "text", array_text(ARRAY[1], arrow_typeof(ARRAY[1])) AS "array";

-- uuid_and_bytes
SELECT '00000000-0000-0000-0000-000000000001'::uuid, '\xff'::bytea, '\xff'::bytea::text;
-- becomes
SELECT uuid_of_text('00000000-0000-0000-0000-000000000001') AS "uuid", bytea_of_text('\xff') AS "bytea", ('\x' || encode(bytea_of_text('\xff'), 'hex')) AS "bytea";

-- integers
SELECT 2.5::int, x::int, '7'::int FROM t;
-- becomes
SELECT CAST(3 AS int) AS "int4", CAST(integer_of(CAST(x AS VARCHAR), arrow_typeof(x)) AS int) AS "x", '7'::int FROM t;

-- moments
SELECT timestamp '2024-1-2 03:04', '2024-01-01 00:00+00'::timestamptz, date 'Feb 29, 2024', 'epoch'::timestamp, date '2024-02-30';
-- becomes
SELECT CAST('2024-01-02T03:04:00' AS timestamp) AS "timestamp", CAST('2024-01-01T00:00:00+00:00' AS timestamptz) AS "timestamptz", CAST('2024-02-29' AS date) AS "date", CAST('1970-01-01' AS timestamp) AS "timestamp", date '2024-02-30';

-- typed_literals
SELECT interval '1' day, interval '1 day 03:04', interval '2 days', timestamp(3) with time zone '2024-01-01', double precision '1.5';
-- becomes
SELECT interval '1' day, interval_of_text('1 day 03:04') AS "interval", interval '2 days', timestamp(3) with time zone '2024-01-01', double precision '1.5';

-- names
SELECT a::json, count(*), (a ->> 'x')::int FROM (SELECT '[]'::json AS a) s GROUP BY a;
-- becomes
SELECT json_checked(a) AS "a", count(*), (json_object_field_text(a, 'x'))::int AS "int4" FROM (SELECT json_checked('[]') AS a) s GROUP BY a;
