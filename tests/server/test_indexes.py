"""The routes of indexes: made at once or by a job, listed, paged, deleted, refused."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from server.v1.indexes import IndexBody, ListedIndexBody
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving

FIELDS = set(IndexBody.model_fields)
CONTENT = "id,body,n\n1,red shoes,2.5\n2,blue hat,1.5\n3,red hat,0.5\n"
NASTY_NAMES = (
    "none",
    "by id",
    "BY_ID",
    "by_id'--",
    'by_id"',
    "a/b",
    "a%2Fb",
    "../by_id",
    "..",
    ".",
    "%",
    "*",
    "é",
    "💩",
    "\u202eby_id",
    "by_id\n",
    " ",
    "x" * 5000,
    "'; DROP TABLE indexes; --",
)


def answered(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str) -> str:
    """The message of a refusal that has every part."""
    body = answered(response, status)
    assert body["error"] == {"code": code, "message": body["message"]}
    assert body["status"] == status
    return str(body["message"])


def ended(client: httpx.Client, submitted: httpx.Response) -> Any:
    """The job of a 202, when it has ended."""
    job = answered(submitted, 202)
    assert set(job) == {"id", "status", "status_url"}
    assert job["status"] == "pending"
    assert job["status_url"] == f"/v1/jobs/{job['id']}"
    until = time.monotonic() + PATIENCE_S
    while (seen := answered(client.get(job["status_url"])))["status"] in {"pending", "running"}:
        assert time.monotonic() < until
        time.sleep(0.02)
    return seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def source_server(
    tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> Iterator[RunningServer]:
    """Two workspaces would need a header; here there is one."""
    data_dir = tmp_path_factory.mktemp("indexes") / "data"
    with serving(data_dir, local_files=folder, embedding_timeout_s=30) as running:
        yield running


@pytest.fixture
def client(source_server: RunningServer) -> Iterator[httpx.Client]:
    with source_server.client() as client:
        yield client


def make_dataset(client: httpx.Client, source: dict[str, Any]) -> str:
    name = f"t_{uuid4().hex}"
    body = {"label": name, "table_name": name, "source": source}
    return str(answered(client.post("/v1/datasets", json=body), 201)["id"])


@pytest.fixture
def dataset(client: httpx.Client) -> Iterator[str]:
    """Three rows; the path of the dataset's indexes."""
    inline = {"inline": {"format": "csv", "content": CONTENT}}
    dataset_id = make_dataset(client, inline)
    yield f"/v1/datasets/{dataset_id}/indexes"
    client.delete(f"/v1/datasets/{dataset_id}")


@pytest.fixture
def connection(client: httpx.Client, folder: Path) -> Iterator[str]:
    """The path of a connection with the table ``main.docs``, which has no copy yet."""
    here = folder / uuid4().hex
    here.mkdir()
    (here / "docs.csv").write_text(CONTENT)
    body = {"name": f"c_{uuid4().hex}", "source_type": "files", "config": {"url": str(here)}}
    connection_id = answered(client.post("/v1/connections", json=body), 201)["id"]
    yield f"/v1/connections/{connection_id}"
    client.delete(f"/v1/connections/{connection_id}")


@pytest.fixture
def table(connection: str) -> str:
    """The path of the table's indexes."""
    return f"{connection}/tables/main/docs/indexes"


def connect_shop(client: httpx.Client, path: Path, name: str) -> str:
    """A SQLite file with a table of two rows; the id of its connection."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE docs (id INTEGER, body TEXT)")
        database.execute("INSERT INTO docs VALUES (1, 'red'), (2, 'blue')")
    body = {"name": name, "source_type": "sqlite", "config": {"path": str(path)}}
    return str(answered(client.post("/v1/connections", json=body), 201)["id"])


@pytest.fixture(params=["dataset", "table"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_an_index_is_made_listed_and_deleted(client: httpx.Client, place: str) -> None:
    body = {"index_name": "by_id", "columns": ["id", "n"]}
    made = answered(client.post(place, json=body), 201)
    assert set(made) == FIELDS
    expected = {
        "index_name": "by_id",
        "index_type": "sorted",
        "columns": ["id", "n"],
        "metric": None,
        "status": "ready",
        "error_message": None,
        "source_column": None,
        "language": None,
        "embedding_provider_id": None,
        "description": None,
        "row_count": 3,
    }
    assert expected.items() <= made.items()
    assert made["size_bytes"] > 0
    assert made["created_at"] <= made["updated_at"]
    assert answered(client.get(place)) == {"indexes": [made]}
    gone = client.delete(f"{place}/by_id")
    assert (gone.status_code, gone.content) == (204, b"")
    assert answered(client.get(place)) == {"indexes": []}
    again = client.delete(f"{place}/by_id")
    assert refused(again, 404, "NOT_FOUND") == "Index 'by_id' not found"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"index_type": "bm25", "columns": ["body"]}, {"language": "english", "metric": None}),
        ({"index_type": "bm25", "columns": ["body"], "language": "German"}, {"language": "german"}),
        (
            {"index_type": "vector", "columns": ["body"], "description": "what it says"},
            {
                "columns": ["body_embedding"],
                "source_column": "body",
                "metric": "cosine",
                "embedding_provider_id": "sys_emb_local",
                "description": "what it says",
            },
        ),
        (
            {
                "index_type": "vector",
                "columns": ["body"],
                "embedding_provider_id": "sys_emb_local",
                "dimensions": 64,
                "output_column": "Meaning",
                "metric": "DOT",
            },
            {"columns": ["Meaning"], "source_column": "body", "metric": "dot"},
        ),
        ({"index_type": None, "columns": ["n"], "metric": None}, {"index_type": "sorted"}),
        ({"columns": ["n"], "dimensions": 0, "unknown": {"field": 1}}, {"index_type": "sorted"}),
        ({"columns": ["n"], "index_name": "  by.n-1  "}, {"index_name": "by.n-1"}),
    ],
)
def test_what_was_ordered_is_shown(
    client: httpx.Client, dataset: str, options: dict[str, Any], shown: dict[str, Any]
) -> None:
    made = answered(client.post(dataset, json={"index_name": "x", **options}), 201)
    assert shown.items() <= made.items()
    assert answered(client.get(dataset)) == {"indexes": [made]}


def test_vectors_of_ones_own_are_indexed(client: httpx.Client) -> None:
    sql = "SELECT x AS id, [x, 1.0] AS v FROM generate_series(1, 20) AS t(x)"
    dataset_id = make_dataset(client, {"sql": sql})
    body = {"index_name": "near", "columns": ["v"], "index_type": "vector"}
    made = answered(client.post(f"/v1/datasets/{dataset_id}/indexes", json=body), 201)
    assert (made["columns"], made["source_column"], made["metric"]) == (["v"], None, "l2")
    assert made["embedding_provider_id"] is None


def test_a_job_makes_an_index(client: httpx.Client, place: str) -> None:
    body = {"index_name": "words", "columns": ["body"], "index_type": "bm25", "async": True}
    first = {"index_name": "first", "columns": ["id"]}
    answered(client.post(place, json=first), 201)  # else the first sync would build it along
    job = ended(client, client.post(place, json=body))
    kind = "create_dataset_index" if place.startswith("/v1/datasets") else "create_index"
    assert (job["job_type"], job["status"], job["error_message"]) == (kind, "succeeded", None)
    made = answered(client.get(place))["indexes"][-1]
    assert job["result"] == made
    assert made["status"] == "ready"
    assert job["progress"]["rows"] == job["progress"]["rows_total"] > 0
    listed = answered(client.get(f"/v1/jobs?job_type={kind}"))["jobs"]
    assert job["id"] in {each["id"] for each in listed}


def test_a_job_that_cannot_make_an_index_says_why_and_so_does_the_index(
    client: httpx.Client,
) -> None:
    source = {"sql": "SELECT [1.0, 2.0] AS v UNION ALL SELECT [3.0]"}
    place = f"/v1/datasets/{make_dataset(client, source)}/indexes"
    body = {"index_name": "near", "columns": ["v"], "index_type": "vector"}
    job = ended(client, client.post(place, json={**body, "async": True}))
    assert (job["status"], job["result"]) == ("failed", None)
    (pending,) = answered(client.get(place))["indexes"]
    assert pending["status"] == "pending"
    assert pending["error_message"] == job["error_message"]
    assert (pending["row_count"], pending["size_bytes"]) == (None, None)
    now = client.post(place, json={**body, "index_name": "now"})
    assert refused(now, 400, "BAD_REQUEST") == job["error_message"]
    assert len(answered(client.get(place))["indexes"]) == 1
    assert client.delete(f"{place}/near").status_code == 204


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"index_name": ""}, "index_name must have 1 to 128 letters"),
        ({"index_name": " "}, "index_name must have"),
        ({"index_name": "a/b"}, "index_name must have"),
        ({"index_name": ".."}, "index_name must have"),
        ({"index_name": "-x"}, "index_name must have"),
        ({"index_name": "é"}, "index_name must have"),
        ({"index_name": "a b"}, "index_name must have"),
        ({"index_name": "x" * 129}, "index_name must have"),
        ({"columns": []}, "columns must name at least one column"),
        ({"columns": ["id", "id"]}, "columns must not name a column twice"),
        ({"columns": [f"c{n}" for n in range(65)]}, "columns must name at most 64 columns"),
        ({"columns": ["nope"]}, "The table has no column 'nope'"),
        ({"columns": [""]}, "The table has no column ''"),
        ({"columns": ["ID"]}, "The table has no column 'ID'"),
        ({"columns": ["x\x1b[31m" * 50]}, "The table has no column"),
        ({"index_type": "btree"}, "index_type must be one of sorted, bm25, vector"),
        ({"index_type": ""}, "index_type must be one of sorted, bm25, vector"),
        ({"index_type": "bm25", "columns": ["body"], "language": ""}, "language must be one of"),
        ({"index_type": "bm25"}, "Column 'id' does not hold text, but int64"),
        ({"index_type": "vector"}, "Column 'id' does not hold lists of numbers, but int64"),
        ({"index_type": "vector", "columns": ["id", "n"]}, "exactly one column"),
        ({"index_type": "vector", "columns": ["nope"]}, "The table has no column 'nope'"),
        ({"metric": "l2"}, "metric is for vector indexes only"),
        ({"embedding_provider_id": "sys_emb_local"}, "embedding_provider_id is for vector"),
        ({"dimensions": 64}, "dimensions is for vector indexes only"),
        ({"output_column": "e"}, "output_column is for vector indexes only"),
        ({"language": "german"}, "language is for bm25 indexes only"),
        ({"index_type": "bm25", "columns": ["body"], "language": "klingon"}, "language must be"),
        ({"index_type": "bm25", "columns": ["body"], "metric": "l2"}, "metric is for vector"),
        ({"index_type": "vector", "columns": ["body"], "metric": "taxi"}, "metric must be one of"),
        ({"index_type": "vector", "columns": ["body"], "dimensions": 7}, "dimensions"),
        ({"index_type": "vector", "columns": ["body"], "output_column": "id"}, "column 'id' alr"),
        ({"index_type": "vector", "columns": ["body"], "output_column": " id "}, "column 'id' alr"),
        ({"index_type": "vector", "columns": ["body"], "output_column": " "}, "cannot be empty"),
        ({"index_type": "vector", "columns": ["body"], "output_column": "x" * 256}, "output_col"),
        (
            {"index_type": "vector", "columns": ["body"], "embedding_provider_id": "embpnone"},
            "Embedding provider 'embpnone' not found",
        ),
        ({"description": "x" * 1001}, "description"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_bad_order_is_refused_before_anything_is_made(
    client: httpx.Client, dataset: str, order: dict[str, Any], message: str, is_async: bool
) -> None:
    body = {"index_name": "x", "columns": ["id"], **order, "async": is_async}
    response = client.post(dataset, json=body)
    assert message in refused(response, 400, "BAD_REQUEST")
    assert answered(client.get(dataset)) == {"indexes": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"index_name": "x"},
        {"columns": ["id"]},
        {"index_name": 1, "columns": ["id"]},
        {"index_name": None, "columns": ["id"]},
        {"index_name": "x", "columns": "id"},
        {"index_name": "x", "columns": [None]},
        {"index_name": "x", "columns": ["id"], "async": "yes"},
        {"index_name": "x", "columns": ["id"], "index_type": 7},
        {"index_name": "x", "columns": ["id"], "dimensions": -1},
        {"index_name": "x", "columns": ["id"], "dimensions": 1.5},
        {"index_name": "x", "columns": ["id"], "dimensions": 10**9},
        {"index_name": "x\x00", "columns": ["id"]},
        {"index_name": "x", "columns": ["a\x00b"]},
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(
    client: httpx.Client, dataset: str, body: dict[str, Any]
) -> None:
    assert "Field '" in refused(client.post(dataset, json=body), 422, "UNPROCESSABLE_ENTITY")


def test_a_name_is_taken_once_on_a_table(client: httpx.Client, place: str) -> None:
    body = {"index_name": "x", "columns": ["id"]}
    answered(client.post(place, json=body), 201)
    for is_async in (False, True):
        taken = client.post(place, json={**body, "columns": ["n"], "async": is_async})
        assert refused(taken, 409, "CONFLICT") == "Index 'x' already exists on this table"


def test_what_does_not_exist_is_not_found(client: httpx.Client, connection: str) -> None:
    body = {"index_name": "x", "columns": ["id"]}
    for missing, named in (
        ("/v1/datasets/datanone/indexes", "Dataset 'datanone' not found"),
        ("/v1/connections/connnone/tables/main/docs/indexes", "Connection 'connnone' not found"),
        (f"{connection}/tables/none/docs/indexes", "Table 'none.docs' not found"),
        (f"{connection}/tables/main/none/indexes", "Table 'main.none' not found"),
    ):
        for response in (
            client.get(missing),
            client.post(missing, json=body),
            client.post(missing, json={**body, "async": True}),
            client.delete(f"{missing}/x"),
        ):
            assert refused(response, 404, "NOT_FOUND") == named


@pytest.mark.parametrize("name", NASTY_NAMES, ids=range(len(NASTY_NAMES)))
def test_a_strange_name_in_the_path_is_not_found(
    client: httpx.Client, dataset: str, name: str
) -> None:
    answered(client.post(dataset, json={"index_name": "by_id", "columns": ["id"]}), 201)
    escaped = quote(name, safe="").replace(".", "%2E")
    response = client.delete(f"{dataset}/{escaped}")
    assert response.status_code in {404, 405}, response.text
    assert response.json()["status"] == response.status_code
    assert len(answered(client.get(dataset))["indexes"]) == 1


def test_a_nul_in_the_path_is_refused(client: httpx.Client, dataset: str) -> None:
    refused(client.delete(f"{dataset}/%00"), 400, "BAD_REQUEST")
    assert client.delete(f"{dataset}/%FF").status_code in {400, 404}


def test_a_table_that_is_read_live_has_nothing_to_index(client: httpx.Client, folder: Path) -> None:
    connection_id = connect_shop(client, folder / "live.sqlite", "live_shop")
    table = f"/v1/connections/{connection_id}/tables/main/docs"
    answered(client.patch(table, json={"mode": "live"}))
    response = client.post(f"{table}/indexes", json={"index_name": "x", "columns": ["id"]})
    assert "read live" in refused(response, 400, "BAD_REQUEST")


def test_a_source_that_is_gone_is_a_bad_gateway(
    client: httpx.Client, table: str, folder: Path
) -> None:
    for each in filter(Path.is_dir, folder.iterdir()):
        shutil.rmtree(each)
    response = client.post(table, json={"index_name": "x", "columns": ["id"]})
    refused(response, 502, "BAD_GATEWAY")
    assert answered(client.get(table)) == {"indexes": []}


def test_a_provider_that_is_not_reached_is_no_fault_of_the_server(
    client: httpx.Client, dataset: str
) -> None:
    config = {"base_url": "http://127.0.0.1:1/v1", "model": "m", "max_retries": 0}
    provider = {"name": "nowhere", "provider_type": "service", "config": config}
    provider_id = answered(client.post("/v1/embedding-providers", json=provider), 201)["id"]
    body = {"index_name": "x", "columns": ["body"], "index_type": "vector"}
    response = client.post(dataset, json={**body, "embedding_provider_id": provider_id})
    refused(response, 400, "BAD_REQUEST")  # a private address
    assert answered(client.get(dataset)) == {"indexes": []}
    assert client.delete(f"/v1/embedding-providers/{provider_id}").status_code == 204


def test_all_indexes_are_listed_filtered_and_paged(
    client: httpx.Client, dataset: str, connection: str, table: str
) -> None:
    def page(**filters: object) -> Any:
        return answered(client.get("/v1/indexes", params=filters))  # type: ignore[arg-type]

    def names(**filters: object) -> list[str]:
        return [each["index_name"] for each in page(**filters)["indexes"]]

    connection_id = connection.rpartition("/")[2]
    before = page(limit=1000)["count"]
    for name in ("zz_b", "zz_a", "zz_c"):
        answered(client.post(dataset, json={"index_name": name, "columns": ["id"]}), 201)
    words = {"index_name": "zz_w", "columns": ["body"], "index_type": "bm25"}
    made = answered(client.post(table, json=words), 201)

    whole = page(limit=1000)
    assert set(whole) == {"indexes", "count", "limit", "has_more", "next_cursor"}
    assert (whole["count"], whole["limit"], whole["has_more"]) == (before + 4, 1000, False)
    assert whole["next_cursor"] is None
    mine = whole["indexes"][-4:]
    assert [each["index_name"] for each in mine] == ["zz_a", "zz_b", "zz_c", "zz_w"]
    assert all(set(each) == set(ListedIndexBody.model_fields) for each in mine)
    where = {"connection_id": connection_id, "schema_name": "main", "table_name": "docs"}
    assert mine[-1] == {**made, **where}
    assert (mine[0]["connection_id"], mine[0]["schema_name"]) == (None, "main")

    assert names(connection_id=connection_id) == ["zz_w"]
    assert names(connection_id=connection_id, schema="main", table="docs") == ["zz_w"]
    assert names(connection_id=connection_id, schema="other") == []
    assert names(connection_id=connection_id, index_type="sorted") == []
    assert names(connection_id="connnone") == []
    assert names(table=mine[0]["table_name"]) == ["zz_a", "zz_b", "zz_c"]
    assert names(table=mine[0]["table_name"], index_type="bm25") == []
    assert names(table="x' OR 1=1 --") == []

    seen: list[str] = []
    cursor = None
    for expected in (2, 1):
        found = page(limit=2, table=mine[0]["table_name"], **({"cursor": cursor} if cursor else {}))
        assert (found["count"], found["limit"]) == (expected, 2)
        assert found["has_more"] is (found["next_cursor"] is not None)
        seen += [each["index_name"] for each in found["indexes"]]
        cursor = found["next_cursor"]
    assert (seen, cursor) == (["zz_a", "zz_b", "zz_c"], None)


def test_a_page_of_too_few_or_too_many_is_of_one_or_a_thousand(client: httpx.Client) -> None:
    assert answered(client.get("/v1/indexes?limit=0"))["limit"] == 1
    assert answered(client.get("/v1/indexes?limit=5000"))["limit"] == 1000
    assert answered(client.get("/v1/indexes"))["limit"] == 100


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "cursor=nonsense",
        "cursor=W10",  # []
        "cursor=WzEsMl0",  # [1,2]
        "cursor=bnVsbA",  # null
        "cursor=%20",
        "cursor=é",
        "cursor=" + "A" * 9999,
        "index_type=hash",
        "index_type=",
    ],
)
def test_a_bad_listing_is_refused(client: httpx.Client, query: str) -> None:
    message = refused(client.get(f"/v1/indexes?{query}"), 400, "BAD_REQUEST")
    assert "cursor" in message or query.partition("=")[0] in message


def test_indexes_follow_a_refresh(client: httpx.Client, folder: Path) -> None:
    path = folder / "shop.sqlite"
    connection_id = connect_shop(client, path, "shop")
    place = f"/v1/connections/{connection_id}/tables/main/docs/indexes"
    body = {"index_name": "words", "columns": ["body"], "index_type": "bm25"}
    assert answered(client.post(place, json=body), 201)["row_count"] == 2
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO docs VALUES (3, 'red again')")
    one = {"connection_id": connection_id, "schema_name": "main", "table_name": "docs"}
    answered(client.post("/v1/refresh", json={**one, "data": True}))
    (index,) = answered(client.get(place))["indexes"]
    assert (index["status"], index["row_count"]) == ("ready", 3)
    sql = "SELECT id FROM bm25_search('shop.main.docs', 'body', 'red') ORDER BY id"
    assert answered(client.post("/v1/query", json={"sql": sql}))["rows"] == [[1], [3]]
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE docs RENAME COLUMN body TO text")
    answered(client.post("/v1/refresh", json={**one, "data": True}))
    (index,) = answered(client.get(place))["indexes"]
    assert (index["status"], index["error_message"]) == (
        "pending",
        "The table has no column 'body'",
    )
    message = refused(client.post("/v1/query", json={"sql": sql}), 400, "SQL_INVALID")
    assert "Index 'words' is not ready: The table has no column 'body'" in message
