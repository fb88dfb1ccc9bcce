"""The document of the Data API, and a request for each of its operations that names what ids say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from catalog.settings import Settings
from server.app import create_app

DOCUMENT: dict[str, Any] = orjson.loads(
    create_app(Settings(data_dir=Path("unused"))).state.data_document()
)
_CHUNK = {"chunk_text": "A chunk of a narwhal", "chunk_index": 9}
_DEFINITION = {"schema_id": "s", "version": "v1", "original": {}, "processed": {}}


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One method of one path."""

    method: str
    path: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_open(self) -> bool:
        """Whether it needs no token."""
        return self.path == "/health"

    @property
    def has_id(self) -> bool:
        """Whether its path names a dataset or an entry."""
        return bool(
            {"{dataset_id}", "{entry_id}", "{slug}"} & set(re.findall("{[^}]+}", self.path))
        )

    def send(
        self, client: httpx.Client, base: str, ids: Mapping[str, Any], **headers: str
    ) -> httpx.Response:
        """Ask for it with these ids: ``dataset_id``, ``entry_id`` and ``slug``."""
        path = self.path.format(**ids, name="general_purpose")
        request = {"headers": headers, **self.content(ids)}
        return client.request(self.method, f"{base}{path}", **request)

    def content(self, ids: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent with a right request, as httpx names it."""
        if self.path.endswith("/upload"):
            return {"files": {"file": ("x.txt", b"Sent by somebody")}}
        if self.path.endswith("/apply-preset"):
            return {"params": {"preset_name": "general_purpose", "trigger": "manual"}}
        if self.name == "GET /entries":
            return {"params": {"dataset_id": ids["dataset_id"]}}
        body = _body_of(self.name, ids)
        return {} if body is None else {"json": body}


def _body_of(name: str, ids: Mapping[str, Any]) -> dict[str, Any] | None:
    dataset_id, entry_id = ids["dataset_id"], ids["entry_id"]
    selector = {"dataset_id": dataset_id, "entry_ids": [entry_id]}
    meaning = {"query": "narwhal", "dataset_ids": [dataset_id], "entry_ids": [entry_id]}
    bodies: dict[str, dict[str, Any]] = {
        "POST /datasets": {
            "name": "x",
            "slug": f"made-{ids['slug']}",
            "schema_definition": _DEFINITION,
        },
        "PATCH /datasets/{dataset_id}": {"description": "changed by somebody"},
        "PATCH /pipelines/datasets/{dataset_id}/config": {"timeout": 99},
        "POST /entries": {"dataset_id": dataset_id, "name": "x", "slug": f"x-{ids['slug']}"},
        "PATCH /entries/{entry_id}": {"description": "changed by somebody"},
        "POST /entries/batch": selector,
        "POST /entries/batch/content": selector,
        "POST /entries/{entry_id}/processed": {"content": {"text": "Saved by somebody"}},
        "POST /entries/{entry_id}/chunks": {"chunks": [_CHUNK]},
        "POST /search": {"query": "narwhal", "dataset_ids": [dataset_id]},
        "POST /vector/chunks": meaning,
        "POST /vector/entries": meaning,
    }
    return bodies.get(name)


OPERATIONS = tuple(
    Operation(method.upper(), path, document)
    for path, methods in DOCUMENT["paths"].items()
    for method, document in methods.items()
)
