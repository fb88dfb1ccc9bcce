-- cast_function
-- same
SELECT CAST('1' AS int), CAST(1 AS text), CAST('2024-01-01' AS date);

-- cast_prefix
-- same
SELECT int '1', text 'a', float8 '1.5', boolean 'true';

-- cast_boolean_to_text
-- same
SELECT true::text, active::text FROM people;

-- cast_boolean_to_integer
-- same
SELECT true::int, active::int FROM people;

-- cast_integer_to_boolean
-- same
SELECT 1::boolean, 0::boolean, 5::boolean;

-- cast_bigint_to_integer_overflow
-- same
SELECT 3000000000::int;

-- cast_names
-- same
SELECT 1::int2, 1::int4, 1::int8, 1::float4, 1::float8, 1::decimal, 1::smallint, 1::bigint, 1::real, 1::double precision;

-- cast_text_names
-- error: no type character varying
SELECT 'a'::text, 'a'::varchar, 'a'::character varying, 'a'::bpchar, 'a'::name;

-- cast_uuid
-- same
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid;

-- cast_uuid_bad
-- same
SELECT 'nonsense'::uuid;

-- cast_to_bytea
-- same
SELECT 'abc'::bytea;

-- cast_timestamp_to_date
-- same
SELECT ordered_at::date FROM orders;

-- cast_date_to_timestamp
-- same
SELECT born::timestamp FROM people;

-- cast_date_to_timestamptz
-- same
SELECT born::timestamptz FROM people;

-- cast_text_to_interval
-- same
SELECT '1 day 2 hours'::interval, '1 mon'::interval;

-- cast_text_to_time
-- same
SELECT '12:34:56'::time;

-- cast_numeric_to_text
-- same
SELECT 1.50::text, 100::numeric(5, 2)::text, 1e3::text;

-- cast_float_to_text
-- same
SELECT 1.0::float8::text, 0.1::float8::text, 1e20::float8::text, 1e-5::float8::text, 123456789.0::float8::text;

-- cast_real_to_text
-- same
SELECT 1.1::real::text, 16777216::real::text;

-- cast_real_to_double
-- same
SELECT 0.1::real::float8;

-- cast_integer_to_text
-- same
SELECT n::text || 'x' FROM numbers;

-- cast_json_to_text
-- same
SELECT payload::text FROM events;

-- cast_text_to_numeric
-- same
SELECT '1.50'::numeric, '-0.001'::numeric(5, 2);

-- cast_bad_date
-- same
SELECT 'not a date'::date;

-- cast_bad_timestamp
-- same
SELECT '2024-13-01'::timestamp;

-- cast_null
-- same
SELECT CAST(NULL AS int), NULL::timestamp;

-- cast_array
-- same
SELECT '{1,2}'::int[], ARRAY['1']::int[];

-- cast_regclass
-- error: no type regclass
SELECT 'people'::regclass::text;

-- cast_oid
-- error: no type oid
SELECT 1::oid;

-- cast_char_truncates
-- same
SELECT 'abc'::char(2), 'abc'::char;

-- cast_varchar_column
-- same
SELECT name::varchar(2) FROM people;

-- cast_in_where
-- same
SELECT id FROM numbers n, people WHERE n.n::text = people.id::text;

-- cast_text_to_boolean
-- same
SELECT 'true'::boolean, 'f'::boolean, '1'::boolean, 'no'::boolean, 'on'::boolean;

-- cast_bad_boolean
-- same
SELECT 'maybe'::boolean;

-- implicit_text_to_integer
-- same
SELECT id FROM people WHERE id = '1';

-- implicit_text_column_is_refused
-- same
SELECT id FROM people WHERE name = 1;

-- implicit_date_text
-- same
SELECT id FROM people WHERE born = '1985-12-10';

-- implicit_boolean_text
-- error: no comparison Boolean = Utf8
SELECT id FROM people WHERE active = 't';

-- implicit_integer_to_numeric
-- error: no arithmetic Int64 + Utf8
SELECT 1 + 1.5, 1 + '2';

-- pg_typeof_literals
-- same
SELECT pg_typeof(1), pg_typeof(1.5), pg_typeof('a'::text), pg_typeof(true), pg_typeof(now());

-- pg_typeof_columns
-- same
SELECT pg_typeof(name), pg_typeof(born), pg_typeof(salary), pg_typeof(tags) FROM people, orders LIMIT 1;

-- pg_typeof_sums
-- wrong: sum of bigint is a bigint, avg a double
SELECT pg_typeof(sum(n)), pg_typeof(sum(b)), pg_typeof(avg(n)), pg_typeof(count(*)) FROM numbers;

-- pg_typeof_expressions
-- wrong: the quotient of a decimal is a double, dates differ by a bigint
SELECT pg_typeof(1::bigint + 1), pg_typeof(1 / 2.0), pg_typeof(born - born), pg_typeof(born + 1) FROM people LIMIT 1;

-- gen_random_uuid
-- same
SELECT length(gen_random_uuid()::text);

-- gen_random_uuid_rows
-- same
SELECT count(DISTINCT gen_random_uuid()) FROM people;

-- current_names
-- same
SELECT current_schema IS NOT NULL, current_database() IS NOT NULL, current_user IS NOT NULL;

-- version_function
-- same
SELECT version() LIKE 'PostgreSQL%';

-- current_setting_function
-- same
SELECT current_setting('TimeZone');

-- pg_backend
-- same
SELECT pg_backend_pid() > 0;

-- type_of_null
-- same
SELECT pg_typeof(NULL);

-- interval_cast_to_text
-- same
SELECT (interval '1 day 02:03:04')::text;

-- date_cast_of_bad_format
-- same
SELECT '01/02/2024'::date;

-- timestamp_cast_with_zone
-- same
SELECT '2024-01-01 10:00:00+05'::timestamp;

-- bytea_to_text
-- same
SELECT '\x6162'::bytea::text;

-- text_to_real
-- wrong: psycopg reads the digits of a real as a double: equal as reals
SELECT '3.4028235e38'::real;

-- row_constructor
-- wrong: psycopg reads the fields of an anonymous row as texts
SELECT ROW(1, 'a');

-- composite_field
-- error: no field of a row
SELECT (ROW(1, 'a')).f1;

-- numeric_nan
-- error: no Decimal128 of the form NaN
SELECT 'NaN'::numeric;

-- bit_cast
-- error: no type bit(4)
SELECT 5::bit(4);

-- inet_cast
-- error: no type inet
SELECT '10.0.0.1'::inet;

-- range_type
-- error: no function int4range
SELECT int4range(1, 5) @> 3;

-- enum_order
-- error: no type "char"
SELECT 'a'::"char";

-- xml_cast
-- same
SELECT '<a/>'::xml IS NOT NULL;

-- text_search
-- error: no function to_tsvector
SELECT to_tsvector('english', 'the fat cats') @@ to_tsquery('cat');

-- full_width_integer
-- same
SELECT (-9223372036854775808)::bigint;
