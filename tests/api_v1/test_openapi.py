"""The API document says all there is, and every answer is one that it promises."""

import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest

from server.errors import Draining, render
from tests.api_v1.library import Library
from tests.api_v1.operations import DOCUMENT, OPERATIONS, Operation
from tests.server.fuzzing import FuzzedApi, fuzz
from tests.server.running import RunningServer, serving

pytestmark = pytest.mark.system

# Those of the guides and of the clients that are known, and ours: hybrid search is a mode, so no more.
PATHS = {
    "GET /datasets",
    "POST /datasets",
    "GET /datasets/{dataset_id}",
    "GET /datasets/slug/{slug}",
    "PATCH /datasets/{dataset_id}",
    "DELETE /datasets/{dataset_id}",
    "GET /datasets/{dataset_id}/webhook-deliveries",
    "POST /entries",
    "GET /entries",
    "GET /entries/{entry_id}",
    "PATCH /entries/{entry_id}",
    "DELETE /entries/{entry_id}",
    "POST /entries/{entry_id}/upload",
    "GET /entries/{entry_id}/download",
    "POST /entries/{entry_id}/trigger-pipeline",
    "POST /entries/{entry_id}/processed",
    "POST /entries/{entry_id}/chunks",
    "POST /entries/batch",
    "POST /entries/batch/content",
    "POST /pipelines/datasets/{dataset_id}/apply-preset",
    "PATCH /pipelines/datasets/{dataset_id}/config",
    "GET /pipelines/datasets/{dataset_id}/config",
    "GET /pipelines/presets",
    "GET /pipelines/presets/{name}",
    "GET /pipelines/components",
    "POST /search",
    "POST /vector/chunks",
    "POST /vector/entries",
    "GET /health",
}
# What the guide calls, by the names that its clients were generated with.
CALLED = (
    "create_dataset_api_v1_datasets_post",
    "create_entry_api_v1_entries_post",
    "upload_file_to_entry_api_v1_entries_entry_id_upload_post",
    "trigger_pipeline_api_v1_entries_entry_id_trigger_pipeline_post",
    "get_entry_api_v1_entries_entry_id_get",
    "keyword_search_api_v1_search_post",
    "vector_search_chunks_api_v1_vector_chunks_post",
    "apply_preset_api_v1_pipelines_datasets_dataset_id_apply_preset_post",
    "configure_pipeline_api_v1_pipelines_datasets_dataset_id_config_patch",
)
ALWAYS = {"400", "401", "403", "404", "422", "429", "500", "503"}
FUZZED = FuzzedApi("/api/v1", "tests.api_v1.openapi_hooks", {"x-organization-id": "1"})
over_operations = pytest.mark.parametrize("op", OPERATIONS, ids=[op.name for op in OPERATIONS])


def test_the_document_has_every_path() -> None:
    assert {op.name for op in OPERATIONS} == PATHS


def test_operations_have_the_names_that_clients_call() -> None:
    names = {re.sub("_+", "_", op.document["operationId"]) for op in OPERATIONS}
    assert names >= set(CALLED)
    assert len(names) == len(OPERATIONS)


@over_operations
def test_an_operation_is_described(op: Operation) -> None:
    document = op.document
    assert document["summary"]
    assert document["description"].endswith(".")
    assert document["tags"]
    where = re.sub(r"\W", "_", f"/api/v1{op.path}")
    assert document["operationId"].endswith(f"{where}_{op.method.lower()}")
    for parameter in document.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    for response in document["responses"].values():
        assert response["description"]
    if op.is_open:
        return
    assert document["responses"].keys() >= ALWAYS
    assert document["security"] == [{"BearerAuth": [], "OrganizationId": []}]
    if "requestBody" in document:
        assert "413" in document["responses"]
        for content in document["requestBody"]["content"].values():
            assert content["schema"]
            assert content["example"]


def test_a_running_server_shows_the_document(server: RunningServer, library: Library) -> None:
    shown = httpx.get(f"{server.url}/api/v1/openapi.json")
    assert shown.status_code == 200
    assert shown.json() == DOCUMENT
    assert library.call("GET", "/openapi.json") == DOCUMENT


def test_what_is_not_there_is_said_in_the_same_form(server: RunningServer) -> None:
    with server.client(**{"x-organization-id": "1"}) as client:
        for base in ("/api/v1", "/clusters/1/proxy/api/v1"):
            unknown = client.get(f"{base}/nothing")
            assert (unknown.status_code, set(unknown.json())) == (404, {"detail"})
            wrong = client.put(f"{base}/datasets")
            assert (wrong.status_code, set(wrong.json())) == (405, {"detail"})
            assert set(wrong.headers["allow"].split(", ")) >= {"GET"}


@pytest.mark.parametrize("path", ["/api/v1/entries/7", "/clusters/1/proxy/api/v1/entries/7"])
@pytest.mark.parametrize(("error", "status"), [(Draining(), 503), (KeyError("secret"), 500)])
def test_what_fails_outside_of_it_has_the_form_of_the_data_api(
    path: str, error: Exception, status: int
) -> None:
    """A server that drains, and mistakes that nobody handled, are answered by the layers around."""
    response = render(error, path=path, request_id="r-1")
    assert response.status_code == status
    body = orjson.loads(response.body)
    assert set(body) == {"detail"}
    assert "secret" not in body["detail"]


@pytest.fixture(scope="module")
def ids(library: Library) -> dict[str, Any]:
    """Of a document that is processed."""
    dataset = library.dataset(preset="general_purpose")
    entry = library.document(dataset["id"], "x.md", b"# A narwhal\n\nIt swims.", name="Whale")
    return {"dataset_id": dataset["id"], "entry_id": entry["id"], "slug": dataset["slug"]}


@over_operations
def test_an_answer_is_of_its_schema(library: Library, ids: dict[str, Any], op: Operation) -> None:
    if op.method == "DELETE" or op.path.endswith(("/trigger-pipeline", "/upload")):
        ids = {
            **ids,
            "dataset_id": library.dataset(preset="general_purpose", trigger="manual")["id"],
        }
        ids["entry_id"] = library.entry(ids["dataset_id"])["id"]
        library.upload(ids["entry_id"], "x.txt", b"x")
    response = op.send(library.client, "/api/v1", ids)
    assert response.is_success, response.text
    promised = op.document["responses"][str(response.status_code)]
    if response.status_code == 204 or op.path.endswith("/download"):
        assert "application/json" not in promised.get("content", {})
        return
    schema = promised["content"]["application/json"]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.validate(whole, response.json())
    assert response.json()


def test_no_answer_is_undocumented(tmp_path: Path) -> None:
    """On a server of its own: what the fuzzer deletes is nobody's."""
    with serving(tmp_path / "data") as server:
        succeeded = fuzz(server, tmp_path, FUZZED, examples_max=8)
        assert not [line for line in server.log if "http.unhandled" in line]
    missing = {(op.method, f"/api/v1{op.path}") for op in OPERATIONS} - succeeded
    assert not missing, f"never reached with success: {missing}"
