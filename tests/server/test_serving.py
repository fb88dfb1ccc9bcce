"""The process: ready, draining, disconnects, broken streams, limits, and what it logs."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.patience import wait_for
from tests.server.running import RunningServer, serving

pytestmark = pytest.mark.system

ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"


def run_of(client: httpx.Client, sql: str, status: str) -> Any:
    page = client.get("/v1/query-runs", params={"status": status, "limit": 20}).json()
    return next((run for run in page["query_runs"] if run["sql_text"] == sql), None)


def test_a_client_that_hangs_up_cancels_its_query(server: RunningServer) -> None:
    sql = f"{ENDLESS} WHERE 'hang' = 'hang'"
    with server.client() as client:
        with server.asking(sql):
            wait_for(lambda: run_of(client, sql, "running"), "the running query")
        wait_for(lambda: run_of(client, sql, "cancelled"), "the cancelled run")


def test_a_client_that_hangs_up_in_mid_answer_frees_the_query(server: RunningServer) -> None:
    sql = "SELECT value, repeat('x', 200) FROM generate_series(1, 20000000)"
    with server.client() as client:
        with client.stream("POST", "/v1/query", json={"sql": sql}) as response:
            next(response.iter_raw())
        wait_for(lambda: run_of(client, sql, "running") is None, "the end of the run")
        assert client.post("/v1/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


def test_a_query_that_fails_in_mid_answer_breaks_the_connection(server: RunningServer) -> None:
    sql = "SELECT 1 / (3000000 - value), repeat('x', 100) FROM generate_series(1, 5000000)"
    with (
        server.client() as client,
        client.stream("POST", "/v1/query", json={"sql": sql}) as response,
    ):
        assert response.status_code in {200, 400}
        if response.status_code == 200:
            with pytest.raises(httpx.RemoteProtocolError):
                response.read()


def test_a_stopping_server_finishes_what_runs_and_refuses_the_rest(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    with serving(tmp_path / "data") as server:
        sql = "SELECT sum(a.value * b.value) FROM generate_series(1, 20000) a, generate_series(1, 20000) b"

        def ask() -> None:
            with server.client() as client:
                answers.append(client.post("/v1/query", json={"sql": sql}))

        with server.client() as client:
            asking = threading.Thread(target=ask)
            asking.start()
            wait_for(lambda: run_of(client, sql, "running"), "the running query")
            server.terminate()
            wait_for(lambda: client.get("/health").status_code == 503, "the drain")
            refused = client.post("/v1/query", json={"sql": "SELECT 1"})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
            assert refused.headers["retry-after"]
        asking.join()
        assert server.wait() == 0
    assert answers[0].status_code == 200, answers[0].text


def test_a_drain_that_takes_too_long_ends_with_503(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    with serving(tmp_path / "data", drain_timeout_s=0.2) as server:

        def ask() -> None:
            with server.client() as client:
                answers.append(client.post("/v1/query", json={"sql": ENDLESS}))

        with server.client() as client:
            asking = threading.Thread(target=ask)
            asking.start()
            wait_for(lambda: run_of(client, ENDLESS, "running"), "the running query")
            server.terminate()
        asking.join()
        assert server.wait() == 0
    assert answers[0].status_code == 503


def test_a_busy_workspace_is_told_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path / "data", rate_limit_per_s=1) as server, server.client() as client:
        responses = [client.get("/v1/results") for _ in range(6)]
        refused = [response for response in responses if response.status_code == 429]
        assert refused
        assert refused[0].json()["error"]["code"] == "OVERLOADED"
        assert int(refused[0].headers["retry-after"]) >= 1


def test_cors_is_answered_for_the_configured_origin_only(tmp_path: Path) -> None:
    origin = "https://app.example"
    with serving(tmp_path / "data", cors_origins=origin) as server, server.client() as client:
        asked = {"Access-Control-Request-Method": "POST"}
        known = client.options("/v1/query", headers={**asked, "Origin": origin})
        assert known.headers["access-control-allow-origin"] == origin
        stranger = client.options("/v1/query", headers={**asked, "Origin": "https://x.example"})
        assert "access-control-allow-origin" not in stranger.headers
        wrong = client.post("/v1/query", content=b"{", headers={"Origin": origin})
        assert wrong.headers["access-control-allow-origin"] == origin
        assert "X-Request-Id" in wrong.headers["access-control-expose-headers"]


def test_the_log_has_a_line_per_request_and_no_values(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server, server.client() as client:
        client.post(
            "/v1/query", json={"sql": "SELECT 'needle-sql', $1", "params": ["needle-param"]}
        )
        client.post("/v1/query", json={"sql": "SELECT nonsense FROM needle_table"})
        client.post("/v1/secrets", json={"name": "s", "value": "needle-value"})
        client.get("/v1/secrets/needle-name")
        client.get("/v1/query-runs", params={"cursor": "needle-cursor"})
        token = client.headers["authorization"].removeprefix("Bearer ")
        server.terminate()
        server.wait()
    log = "".join(server.log)
    assert "needle" not in log
    assert token not in log
    events = [json.loads(line) for line in server.log]
    requests = [event for event in events if event["event"] == "http.request"]
    assert len(requests) == 5
    assert all(event["request_id"] and event["elapsed_ms"] >= 0 for event in requests)
    assert requests[0]["workspace_id"]
    assert requests[3]["route"] == "/v1/secrets/{name}"
