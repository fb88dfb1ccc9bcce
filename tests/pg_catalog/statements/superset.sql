-- name: version
select pg_catalog.version()

-- name: schemas
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' ORDER BY nspname

-- name: databases
SELECT datname FROM pg_database WHERE datistemplate = false AND datname NOT IN ('postgres') ORDER BY datname

-- name: current_schema
select current_schema()

-- name: view_names
SELECT table_name FROM information_schema.views WHERE table_schema = 'public' ORDER BY table_name
