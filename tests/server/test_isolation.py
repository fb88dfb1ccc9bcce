"""Nothing of one workspace shows in another: foreign, deleted and unknown look the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from catalog.settings import Settings
from server.app import create_app
from tests.server.running import serving

pytestmark = pytest.mark.system

DOCUMENT: dict[str, Any] = orjson.loads(
    create_app(Settings(data_dir=Path("unused"))).state.document()
)
KINDS = {
    "/v1/results/": "result",
    "/v1/query-runs/": "run",
    "/v1/datasets/": "dataset",
    "/v1/queries/": "saved_query",
    "/v1/secrets/": "secret",
    "/v1/jobs/": "job",
    "/v1/connections/": "connection",
    "/v1/embedding-providers/": "embedding_provider",
}
UNKNOWN = {
    "result": "rslt" + "z" * 26,
    "run": "qrun" + "z" * 26,
    "dataset": "data" + "z" * 26,
    "saved_query": "svqr" + "z" * 26,
    "secret": "unknown-secret",
    "job": "jobx" + "z" * 26,
    "connection": "conn" + "z" * 26,
    "embedding_provider": "embp" + "z" * 26,
    "upload": "upld" + "z" * 26,
}
MALFORMED = (
    "x",
    "%2E%2E",  # a client would leave out "a/.." before it sends anything
    "%2e%2e%2fetc%2fpasswd",
    "' OR 1=1 --",
    "a" * 5000,
    "é",
    "%F0%9F%92%A9",
    "*",
)


@dataclass(frozen=True)
class Tenants:
    """A workspace with one thing of every kind, another with nothing, and the things' ids."""

    owner: httpx.Client
    stranger: httpx.Client
    ids: dict[str, str]
    table: str


def made(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


def furnish(client: httpx.Client) -> dict[str, str]:
    answer = made(client.post("/v1/query", json={"sql": "SELECT 1"}))
    source = {"type": "sql_query", "sql": "SELECT 'mine' AS a"}
    body = {"label": "Mine", "table_name": "mine_alone", "source": source}
    dataset = made(client.post("/v1/datasets", json=body))
    index = {"index_name": "mine", "columns": ["a"]}
    made(client.post(f"/v1/datasets/{dataset['id']}/indexes", json=index))
    job = made(client.post("/v1/refresh", json={"dataset_id": dataset["id"], "async": True}))
    saved = made(client.post("/v1/queries", json={"name": "mine", "sql": "SELECT 1"}))
    secret = made(client.post("/v1/secrets", json={"name": "mine", "value": "x"}))
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}
    connection: dict[str, Any] = {
        "name": "mine",
        "source_type": "postgres",
        "config": options,
        "skip_discovery": True,
    }
    provider = {
        "name": "mine",
        "provider_type": "service",
        "config": {"base_url": "https://api.example.com", "model": "m"},
    }
    return {
        "embedding_provider": made(client.post("/v1/embedding-providers", json=provider))["id"],
        "connection": made(client.post("/v1/connections", json=connection))["id"],
        "result": answer["result_id"],
        "run": answer["query_run_id"],
        "dataset": dataset["id"],
        "job": job["id"],
        "saved_query": saved["id"],
        "secret": secret["name"],
        "upload": made(client.post("/v1/files", content=b"a\n1\n"))["id"],
    }


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with (
        serving(tmp_path_factory.mktemp("tenants") / "data") as server,
        server.client() as owner,
        server.client() as stranger,
    ):
        (first,) = made(owner.get("/v1/workspaces"))["workspaces"]
        other = made(owner.post("/v1/workspaces", json={"name": "other"}))["workspace"]
        owner.headers["X-Workspace-Id"] = first["public_id"]
        stranger.headers["X-Workspace-Id"] = other["public_id"]
        yield Tenants(owner, stranger, furnish(owner), "mine_alone")


def id_routes() -> Iterator[tuple[str, str, str, Any]]:
    for path, operations in DOCUMENT["paths"].items():
        kind = next((kind for prefix, kind in KINDS.items() if path.startswith(prefix + "{")), None)
        for method, operation in operations.items():
            if kind is not None:
                content = operation.get("requestBody", {}).get("content", {})
                body = content.get("application/json", {}).get("example")
                yield method.upper(), path, kind, body


ROUTES = tuple(id_routes())
every_route = pytest.mark.parametrize(
    ("method", "path", "kind", "body"), ROUTES, ids=[f"{m} {p}" for m, p, _, _ in ROUTES]
)


def ask(client: httpx.Client, method: str, path: str, name: str, body: Any) -> httpx.Response:
    filled = path.replace("{id}", name).replace("{name}", name)
    filled = filled.replace("{schema}", "public").replace("{table}", "orders")
    filled = filled.replace("{index_name}", "mine")
    return client.request(method, filled, json=body)


def shape(response: httpx.Response, name: str) -> tuple[int, str]:
    return response.status_code, response.text.replace(name, "<id>")


def test_the_matrix_reaches_every_route_with_an_id() -> None:
    with_id = {path for path in DOCUMENT["paths"] if "{" in path}
    assert with_id - {path for _, path, _, _ in ROUTES} == {
        "/v1/workspaces/{public_id}",
        "/v1/connection-types/{name}",
    }


@every_route
def test_foreign_equals_unknown(
    tenants: Tenants, method: str, path: str, kind: str, body: Any
) -> None:
    foreign, unknown = tenants.ids[kind], UNKNOWN[kind]
    refused = ask(tenants.stranger, method, path, foreign, body)
    assert refused.status_code == 404
    expected = shape(ask(tenants.stranger, method, path, unknown, body), unknown)
    assert shape(refused, foreign) == expected


@pytest.mark.parametrize("name", MALFORMED, ids=range(len(MALFORMED)))
@every_route
def test_a_malformed_id_is_a_typed_refusal(
    tenants: Tenants, method: str, path: str, kind: str, body: Any, name: str
) -> None:
    response = ask(tenants.stranger, method, path, name, body)
    if kind != "secret" or response.status_code != 404:
        assert response.status_code in {400, 404, 405}, response.text
    assert response.json()["status"] == response.status_code


def test_the_owner_still_has_everything(tenants: Tenants) -> None:
    for prefix, kind in KINDS.items():
        assert tenants.owner.get(prefix + tenants.ids[kind]).status_code == 200
    assert '"mine"' in tenants.owner.get("/v1/indexes").text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/results",
        "/v1/query-runs",
        "/v1/datasets",
        "/v1/queries",
        "/v1/secrets",
        "/v1/jobs",
        "/v1/connections",
        "/v1/embedding-providers",
        "/v1/indexes",
    ],
)
def test_a_listing_holds_nothing_of_another_workspace(tenants: Tenants, path: str) -> None:
    text = tenants.stranger.get(path).text
    assert not [name for kind, name in tenants.ids.items() if kind != "secret" and name in text]
    assert '"mine"' not in text


def test_a_listing_of_files_holds_nothing_of_another_workspace(tenants: Tenants) -> None:
    assert made(tenants.stranger.get("/v1/files")) == {"uploads": []}


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("SELECT * FROM results.{}", "result"),
        ("SELECT * FROM hotdata.results.{}", "result"),
        ("SELECT * FROM datasets.main.{}", "table"),
        ("SELECT * FROM {}", "table"),
    ],
)
def test_sql_sees_no_foreign_table(tenants: Tenants, template: str, kind: str) -> None:
    names = {"table": tenants.table, "result": tenants.ids["result"]}
    unknown = {"table": "never_made_at_all", "result": UNKNOWN["result"]}[kind]
    refused = tenants.stranger.post("/v1/query", json={"sql": template.format(names[kind])})
    expected = tenants.stranger.post("/v1/query", json={"sql": template.format(unknown)})
    assert refused.status_code == 400
    assert shape(refused, names[kind]) == shape(expected, unknown)
    assert tenants.owner.post("/v1/query", json={"sql": template.format(names[kind])}).is_success


def test_information_schema_shows_no_foreign_table(tenants: Tenants) -> None:
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'mine_alone'"
    mine = made(tenants.owner.post("/v1/query", json={"sql": sql}))
    theirs = made(tenants.stranger.post("/v1/query", json={"sql": sql}))
    assert (mine["rows"], theirs["rows"]) == ([[1]], [[0]])


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/v1/refresh", "dataset", {"dataset_id": "<id>"}),
        ("/v1/refresh", "connection", {"connection_id": "<id>"}),
        ("/v1/refresh", "connection", {"connection_id": "<id>", "data": True}),
        ("/v1/datasets", "upload", {"label": "x", "source": {"upload_id": "<id>"}}),
        ("/v1/datasets", "saved_query", {"label": "x", "source": {"saved_query_id": "<id>"}}),
    ],
)
def test_a_foreign_id_in_a_body_equals_an_unknown_one(
    tenants: Tenants, path: str, kind: str, body: dict[str, Any]
) -> None:
    def send(name: str) -> tuple[int, str]:
        content = orjson.dumps(body).replace(b"<id>", name.encode())
        headers = {"Content-Type": "application/json"}
        return shape(tenants.stranger.post(path, content=content, headers=headers), name)

    foreign = send(tenants.ids[kind])
    assert foreign[0] in {400, 404}
    assert foreign == send(UNKNOWN[kind])


def test_a_deleted_thing_equals_an_unknown_one(tenants: Tenants) -> None:
    for path, kind, body in (
        ("/v1/queries", "saved_query", {"name": "n", "sql": "SELECT 1"}),
        ("/v1/secrets", "secret", {"name": "soon-deleted", "value": "x"}),
    ):
        thing = made(tenants.owner.post(path, json=body))
        name = thing["name"] if kind == "secret" else thing["id"]
        assert tenants.owner.delete(f"{path}/{name}").status_code == 204
        gone = shape(tenants.owner.get(f"{path}/{name}"), name)
        assert gone == shape(tenants.owner.get(f"{path}/{UNKNOWN[kind]}"), UNKNOWN[kind])


def test_two_workspaces_need_the_header(tenants: Tenants) -> None:
    token = {"Authorization": tenants.owner.headers["authorization"]}
    response = httpx.get(f"{tenants.owner.base_url}/v1/results", headers=token)
    assert response.status_code == 400
    assert "X-Workspace-Id" in response.json()["message"]


def test_a_deleted_workspace_is_gone_for_its_caller(tenants: Tenants) -> None:
    made_now = made(tenants.owner.post("/v1/workspaces", json={"name": "short"}))["workspace"]
    scope = {"X-Workspace-Id": made_now["public_id"]}
    assert tenants.owner.get("/v1/results", headers=scope).status_code == 200
    assert tenants.owner.delete(f"/v1/workspaces/{made_now['public_id']}").status_code == 204
    assert tenants.owner.get("/v1/results", headers=scope).status_code == 404
