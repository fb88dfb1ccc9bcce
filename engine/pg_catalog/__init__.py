"""Answers what Postgres clients ask of ``pg_catalog`` and ``information_schema``."""
