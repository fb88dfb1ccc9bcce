"""What must hold after every restart: all that was acknowledged, nothing by halves."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, select

from catalog import secret_store
from catalog.database import Database
from catalog.secret_store import Keyring
from catalog.settings import Settings
from catalog.store import workspaces as workspace_store
from catalog.tables import dataset_files, results, uploads
from tests.patience import PATIENCE_S
from tests.system.crash_ledger import DatasetFact, Ledger, SavedQueryFact, State
from tests.system.folders import files_now

_PAGE = 1000


class Checker:
    """Looks at a restarted server. What was found in order is looked at again only by ``whole``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: set[str] = set()

    def check(self, client: httpx.Client, *, whole: bool = False) -> None:
        if whole:
            self._seen.clear()
        assert not self._ledger.surprises, self._ledger.surprises
        assert client.get("/health").status_code == 200
        self._check_runs(client)
        self._check_jobs(client)
        self._check_uploads(client)
        self._check_datasets(client)
        self._check_saved_queries(client)
        self._check_secrets(client)
        self._check_results(client)

    def _new(self, keys: Iterable[str]) -> Iterator[str]:
        """Those not found in order before."""
        for key in list(keys):
            if key not in self._seen:
                yield key
                self._seen.add(key)

    def _check_runs(self, client: httpx.Client) -> None:
        runs = {run["id"]: run for run in _pages_by_cursor(client)}
        assert not [run for run in runs.values() if run["status"] == "running"]
        for run_id, fact in self._ledger.runs.items():
            run = runs[run_id]
            if fact.has_succeeded:
                assert (run["status"], run["row_count"]) == ("succeeded", fact.rows), run
            fact.has_succeeded = run["status"] == "succeeded"
            if run["result_id"] is not None:
                assert client.get(f"/v1/results/{run['result_id']}?limit=0").status_code == 200

    def _check_jobs(self, client: httpx.Client) -> None:
        until = time.monotonic() + PATIENCE_S
        while unfinished := _get(client, "/v1/jobs?status=pending,running")["jobs"]:
            assert time.monotonic() < until, f"stuck: {unfinished}"
            time.sleep(0.05)
        for job_id in self._new(self._ledger.jobs):
            job = _get(client, f"/v1/jobs/{job_id}")
            assert job["status"] == "succeeded", job
            fact = self._ledger.datasets[self._ledger.jobs[job_id]]
            if fact.id is None:  # the job was acknowledged, so the dataset must be there
                fact.id, fact.state = job["result"]["id"], State.THERE

    def _check_uploads(self, client: httpx.Client) -> None:
        listed = {upload["id"]: upload for upload in _get(client, "/v1/files")["uploads"]}
        assert {upload["status"] for upload in listed.values()} <= {"pending", "consumed"}
        for upload in listed.values():
            assert upload["size_bytes"] in self._ledger.rows_by_upload_size, upload
        for upload_id, fact in self._ledger.uploads.items():
            is_consumed = listed[upload_id]["status"] == "consumed"
            if fact.consumed is not State.UNSURE:
                assert is_consumed == (fact.consumed is State.THERE), (upload_id, listed[upload_id])
            fact.consumed = State.THERE if is_consumed else State.GONE
        self._use_one(client, [u for u in listed.values() if u["status"] == "pending"])

    def _use_one(self, client: httpx.Client, pending: list[dict[str, Any]]) -> None:
        """An upload is there only if a dataset can be made of it."""
        if not pending:
            return
        upload = pending[len(self._seen) % len(pending)]
        rows = self._ledger.rows_by_upload_size[upload["size_bytes"]]
        body = {"label": f"from {upload['id']}", "source": {"upload_id": upload["id"]}}
        made = client.post("/v1/datasets", json=body)
        assert made.status_code == 201, made.text
        self._ledger.datasets[made.json()["table_name"]] = DatasetFact(
            rows, State.THERE, made.json()["id"]
        )
        if upload["id"] in self._ledger.uploads:
            self._ledger.uploads[upload["id"]].consumed = State.THERE

    def _check_datasets(self, client: httpx.Client) -> None:
        listed = {d["table_name"]: d for d in _pages_by_offset(client, "datasets")}
        for table, fact in self._ledger.datasets.items():
            found = listed.get(table)
            if fact.state is not State.UNSURE:
                assert (found is not None) == (fact.state is State.THERE), (table, fact)
            fact.state = State.THERE if found else State.GONE
            if found:
                assert fact.id in {None, found["id"]}
                assert fact.version <= found["latest_version"] <= fact.version + 1
                fact.id, fact.version = found["id"], found["latest_version"]
        for table in self._new(listed):
            _check_numbers(client, table, self._ledger.datasets[table].rows)

    def _check_saved_queries(self, client: httpx.Client) -> None:
        listed = {q["name"]: q for q in _pages_by_offset(client, "queries")}
        # A dataset made from SQL and the saved query it is refreshed by are made at once.
        known = {**self._ledger.saved_queries, **self._ledger.datasets}
        assert set(listed) <= set(known)
        for name, fact in self._ledger.saved_queries.items():
            if fact.state is not State.UNSURE:
                assert (name in listed) == (fact.state is State.THERE), (name, fact)
            if name not in listed:
                fact.state = State.GONE
                continue
            assert fact.id in {None, listed[name]["id"]}
            fact.id, fact.state = listed[name]["id"], State.THERE
            if len(fact.sqls) < listed[name]["latest_version"] and fact.unsure_sql:
                fact.sqls.append(fact.unsure_sql)
            fact.unsure_sql = None
            assert len(fact.sqls) == listed[name]["latest_version"]
        for name in self._new(set(listed) & set(self._ledger.saved_queries)):
            _check_saved_query(client, self._ledger.saved_queries[name])
        for name in set(listed) & set(self._ledger.datasets):
            assert self._ledger.datasets[name].state is State.THERE

    def _check_secrets(self, client: httpx.Client) -> None:
        listed = {secret["name"] for secret in _get(client, "/v1/secrets")["secrets"]}
        assert listed <= set(self._ledger.secrets)
        for name, fact in self._ledger.secrets.items():
            if fact.state is not State.UNSURE:
                assert (name in listed) == (fact.state is State.THERE), (name, fact)
            fact.state = State.THERE if name in listed else State.GONE

    def _check_results(self, client: httpx.Client) -> None:
        listed = {result["id"]: result for result in _pages_by_offset(client, "results")}
        assert set(self._ledger.results) <= set(listed)
        for result_id, fact in self._ledger.results.items():
            if fact.was_ready:
                assert listed[result_id]["status"] == "ready", listed[result_id]
        for result_id in self._new(listed):
            status = listed[result_id]["status"]
            assert status in {"ready", "failed"}, listed[result_id]
            if status == "ready":
                self._check_result(client, result_id)

    def _check_result(self, client: httpx.Client, result_id: str) -> None:
        found = _get(client, f"/v1/results/{result_id}?limit={_PAGE}")
        assert found["status"] == "ready", found
        assert len(found["rows"]) == min(_PAGE, found["total_row_count"])
        fact = self._ledger.results.get(result_id)
        if fact is not None:
            assert found["total_row_count"] == fact.rows
            _check_numbers(client, f"results.{result_id}", fact.rows)
            fact.was_ready = True


def _check_numbers(client: httpx.Client, table: str, rows: int) -> None:
    """A table of ours holds 0 to rows - 1, each once."""
    sql = f"SELECT count(*), count(DISTINCT n), sum(n), min(n) FROM {table}"
    answer = client.post("/v1/query", json={"sql": sql})
    assert answer.status_code == 200, (table, answer.text)
    assert answer.json()["rows"] == [[rows, rows, rows * (rows - 1) // 2, 0]], table


def _check_saved_query(client: httpx.Client, fact: SavedQueryFact) -> None:
    versions = _get(client, f"/v1/queries/{fact.id}/versions")["versions"]
    assert [version["sql"] for version in reversed(versions)] == fact.sqls
    assert [version["version"] for version in reversed(versions)] == [*range(1, len(fact.sqls) + 1)]


def _get(client: httpx.Client, path: str) -> Any:
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code, response.text[:300])
    return response.json()


def _pages_by_offset(client: httpx.Client, kind: str) -> Iterator[dict[str, Any]]:
    offset, has_more = 0, True
    while has_more:
        page = _get(client, f"/v1/{kind}?limit={_PAGE}&offset={offset}")
        yield from page[kind]
        offset, has_more = offset + page["count"], page["has_more"]


def _pages_by_cursor(client: httpx.Client) -> Iterator[dict[str, Any]]:
    parameters: dict[str, str | int] = {"limit": _PAGE}
    while True:
        response = client.get("/v1/query-runs", params=parameters)
        assert response.status_code == 200
        page = response.json()
        yield from page["query_runs"]
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


def check_secret_values(ledger: Ledger, data_dir: Path) -> None:
    """Read every secret as the engine does; no door ever shows a value."""

    async def read() -> None:
        keyring = Keyring.open(Settings(data_dir=data_dir))
        db = await Database.open(f"sqlite:///{data_dir / 'catalog.db'}")
        try:
            workspace = await db.write(workspace_store.ensure_default)
            for name, fact in ledger.secrets.items():
                if fact.state is State.THERE:
                    value = await db.read(secret_store.read_value, keyring, workspace.id, name)
                    assert value in fact.values, name
        finally:
            await db.close()

    asyncio.run(read())


def wait_for_clean_blobs(data_dir: Path, timeout_s: float) -> None:
    """Wait until exactly the blobs are left that a row names."""
    until = time.monotonic() + timeout_s
    while True:
        named, stored = asyncio.run(_named_blobs(data_dir)), stored_keys(data_dir)
        assert named <= stored, f"lost: {named - stored}"
        staged = files_now(data_dir / "staging", "*/*")
        if named == stored and not staged:
            return
        assert time.monotonic() < until, f"never collected: {stored - named} {staged}"
        time.sleep(0.2)


def stored_keys(data_dir: Path) -> set[str]:
    return {path.as_posix() for path in files_now(data_dir / "blobs")}


async def _named_blobs(data_dir: Path) -> set[str]:
    db = await Database.open(f"sqlite:///{data_dir / 'catalog.db'}")
    try:
        return await db.read(_read_keys)
    finally:
        await db.close()


def _read_keys(conn: Connection) -> set[str]:
    columns = (uploads.c.blob_key, dataset_files.c.key, results.c.blob_key)
    return {key for column in columns for key in conn.scalars(select(column)) if key is not None}
