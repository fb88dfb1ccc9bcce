"""The API document is complete, and every failure it promises looks as it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest

from catalog.settings import Settings
from server.app import create_app
from tests.server.running import RunningServer

DOCUMENT: dict[str, Any] = orjson.loads(
    create_app(Settings(data_dir=Path("unused"))).state.document()
)
OPEN = {"/health", "/metrics", "/v1/auth/jwt"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


OPERATIONS = tuple(operations())
IDS = [f"{method} {path}" for method, path, _ in OPERATIONS]
GUARDED = [op for op in OPERATIONS if op[1] not in OPEN]
WITH_JSON = [
    op for op in OPERATIONS if "application/json" in op[2].get("requestBody", {}).get("content", {})
]
every_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)


def filled(path: str) -> str:
    return path.replace("{id}", "x").replace("{name}", "x").replace("{public_id}", "x")


def assert_error(response: httpx.Response, status: int, *, is_gateway: bool) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error", "message", "status"}
    assert body["status"] == status
    assert body["message"]
    if is_gateway:
        assert isinstance(body["error"], str)
    else:
        assert body["error"] == {"code": body["error"]["code"], "message": body["message"]}
    assert response.headers["x-request-id"]


@every_operation
def test_every_operation_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    for key in ("summary", "description", "operationId", "tags"):
        assert operation[key], f"{method} {path} has no {key}"
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), f"{method} {path}: {parameter['name']}"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert content["example"] is not None


@every_operation
def test_every_operation_documents_its_failures(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    expected = set() if path in {"/health", "/metrics"} else {"400", "401", "429", "500", "503"}
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        expected |= {"413", "415", "422"}
    assert expected <= set(operation["responses"]), f"{method} {path}"
    assert ("security" in operation) == (path not in OPEN)


@every_operation
def test_every_example_of_an_answer_fits_its_schema(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for response in operation["responses"].values():
        content = response.get("content", {}).get("application/json")
        if content is not None:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema)
            validator.validate(content["example"])


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_the_frameworks_own_error_body_is_not_promised() -> None:
    assert b"HTTPValidationError" not in orjson.dumps(DOCUMENT)


@pytest.mark.parametrize(("method", "path", "operation"), GUARDED)
def test_no_operation_works_without_a_token(
    server: RunningServer, method: str, path: str, operation: dict[str, Any]
) -> None:
    response = httpx.request(method, server.url + filled(path))
    assert_error(response, 401, is_gateway=True)
    assert response.json()["error"] == "missing_authorization"
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "operation"), GUARDED)
def test_no_operation_works_with_a_wrong_token(
    server: RunningServer, method: str, path: str, operation: dict[str, Any]
) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    response = httpx.request(method, server.url + filled(path), headers=headers)
    assert_error(response, 401, is_gateway=True)
    assert response.json()["error"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [op for op in GUARDED if not op[1].startswith("/v1/workspaces")],
)
def test_no_operation_works_in_an_unknown_workspace(
    client: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> None:
    headers = {"X-Workspace-Id": "ws_00000000000000000000000000"}
    response = client.request(method, filled(path), headers=headers)
    assert_error(response, 404, is_gateway=True)
    assert response.json()["error"] == "workspace_not_found"


@pytest.mark.parametrize(("method", "path", "operation"), WITH_JSON)
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"x": "\\ud800"}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b'"' + b"x" * (5 * 2**20) + b'"', "application/json", 413),
    ],
    ids=["malformed", "surrogate", "array", "text", "large"],
)
def test_every_body_is_checked_alike(  # noqa: PLR0913, PLR0917 - a matrix
    client: httpx.Client,
    method: str,
    path: str,
    operation: dict[str, Any],
    body: bytes,
    content_type: str,
    status: int,
) -> None:
    headers = {"Content-Type": content_type}
    response = client.request(method, filled(path), content=body, headers=headers)
    assert_error(response, status, is_gateway=path.startswith("/v1/workspaces"))


@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
def test_a_wrong_method_names_all_the_right_ones(client: httpx.Client, path: str) -> None:
    allowed = {method.upper() for method in DOCUMENT["paths"][path]}
    wrong = next(method for method in ("PATCH", "PUT", "TRACE") if method not in allowed)
    response = client.request(wrong, filled(path))
    assert_error(response, 405, is_gateway=path.startswith("/v1/workspaces"))
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/query/", "/v1/nothing", "/v1/results/a/b", "//"])
def test_an_unknown_path_is_a_typed_404(client: httpx.Client, path: str) -> None:
    assert_error(client.get(path), 404, is_gateway=False)


def test_a_nul_in_the_url_is_refused(client: httpx.Client) -> None:
    assert_error(client.get("/v1/results/%00"), 400, is_gateway=False)
    assert_error(client.get("/v1/query-runs?cursor=%00"), 400, is_gateway=False)


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=1.5", "offset=-1", "limit=" + "9" * 40, "offset=1e3"]
)
@pytest.mark.parametrize("path", ["/v1/results", "/v1/datasets", "/v1/queries", "/v1/jobs"])
def test_a_bad_page_is_refused_and_names_the_parameter(
    client: httpx.Client, path: str, query: str
) -> None:
    response = client.get(f"{path}?{query}")
    assert_error(response, 400, is_gateway=False)
    assert query.split("=", maxsplit=1)[0] in response.json()["message"]


def test_the_page_of_the_document_needs_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_a_request_id_of_the_client_is_kept_when_it_is_harmless(client: httpx.Client) -> None:
    kept = client.get("/health", headers={"X-Request-Id": "abc-123"})
    assert kept.headers["x-request-id"] == "abc-123"
    replaced = client.get("/health", headers={"X-Request-Id": "a b"})
    assert replaced.headers["x-request-id"] != "a b"


def test_health_answers_head_like_get_without_a_body(client: httpx.Client) -> None:
    head, get = client.head("/health"), client.get("/health")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
