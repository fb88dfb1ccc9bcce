"""The workflow of the upload guide, step by step, with httpx in the place of its SDK.

Paths, bodies and what is read of the answers are those of the guide; every request goes through the
proxy of a cluster, with a bearer token and nothing else.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.patience import PATIENCE_S

_POLL_S = 0.1


class SeedClient:
    """One cluster, as the guide calls it."""

    def __init__(self, url: str, cluster_id: int, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/clusters/{cluster_id}/proxy",
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE_S,
        )

    def close(self) -> None:
        self._client.close()

    def request(self, method: str, path: str, **options: Any) -> Any:
        response = self._client.request(method, path, **options)
        assert response.is_success, (method, path, response.status_code, response.text)
        return response.json()

    def create_dataset(self, slug: str, files: Sequence[str]) -> int:
        """Step 2."""
        content = {"text": {"type": "string"}, "chunks": {"type": "array"}}
        body = {
            "name": "My Document Collection",
            "slug": slug,
            "description": "Documents uploaded via SDK",
            "dataset_type": "text",
            "schema_definition": {
                "schema_id": "general_v1",
                "version": "v1",
                "description": "General purpose schema",
                "original": {
                    "required_files": list(files),
                    "optional_files": [],
                    "metadata_schema": {
                        "type": "object",
                        "properties": {"source": {"type": "string"}},
                        "required": [],
                    },
                },
                "processed": {
                    "content_schema": {"type": "object", "properties": content},
                    "required_files": [],
                    "optional_files": ["*.png", "*.jpg"],
                },
                "processing": {"intermediate_files": [], "retention_days": 1},
            },
        }
        return int(self.request("POST", "/api/v1/datasets", json=body)["id"])

    def apply_preset(self, dataset_id: int, preset: str, **body: str) -> Any:
        """The separate step of step 2."""
        path = f"/api/v1/pipelines/datasets/{dataset_id}/apply-preset"
        return self.request("POST", path, params={"preset_name": preset}, json=body or None)

    def upload_document(self, path: Path, dataset_id: int) -> int:
        """Step 3: the entry, then its file."""
        body = {
            "dataset_id": dataset_id,
            "name": path.stem,
            "slug": path.stem.lower()[:40],
            "description": "Uploaded via SDK",
            "metadata": {"source": "sdk-upload"},
        }
        entry_id = int(self.request("POST", "/api/v1/entries", json=body)["entry"]["id"])
        self.request(
            "POST",
            f"/api/v1/entries/{entry_id}/upload",
            files={"file": (path.name, path.read_bytes())},
            data={"file_type": "original"},
        )
        return entry_id

    def trigger(self, entry_id: int) -> dict[str, Any]:
        """Step 4."""
        path = f"/api/v1/entries/{entry_id}/trigger-pipeline"
        found: dict[str, Any] = self.request("POST", path)
        return found

    def wait_for_processing(self, entry_ids: Sequence[int]) -> dict[int, str]:
        """Step 5: the loop of the guide."""
        start = time.time()
        while time.time() - start < PATIENCE_S:
            statuses = {}
            for entry_id in entry_ids:
                entry = self.request("GET", f"/api/v1/entries/{entry_id}")
                statuses[entry_id] = str(entry["status"]).split(".")[-1].upper()
            processed = sum(1 for status in statuses.values() if status == "PROCESSED")
            failed = sum(1 for status in statuses.values() if status == "FAILED")
            if processed + failed == len(entry_ids):
                return statuses
            time.sleep(_POLL_S)
        raise TimeoutError(f"Processing did not complete within {PATIENCE_S}s")

    def search(self, query: str, dataset_id: int) -> Any:
        """Step 6: by words."""
        body = {"query": query, "dataset_ids": [dataset_id], "limit": 10}
        return self.request("POST", "/api/v1/search", json=body)

    def search_chunks(self, query: str, dataset_id: int) -> Any:
        """Step 6: by meaning."""
        body = {"query": query, "dataset_ids": [dataset_id], "limit": 5}
        return self.request("POST", "/api/v1/vector/chunks", json=body)
