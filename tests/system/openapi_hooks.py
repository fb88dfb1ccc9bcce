"""What the fuzzer does between making a request and sending it: half of them get real ids and SQL.

Random ids and random SQL end in 404 and 400; the other half of the API is behind valid ones. Which
requests are changed is a matter of turns, so a seed still repeats a run. Loaded by the
command line of schemathesis; ``FUZZED_URL``, ``_TOKEN`` and ``_WORKSPACE`` say where things are made.
"""

import os
from collections import Counter
from functools import cache
from typing import Any

import httpx
import schemathesis
from schemathesis.generation.meta import TestPhase

from tests.patience import PATIENCE_S
from tests.system.api_document import INNER_NAMES, KINDS_OF_PATHS
from tests.system.tenants import MAKERS, Tenant, fresh_name, index_path, make_index

_CHANGES_PATH = {"PUT", "DELETE"}
_STATEMENTS = (
    "SELECT 1 AS a, 'x' AS b",
    "SELECT value, repeat('x', 40) AS note FROM generate_series(1, 30000)",
    "SELECT NULL, 1.5, true, DATE '2026-01-02', TIMESTAMP '2026-01-02T03:04:05', [1, 2], x'00'",
    "SELECT 1 AS a, 2 AS a WHERE false",
    "SELECT * FROM information_schema.tables",
    "EXPLAIN SELECT 1",
    "SELECT nothing FROM nowhere",
    "DELETE FROM x",
    "SELECT 'nan'::double, 1 / 0",
)
# Requests seen so far, by method and path.
_turns: Counter[tuple[str, str]] = Counter()


@cache
def _tenant() -> Tenant:
    workspace_id = os.environ["FUZZED_WORKSPACE"]
    token = os.environ["FUZZED_TOKEN"]
    headers = {"Authorization": f"Bearer {token}", "X-Workspace-Id": workspace_id}
    client = httpx.Client(base_url=os.environ["FUZZED_URL"], headers=headers, timeout=PATIENCE_S)
    return Tenant(workspace_id, client)


@cache
def _lasting(kind: str) -> str:
    """An id to read again and again."""
    return _tenant().make(kind)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], **kwargs: Any) -> None:
    turn = _turns[case.method, case.path]
    _turns[case.method, case.path] += 1
    if case.path.startswith("/v1/workspaces/"):
        _keep_workspace(case, turn)
    if turn % 2:
        return
    # A stateful scenario follows the ids it was given itself.
    if case.path_parameters and case.meta and case.meta.phase.name is not TestPhase.STATEFUL:
        _choose_id(case, case.path_parameters)
    if case.path == "/v1/auth/jwt":
        case.body = {"grant_type": "api_token", "api_token": os.environ["FUZZED_TOKEN"]}
    if isinstance(case.body, dict):
        _improve(case, case.body, turn // 2)


def _keep_workspace(case: schemathesis.Case[Any], turn: int) -> None:
    """Let some other workspace be deleted than the one everything happens in."""
    if turn % 2 == 0 or case.path_parameters["public_id"] == _tenant().workspace_id:
        made = _tenant().call("POST", "/v1/workspaces", json={"name": "short-lived"})
        case.path_parameters["public_id"] = made["workspace"]["public_id"]


def _choose_id(case: schemathesis.Case[Any], parameters: dict[str, Any]) -> None:
    kind = KINDS_OF_PATHS[case.path.split("/")[2]]
    if kind == "connection_type":
        parameters["name"] = "postgres"
    parameters |= {name: INNER_NAMES[name] for name in INNER_NAMES.keys() & parameters.keys()}
    if kind in MAKERS:
        make = _tenant().make if case.method in _CHANGES_PATH else _lasting
        (own,) = parameters.keys() - INNER_NAMES.keys()
        parameters[own] = make(kind)
        if "index_name" in parameters and case.method == "DELETE":
            resource = "/".join(case.path.split("/")[:3])
            path = index_path(resource, parameters[own])
            make_index(_tenant(), path, INNER_NAMES["index_name"])


def _connection_body(case: schemathesis.Case[Any]) -> dict[str, Any]:
    if case.method == "PATCH":
        return {"mode": "cached"}
    options = {"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}
    return {
        "name": fresh_name("c"),
        "source_type": "postgres",
        "config": options,
        "skip_discovery": True,
    }


def _provider_body(case: schemathesis.Case[Any], choice: int) -> dict[str, Any]:
    config = {"base_url": "https://api.example.com/v1", "model": "m", "dimensions": choice + 1}
    if case.method == "PUT":
        return ({"config": config}, {"api_key": "x"}, {"secret_name": None})[choice % 3]
    body = {"name": fresh_name("e"), "provider_type": "service", "config": config}
    return body | ({"api_key": "x"} if choice % 2 else {})


def _index_body(choice: int) -> dict[str, Any]:
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"index_type": "bm25", "language": "german"},
        {"index_type": "vector", "dimensions": 64, "output_column": fresh_name("v")},
        {"index_type": "sorted", "async": True},
    )
    return {"index_name": fresh_name("i"), "columns": ["note"], **kinds[choice % 4]}


def _improve(case: schemathesis.Case[Any], body: dict[str, Any], choice: int) -> None:
    if "sql" in body:
        body["sql"] = _STATEMENTS[choice % len(_STATEMENTS)]
        body.pop("default_catalog", None)
        body.pop("default_schema", None)
        body.pop("params", None)
    if case.path == "/v1/refresh" and "dataset_id" in body:
        body.clear()
        body.update({"dataset_id": _lasting("dataset"), "async": bool(choice % 2)})
    if case.path == "/v1/datasets" and case.method == "POST":
        sources: tuple[dict[str, Any], ...] = (
            {"upload_id": _tenant().make("upload")},
            {"saved_query_id": _lasting("saved_query")},
            {"inline": {"format": "csv", "content": "a,b\n1,2\n"}},
            {"sql": "SELECT 1 AS n"},
        )
        body.update(label="fuzzed", table_name=fresh_name(), source=sources[choice % 4])
    if case.path.endswith("/indexes"):
        case.body = _index_body(choice)
    elif case.path.startswith("/v1/connections"):
        case.body = _connection_body(case)
    if case.path.startswith("/v1/embedding-providers"):
        case.body = _provider_body(case, choice)
    if case.path.endswith("/execute"):
        body["version"] = None
