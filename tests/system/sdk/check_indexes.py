"""Indexes of tables and datasets, as a user of the SDK writes them.

The first version indexes tables of connections only, the second datasets too, the third also lists the
indexes of all tables. The source is the DuckDB file of ``tests.system.test_sdk``.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hotdata

from tests.system.sdk.client import FIRST, User, refused, until

PEOPLE = ("main", "people")


def check_index_is_made_listed_and_deleted(user: User) -> None:
    api = _indexes(user)
    with _people(user, "indexed") as connection_id:
        made = _create(user, connection_id, index_name="by_id", columns=["id", "colour"])
        assert (made.index_name, made.index_type, made.metric) == ("by_id", "sorted", None)
        assert (made.columns, made.status) == (["id", "colour"], hotdata.IndexStatus.READY)
        assert made.created_at <= made.updated_at
        (listed,) = api.list_indexes(connection_id, *PEOPLE).indexes
        assert listed == made
        plan = user.query("EXPLAIN SELECT name FROM indexed.main.people WHERE id = 7").rows
        assert "by sorted index by_id" in str(plan)
        answer = user.query("SELECT name FROM indexed.main.people WHERE id = 7")
        assert answer.rows == [["person 7"]]
        assert api.delete_index(connection_id, *PEOPLE, "by_id") is None
        assert api.list_indexes(connection_id, *PEOPLE).indexes == []
        refused(lambda: api.delete_index(connection_id, *PEOPLE, "by_id"), 404)


def check_index_is_made_by_a_job(user: User) -> None:
    api = _indexes(user)
    with _people(user, "index_job") as connection_id:
        request = _request(index_name="words", columns=["colour"], index_type="bm25", async_=True)
        assert api.create_index(connection_id, *PEOPLE, request) is None  # it knows no 202
        again = _request(index_name="by_id", columns=["id"], async_=True)
        job = _ended(
            user, api.create_index_without_preload_content(connection_id, *PEOPLE, again).data
        )
        assert (job.job_type, job.status, job.error_message) == ("create_index", "succeeded", None)
        made = job.result.actual_instance
        assert type(made) is hotdata.IndexInfoResponse
        assert (made.index_name, made.status) == ("by_id", hotdata.IndexStatus.READY)
        listed = user.jobs.list_jobs(job_type="create_index").jobs
        assert job.id in {one.id for one in listed}
        for one in listed:
            until(lambda one=one: user.jobs.get_job(one.id), _is_over)
        ready = [
            (one.index_name, one.status) for one in api.list_indexes(connection_id, *PEOPLE).indexes
        ]
        assert ready == [("by_id", "ready"), ("words", "ready")]


def check_words_are_searched(user: User) -> None:
    with _people(user, "worded") as connection_id:
        sql = "SELECT id, score FROM bm25_search('worded.main.people', 'colour', 'blue', 5)"
        refused(lambda: user.query(sql), 400)
        made = _create(
            user, connection_id, index_name="words", columns=["colour"], index_type="bm25"
        )
        assert (made.index_type, made.metric) == ("bm25", None)
        answer = user.query(f"{sql} ORDER BY score DESC, id")
        assert answer.columns == ["id", "score"]
        assert answer.row_count == 5
        assert all(score > 0 for _, score in answer.rows)
        sql = "SELECT count(*) FROM bm25_search('worded.main.people', 'colour', 'blue red')"
        assert user.query(sql).rows == [[700]]


def check_meaning_is_searched(user: User) -> None:
    with _people(user, "meant") as connection_id:
        made = _create(
            user,
            connection_id,
            index_name="meaning",
            columns=["colour"],
            index_type="vector",
            embedding_provider_id="sys_emb_local",
            description="colours",
        )
        assert (made.columns, made.metric) == (["colour_embedding"], "cosine")
        answer = user.query(
            "SELECT colour, _distance FROM vector_search('meant.main.people', 'colour', 'crimson', 3)"
            " ORDER BY _distance"
        )
        assert [row[0] for row in answer.rows] == ["red"] * 3
        answer = user.query(
            "SELECT colour, vector_distance(colour, 'crimson') AS d FROM meant.main.people"
            " WHERE colour IS NOT NULL ORDER BY d LIMIT 1"
        )
        assert answer.rows[0][0] == "red"
        sql = "SELECT array_length(colour_embedding) AS n FROM meant.main.people WHERE id = 0"
        assert user.query(sql).rows == [[256]]
        short = _create(
            user,
            connection_id,
            index_name="short",
            columns=["colour"],
            index_type="vector",
            dimensions=64,
            metric="dot",
            output_column="brief",
        )
        assert (short.columns, short.metric) == (["brief"], "dot")


def check_bad_indexes_are_refused(user: User) -> None:
    with _people(user, "index_strict") as connection_id:

        def create(connection: str = connection_id, **fields: Any) -> Any:
            return _create(user, connection, **{"index_name": "x", "columns": ["id"], **fields})

        refused(lambda: create(index_name=" "), 400)
        refused(lambda: create(columns=[]), 400)
        refused(lambda: create(columns=["nope"]), 400)
        refused(lambda: create(index_type="btree"), 400)
        refused(lambda: create(index_type="bm25"), 400)
        refused(lambda: create(index_type="vector"), 400)
        refused(lambda: create(metric="cosine"), 400)
        refused(lambda: create(columns=["name"], index_type="vector", metric="taxi"), 400)
        unknown = {"index_type": "vector", "embedding_provider_id": "embpunknown"}
        refused(lambda: create(columns=["name"], **unknown), 400)
        refused(lambda: create("connunknown"), 404)
        create()
        assert "already exists" in refused(create, 409).body
        refused(lambda: _indexes(user).list_indexes(connection_id, "main", "no"), 404)
        refused(lambda: _indexes(user).list_indexes("connunknown", *PEOPLE), 404)


def check_dataset_is_indexed(user: User) -> None:
    if user.version == FIRST:
        return
    api = _indexes(user)
    sql = "SELECT x AS id, 'word ' || x AS body, [x, 1.0] AS v FROM generate_series(0, 99) AS t(x)"
    dataset = user.create_dataset("Indexed", user.sql_source(sql), "indexed_dataset")
    request = _request(index_name="near", columns=["v"], index_type="vector")
    made = api.create_dataset_index(dataset.id, request)
    assert (made.columns, made.metric, made.status) == (["v"], "l2", hotdata.IndexStatus.READY)
    words = _request(index_name="words", columns=["body"], index_type="bm25", async_=True)
    submitted = api.create_dataset_index_without_preload_content(dataset.id, words)
    assert submitted.status == 202
    job = _ended(user, submitted.data)
    assert (job.job_type, job.status) == ("create_dataset_index", "succeeded")
    assert job.result.actual_instance.index_name == "words"
    assert [one.index_name for one in api.list_dataset_indexes(dataset.id).indexes] == [
        "near",
        "words",
    ]
    answer = user.query(
        "SELECT id FROM vector_search('indexed_dataset', 'v', ARRAY[7.2, 1.0], 2) ORDER BY _distance"
    )
    assert answer.rows == [[7], [8]]
    answer = user.query("SELECT id FROM bm25_search('indexed_dataset', 'body', '\"word 42\"')")
    assert answer.rows == [[42]]
    nearest = "SELECT id FROM indexed_dataset ORDER BY l2_distance(v, ARRAY[7.2, 1.0]) LIMIT 2"
    assert user.query(nearest).rows == [[7], [8]]
    assert "by vector index near" in str(user.query(f"EXPLAIN {nearest}").rows)
    refused(lambda: api.create_dataset_index(dataset.id, request), 409)
    refused(lambda: api.create_dataset_index("dataunknown", request), 404)
    assert api.delete_dataset_index(dataset.id, "near") is None
    refused(lambda: api.delete_dataset_index(dataset.id, "near"), 404)
    user.datasets.delete_dataset(dataset.id)
    refused(lambda: api.list_dataset_indexes(dataset.id), 404)


def check_indexes_of_all_tables_are_listed(user: User) -> None:
    if user.version != "0.4.1":
        return
    every = _indexes(user).list_indexes_collection
    with _people(user, "collected") as connection_id:
        for name in ("b", "a", "c"):
            _create(user, connection_id, index_name=name, columns=["id"])
        _create(user, connection_id, index_name="w", columns=["name"], index_type="bm25")
        page = every("dbid", connection_id=connection_id)
        assert [one.index_name for one in page.indexes] == ["a", "b", "c", "w"]
        assert (page.count, page.limit, page.has_more, page.next_cursor) == (4, 100, False, None)
        one = page.indexes[0]
        assert (one.connection_id, one.schema_name, one.table_name) == (connection_id, *PEOPLE)
        found = every("dbid", connection_id=connection_id, var_schema="main", index_type="bm25")
        assert [one.index_name for one in found.indexes] == ["w"]
        assert every("dbid", connection_id=connection_id, table="things").indexes == []
        first = every("dbid", connection_id=connection_id, limit=3)
        assert (first.count, first.has_more) == (3, True)
        last = every("dbid", connection_id=connection_id, limit=3, cursor=first.next_cursor)
        assert [one.index_name for one in last.indexes] == ["w"]
        assert last.has_more is False
        refused(lambda: every("dbid", cursor="nonsense"), 400)
        refused(lambda: every("dbid", index_type="hash"), 400)


def _indexes(user: User) -> Any:
    return hotdata.IndexesApi(user.client)


def _request(*, async_: bool | None = None, **fields: Any) -> Any:
    return hotdata.CreateIndexRequest(var_async=async_, **fields)


def _create(user: User, connection_id: str, **fields: Any) -> Any:
    return _indexes(user).create_index(connection_id, *PEOPLE, _request(**fields))


def _ended(user: User, body: bytes) -> Any:
    """The job of a 202, when it has ended."""
    submitted = hotdata.SubmitJobResponse.from_dict(json.loads(body))
    assert submitted.status == "pending"
    assert submitted.status_url == f"/v1/jobs/{submitted.id}"
    return until(lambda: user.jobs.get_job(submitted.id), _is_over)


def _is_over(job: Any) -> bool:
    return job.status not in {"pending", "running"}


@contextmanager
def _people(user: User, name: str) -> Iterator[str]:
    """A connection with the table of people for as long as the block runs; its id."""
    api = hotdata.ConnectionsApi(user.client)
    config = {"path": user.duckdb_path}
    request = hotdata.CreateConnectionRequest(name=name, source_type="duckdb", config=config)
    made = api.create_connection(request)
    try:
        yield made.id
    finally:
        api.delete_connection(made.id)
