"""The API under ``/v1``: one module per resource, each with its routes and its bodies."""

from fastapi import APIRouter

from server.v1 import (
    connection_types,
    connections,
    datasets,
    embedding_providers,
    files,
    indexes,
    information_schema,
    jobs,
    jwt,
    profiles,
    queries,
    query,
    query_runs,
    refresh,
    results,
    secret_values,
    workspaces,
)

# The query route first: routes are tried in this order, and it is the hot one.
ROUTERS: tuple[APIRouter, ...] = (
    query.router,
    results.router,
    query_runs.router,
    files.router,
    datasets.router,
    indexes.router,
    refresh.router,
    queries.router,
    secret_values.router,
    embedding_providers.router,
    connections.router,
    connection_types.router,
    profiles.router,
    jobs.router,
    information_schema.router,
    workspaces.router,
    jwt.router,
)
