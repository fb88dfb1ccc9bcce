"""Hostile files through the real Data API: each is refused, fails with a sentence, or is read; nothing else happens.

What they reach for is watched: a file beside the data folder, a web server, the folders around.
"""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.patience import PATIENCE_S, wait_for
from tests.server.running import RunningServer
from tests.system.conftest import StartServer
from tests.system.hostile_documents import (
    CANARY,
    GENERAL,
    HOSTILE,
    SCIENTIFIC,
    SIZE_MAX_BYTES,
    TEXTS,
    Hostile,
)
from tests.system.hostile_makers import Lures, small_pdf

pytestmark = pytest.mark.system

_MEMORY_BYTES = 256 << 20
_TIMEOUT_S = 12
_SURPLUS = 2
"""Processes that pools have more after they were busy, for half a minute: one of each kind."""
# A path of this machine, or what only a traceback has.
_LEAK = re.compile(
    rf"{Path(__file__).parents[2]}|/tmp|/usr|/home|/root|Traceback|File \"|line \d+, in |0x[0-9a-f]{{6}}"
)
_SENTENCE_CHARS_MAX = 400


@dataclass
class Site:
    """The server under attack, and what its attackers reach for."""

    server: RunningServer
    client: httpx.Client
    folder: Path
    lures: Lures
    listener: socket.socket
    datasets: dict[str, int]
    processes: int
    sent: int = 0

    def create(self, preset: str) -> int:
        self.sent += 1
        body = {"dataset_id": self.datasets[preset], "name": "Sent", "slug": f"sent-{self.sent}"}
        made = self.client.post("/api/v1/entries", json=body)
        assert made.status_code == 201, made.text
        entry_id: int = made.json()["entry"]["id"]
        return entry_id

    def upload(self, entry_id: int, file_name: str, data: bytes) -> httpx.Response:
        files = {"file": (file_name, data)}
        return self.client.post(f"/api/v1/entries/{entry_id}/upload", files=files)

    def ended(self, entry_id: int) -> dict[str, Any]:
        """Wait for the end of a pipeline, while the service answers others."""
        until = time.monotonic() + PATIENCE_S
        while True:
            found: dict[str, Any] = self.client.get(f"/api/v1/entries/{entry_id}").json()
            if found["status"] != "processing":
                return found
            assert time.monotonic() < until, found
            self.check_answers()

    def check_answers(self) -> None:
        with self.server.client(**{"x-organization-id": "1"}) as other:
            assert other.get("/api/v1/health").json()["status"] == "healthy"
            answer = other.post("/v1/query", json={"sql": "SELECT 1 + 1"})
            assert answer.json()["rows"] == [[2]], answer.text

    def check_untouched(self) -> None:
        """Nobody came to the web server, and beside the data folder is what was there before."""
        with pytest.raises(BlockingIOError):
            self.listener.accept()
        assert {path.name for path in self.folder.iterdir()} == {"data", "canary.txt"}
        assert (self.folder / "canary.txt").read_text() == CANARY
        assert not list(Path("/tmp").glob("evil*")) + list(Path("/tmp").glob("abs.png"))


@pytest.fixture(scope="module")
def site(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary.txt"
    canary.write_text(CANARY)
    server = start_server(
        folder / "data",
        document_timeout_s=_TIMEOUT_S,
        document_memory_bytes=_MEMORY_BYTES,
        document_size_max_bytes=SIZE_MAX_BYTES,
        document_processes=2,
        job_poll_s=0.1,
        job_retry_s=0,
        rate_limit=0,
        workers=1,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    lures = Lures(canary.as_uri(), f"http://127.0.0.1:{listener.getsockname()[1]}/lure")
    with listener, server.client(**{"x-organization-id": "1"}) as client:
        datasets = {preset: _make_dataset(client, preset) for preset in (GENERAL, SCIENTIFIC)}
        made = Site(server, client, folder, lures, listener, datasets, processes=0)
        _check_good_file(made)
        made.processes = len(_processes(server))
        yield made


def _make_dataset(client: httpx.Client, preset: str) -> int:
    definition: dict[str, Any] = {
        "schema_id": "any",
        "version": "v1",
        "description": "",
        "original": {"metadata_schema": {}},
        "processed": {},
        "processing": None,
    }
    body = {
        "name": preset,
        "slug": preset,
        "dataset_type": "text",
        "schema_definition": definition,
    }
    made = client.post("/api/v1/datasets", json=body)
    assert made.status_code == 201, made.text
    dataset_id: int = made.json()["id"]
    path = f"/api/v1/pipelines/datasets/{dataset_id}/apply-preset"
    assert client.post(path, params={"preset_name": preset}).status_code == 200
    return dataset_id


def _processes(server: RunningServer) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


def _check_good_file(site: Site) -> None:
    entry_id = site.create(GENERAL)
    answer = site.upload(entry_id, "calm.pdf", small_pdf())
    assert answer.status_code == 200, answer.text
    assert site.ended(entry_id)["status"] == "processed"


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_harms_nobody(site: Site, case: Hostile) -> None:
    entry_id = site.create(case.preset)
    answer = site.upload(entry_id, case.file_name, case.make(site.lures))
    if case.refused is not None:
        _check_refusal(site, entry_id, answer, case.refused)
    else:
        assert answer.status_code == 200, answer.text
        assert answer.json()["file"]["key"].endswith(f"/original/{case.shown or case.file_name}")
        entry = site.ended(entry_id)
        if case.failed is None:
            _check_processed(site, entry)
        else:
            _check_failure(entry, case)
    site.check_answers()
    site.check_untouched()


def _check_refusal(site: Site, entry_id: int, answer: httpx.Response, words: str) -> None:
    assert answer.status_code in (413, 415, 422), answer.text
    _check_sentence(str(answer.json()["detail"]), words)
    assert site.client.get(f"/api/v1/entries/{entry_id}").json()["status"] == "pending"


def _check_failure(entry: dict[str, Any], case: Hostile) -> None:
    assert entry["status"] == "failed", (entry["status"], entry["manifest"]["processed"])
    stage, _, message = entry["error"].partition(": ")
    assert stage in case.stages, entry["error"]
    assert case.failed is not None
    _check_sentence(message, case.failed)
    step = entry["processing_history"][-1]
    assert (step["name"], step["status"], step["error"]) == (stage, "failed", message)
    assert entry["manifest"]["processed"] is None


def _check_sentence(message: str, words: str) -> None:
    assert re.search(words, message), message
    assert not _LEAK.search(message), message
    assert len(message) <= _SENTENCE_CHARS_MAX, message


def _check_processed(site: Site, entry: dict[str, Any]) -> None:
    assert entry["status"] == "processed", entry["error"]
    body = {"entry_ids": [entry["id"]]}
    content = site.client.post("/api/v1/entries/batch/content", json=body)
    assert content.status_code == 200
    assert CANARY not in content.text
    for file in entry["manifest"]["processed"]["files"]:
        query = {"key": file["key"]}
        found = site.client.get(f"/api/v1/entries/{entry['id']}/download", params=query)
        assert found.status_code == 200
        assert CANARY.encode() not in found.content


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_made_to_take_for_ever_does_not(site: Site, name: str) -> None:
    entry_id = site.create(GENERAL)
    answer = site.upload(entry_id, name, TEXTS[name]().encode())
    assert answer.status_code == 200, answer.text
    entry = site.ended(entry_id)
    if entry["status"] == "failed":
        stage, _, message = entry["error"].partition(": ")
        assert stage in {"ocr", "chunking", "embedding"}
        _check_sentence(message, r"nested too deeply|too many|characters|took longer|needs more")
    else:
        _check_processed(site, entry)


def test_two_that_are_killed_at_once_hold_up_nobody_else(site: Site) -> None:
    case = HOSTILE["pdf-doubling"]
    bad = [site.create(GENERAL) for _ in range(3)]
    for entry_id in bad:
        assert site.upload(entry_id, case.file_name, case.make(site.lures)).status_code == 200
    _check_good_file(site)
    for entry_id in bad:
        _check_failure(site.ended(entry_id), case)


def test_afterwards_everything_is_as_before(site: Site) -> None:
    _check_good_file(site)
    most = site.processes + _SURPLUS
    wait_for(lambda: len(_processes(site.server)) <= most or None, "the children to be gone")
    assert all("tesseract" not in process.name() for process in _processes(site.server))
    found = site.client.post("/api/v1/search", json={"query": CANARY, "mode": "keyword"})
    assert found.status_code == 200
    assert CANARY not in found.text.replace(f'"query":"{CANARY}"', "")
    for sql in ("SELECT text FROM documents.general_purpose.chunks", "SELECT 1 WHERE 1 = 1"):
        answer = site.client.post("/v1/query", json={"sql": sql})
        assert answer.status_code == 200
        assert CANARY not in answer.text
    assert not [line for line in site.server.log if '"exception"' in line or "Traceback" in line]
