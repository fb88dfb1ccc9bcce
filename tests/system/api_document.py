"""The API document of this code, and where ids stand in it. Read without a server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from catalog.settings import Settings
from server.app import create_app

# Routes that know no workspace: nothing of a tenant is behind them.
OPEN_PATHS = frozenset({"/health", "/metrics", "/v1/auth/jwt"})
GATEWAY_PREFIX = "/v1/workspaces"
# What the id in a path names, by the part of the path before it.
KINDS_OF_PATHS = {
    "results": "result",
    "query-runs": "query_run",
    "datasets": "dataset",
    "queries": "saved_query",
    "secrets": "secret",
    "jobs": "job",
    "workspaces": "workspace",
    "connections": "connection",
    "connection-types": "connection_type",
    "embedding-providers": "embedding_provider",
}
# Names inside a thing that a path names by its id, and always these. An index has a name that its
# maker chose, so it is asked for by the names of others as well.
INNER_NAMES = {"schema": "main", "table": "items", "index_name": "by_note"}
_CHOSEN_NAMES = {"index_name"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body_schema(self) -> dict[str, Any]:
        content = self.document.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
        return schema

    @property
    def body_example(self) -> dict[str, Any] | None:
        content = self.document.get("requestBody", {}).get("content", {})
        example: dict[str, Any] | None = content.get("application/json", {}).get("example")
        return example


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that takes an id: ``place`` is path, query, header or body."""

    operation: Operation
    place: str
    field: str

    @property
    def name(self) -> str:
        return f"{self.operation.name} {self.place} {self.field}"


def build_app() -> FastAPI:
    return create_app(Settings(data_dir=Path("unused")))


APP = build_app()
DOCUMENT: dict[str, Any] = orjson.loads(APP.state.document())
OPERATIONS = tuple(
    Operation(method.upper(), path, document)
    for path, methods in DOCUMENT["paths"].items()
    for method, document in methods.items()
)
GUARDED = tuple(op for op in OPERATIONS if op.path not in OPEN_PATHS)
IN_WORKSPACE = tuple(op for op in GUARDED if not op.path.startswith(GATEWAY_PREFIX))


def slots() -> Iterator[Slot]:
    """Every place of every operation that takes an id or a name of something stored."""
    for operation in OPERATIONS:
        for parameter in operation.document.get("parameters", ()):
            name = parameter["name"]
            if name in INNER_NAMES.keys() - _CHOSEN_NAMES:
                continue
            if parameter["in"] == "path" or _is_id(name):
                yield Slot(operation, parameter["in"], name)
        for field in sorted(set(_id_fields(operation.body_schema))):
            yield Slot(operation, "body", field)


def _is_id(name: str) -> bool:
    return name.lower().replace("-", "_").endswith("_id")


def _id_fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _id_fields(item)
    if isinstance(schema, dict):
        yield from filter(_is_id, schema.get("properties", {}))
        for item in schema.values():
            yield from _id_fields(item)
