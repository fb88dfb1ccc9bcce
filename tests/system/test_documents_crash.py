"""A server that is killed in the middle of pipelines: no entry is lost or doubled, and the indexes, SQL and the
catalog have the same of each.
"""

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select

from catalog.blob_store import open_blob_store
from catalog.database import Database
from catalog.document_tables import document_entries, document_files, document_segment_files
from catalog.garbage import collect_garbage
from catalog.settings import Settings
from catalog.tables import jobs
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving
from tests.system.document_clients import (
    CLIENTS,
    COMMON,
    Client,
    Content,
    Fact,
    Watcher,
    work_until_killed,
)
from tests.system.folders import files_now

pytestmark = [pytest.mark.crash, pytest.mark.system]

KILLS = 20
# A job is killed with its server more often here than in the worst of lives.
_SETTINGS: dict[str, object] = {
    "JOB_ATTEMPTS_MAX": 1000,
    "JOB_POLL_S": 0.1,
    "JOB_RETRY_S": 0,
    "RATE_LIMIT": 0,
    "DOCUMENT_MERGE_SEGMENTS": 3,
    "DOCUMENT_PROCESSES": 2,
    "DOCUMENT_CONCURRENCY": 4,
    "WORKERS": 1,
}
_STEPS = ["fetch-entry", "ocr", "figure-linking", "chunking", "embedding", "registration"]
_PAGE = 100
_ROWS_MAX = 100_000


def test_kills_in_the_middle_of_pipelines_lose_and_double_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = max(KILLS, request.config.getoption("--kills"))
    seed = request.config.getoption("--crash-seed") or random.SystemRandom().randrange(2**32)
    print(f"to repeat: pytest {__file__} --kills {kills} --crash-seed {seed}")
    draw, data_dir = random.Random(seed), tmp_path / "data"
    clients: list[Client] = []
    for number in range(kills):
        with serving(data_dir, **_SETTINGS) as server:
            with _client(server) as http:
                if number == 0:
                    dataset_id = _make_dataset(http)
                    clients = [Client(n, dataset_id, _drawn(draw)) for n in range(CLIENTS)]
                    watcher = Watcher(dataset_id)
                watcher.look(_check_promises(http, clients, dataset_id))
            work_until_killed(server, clients, watcher, draw)
        assert not [*watcher.surprises, *(s for client in clients for s in client.surprises)]
    with serving(data_dir, **_SETTINGS) as server, _client(server) as http:
        entries = _settled(http, dataset_id)
        watcher.look(entries)
        assert not watcher.surprises
        _check_promises(http, clients, dataset_id)
        _check_steps(entries)
        _check_everywhere(http, entries, clients)
    asyncio.run(_check_catalog(data_dir, entries))
    print(f"{kills} kills, {sum(c.acknowledged for c in clients)} acknowledgements")
    print(f"{len(entries)} entries, {len(watcher.completed)} steps seen")


def _client(server: RunningServer) -> httpx.Client:
    return server.client(**{"x-organization-id": "1"})


def _drawn(draw: random.Random) -> random.Random:
    return random.Random(draw.random())


def _make_dataset(http: httpx.Client) -> int:
    definition: dict[str, object] = {
        "schema_id": "report",
        "version": "v1",
        "description": "",
        "original": {"metadata_schema": {}},
        "processed": {},
        "processing": None,
    }
    body = {
        "name": "Reports",
        "slug": "reports",
        "dataset_type": "text",
        "schema_definition": definition,
    }
    made = http.post("/api/v1/datasets", json=body)
    assert made.status_code == 201, made.text
    dataset_id: int = made.json()["id"]
    preset = {"preset_name": "general_purpose"}
    path = f"/api/v1/pipelines/datasets/{dataset_id}/apply-preset"
    assert http.post(path, params=preset).status_code == 200
    return dataset_id


def _listed(http: httpx.Client, dataset_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        query = {"dataset_id": dataset_id, "limit": _PAGE, "page": page}
        answer = http.get("/api/v1/entries", params=query)
        assert answer.status_code == 200, answer.text
        found += answer.json()["entries"]
        page, pages = page + 1, answer.json()["total_pages"]
    return found


def _check_promises(
    http: httpx.Client, clients: list[Client], dataset_id: int
) -> list[dict[str, Any]]:
    """What was acknowledged is there; what was unsure is settled now. Return the entries."""
    entries = _listed(http, dataset_id)
    listed = {entry["slug"]: entry for entry in entries}
    facts = {fact.slug: fact for client in clients for fact in client.facts}
    assert listed.keys() <= facts.keys()
    for slug, fact in facts.items():
        entry = listed.get(slug)
        if entry is None:
            assert fact.is_gone or fact.may_be_gone or fact.may_be_missing, fact
            fact.is_gone = True
        else:
            assert not fact.is_gone, fact
            _settle(http, fact, entry)
    return entries


def _settle(http: httpx.Client, fact: Fact, entry: dict[str, Any]) -> None:
    assert fact.id in (None, entry["id"])
    assert entry["name"] in fact.names, (fact, entry["name"])
    content = _uploaded(fact, entry)
    if content is not None and (content is not fact.contents[-1] or len(fact.contents) > 1):
        data = http.get(f"/api/v1/entries/{entry['id']}/download")
        assert data.content == content.data
    fact.id, fact.names, fact.contents = entry["id"], [entry["name"]], [content]
    fact.may_be_gone = fact.may_be_missing = False


def _uploaded(fact: Fact, entry: dict[str, Any]) -> Content | None:
    """Return which of the contents that it may have an entry has."""
    originals = {file["hash"] for file in entry["manifest"]["original"]["files"]}
    newest = next((file["hash"] for file in reversed(entry["manifest"]["original"]["files"])), None)
    found = [each for each in fact.contents if (each and each.sha256) == newest]
    assert found, (fact.slug, newest, originals)
    return found[0]


def _settled(http: httpx.Client, dataset_id: int) -> list[dict[str, Any]]:
    """Wait until no entry is on its way, and no job is left."""
    until = time.monotonic() + PATIENCE_S
    while True:
        entries = _listed(http, dataset_id)
        unfinished = http.get("/v1/jobs?status=pending,running").json()["jobs"]
        if not unfinished and all(e["status"] != "processing" for e in entries):
            return entries
        assert time.monotonic() < until, ([e["status"] for e in entries], unfinished)
        time.sleep(0.05)


def _check_steps(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        has_file = bool(entry["manifest"]["original"]["files"])
        assert entry["status"] == ("processed" if has_file else "pending"), entry
        if has_file:
            assert [step["name"] for step in entry["processing_history"]] == _STEPS
            assert {step["status"] for step in entry["processing_history"]} == {"completed"}


def _check_everywhere(
    http: httpx.Client, entries: list[dict[str, Any]], clients: list[Client]
) -> None:
    processed = {e["id"]: e for e in entries if e["status"] == "processed"}
    contents = {f.id: f.contents[0] for c in clients for f in c.present()}
    counts = {
        entry_id: entry["manifest"]["processed"]["fields_summary"]["chunk_count"]
        for entry_id, entry in processed.items()
    }
    rows = _sql(http, "SELECT id, name, chunk_count, sha256 FROM documents.reports.entries")
    expected = [
        [entry_id, entry["name"], counts[entry_id], contents[entry_id].sha256]  # type: ignore[union-attr]  # what is processed has content
        for entry_id, entry in processed.items()
    ]
    assert sorted(rows) == sorted(expected)
    chunks = [
        (row[0], row[1])
        for row in _sql(http, "SELECT entry_id, chunk_index FROM documents.reports.chunks")
    ]
    whole = sorted((entry_id, n) for entry_id, count in counts.items() for n in range(count))
    assert sorted(chunks) == whole
    for call in (
        f"bm25_search('documents.reports.chunks', 'text', '{COMMON}', {_ROWS_MAX})",
        f"vector_search('documents.reports.chunks', 'text', '{COMMON}', {_ROWS_MAX})",
    ):
        found = _sql(http, f"SELECT entry_id, chunk_index FROM {call}")
        assert sorted((row[0], row[1]) for row in found) == whole, call
    assert _by_keyword(http) == Counter(processed.keys())
    assert _by_meaning(http) == Counter(whole)
    for entry_id, content in contents.items():
        if content is not None:
            _check_content(http, entry_id, content)
            assert counts[entry_id] >= 1
    for fact in (f for client in clients for f in client.facts if f.is_gone):
        for content in fact.contents:
            assert content is None or _hits(http, content.word, 0)["total"] == 0


def _check_content(http: httpx.Client, entry_id: int | None, content: Content) -> None:
    """Its newest content is found by its own word, in this entry alone, and is readable."""
    found = _hits(http, content.word, 0)
    assert [hit["entry_id"] for hit in found["results"]] == [entry_id], content.word
    answer = http.post("/api/v1/entries/batch/content", json={"entry_ids": [entry_id]})
    (entry,) = answer.json()["entries"]
    assert entry["content"]["text"].count(COMMON) >= content.sections
    assert content.word in entry["content"]["text"]


def _by_keyword(http: httpx.Client) -> Counter[int]:
    found: list[int] = []
    while True:
        page = _hits(http, COMMON, len(found))
        found += [hit["entry_id"] for hit in page["results"]]
        if not page["has_more"]:
            assert page["total"] == len(found)
            return Counter(found)


def _by_meaning(http: httpx.Client) -> Counter[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    while True:
        body = {"query": COMMON, "limit": _PAGE, "offset": len(found)}
        answer = http.post("/api/v1/vector/chunks", json=body)
        assert answer.status_code == 200, answer.text
        hits = answer.json()["results"]
        if not hits:
            return Counter(found)
        found += [(hit["entry_id"], hit["metadata"]["chunk_index"]) for hit in hits]


def _hits(http: httpx.Client, query: str, offset: int) -> Any:
    answer = http.post("/api/v1/search", json={"query": query, "limit": _PAGE, "offset": offset})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _sql(http: httpx.Client, sql: str) -> list[list[Any]]:
    answer = http.post("/v1/query", json={"sql": sql, "preview_rows": 0})
    assert answer.status_code == 200, answer.text
    assert not answer.json()["truncated"]
    rows: list[list[Any]] = answer.json()["rows"]
    return rows


async def _check_catalog(data_dir: Path, entries: list[dict[str, Any]]) -> None:
    """The rows are those the API showed, and exactly the blobs are left that a row names."""
    assert [path for path in files_now(data_dir / "staging") if path.suffix != ".lock"] == []
    blobs = open_blob_store(Settings(data_dir=data_dir))
    db = await Database.open(f"sqlite:///{data_dir / 'catalog.db'}")
    try:
        await collect_garbage(db, blobs, grace_s=0, now=datetime.now(UTC))
        rows = await db.read(_read_entries)
        named = await db.read(_read_keys)
        stored = {blob.key async for blob in blobs.list() if blob.key.startswith("documents/")}
        failed = await db.read(_failed_jobs)
    finally:
        await db.close()
    assert rows == {entry["id"]: entry["status"] == "processed" for entry in entries}
    assert stored == named
    assert not failed


def _read_entries(conn: Connection) -> dict[int, bool]:
    found = conn.execute(select(document_entries.c.id, document_entries.c.registration))
    return {row.id: row.registration is not None for row in found}


def _read_keys(conn: Connection) -> set[str]:
    columns = (document_files.c.blob_key, document_segment_files.c.key)
    return {key for column in columns for key in conn.scalars(select(column))}


def _failed_jobs(conn: Connection) -> list[tuple[Any, ...]]:
    failed = select(jobs.c.job_type, jobs.c.error_message).where(jobs.c.status == "failed")
    return [tuple(row) for row in conn.execute(failed)]
