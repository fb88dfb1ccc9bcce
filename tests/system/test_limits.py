"""Every limit, at its edge and one past it; and queries that end in other ways than by themselves."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.patience import PATIENCE_S, wait_for
from tests.server.running import RunningServer, serving
from tests.system.conftest import StartServer
from tests.system.polling import wait_for_status

pytestmark = pytest.mark.system

MIB = 1024 * 1024
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
LARGE = "SELECT value AS n, repeat('x', 60) AS note FROM generate_series(1, 3000000)"
# Some seconds in a worker, and one row.
SLOW = "SELECT sum(a.value * b.value) FROM generate_series(1, 45000) a, generate_series(1, 45000) b"
BODY_BYTES, UPLOAD_BYTES, STREAMED_BYTES, SQL_CHARS = 1024, 1000, 2000, 200


def sql_of(client: httpx.Client, sql: str, **options: Any) -> httpx.Response:
    return client.post("/v1/query", json={"sql": sql, **options})


def submit(client: httpx.Client, sql: str) -> str:
    """Start a query that nobody waits for; returns the address of its run."""
    response = sql_of(client, sql, **{"async": True})
    assert response.status_code == 202, response.text
    return str(response.json()["status_url"])


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert response.json()["status"] == status


# --- sizes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(start_server: StartServer) -> Iterator[httpx.Client]:
    """A client of a server whose sizes are small."""
    server = start_server(
        body_max_bytes=BODY_BYTES,
        upload_size_max_bytes=UPLOAD_BYTES,
        upload_streaming_size_max_bytes=STREAMED_BYTES,
        sql_chars_max=SQL_CHARS,
    )
    with server.client() as client:
        yield client


def whole(body: bytes) -> bytes:
    return body


def chunked(body: bytes) -> Iterator[bytes]:
    """Without a declared length."""
    yield body[:-1]
    yield body[-1:]


@pytest.mark.parametrize("sent", [whole, chunked])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(
    small: httpx.Client, sent: Callable[[bytes], Any]
) -> None:
    fits = b'{"name": "n", "sql": "SELECT 1", "description": "'
    fits += b"x" * (BODY_BYTES - len(fits) - 2) + b'"}'
    headers = {"Content-Type": "application/json"}
    assert small.post("/v1/queries", content=sent(fits), headers=headers).status_code == 201
    refused = small.post("/v1/queries", content=sent(fits + b" "), headers=headers)
    assert_refused(refused, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("sent", [whole, chunked])
@pytest.mark.parametrize(
    ("path", "bytes_max"),
    [("/v1/files", UPLOAD_BYTES), ("/v1/files?streaming=true", STREAMED_BYTES)],
)
def test_an_upload_may_be_as_long_as_the_limit_and_no_longer(
    small: httpx.Client, path: str, bytes_max: int, sent: Callable[[bytes], Any]
) -> None:
    kept = small.post(path, content=sent(b"x" * bytes_max))
    assert kept.status_code == 201
    assert kept.json()["size_bytes"] == bytes_max
    before = small.get("/v1/files").json()
    assert_refused(small.post(path, content=sent(b"x" * (bytes_max + 1))), 413, "PAYLOAD_TOO_LARGE")
    assert small.get("/v1/files").json() == before


@pytest.mark.parametrize("letter", ["x", "ä", "😀"])
def test_sql_may_have_as_many_characters_as_the_limit_and_no_more(
    small: httpx.Client, letter: str
) -> None:
    head = "SELECT 1 -- "
    fits = head + letter * (SQL_CHARS - len(head))
    assert sql_of(small, fits).status_code == 200
    assert_refused(sql_of(small, fits + letter), 400, "SQL_TOO_COMPLEX")


# --- the queue -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow_server(start_server: StartServer) -> RunningServer:
    """One worker, one place in the queue; no query ends by itself while a test waits."""
    return start_server(
        workers=1,
        workers_max=1,
        query_queue_max=1,
        query_queue_wait_s=PATIENCE_S,
        query_timeout_s=4 * PATIENCE_S,
    )


@pytest.fixture
def narrow(narrow_server: RunningServer) -> Iterator[httpx.Client]:
    with narrow_server.client() as client:
        yield client


def queued(client: httpx.Client) -> bool:
    return "\ntidemill_queries_queued 1.0" in client.get("/metrics").text


def test_past_the_queue_a_query_is_told_to_come_back(narrow: httpx.Client) -> None:
    running = submit(narrow, ENDLESS)
    waiting = submit(narrow, "SELECT 1")
    wait_for(lambda: queued(narrow), "the waiting query")
    refused = sql_of(narrow, "SELECT 2")
    assert_refused(refused, 429, "OVERLOADED")
    assert int(refused.headers["retry-after"]) >= 1
    late = wait_for_status(narrow, submit(narrow, "SELECT 3"), "failed")
    assert "waiting" in str(late["error_message"])
    narrow.post(f"{running}/cancel").raise_for_status()
    assert wait_for_status(narrow, waiting, "succeeded")["row_count"] == 1
    assert sql_of(narrow, "SELECT 2").json()["rows"] == [[2]]


def test_a_query_waits_only_so_long_for_a_worker(tmp_path: Path) -> None:
    settings = {"workers": 1, "workers_max": 1, "query_queue_wait_s": 0.3}
    with serving(tmp_path / "data", **settings) as server, server.client() as client:
        running = submit(client, ENDLESS)
        wait_for_status(client, running, "running")
        assert_refused(sql_of(client, "SELECT 1"), 429, "OVERLOADED")
        client.post(f"{running}/cancel").raise_for_status()


def test_a_client_that_hangs_up_frees_the_only_worker(
    narrow_server: RunningServer, narrow: httpx.Client
) -> None:
    for number in range(3):
        sql = f"{ENDLESS} WHERE {number} = {number}"
        with narrow_server.asking(sql):
            wait_for(partial(first_run, narrow, sql, "running"), "the run")
        assert sql_of(narrow, "SELECT 1").json()["rows"] == [[1]]


# --- cancelling ----------------------------------------------------------------------------------


def test_a_waiting_query_can_be_cancelled_and_leaves_the_queue(narrow: httpx.Client) -> None:
    running, waiting = submit(narrow, ENDLESS), submit(narrow, ENDLESS)
    wait_for(lambda: queued(narrow), "the waiting query")
    cancelled = narrow.post(f"{waiting}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["completed_at"]
    assert not queued(narrow)
    assert narrow.get(running).json()["status"] == "running"
    narrow.post(f"{running}/cancel").raise_for_status()


def test_a_running_query_can_be_cancelled_and_its_worker_is_free(narrow: httpx.Client) -> None:
    running = submit(narrow, ENDLESS)
    time.sleep(0.2)  # in the worker, and deep in the join
    cancelled = narrow.post(f"{running}/cancel").json()
    assert (cancelled["status"], cancelled["result_id"]) == ("cancelled", None)
    assert sql_of(narrow, "SELECT 1").json()["rows"] == [[1]]
    again = narrow.post(f"{running}/cancel")
    assert_refused(again, 409, "CONFLICT")


def test_who_waits_for_a_cancelled_query_is_told_so(narrow: httpx.Client) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sql_of, narrow, ENDLESS)
        run = wait_for(lambda: first_run(narrow, ENDLESS, "running"), "the run")
        narrow.post(f"/v1/query-runs/{run['id']}/cancel").raise_for_status()
        assert_refused(answer.result(), 409, "QUERY_CANCELLED")


def test_an_answer_on_its_way_can_be_cancelled(narrow: httpx.Client) -> None:
    with narrow.stream("POST", "/v1/query", json={"sql": LARGE}) as response:
        run_id, result_id = response.headers["x-query-run-id"], response.headers["x-result-id"]
        chunks = response.iter_raw()
        next(chunks)
        narrow.post(f"/v1/query-runs/{run_id}/cancel").raise_for_status()
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
    assert narrow.get(f"/v1/query-runs/{run_id}").json()["status"] == "cancelled"
    assert narrow.get(f"/v1/results/{result_id}").json()["status"] == "failed"
    assert sql_of(narrow, "SELECT 1").json()["rows"] == [[1]]


def test_cancelling_after_the_answer_does_not_take_the_result_away(narrow: httpx.Client) -> None:
    """The result is still being written when the answer is complete, and promised by then."""
    for rows in (5_000, 50_000, 300_000) * 3:
        result_id, run_id = read_arrow(narrow, rows)
        assert_refused(narrow.post(f"/v1/query-runs/{run_id}/cancel"), 409, "CONFLICT")
        path = f"/v1/results/{result_id}?limit=1"
        kept = wait_for_status(narrow, path, "ready", "failed")
        assert (kept["status"], kept["total_row_count"]) == ("ready", rows)


def read_arrow(client: httpx.Client, rows: int) -> tuple[str, str]:
    """Read a large answer to its end, fast; returns the ids of the result and of the run."""
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    body = {"sql": LARGE.replace("3000000", str(rows))}
    with client.stream("POST", "/v1/query", json=body, headers=headers) as response:
        for _ in response.iter_raw():
            pass
    return response.headers["x-result-id"], response.headers["x-query-run-id"]


@pytest.mark.parametrize(("sql", "status"), [("SELECT 1", "succeeded"), ("SELECT x", "failed")])
def test_a_query_that_has_ended_cannot_be_cancelled(
    narrow: httpx.Client, sql: str, status: str
) -> None:
    run = submit(narrow, sql)
    ended = wait_for_status(narrow, run, status)
    assert_refused(narrow.post(f"{run}/cancel"), 409, "CONFLICT")
    assert narrow.get(run).json() == ended


def first_run(client: httpx.Client, sql: str, status: str) -> Any:
    page = client.get("/v1/query-runs", params={"status": status}).json()
    return next((run for run in page["query_runs"] if run["sql_text"] == sql), None)


# --- time, memory, the end -----------------------------------------------------------------------


def test_a_rate_is_kept_per_workspace_and_recovers(tmp_path: Path) -> None:
    with serving(tmp_path / "data", rate_limit_per_s=2) as server, server.client() as client:
        made = client.post("/v1/workspaces", json={"name": "other"}).json()["workspace"]
        own = client.get("/v1/workspaces").json()["workspaces"][0]["public_id"]
        with server.client(**{"X-Workspace-Id": own}) as busy:
            answers = [busy.get("/v1/results") for _ in range(20)]
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert_refused(refused, 429, "OVERLOADED")
            other = client.get("/v1/results", headers={"X-Workspace-Id": made["public_id"]})
            assert other.status_code == 200
            time.sleep(int(refused.headers["retry-after"]))
            assert busy.get("/v1/results").status_code == 200


def test_a_slow_reader_of_a_large_answer_costs_no_memory(start_server: StartServer) -> None:
    server = start_server()
    process = psutil.Process(server.process.pid)
    with server.client() as client:
        sql_of(client, LARGE.replace("3000000", "1000")).raise_for_status()
        before, most, received = process.memory_info().rss, 0, 0
        with client.stream("POST", "/v1/query", json={"sql": LARGE}) as response:
            for chunk in response.iter_raw(1 * MIB):
                received += len(chunk)
                most = max(most, process.memory_info().rss)
                time.sleep(0.01)
        assert received > 3_000_000 * 60
        assert sql_of(client, "SELECT 1").status_code == 200
    grown = most - before
    print(f"server grew by {grown / MIB:.0f} MiB for an answer of {received / MIB:.0f} MiB")
    assert grown < 100 * MIB


def test_a_stopping_server_keeps_what_it_has_promised(tmp_path: Path) -> None:
    """A stream under way, results still being written, and a query nobody waits for."""
    streamed: list[int] = []
    begun = threading.Event()
    with serving(tmp_path / "data", workers=3) as server:

        def read() -> None:
            body = {"sql": LARGE.replace("3000000", "1000000")}
            with (
                server.client() as client,
                client.stream("POST", "/v1/query", json=body) as response,
            ):
                for chunk in response.iter_raw():
                    begun.set()
                    streamed.append(len(chunk))

        with server.client() as client:
            run = submit(client, SLOW)
            reading = threading.Thread(target=read)
            reading.start()
            begun.wait()
            kept = [read_arrow(client, 50_000)[0] for _ in range(3)]
            server.terminate()
            reading.join()
        assert server.wait() == 0
    assert sum(streamed) > 1_000_000 * 60
    with serving(tmp_path / "data") as server, server.client() as client:
        for result_id in kept:
            found = client.get(f"/v1/results/{result_id}?limit=1").json()
            assert (found["status"], found["total_row_count"]) == ("ready", 50_000)
        assert client.get(run).json()["status"] == "succeeded"
        assert client.get("/v1/query-runs?status=running,failed,cancelled").json()["count"] == 0
