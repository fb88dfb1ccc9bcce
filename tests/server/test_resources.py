"""Every resource over HTTP, as a client uses it."""

import csv
import io
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pyarrow as pa
import pytest

from tests.patience import PATIENCE_S

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ARROW = "application/vnd.apache.arrow.stream"


def fresh(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"


def answered(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def query(client: httpx.Client, sql: str, **fields: object) -> Any:
    return answered(client.post("/v1/query", json={"sql": sql, **fields}))


def polled(client: httpx.Client, path: str, done: set[str]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        body = answered(client.get(path))
        if body["status"] in done:
            return body
        time.sleep(0.02)
    pytest.fail(f"{path} is still not one of {done}")


@pytest.fixture
def dataset(client: httpx.Client) -> Any:
    name = fresh("elements")
    content = "symbol,number\nH,1\nHe,2\nLi,3\nBe,4\nB,5\n"
    source = {"inline": {"format": "csv", "content": content}}
    body = {"label": "Elements", "table_name": name, "source": source}
    return answered(client.post("/v1/datasets", json=body), 201)


class TestQuery:
    def test_the_answer_has_every_documented_field(self, client: httpx.Client) -> None:
        body = query(client, "SELECT 1 AS a, 'x' AS b, CAST(NULL AS BIGINT) AS c")
        assert body["columns"] == ["a", "b", "c"]
        assert body["rows"] == [[1, "x", None]]
        assert body["nullable"] == [False, False, True]
        assert body["row_count"] == body["preview_row_count"] == body["total_row_count"] == 1
        assert body["truncated"] is False
        assert body["status"] == "succeeded"
        assert body["warning"] is None
        assert isinstance(body["execution_time_ms"], int)

    def test_parameters_are_bound_as_values(self, client: httpx.Client) -> None:
        body = query(client, "SELECT $1 || '!' AS a, $2 + 1 AS b", params=["x' OR 1=1", 41])
        assert body["rows"] == [["x' OR 1=1!", 42]]

    def test_arrow_is_the_same_answer(self, client: httpx.Client) -> None:
        response = client.post(
            "/v1/query",
            json={"sql": "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y) ORDER BY x"},
            headers={"Accept": ARROW},
        )
        assert response.headers["content-type"] == ARROW
        table = pa.ipc.open_stream(response.content).read_all()
        assert table.to_pydict() == {"x": [1, 2], "y": ["a", "b"]}
        run_id = response.headers["x-query-run-id"]
        run = answered(client.get(f"/v1/query-runs/{run_id}"))
        assert run["result_id"] == response.headers["x-result-id"]

    def test_csv_and_markdown_are_text(self, client: httpx.Client) -> None:
        body = {"sql": "SELECT 1 AS a, 'x,y' AS b"}
        text = client.post("/v1/query", json=body, headers={"Accept": "text/csv"}).text
        assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ["1", "x,y"]]
        page = client.post("/v1/query", json=body, headers={"Accept": "text/markdown"})
        assert page.headers["content-type"].startswith("text/markdown")
        assert page.text.splitlines()[0].startswith("|")

    def test_many_rows_arrive_in_order_and_counted(self, client: httpx.Client) -> None:
        body = query(client, "SELECT value FROM generate_series(1, 200000) ORDER BY value")
        assert body["row_count"] == len(body["rows"]) == 200_000
        assert body["rows"][0] == [1]
        assert body["rows"][-1] == [200_000]

    @pytest.mark.parametrize(
        ("sql", "code"),
        [
            ("", "SQL_INVALID"),
            ("SELECT", "SQL_INVALID"),
            ("SELECT * FROM nothing_of_this_name", "SQL_INVALID"),
            ("DELETE FROM x", "STATEMENT_FORBIDDEN"),
            ("SELECT 1; SELECT 2", "STATEMENT_FORBIDDEN"),
        ],
    )
    def test_wrong_sql_has_its_code(self, client: httpx.Client, sql: str, code: str) -> None:
        body = answered(client.post("/v1/query", json={"sql": sql}), 400)
        assert body["error"]["code"] == code

    @pytest.mark.parametrize("wait_ms", [999, -1, 10**9])
    def test_a_wait_out_of_bounds_is_refused(self, client: httpx.Client, wait_ms: int) -> None:
        body = {"sql": "SELECT 1", "async": True, "async_after_ms": wait_ms}
        answered(client.post("/v1/query", json=body), 400)

    def test_a_wait_without_async_does_not_count(self, client: httpx.Client) -> None:
        assert query(client, "SELECT 1", async_after_ms=1)["row_count"] == 1

    def test_an_async_query_is_polled(self, client: httpx.Client) -> None:
        body = {"sql": "SELECT 7 AS n", "async": True}
        accepted = answered(client.post("/v1/query", json=body), 202)
        assert set(accepted) == {"query_run_id", "status", "status_url", "reason"}
        run = polled(client, accepted["status_url"], {"succeeded", "failed"})
        assert run["status"] == "succeeded"
        result = polled(client, f"/v1/results/{run['result_id']}", {"ready", "failed"})
        assert result["rows"] == [[7]]

    def test_a_fast_query_with_a_wait_is_answered_at_once(self, client: httpx.Client) -> None:
        body = query(client, "SELECT 1", **{"async": True, "async_after_ms": 10_000})
        assert body["rows"] == [[1]]


class TestResults:
    def test_a_slice_names_the_next_one(self, client: httpx.Client) -> None:
        answer = query(client, "SELECT value FROM generate_series(1, 5) ORDER BY value")
        path = f"/v1/results/{answer['result_id']}"
        polled(client, path, {"ready"})
        first = client.get(f"{path}?offset=1&limit=2")
        assert first.headers["x-total-row-count"] == "5"
        body = answered(first)
        assert body["rows"] == [[2], [3]]
        assert (body["row_count"], body["total_row_count"]) == (2, 5)
        following = first.links["next"]["url"]
        second = client.get(following)
        assert answered(second)["rows"] == [[4], [5]]
        assert "next" not in second.links

    def test_every_format_holds_the_same_rows(self, client: httpx.Client) -> None:
        answer = query(client, "SELECT 1 AS a, 'x' AS b")
        path = f"/v1/results/{answer['result_id']}"
        polled(client, path, {"ready"})
        arrow = client.get(path, params={"format": "ARROW"})
        assert pa.ipc.open_stream(arrow.content).read_all().to_pydict() == {"a": [1], "b": ["x"]}
        assert client.get(path, params={"format": "csv"}).text.split() == ["a,b", "1,x"]
        assert "| 1 | x |" in client.get(path, params={"format": "markdown"}).text
        parquet = client.get(path, headers={"Accept": "application/vnd.apache.parquet"})
        assert parquet.content[:4] == b"PAR1"
        assert answered(client.get(path, params={"format": "xml"}))["rows"] == [[1, "x"]]

    def test_the_listing_has_the_newest_first(self, client: httpx.Client) -> None:
        answer = query(client, "SELECT 'newest'")
        page = answered(client.get("/v1/results?limit=1"))
        assert [item["id"] for item in page["results"]] == [answer["result_id"]]
        assert page["count"] == page["limit"] == 1
        assert TIME.fullmatch(page["results"][0]["created_at"])

    def test_an_unknown_result_is_not_found(self, client: httpx.Client) -> None:
        answered(client.get("/v1/results/rslt" + "0" * 26), 404)


class TestQueryRuns:
    def test_a_run_tells_what_happened(self, client: httpx.Client) -> None:
        answer = query(client, "SELECT 1 AS told")
        run = polled(client, f"/v1/query-runs/{answer['query_run_id']}", {"succeeded"})
        assert run["sql_text"] == "SELECT 1 AS told"
        assert run["row_count"] == 1
        assert run["result_id"] == answer["result_id"]
        assert run["user_public_id"].startswith("user_")
        assert TIME.fullmatch(run["created_at"])
        assert TIME.fullmatch(run["completed_at"])

    def test_a_failed_query_is_in_the_history_with_its_message(self, client: httpx.Client) -> None:
        sql = f"SELECT * FROM {fresh('missing')}"
        failed = answered(client.post("/v1/query", json={"sql": sql}), 400)
        run = answered(client.get("/v1/query-runs?limit=1&status=failed"))["query_runs"][0]
        assert run["sql_text"] == sql
        assert run["error_message"] == failed["message"]

    def test_the_cursor_leads_through_all_runs_once(self, client: httpx.Client) -> None:
        for number in range(5):
            query(client, f"SELECT {number}")
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = answered(client.get("/v1/query-runs", params={"limit": "2", **cursor}))
            seen += [run["id"] for run in page["query_runs"]]
            assert page["has_more"] == (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(seen) == len(set(seen))
        assert len(seen) >= 5

    @pytest.mark.parametrize("cursor", ["!", "AAAA", "bnVsbA", "eyJhIjoxfQ"])
    def test_a_cursor_made_elsewhere_is_refused(self, client: httpx.Client, cursor: str) -> None:
        answered(client.get("/v1/query-runs", params={"cursor": cursor}), 400)

    def test_a_running_query_can_be_cancelled_once(self, client: httpx.Client) -> None:
        sql = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
        accepted = answered(client.post("/v1/query", json={"sql": sql, "async": True}), 202)
        cancelled = answered(client.post(f"{accepted['status_url']}/cancel"))
        assert cancelled["status"] == "cancelled"
        answered(client.post(f"{accepted['status_url']}/cancel"), 409)


class TestFilesAndDatasets:
    def test_an_upload_becomes_a_table(self, client: httpx.Client) -> None:
        upload = answered(
            client.post(
                "/v1/files", content=b"a,b\n1,x\n2,y\n", headers={"Content-Type": "text/csv"}
            ),
            201,
        )
        assert (upload["status"], upload["size_bytes"]) == ("pending", 12)
        assert upload["content_type"] == "text/csv"
        name = fresh("uploaded")
        body = {"label": "U", "table_name": name, "source": {"upload_id": upload["id"]}}
        made = answered(client.post("/v1/datasets", json=body), 201)
        assert (made["schema_name"], made["table_name"]) == ("main", name)
        assert query(client, f"SELECT sum(a) FROM {name}")["rows"] == [[3]]
        consumed = answered(client.get("/v1/files?status=consumed"))["uploads"]
        assert upload["id"] in {item["id"] for item in consumed}
        answered(client.post("/v1/datasets", json={**body, "table_name": fresh("again")}), 400)

    def test_an_empty_upload_is_refused(self, client: httpx.Client) -> None:
        answered(client.post("/v1/files", content=b""), 400)

    def test_a_chunked_upload_is_taken(self, client: httpx.Client) -> None:
        chunks = (b"x" * 1000 for _ in range(10))
        upload = answered(client.post("/v1/files?streaming=true", content=chunks), 201)
        assert upload["size_bytes"] == 10_000

    def test_a_dataset_is_described_renamed_and_deleted(
        self, client: httpx.Client, dataset: Any
    ) -> None:
        path = f"/v1/datasets/{dataset['id']}"
        details = answered(client.get(path))
        assert [column["name"] for column in details["columns"]] == ["symbol", "number"]
        assert details["source_type"] == "inline"
        assert details["pinned_version"] is None
        changed = answered(client.put(path, json={"label": "New", "pinned_version": 1}))
        assert (changed["label"], changed["pinned_version"]) == ("New", 1)
        assert answered(client.put(path, json={"pinned_version": None}))["pinned_version"] is None
        versions = answered(client.get(f"{path}/versions"))
        assert [version["version"] for version in versions["versions"]] == [1]
        assert client.delete(path).status_code == 204
        answered(client.get(path), 404)
        answered(client.delete(path), 404)

    def test_a_taken_table_name_is_a_conflict(self, client: httpx.Client, dataset: Any) -> None:
        source = {"inline": {"format": "csv", "content": "a\n1\n"}}
        body = {"label": "x", "table_name": dataset["table_name"], "source": source}
        answered(client.post("/v1/datasets", json=body), 409)

    @pytest.mark.parametrize(
        "source", [{}, {"type": "nope"}, {"inline": {}}, {"upload_id": 1}, {"upload_id": "x"}]
    )
    def test_a_wrong_source_is_refused(self, client: httpx.Client, source: object) -> None:
        response = client.post("/v1/datasets", json={"label": "x", "source": source})
        assert response.status_code in {400, 422}, response.text

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"columns": {"a": "TEXT"}}, "'columns' belongs inside 'source'"),
            ({"source": {"inline": {"format": "csv", "content": "a\n1\n"}, "x": 1}}, "source.x"),
        ],
    )
    def test_a_key_that_would_do_nothing_is_refused_by_name(
        self, client: httpx.Client, body: dict[str, Any], named: str
    ) -> None:
        source = {"inline": {"format": "csv", "content": "a\n1\n"}}
        response = client.post("/v1/datasets", json={"label": "x", "source": source, **body})
        assert response.status_code in {400, 422}
        assert named in response.text

    def test_columns_beside_inline_decide_the_types(self, client: httpx.Client) -> None:
        source = {"inline": {"format": "csv", "content": "a\n1\n"}, "columns": {"a": "TEXT"}}
        body = {"label": "x", "table_name": fresh("typed"), "source": source, "columns": None}
        made = answered(client.post("/v1/datasets", json=body), 201)
        (column,) = answered(client.get(f"/v1/datasets/{made['id']}"))["columns"]
        assert column["data_type"] == "Utf8"

    def test_a_query_dataset_is_refreshed(self, client: httpx.Client) -> None:
        body = {"label": "q", "table_name": fresh("made"), "source": {"sql": "SELECT 1 AS a"}}
        made = answered(client.post("/v1/datasets", json=body), 201)
        refreshed = answered(client.post("/v1/refresh", json={"dataset_id": made["id"]}))
        assert (refreshed["id"], refreshed["version"]) == (made["id"], 2)
        assert set(refreshed) == {"id", "version", "status", "created_at"}

    def test_an_async_refresh_is_a_job(self, client: httpx.Client) -> None:
        body = {"label": "q", "table_name": fresh("made"), "source": {"sql": "SELECT 1 AS a"}}
        made = answered(client.post("/v1/datasets", json=body), 201)
        asked = {"dataset_id": made["id"], "async": True}
        submitted = answered(client.post("/v1/refresh", json=asked), 202)
        job = polled(client, submitted["status_url"], {"succeeded", "failed"})
        assert job["status"] == "succeeded", job
        assert job["result"]["version"] == 2
        listed = answered(client.get("/v1/jobs", params={"job_type": job["job_type"]}))["jobs"]
        assert job["id"] in {item["id"] for item in listed}
        old = {"User-Agent": "OpenAPI-Generator/1.0.0/python"}
        answered(client.get(submitted["status_url"], headers=old), 404)
        assert all(
            item["id"] != job["id"]
            for item in answered(client.get("/v1/jobs", headers=old))["jobs"]
        )

    def test_an_old_client_reads_a_job_from_a_200(self, client: httpx.Client) -> None:
        body = {"label": "q", "table_name": fresh("made"), "source": {"sql": "SELECT 1 AS a"}}
        made = answered(client.post("/v1/datasets", json=body), 201)
        asked = {"dataset_id": made["id"], "async": True}
        headers = {"User-Agent": "OpenAPI-Generator/0.4.1/python"}
        submitted = answered(client.post("/v1/refresh", json=asked, headers=headers))
        polled(client, submitted["status_url"], {"succeeded"})

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"dataset_id": "data" + "0" * 26}, 404),
            ({"dataset_id": "x", "connection_id": "y"}, 400),
            ({"connection_id": "conn" + "0" * 26}, 404),
            ({"connection_id": "c", "data": True}, 404),
            ({"schema_name": "s"}, 400),
            ({"connection_id": "c", "schema_name": "s", "data": True}, 400),
            ({"connection_id": "c", "schema_name": "s", "table_name": "t"}, 400),
            ({"data": True}, 400),
            ({"async": True}, 400),
            ({}, 200),
        ],
    )
    def test_a_refresh_of_connections_follows_the_rules(
        self, client: httpx.Client, body: dict[str, object], status: int
    ) -> None:
        answered(client.post("/v1/refresh", json=body), status)


class TestSavedQueries:
    def test_the_whole_life_of_a_saved_query(self, client: httpx.Client) -> None:
        name = fresh("q")
        made = answered(
            client.post("/v1/queries", json={"name": name, "sql": "SELECT 1 AS v"}), 201
        )
        assert (made["latest_version"], made["description"], made["tags"]) == (1, "", [])
        path = f"/v1/queries/{made['id']}"
        second = answered(client.put(path, json={"sql": "SELECT 2 AS v", "tags": ["a", "a"]}))
        assert (second["latest_version"], second["tags"]) == (2, ["a"])
        assert answered(client.post(f"{path}/execute"))["rows"] == [[2]]
        old = answered(client.post(f"{path}/execute", json={"version": 1}))
        assert old["rows"] == [[1]]
        run = answered(client.get(f"/v1/query-runs/{old['query_run_id']}"))
        assert (run["saved_query_id"], run["saved_query_version"]) == (made["id"], 1)
        answered(client.post(f"{path}/execute", json={"version": 3}), 404)
        versions = answered(client.get(f"{path}/versions"))["versions"]
        assert [version["version"] for version in versions] == [2, 1]
        assert client.delete(path).status_code == 204
        answered(client.post(f"{path}/execute"), 404)

    def test_placeholders_take_their_values_at_each_execution(self, client: httpx.Client) -> None:
        sql = "SELECT $1 + 1 AS v, $2 AS t"
        made = answered(client.post("/v1/queries", json={"name": fresh("p"), "sql": sql}), 201)
        path = f"/v1/queries/{made['id']}/execute"
        for number in (1, 41):
            answer = answered(client.post(path, json={"params": [number, "x"]}))
            assert answer["rows"] == [[number + 1, "x"]]
        answered(client.post(path), 400)
        answered(client.post(path, json={"params": [{}]}), 422)

    def test_an_override_is_kept_until_it_is_cleared(self, client: httpx.Client) -> None:
        made = answered(client.post("/v1/queries", json={"name": "o", "sql": "SELECT 1"}), 201)
        path = f"/v1/queries/{made['id']}"
        changed = answered(client.put(path, json={"category_override": "join"}))
        assert (changed["category"], changed["latest_version"]) == ("join", 1)
        assert answered(client.put(path, json={"name": "p"}))["category"] == "join"
        cleared = answered(client.put(path, json={"category_override": None}))
        assert cleared["category"] == made["category"]
        answered(client.put(path, json={}), 400)
        answered(client.put(path, json={"category_override": "nonsense"}), 400)

    def test_execution_answers_in_the_encoding_asked_for(self, client: httpx.Client) -> None:
        made = answered(client.post("/v1/queries", json={"name": "a", "sql": "SELECT 1 AS v"}), 201)
        headers = {"Accept": ARROW}
        response = client.post(f"/v1/queries/{made['id']}/execute", headers=headers)
        assert pa.ipc.open_stream(response.content).read_all().to_pydict() == {"v": [1]}


class TestSecrets:
    def test_the_whole_life_of_a_secret(self, client: httpx.Client) -> None:
        name, value = fresh("Warehouse"), f"value {uuid4()}"
        made = answered(client.post("/v1/secrets", json={"name": name, "value": value}), 201)
        assert made["name"] == name.lower()
        answered(client.post("/v1/secrets", json={"name": name, "value": value}), 409)
        path = f"/v1/secrets/{name}"
        shown = client.get(path)
        assert set(answered(shown)) == {"name", "created_at", "updated_at"}
        listed = client.get("/v1/secrets")
        assert value not in shown.text + listed.text
        updated = answered(client.put(path, json={"value": "another"}))
        assert updated["name"] == name.lower()
        assert client.delete(path).status_code == 204
        answered(client.get(path), 404)
        answered(client.delete(path), 404)

    def test_a_bad_name_is_refused(self, client: httpx.Client) -> None:
        answered(client.post("/v1/secrets", json={"name": "no spaces", "value": "x"}), 400)
        answered(client.get("/v1/secrets/no%20spaces"), 400)


class TestEmbeddingProviders:
    FIELDS = frozenset(
        {"id", "name", "provider_type", "config", "has_secret", "source", "created_at"}
        | {"updated_at"}
    )

    def make(self, client: httpx.Client, **fields: Any) -> Any:
        config = {"base_url": "https://api.example.com/v1", "model": "m"}
        body = {"name": fresh("ai"), "provider_type": "service", "config": config}
        return answered(client.post("/v1/embedding-providers", json=body | fields), 201)

    def test_the_whole_life_of_a_provider(self, client: httpx.Client) -> None:
        key = f"key {uuid4()}"
        made = self.make(client, api_key=key)
        assert set(made) == {"id", "name", "provider_type", "config", "created_at"}
        assert made["id"].startswith("embp")
        path = f"/v1/embedding-providers/{made['id']}"
        shown = client.get(path)
        assert set(answered(shown)) == self.FIELDS
        assert {**answered(shown), **made} == answered(shown)
        assert (answered(shown)["has_secret"], answered(shown)["source"]) == (True, "user")
        listed = client.get("/v1/embedding-providers")
        assert answered(shown) in answered(listed)["embedding_providers"]
        secrets = client.get("/v1/secrets")
        assert key not in shown.text + listed.text + secrets.text
        updated = answered(client.put(path, json={"name": fresh("ai"), "secret_name": None}))
        assert set(updated) == {"id", "name", "updated_at"}
        assert TIME.fullmatch(updated["updated_at"])
        assert answered(client.get(path))["has_secret"] is False
        assert client.delete(path).status_code == 204
        answered(client.get(path), 404)
        answered(client.put(path, json={"name": "x"}), 404)
        answered(client.delete(path), 404)

    def test_the_systems_provider_is_first_and_stays(self, client: httpx.Client) -> None:
        self.make(client, name=fresh("a"))
        first = answered(client.get("/v1/embedding-providers"))["embedding_providers"][0]
        assert (first["id"], first["name"], first["source"]) == ("sys_emb_local", "local", "system")
        assert set(first) == self.FIELDS
        assert first["has_secret"] is False
        assert first["config"]["dimensions"] == 256
        path = f"/v1/embedding-providers/{first['id']}"
        assert answered(client.get(path)) == first
        answered(client.put(path, json={"name": "x"}), 400)
        answered(client.delete(path), 400)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"name": "local"}, 409),
            ({"name": " "}, 400),
            ({"provider_type": "magic"}, 400),
            ({"config": "text"}, 400),
            ({"config": None}, 400),
            ({"config": {"api_key": "x"}}, 400),
            ({"api_key": "x", "secret_name": "y"}, 400),
            ({"secret_name": "no-such-secret"}, 400),
            ({"provider_type": "local", "config": {"model": "m"}}, 400),
            ({"name": None}, 422),
            ({"api_key": 5}, 422),
        ],
    )
    def test_a_wrong_one_is_refused(
        self, client: httpx.Client, fields: dict[str, Any], status: int
    ) -> None:
        config = {"base_url": "https://api.example.com/v1", "model": "m"}
        body = {"name": fresh("ai"), "provider_type": "service", "config": config, **fields}
        before = answered(client.get("/v1/embedding-providers"))
        answered(client.post("/v1/embedding-providers", json=body), status)
        assert answered(client.get("/v1/embedding-providers")) == before

    def test_an_update_of_nulls_clears_the_secret_alone(self, client: httpx.Client) -> None:
        made = self.make(client, api_key="x")
        path = f"/v1/embedding-providers/{made['id']}"
        nulls = {"api_key": None, "config": None, "name": None, "secret_name": None}
        answered(client.put(path, json=nulls))
        shown = answered(client.get(path))
        assert (shown["name"], shown["config"]) == (made["name"], made["config"])
        assert shown["has_secret"] is False
        answered(client.put(path, json={"name": None}), 400)
        answered(client.put(path, json={}), 400)


class TestWorkspacesAndTokens:
    def test_the_token_sees_its_workspace(self, client: httpx.Client) -> None:
        body = answered(client.get("/v1/workspaces"))
        assert body["ok"] is True
        (workspace,) = body["workspaces"]
        assert workspace["namespace"] == f"workspace-{workspace['public_id']}"
        headers = {"X-Workspace-Id": workspace["public_id"]}
        answered(client.post("/v1/query", json={"sql": "SELECT 1"}, headers=headers))

    @pytest.mark.parametrize("name", ["", "  "])
    def test_a_blank_name_is_a_wrong_field(self, client: httpx.Client, name: str) -> None:
        body = answered(client.post("/v1/workspaces", json={"name": name}), 422)
        assert body["error"] == "UNPROCESSABLE_ENTITY"

    def test_an_unknown_workspace_cannot_be_deleted(self, client: httpx.Client) -> None:
        answered(client.delete("/v1/workspaces/ws_" + "0" * 26), 404)

    def test_a_token_is_exchanged_for_itself(self, client: httpx.Client) -> None:
        token = client.headers["authorization"].removeprefix("Bearer ")
        form = {"grant_type": "api_token", "api_token": token, "client_id": "x"}
        body = answered(httpx.post(f"{client.base_url}/v1/auth/jwt", data=form))
        assert body["access_token"] == token
        form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        answered(client.post("/v1/auth/jwt", data=form))

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            ({"grant_type": "api_token", "api_token": "wrong"}, 401),
            ({"grant_type": "api_token"}, 400),
            ({"grant_type": "password"}, 400),
            ({}, 415),
        ],
    )
    def test_a_wrong_exchange_is_refused(
        self, client: httpx.Client, form: dict[str, str], status: int
    ) -> None:
        answered(client.post("/v1/auth/jwt", data=form), status)


class TestMetadata:
    @pytest.mark.parametrize(
        ("path", "of_nothing"),
        [
            ("/v1/results", 0),
            ("/v1/datasets", 0),
            ("/v1/queries", 1),
            ("/v1/query-runs", 1),
        ],
    )
    def test_a_limit_is_brought_into_bounds_and_echoed(
        self, client: httpx.Client, path: str, of_nothing: int
    ) -> None:
        assert answered(client.get(path))["limit"] == 100
        assert answered(client.get(f"{path}?limit=100000"))["limit"] == 1000
        page = answered(client.get(f"{path}?limit=0&offset={2**63 - 1}"))
        assert page["limit"] == of_nothing
        assert page["count"] <= of_nothing

    def test_connections_have_no_tables_yet(self, client: httpx.Client) -> None:
        body = answered(client.get("/v1/information_schema?include_columns=true"))
        assert body["tables"] == []
        assert (body["count"], body["has_more"], body["next_cursor"]) == (0, False, None)
        answered(client.get("/v1/information_schema?connection_id=conn" + "0" * 26), 404)

    @pytest.mark.parametrize("query", ["job_type=nonsense", "status=nonsense"])
    def test_an_unknown_job_filter_is_refused(self, client: httpx.Client, query: str) -> None:
        answered(client.get(f"/v1/jobs?{query}"), 400)

    def test_metrics_count_requests_by_route(self, client: httpx.Client) -> None:
        client.get("/v1/results/rslt" + "0" * 26)
        text = client.get("/metrics").text
        assert 'route="/v1/results/{id}",status="404"' in text
        assert "tidemill_queries_running" in text
        assert "tidemill_workers" in text
