"""A client of the Data API as tests use it: datasets, entries and files by short names."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.patience import PATIENCE_S

_fresh = count(1)

DEFINITION: dict[str, Any] = {
    "schema_id": "general_v1",
    "version": "v1",
    "description": "",
    "original": {"metadata_schema": {}},
    "processed": {},
    "processing": None,
}
ENDED = frozenset({"processed", "failed", "error"})


def fresh_slug(prefix: str = "s") -> str:
    """A slug that nothing else in this process has."""
    return f"{prefix}-{next(_fresh):06d}"


@dataclass(frozen=True, slots=True)
class Library:
    """What one caller does in one organisation; ``base`` is the path in front of the Data API."""

    client: httpx.Client
    base: str = "/api/v1"

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; the answer may be anything."""
        return self.client.request(method, f"{self.base}{path}", **options)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed; returns the body, None when it is empty."""
        response = self.ask(method, path, **options)
        assert response.is_success, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def dataset(
        self, *, preset: str | None = None, trigger: str = "on_upload", **fields: Any
    ) -> dict[str, Any]:
        """Make a dataset, with the pipeline of a preset if one is named."""
        slug = fields.pop("slug", None) or fresh_slug("d")
        body = {"name": slug, "slug": slug, "description": "", "dataset_type": "text"}
        body |= {"schema_definition": DEFINITION, **fields}
        made: dict[str, Any] = self.call("POST", "/datasets", json=body)
        if preset is not None:
            body = {"preset_name": preset, "trigger": trigger}
            self.call("POST", f"/pipelines/datasets/{made['id']}/apply-preset", json=body)
        return made

    def entry(self, dataset_id: int, **fields: Any) -> dict[str, Any]:
        """Make an entry without a file."""
        slug = fresh_slug("e")
        body = {"dataset_id": dataset_id, "name": slug, "slug": slug, **fields}
        made: dict[str, Any] = self.call("POST", "/entries", json=body)["entry"]
        return made

    def send(self, entry_id: int, name: str, data: bytes, **form: str) -> httpx.Response:
        """Upload a file; the answer may be anything."""
        files = {"file": (name, data)}
        return self.ask("POST", f"/entries/{entry_id}/upload", files=files, data=form)

    def upload(self, entry_id: int, name: str, data: bytes, **form: str) -> dict[str, Any]:
        """Upload a file that must be taken."""
        response = self.send(entry_id, name, data, **form)
        assert response.status_code == 200, response.text
        uploaded: dict[str, Any] = response.json()
        return uploaded

    def document(
        self, dataset_id: int, file_name: str, data: bytes, **fields: Any
    ) -> dict[str, Any]:
        """Make an entry with a file, and wait until it is processed."""
        entry = self.entry(dataset_id, **fields)
        self.upload(entry["id"], file_name, data)
        (done,) = self.settle([entry["id"]])
        assert done["status"] == "processed", done["error"]
        return done

    def settle(self, entry_ids: Iterable[int]) -> list[dict[str, Any]]:
        """Wait until entries are processed or have failed; returns them."""
        until = time.monotonic() + PATIENCE_S
        wanted = list(entry_ids)
        while True:
            found = [self.call("GET", f"/entries/{each}") for each in wanted]
            if all(each["status"] in ENDED for each in found):
                return found
            assert time.monotonic() < until, [(each["id"], each["status"]) for each in found]
            time.sleep(0.03)

    def search(self, query: str, **fields: Any) -> dict[str, Any]:
        """Search by words."""
        found: dict[str, Any] = self.call("POST", "/search", json={"query": query, **fields})
        return found

    def chunks(self, **fields: Any) -> dict[str, Any]:
        """Search chunks by meaning."""
        found: dict[str, Any] = self.call("POST", "/vector/chunks", json=fields)
        return found

    def rows(self, sql: str) -> list[list[Any]]:
        """Ask by SQL; returns the rows."""
        response = self.client.post("/v1/query", json={"sql": sql})
        assert response.status_code == 200, response.text
        found: list[list[Any]] = response.json()["rows"]
        return found


def detail_of(response: httpx.Response, status: int) -> str:
    """The sentence of a refusal that must have this status."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"detail"}
    detail = body["detail"]
    assert isinstance(detail, str)
    return detail


def problems_of(response: httpx.Response) -> list[tuple[tuple[str | int, ...], str]]:
    """The place and the type of each problem of a 422."""
    assert response.status_code == 422, (response.status_code, response.text)
    body: Mapping[str, Any] = response.json()
    assert set(body) == {"detail"}
    for problem in body["detail"]:
        assert set(problem) == {"loc", "msg", "type"}
        assert problem["msg"]
    return [(tuple(problem["loc"]), problem["type"]) for problem in body["detail"]]


def messages_of(response: httpx.Response) -> str:
    """What the problems of a 422 say, together."""
    problems_of(response)
    return " ".join(problem["msg"] for problem in response.json()["detail"])
