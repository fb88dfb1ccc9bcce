"""The whole main job over HTTP, as a user does it; for every way to store what it leaves behind."""

import io
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from tests.system.polling import wait_for_status

ROWS = 20_000
NOTES = "id,note\n1,red shoes\n2,blue hat\n3,red hat\n"
INDEXES = (
    {"index_name": "by_id", "columns": ["id"]},
    {"index_name": "by_words", "index_type": "bm25", "columns": ["note"]},
    {"index_name": "by_meaning", "index_type": "vector", "columns": ["note"], "dimensions": 64},
)
SEARCHES = {
    "SELECT id FROM bm25_search('notes', 'note', 'red') ORDER BY id": [[1], [3]],
    "SELECT id FROM vector_search('notes', 'note', 'crimson boots', 1)": [[1]],
    "SELECT note FROM sorted_scan('notes', 'by_id') WHERE id > 2": [["red hat"]],
    "SELECT count(note_embedding) FROM notes": [[3]],
}


@dataclass(frozen=True, slots=True)
class Left:
    """What the flow left behind, to be looked for later."""

    result_id: str
    saved_query_id: str
    dataset_id: str
    upload_id: str


def run_main_flow(client: httpx.Client) -> Left:
    """Upload, make datasets, ask, read the results, save a query, keep a secret."""
    upload_id = _ok(client.post("/v1/files", content=_parquet()))["id"]
    source = {"upload_id": upload_id, "format": "parquet"}
    made = client.post(
        "/v1/datasets", json={"label": "Points", "table_name": "points", "source": source}
    )
    dataset_id = _ok(made)["id"]
    inline = {"inline": {"format": "csv", "content": "kind,weight\n0,10\n1,20\n"}}
    _ok(client.post("/v1/datasets", json={"label": "Kinds", "source": inline, "async": True}))
    job = client.get("/v1/jobs").json()["jobs"][0]
    wait_for_status(client, f"/v1/jobs/{job['id']}", "succeeded")
    joined = (
        "SELECT kind, sum(weight) AS w FROM points JOIN kinds USING (kind) GROUP BY 1 ORDER BY 1"
    )
    answer = _ok(client.post("/v1/query", json={"sql": joined}))
    assert answer["rows"] == [[0, 10 * ROWS // 2], [1, 20 * ROWS // 2]]
    submitted = _ok(client.post("/v1/query", json={"sql": "SELECT * FROM points", "async": True}))
    run = wait_for_status(client, submitted["status_url"], "succeeded")
    assert run["row_count"] == ROWS
    saved = _ok(client.post("/v1/queries", json={"name": "all", "sql": "SELECT 1 AS one"}))
    changed = _ok(client.put(f"/v1/queries/{saved['id']}", json={"sql": joined}))
    assert (changed["latest_version"], changed["category"]) == (2, "join")
    notes = {"inline": {"format": "csv", "content": NOTES}}
    noted = _ok(client.post("/v1/datasets", json={"label": "Notes", "source": notes}))
    for order in INDEXES:
        _ok(client.post(f"/v1/datasets/{noted['id']}/indexes", json=order))
    _ok(client.post("/v1/secrets", json={"name": "key", "value": "never shown"}))
    runs = client.get("/v1/query-runs?limit=1000").json()["query_runs"]
    assert {run["status"] for run in runs} == {"succeeded"}
    return Left(run["result_id"], saved["id"], dataset_id, upload_id)


def check_main_flow(client: httpx.Client, left: Left) -> None:
    """Look for all of it, perhaps on another server over the same store."""
    wait_for_status(client, f"/v1/results/{left.result_id}?limit=0", "ready")
    arrow = client.get(f"/v1/results/{left.result_id}?format=arrow")
    assert pa.ipc.open_stream(arrow.content).read_all().num_rows == ROWS
    parquet = client.get(f"/v1/results/{left.result_id}?format=parquet")
    assert pq.read_table(io.BytesIO(parquet.content)).num_rows == ROWS
    sql = f"SELECT count(*), sum(n) FROM hotdata.results.{left.result_id}"
    answer = _ok(client.post("/v1/query", json={"sql": sql}))
    assert answer["rows"] == [[ROWS, ROWS * (ROWS - 1) // 2]]
    answer = _ok(client.post(f"/v1/queries/{left.saved_query_id}/execute"))
    assert answer["row_count"] == 2
    answer = _ok(client.post(f"/v1/queries/{left.saved_query_id}/execute", json={"version": 1}))
    assert answer["rows"] == [[1]]
    for search, rows in SEARCHES.items():
        assert _ok(client.post("/v1/query", json={"sql": search}))["rows"] == rows
    uploads = client.get("/v1/files?status=consumed").json()["uploads"]
    assert left.upload_id in {upload["id"] for upload in uploads}
    assert _ok(client.get(f"/v1/datasets/{left.dataset_id}"))["columns"][0]["name"] == "n"
    assert _ok(client.get("/v1/secrets/key"))["name"] == "key"


def _ok(response: httpx.Response) -> Any:
    assert response.is_success, (response.request.url, response.status_code, response.text)
    return response.json()


def _parquet() -> bytes:
    sink = io.BytesIO()
    numbers = range(ROWS)
    pq.write_table(pa.table({"n": numbers, "kind": [n % 2 for n in numbers]}), sink)
    return sink.getvalue()
