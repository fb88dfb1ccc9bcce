-- name: pgadmin_database
SELECT db.oid as did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS serverencoding, datistemplate
FROM pg_catalog.pg_database db WHERE db.datname = current_database()

-- name: pgadmin_role
SELECT roles.oid as id, roles.rolname as name, roles.rolsuper as is_superuser,
  CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END as can_create_role,
  CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreatedb END as can_create_db
FROM pg_catalog.pg_roles as roles WHERE rolname = current_user

-- name: pgadmin_settings
SELECT set_config('search_path', 'public', false) FROM pg_show_all_settings() WHERE name = 'search_path'

-- name: pgadmin_schemas
SELECT nsp.oid, nsp.nspname as name, has_schema_privilege(nsp.oid, 'USAGE') as has_usage
FROM pg_catalog.pg_namespace nsp
WHERE nspname NOT LIKE E'pg\\_%' AND NOT ((nsp.nspname = 'pg_catalog' AND EXISTS
    (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'pg_class' AND relnamespace = nsp.oid LIMIT 1)))
ORDER BY nspname

-- name: pgadmin_tables
SELECT rel.oid, rel.relname AS name, (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = rel.oid AND tgisinternal = FALSE) AS triggercount,
  (CASE WHEN rel.relkind = 'p' THEN true ELSE false END) AS is_partitioned
FROM pg_catalog.pg_class rel
WHERE rel.relkind IN ('r','s','t','p') AND rel.relnamespace = 'public'::regnamespace::oid AND NOT rel.relispartition
ORDER BY rel.relname

-- name: pgadmin_columns
SELECT DISTINCT att.attname as name, att.attnum as oid, pg_catalog.format_type(ty.oid, NULL) AS datatype,
  pg_catalog.format_type(ty.oid, att.atttypmod) AS displaytypname, CASE WHEN ty.typelem > 0 THEN ty.typelem ELSE ty.oid END as elemoid,
  att.attnotnull as not_null, CASE WHEN att.atthasdef OR att.attidentity != '' OR ty.typdefault IS NOT NULL THEN True ELSE False END as has_default_val
FROM pg_catalog.pg_attribute att JOIN pg_catalog.pg_type ty ON ty.oid = atttypid
WHERE att.attrelid = {public.cars}::oid AND att.attnum > 0 AND att.attisdropped IS FALSE
ORDER BY att.attnum

-- name: schema_states
SELECT N.oid::bigint AS id, N.nspname AS name, D.description, pg_catalog.pg_get_userbyid(N.nspowner) AS "owner"
FROM pg_catalog.pg_namespace N LEFT JOIN pg_catalog.pg_description D ON N.oid = D.objoid AND D.classoid = 'pg_catalog.pg_class'::regclass
WHERE N.nspname IN ('public', 'sales')
ORDER BY CASE WHEN nspname = pg_catalog.current_schema() THEN -1::bigint ELSE N.oid::bigint END, name

-- name: prisma_tables
SELECT tbl.relname AS table_name, namespace.nspname as namespace,
  (tbl.relhassubclass AND tbl.relkind = 'p') OR (tbl.relhassubclass AND tbl.relkind = 'r') AS has_subclass, tbl.relrowsecurity, reloptions
FROM pg_class AS tbl INNER JOIN pg_namespace AS namespace ON namespace.oid = tbl.relnamespace
WHERE tbl.relkind IN ('r', 'p') AND namespace.nspname = ANY ('{public,sales}')
ORDER BY namespace, table_name

-- name: prisma_columns
SELECT oid.namespace, info.table_name, info.column_name, format_type(att.atttypid, att.atttypmod) as formatted_type,
  info.numeric_precision, info.numeric_scale, info.numeric_precision_radix, info.datetime_precision, info.data_type,
  info.udt_schema as type_schema_name, info.udt_name as full_data_type, pg_get_expr(attdef.adbin, attdef.adrelid) AS column_default,
  info.is_nullable, info.is_identity, info.character_maximum_length
FROM information_schema.columns info
JOIN pg_attribute att ON att.attname = info.column_name
JOIN (SELECT pg_class.oid, relname, pg_namespace.nspname as namespace FROM pg_class
  JOIN pg_namespace on pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = ANY ('{public,sales}')
  WHERE reltype > 0 OR relkind IN ('r', 'v')) as oid on oid.oid = att.attrelid AND relname = info.table_name AND namespace = info.table_schema
LEFT JOIN pg_attrdef attdef ON attdef.adrelid = att.attrelid AND attdef.adnum = att.attnum AND table_schema = namespace
WHERE table_schema = ANY ('{public,sales}')
ORDER BY namespace, table_name, ordinal_position

-- name: hibernate_tables
select tables.table_name, columns.column_name, columns.ordinal_position from information_schema.tables tables
join information_schema.columns columns using (table_catalog, table_schema, table_name)
where tables.table_schema = any (current_schemas(false)) order by 1, 3

-- name: estimate
SELECT relkind, relnatts FROM pg_class WHERE oid = 'public.cars'::regclass

-- name: estimate_of_odd
SELECT relname, oid::regclass::text AS shown, relnamespace::regnamespace AS schema FROM pg_class WHERE oid = to_regclass('sales."Odd Name"')

-- name: by_identifier
SELECT table_name::regclass::text AS shown, (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass::text AS longer
FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1

-- name: column_list
SELECT a.attname AS column_name, a.attnum, t.typname, a.atttypid::regtype AS data_type, a.atttypid::regtype::text = 'bigint' AS is_big
FROM pg_attribute a JOIN pg_type t ON a.atttypid = t.oid
WHERE a.attrelid = 'cars'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

-- name: primary_keys
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = 'orders'::regclass AND i.indisprimary

-- name: index_columns
SELECT t.relname AS table_name, i.relname AS index_name, array_to_string(array_agg(a.attname), ', ') AS column_names, ix.indkey[0] AS first_key
FROM pg_class t, pg_class i, pg_index ix, pg_attribute a
WHERE t.oid = ix.indrelid AND i.oid = ix.indexrelid AND a.attrelid = t.oid AND a.attnum = ANY(ix.indkey) AND t.relkind = 'r' AND t.relname LIKE 'orders%'
GROUP BY t.relname, i.relname, ix.indkey ORDER BY t.relname, i.relname

-- name: index_listing
SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'

-- name: views
SELECT schemaname, viewname, viewowner, definition FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')

-- name: counts
SELECT n.nspname, count(*) FILTER (WHERE c.relkind = 'r') AS tables, count(*) FILTER (WHERE c.relkind = 'v') AS views,
  string_agg(c.relname, ',' ORDER BY c.relname) AS names
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'sales') GROUP BY 1 ORDER BY 1

-- name: all_of_tables
SELECT * FROM information_schema.tables WHERE table_schema = 'sales'

-- name: all_of_columns
SELECT * FROM information_schema.columns WHERE table_schema IN ('public', 'sales') ORDER BY table_schema, table_name, ordinal_position

-- name: all_of_views
SELECT * FROM information_schema.views WHERE table_schema = 'public'

-- name: all_of_schemata
SELECT * FROM information_schema.schemata WHERE schema_name IN ('public', 'sales') ORDER BY schema_name

-- name: all_of_pg_tables
SELECT * FROM pg_tables WHERE schemaname IN ('public', 'sales') ORDER BY schemaname, tablename

-- name: all_of_types
SELECT * FROM pg_type WHERE typname IN ('bool', 'int8', '_int8', 'text', 'numeric', 'jsonb', 'interval', 'oid', 'name', 'char', 'record', 'int4range') ORDER BY oid

-- name: all_of_ranges
SELECT rngtypid::regtype, rngsubtype::regtype, rngmultitypid::regtype, rngcollation, rngsubopc FROM pg_range ORDER BY rngtypid

-- name: frozen
SELECT relname, age(xmin) >= 0 AS is_old FROM pg_class WHERE relname = 'cars'

-- name: tableoid
SELECT tableoid::regclass, relname FROM pg_class WHERE relname = 'cars'

-- name: limits
SELECT relname FROM pg_class c WHERE relnamespace = 2200 ORDER BY relname DESC NULLS LAST OFFSET 1 FETCH FIRST 2 ROWS ONLY

-- name: arithmetic
SELECT 7 / 2 AS half, atttypmod / 65536 AS wide, ((atttypmod - 4) >> 16) & 65535 AS digits, (atttypmod - 4) & 65535 AS places
FROM pg_attribute WHERE attname = 'price' AND attrelid = 'cars'::regclass

-- name: values_and_rows
SELECT v.name, c.relkind FROM (VALUES ('cars'), ('orders'), ('nothing')) AS v(name) LEFT JOIN pg_class c ON c.relname = v.name AND c.relnamespace = 2200 ORDER BY 1

-- name: distinct_on
SELECT DISTINCT ON (c.relkind) c.relkind, c.relname FROM pg_class c WHERE c.relnamespace = 2200 ORDER BY c.relkind, c.relname

-- name: lateral
SELECT c.relname, x.attname FROM pg_class c CROSS JOIN LATERAL (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY attnum LIMIT 1) x
WHERE c.relnamespace = 2200 AND c.relkind = 'r' ORDER BY 1

-- name: unnested
SELECT c.relname, k.n, k.attnum FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) WHERE c.relname = 'orders_car_idx'

-- name: not_in_and_any
SELECT typname FROM pg_type WHERE oid = ANY (ARRAY[20, 25]::oid[]) AND typname <> ALL (ARRAY['text']) ORDER BY 1

-- name: regex
SELECT relname FROM pg_class WHERE relname ~* '^CARS$' AND relname !~ '^pg_' AND relname !~* '^SQL' ORDER BY 1

-- name: sizes
SELECT pg_size_pretty(pg_indexes_size('cars')), pg_size_pretty(10240::bigint), pg_size_pretty(123456789::bigint)

-- name: session_words_by_quotes
SELECT current_role = current_user AS same, x."user", x."current_role", user = current_user AS me, "user" AS bare
FROM (SELECT 1 AS "user", 2 AS "current_role") x, pg_am LIMIT 1

-- name: operator_as_a_name
SELECT relname AS "operator", quote_ident('a$b'), quote_ident('select'), quote_ident('plain') FROM pg_class WHERE relname OPERATOR(pg_catalog.=) 'cars'
