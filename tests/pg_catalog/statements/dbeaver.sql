-- name: session
SELECT current_schema(), session_user

-- name: search_path
SHOW search_path

-- name: databases
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = 'shop' ORDER BY db.datname

-- name: one_database
SELECT db.oid, db.datname, db.datdba, db.encoding, db.datlocprovider, db.datallowconn, db.datconnlimit FROM pg_catalog.pg_database db WHERE datname = 'shop'

-- name: schemas
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass
WHERE nspname NOT LIKE 'pg\_%'
ORDER BY nspname

-- name: roles
SELECT a.oid, a.rolname, a.rolinherit, a.rolconnlimit, a.rolpassword, a.rolvaliduntil FROM pg_catalog.pg_roles a WHERE a.rolname = 'ann' ORDER BY a.rolname

-- name: types
SELECT t.oid, t.typname, t.typtype, t.typcategory, t.typlen, t.typelem, t.typarray, c.relkind, base_type_name.typname AS base_type_name, d.description
FROM pg_catalog.pg_type t
LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
LEFT OUTER JOIN pg_catalog.pg_type base_type_name ON t.typbasetype = base_type_name.oid
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')
  AND t.typname IN ('int8', 'text', '_text', 'numeric', 'sql_identifier')
ORDER BY t.typname

-- name: tables
SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relhasindex, c.relnatts, d.description,
  pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = 2200 AND c.relkind NOT IN ('i', 'I', 'c')
ORDER BY c.relname

-- name: all_columns_of_class
SELECT c.oid, c.* FROM pg_catalog.pg_class c WHERE c.relname IN ('cars', 'dear_cars', 'orders_car_idx') ORDER BY c.relname

-- name: columns
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND a.attnum > 0 AND c.oid = {public.orders}
ORDER BY a.attnum

-- name: constraints
SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace, d.description,
  CASE WHEN c.contype = 'c' THEN "substring"(pg_get_constraintdef(c.oid), 7) ELSE null END consrc_copy
FROM pg_catalog.pg_constraint c
INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
WHERE t.relnamespace = 2200
ORDER BY c.oid

-- name: indexes
SELECT i.*, i.indkey AS keys, c.relname, c.relnamespace, c.relam, c.reltablespace, tc.relname AS tabrelname, dsc.description,
  pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS expr,
  pg_catalog.pg_stat_get_numscans(i.indexrelid) AS index_num_scans
FROM pg_catalog.pg_index i
INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid
LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid = dsc.objoid
WHERE tc.relnamespace = 2200 ORDER BY tabrelname, c.relname

-- name: index_definition
SELECT pg_catalog.pg_get_indexdef({public.orders_car_idx}, 0, true), pg_catalog.pg_get_indexdef({public.orders_car_idx}, 1, true)

-- name: view_definition
SELECT pg_get_viewdef({public.dear_cars}, true)

-- name: size_of_nothing
SELECT c.oid, c.relname, pg_catalog.pg_relation_size(c.oid) AS rel_size FROM pg_class c WHERE c.relnamespace = 2200 AND c.relkind = 'v'

-- name: functions
SELECT p.oid, p.proname, p.prokind, pg_catalog.pg_get_function_result(p.oid) AS result FROM pg_catalog.pg_proc p
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = p.oid
LEFT OUTER JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.pronamespace = 2200
ORDER BY p.proname

-- name: access_methods
SELECT am.oid, am.amname, am.amtype FROM pg_catalog.pg_am am ORDER BY am.oid

-- name: languages
SELECT l.oid, l.lanname, l.lanispl FROM pg_catalog.pg_language l WHERE l.lanname IN ('c', 'sql', 'internal') ORDER BY l.oid

-- name: foreign_servers
SELECT l.oid, l.srvname, p.fdwname FROM pg_catalog.pg_foreign_server l LEFT OUTER JOIN pg_catalog.pg_foreign_data_wrapper p ON p.oid = l.srvfdw ORDER BY l.srvname

-- name: tablespaces
SELECT t.oid, t.spcname, pg_tablespace_location(t.oid) AS loc FROM pg_catalog.pg_tablespace t ORDER BY t.oid

-- name: encodings
SELECT pg_encoding_to_char(6), pg_encoding_to_char(0), pg_char_to_encoding('UTF8')

-- name: own_session
SELECT sa.datname, sa.usename, sa.state FROM pg_catalog.pg_stat_activity sa WHERE sa.pid = pg_backend_pid()
