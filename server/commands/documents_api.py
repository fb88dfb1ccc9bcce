"""The Data API of one cluster, as the commands on documents call it.

A cluster is a workspace, and the Data API knows it by its number.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx
import orjson

from server.client import Client, ClientError

ENTRIES_MAX = 500
"""Entries in one answer of the Data API."""
_PAGE_ROWS = 100
_SLUG = re.compile(r"[a-z0-9_-]{1,255}")
_PASSING = frozenset({429, 502, 503, 504})
"""Refusals that may pass: the request is made again after each pause."""
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_SCHEMA = {"schema_id": "general_v1", "version": "v1", "original": {}, "processed": {}}


class Documents:
    """The document datasets of a cluster. Threads may share one."""

    def __init__(self, client: Client, cluster_number: int) -> None:
        self._client = client
        self._prefix = f"/clusters/{cluster_number}/proxy/api/v1"

    def list_datasets(self) -> Iterator[dict[str, Any]]:
        """Yield every dataset, the newest first."""
        page, pages = 1, 1
        while page <= pages:
            path = f"/datasets?page={page}&page_size={_PAGE_ROWS}"
            found = self._send("GET", path)
            yield from found["datasets"]
            page, pages = page + 1, found["total_pages"]

    def find_dataset(self, slug: str) -> dict[str, Any] | None:
        """Return the dataset of a slug, None when there is none."""
        if not _SLUG.fullmatch(slug):
            return None
        try:
            return self._send("GET", f"/datasets/slug/{slug}")
        except ClientError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return None

    def create_dataset(self, slug: str) -> dict[str, Any]:
        """Make a dataset that takes every file, and has no pipeline yet."""
        body = {"name": slug, "slug": slug, "schema_definition": _SCHEMA}
        return self._send("POST", "/datasets", json=body)

    def check_preset(self, preset: str) -> None:
        """See that there is a preset.

        Raises:
            ClientError: there is none.
        """
        self._send("GET", f"/pipelines/presets/{quote(preset, safe='').replace('.', '%2E')}")

    def apply_preset(self, dataset_id: int, preset: str) -> dict[str, Any]:
        """Give a dataset the pipeline of a preset; return the dataset."""
        path = f"/pipelines/datasets/{dataset_id}/apply-preset"
        self._send("POST", path, json={"preset_name": preset})
        return self._send("GET", f"/datasets/{dataset_id}")

    def find_entries(self, dataset_id: int, slugs: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return those entries of a dataset that have one of the slugs, by their slugs."""
        return {
            entry["slug"]: entry
            for start in range(0, len(slugs), ENTRIES_MAX)
            for entry in self._batch(
                dataset_id=dataset_id, slugs=list(slugs[start : start + ENTRIES_MAX])
            )
        }

    def get_entries(self, entry_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return entries; those that are gone are left out."""
        return [
            entry
            for start in range(0, len(entry_ids), ENTRIES_MAX)
            for entry in self._batch(entry_ids=list(entry_ids[start : start + ENTRIES_MAX]))
        ]

    def create_entry(
        self,
        dataset_id: int,
        *,
        name: str,
        slug: str,
        metadata: Mapping[str, Any],
        file: tuple[str, BinaryIO],
    ) -> dict[str, Any]:
        """Make an entry with its original, streamed; without the file there will be none."""
        fields = {
            "dataset_id": str(dataset_id),
            "name": name,
            "slug": slug,
            "metadata": orjson.dumps(metadata).decode(),
        }
        return _entry_of(self._send("POST", "/entries", data=fields, files={"file": file}))

    def replace_original(self, entry_id: int, file: tuple[str, BinaryIO]) -> dict[str, Any]:
        """Send a new original of an entry, streamed."""
        return _entry_of(self._send("POST", f"/entries/{entry_id}/upload", files={"file": file}))

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Search entries; ``body`` is that of the request."""
        return self._send("POST", "/search", json=body)

    def _batch(self, **selector: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON values
        body = {**selector, "limit": ENTRIES_MAX}
        entries = self._send("POST", "/entries/batch", json=body)["entries"]
        assert isinstance(entries, list)
        return entries

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's own
        for pause_s in (*_PAUSES_S, None):
            try:
                found = self._client.send(method, self._prefix + path, **options).json()
            except ClientError as error:
                if error.status not in _PASSING or pause_s is None:
                    raise
                time.sleep(pause_s)
            else:
                assert isinstance(found, dict)
                return found
        raise AssertionError("the last try returns or raises")


def open_documents(client: Client, workspace: str | None) -> Documents:
    """Choose the cluster that commands work on.

    Args:
        client: of the server.
        workspace: its id or number; None = the only one that the token sees.

    Raises:
        ClientError: there is none, or the token sees several.
    """
    if workspace is not None and workspace.isdecimal():
        return Documents(client, int(workspace))
    try:
        known = client.send("GET", "/v1/workspaces").json()["workspaces"]
    except ClientError as error:
        if error.status != httpx.codes.FORBIDDEN:
            raise
        raise ClientError(
            "The token is of one workspace, and may not ask for its number: give it with --workspace "
            "or TIDEMILL_WORKSPACE."
        ) from error
    chosen = [each for each in known if workspace in {None, each["public_id"]}]
    if not chosen:
        raise ClientError(f"There is no workspace '{workspace}'.")
    if len(chosen) > 1:
        raise ClientError(
            "The token sees several workspaces: choose one with --workspace or TIDEMILL_WORKSPACE."
        )
    return Documents(client, chosen[0]["number"])


def original_of(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the file of an entry that is processed, None while it has none."""
    files = entry["manifest"]["original"]["files"]
    return next((file for file in files if file["key"] == entry["primary_file_key"]), None)


def _entry_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    entry = answer["entry"]
    assert isinstance(entry, dict)
    return entry
