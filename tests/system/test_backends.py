"""The main job with a bucket of S3 for the files, and with Postgres for the catalog."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests.server.running import serving
from tests.system.document_flow import check_document_flow, run_document_flow
from tests.system.main_flow import check_main_flow, run_main_flow

pytestmark = pytest.mark.system


def test_files_in_a_bucket_serve_the_main_job(tmp_path: Path, s3_endpoint: str) -> None:
    httpx.put(f"{s3_endpoint}/lake").raise_for_status()
    settings = {
        "blob_url": "s3://lake/tidemill",
        "s3_endpoint": s3_endpoint,
        "s3_region": "us-east-1",
        "s3_access_key_id": "key",
        "s3_secret_access_key": "secret",
    }
    data_dir = tmp_path / "data"
    with serving(data_dir, **settings) as server, server.client() as client:
        left, documents = run_main_flow(client), run_document_flow(client)
        check_main_flow(client, left)
        check_document_flow(client, documents)
    listed = httpx.get(f"{s3_endpoint}/lake?list-type=2").text
    for folder in ("uploads", "datasets", "results", "indexes", "embeddings", "documents"):
        assert f"<Key>tidemill/{folder}/" in listed
    assert not (data_dir / "blobs").exists()
    shutil.rmtree(data_dir / "cache")
    with serving(data_dir, **settings) as server, server.client() as client:
        check_main_flow(client, left)
        check_document_flow(client, documents)


def test_a_missing_bucket_is_a_typed_error_and_no_crash(tmp_path: Path, s3_endpoint: str) -> None:
    settings = {
        "blob_url": "s3://nothing-here",
        "s3_endpoint": s3_endpoint,
        "s3_region": "us-east-1",
        "s3_access_key_id": "key",
        "s3_secret_access_key": "secret",
    }
    with serving(tmp_path / "data", **settings) as server, server.client() as client:
        refused = client.post("/v1/files", content=b"a\n1\n")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert "nothing-here" not in refused.text
        sql = "SELECT value, repeat('x', 50) FROM generate_series(1, 10000)"
        answer = client.post("/v1/query", json={"sql": sql})
        assert answer.json()["row_count"] == 10_000
        run = client.get(f"/v1/query-runs/{answer.json()['query_run_id']}").json()
        assert run["status"] == "succeeded"
        assert client.post("/v1/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


def test_a_postgres_catalog_serves_the_main_job_and_survives_a_kill(
    tmp_path: Path, postgres_database: str
) -> None:
    settings = {"catalog_url": postgres_database}
    with serving(tmp_path / "data", **settings) as server, server.client() as client:
        left, documents = run_main_flow(client), run_document_flow(client)
        check_main_flow(client, left)
        check_document_flow(client, documents)
        endless = (
            "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        )
        run = client.post("/v1/query", json={"sql": endless, "async": True}).json()
        server.process.kill()
        server.process.wait()
    with serving(tmp_path / "data", **settings) as server, server.client() as client:
        orphan = client.get(run["status_url"]).json()
        assert (orphan["status"], bool(orphan["error_message"])) == ("failed", True)
        assert client.get("/v1/query-runs?status=running").json()["count"] == 0
        check_main_flow(client, left)
        check_document_flow(client, documents)
    assert not (tmp_path / "data" / "catalog.db").exists()
