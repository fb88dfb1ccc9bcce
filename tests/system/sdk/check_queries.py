"""Queries, runs and results, as a user of the SDK writes them."""

import hashlib

import hotdata

from tests.system.sdk.client import User, refused


def check_query_waits_for_its_rows(user: User) -> None:
    answer = user.query("SELECT 1 AS x, 'a' AS y, NULL AS z, 1.5 AS w, true AS v")
    assert answer.columns == ["x", "y", "z", "w", "v"]
    assert answer.rows == [[1, "a", None, 1.5, True]]
    assert answer.row_count == 1
    assert answer.nullable == [False, False, True, False, False]
    assert answer.warning is None
    assert answer.result_id.startswith("rslt")
    assert answer.query_run_id.startswith("qrun")


def check_column_names_may_repeat(user: User) -> None:
    answer = user.query("SELECT 1 AS a, 2 AS a")
    assert (answer.columns, answer.rows) == (["a", "a"], [[1, 2]])


def check_async_query_is_polled(user: User) -> None:
    sql = "SELECT x FROM generate_series(1, 1000) AS t(x) ORDER BY x"
    request = hotdata.QueryRequest(sql=sql, var_async=True)
    submitted = user.queries.query(request)
    assert type(submitted).__name__ == "AsyncQueryResponse"
    assert submitted.status == "running"
    assert submitted.status_url == f"/v1/query-runs/{submitted.query_run_id}"
    run = user.wait_for_run(submitted.query_run_id)
    assert (run.status, run.row_count, run.error_message) == ("succeeded", 1000, None)
    result = user.wait_for_result(run.result_id)
    assert result.status == "ready"
    assert result.row_count == 1000
    assert result.rows == [[x] for x in range(1, 1001)]


def check_async_query_that_is_quick_answers_at_once(user: User) -> None:
    request = hotdata.QueryRequest(sql="SELECT 5", var_async=True, async_after_ms=5000)
    assert user.queries.query(request).rows == [[5]]


def check_async_query_that_fails(user: User) -> None:
    request = hotdata.QueryRequest(sql="SELECT 1 / (x - x) FROM generate_series(1,2) t(x)")
    request.var_async = True
    run = user.wait_for_run(user.queries.query(request).query_run_id)
    assert run.status == "failed"
    assert "ivide by zero" in run.error_message
    assert run.result_id is None
    assert run.completed_at is not None


def check_run_is_recorded(user: User) -> None:
    sql = "SELECT 42 AS answer"
    answer = user.query(sql)
    run = user.runs.get_query_run(answer.query_run_id)
    assert run.id == answer.query_run_id
    assert run.sql_text == sql
    assert run.sql_hash == hashlib.sha256(sql.encode()).hexdigest()
    assert run.status == "succeeded"
    assert run.row_count == 1
    assert run.result_id == answer.result_id
    assert run.saved_query_id is None
    assert run.user_public_id == "user_" + hashlib.sha256(user.token.encode()).hexdigest()[:10]
    assert run.completed_at >= run.created_at
    again = user.runs.get_query_run(user.query(sql).query_run_id)
    assert again.snapshot_id == run.snapshot_id


def check_runs_are_paged_and_filtered(user: User) -> None:
    expected = [user.query(f"SELECT {number}").query_run_id for number in range(5)][::-1]
    page = user.runs.list_query_runs(limit=2)
    assert [run.id for run in page.query_runs] == expected[:2]
    assert (page.count, page.limit, page.has_more) == (2, 2, True)
    page = user.runs.list_query_runs(limit=2, cursor=page.next_cursor)
    assert [run.id for run in page.query_runs] == expected[2:4]
    refused(lambda: user.query("SELECT nothing"), 400)
    failed = user.runs.list_query_runs(limit=1, status="failed").query_runs
    assert failed[0].sql_text == "SELECT nothing"
    refused(lambda: user.runs.list_query_runs(cursor="nonsense"), 400)


def check_results_are_listed_and_queryable(user: User) -> None:
    answer = user.query("SELECT 3 AS three")
    assert user.wait_for_result(answer.result_id).rows == [[3]]
    listed = user.results.list_results(limit=1)
    assert listed.results[0].id == answer.result_id
    assert (listed.count, listed.offset, listed.limit, listed.has_more) == (1, 0, 1, True)
    assert user.query(f"SELECT three + 1 FROM results.{answer.result_id}").rows == [[4]]


def check_empty_result_keeps_its_columns(user: User) -> None:
    answer = user.query("SELECT 1 AS a WHERE false")
    result = user.wait_for_result(answer.result_id)
    assert (result.columns, result.rows, result.row_count) == (["a"], [], 0)


def check_result_pages(user: User) -> None:
    answer = user.query("SELECT x FROM generate_series(1, 10) t(x) ORDER BY x")
    user.wait_for_result(answer.result_id)
    if not user.is_first:  # reads whole results only
        page = user.results.get_result(answer.result_id, offset=4, limit=3)
        assert page.rows == [[5], [6], [7]]
        assert user.results.get_result(answer.result_id, limit=0).rows == []
    assert len(user.results.get_result(answer.result_id).rows) == 10


def check_result_as_arrow(user: User) -> None:
    if user.is_first:  # has no arrow helper
        return
    from hotdata.arrow import ResultsApi

    answer = user.query(
        "SELECT x, x * 0.5 AS half, 'n' || x::text AS name FROM generate_series(1, 5000) t(x)"
        " ORDER BY x"
    )
    user.wait_for_result(answer.result_id)
    results = ResultsApi(user.client)
    table = results.get_result_arrow(answer.result_id)
    assert table.column_names == ["x", "half", "name"]
    assert table.num_rows == 5000
    assert table.to_pylist()[4999] == {"x": 5000, "half": 2500.0, "name": "n5000"}
    page = results.get_result_arrow(answer.result_id, offset=10, limit=2)
    assert page.column("x").to_pylist() == [11, 12]
    with results.stream_result_arrow(answer.result_id) as reader:
        assert sum(batch.num_rows for batch in reader) == 5000
    refused(lambda: results.get_result_arrow("rsltunknown"), 404)


def check_large_answer_is_whole(user: User) -> None:
    answer = user.query(
        "SELECT x, repeat('y', 100) AS s FROM generate_series(1, 120000) t(x) ORDER BY x"
    )
    assert len(answer.rows) == answer.row_count == 120_000
    assert answer.rows[-1][0] == 120_000


def check_bad_sql_is_a_400(user: User) -> None:
    error = refused(lambda: user.query("SELEC 1"), 400)
    assert "SQL_INVALID" in error.body
    error = refused(lambda: user.query("DROP TABLE t"), 400)
    assert "STATEMENT_FORBIDDEN" in error.body
    error = refused(lambda: user.query("SELECT nope(1)"), 400)
    assert error.data.error.code == "SQL_INVALID"
    assert "nope" in error.data.error.message
    refused(lambda: user.query("   "), 400)


def check_unknown_ids_are_404(user: User) -> None:
    error = refused(lambda: user.results.get_result("rsltunknown"), 404)
    assert error.data.error.code == "NOT_FOUND"
    refused(lambda: user.runs.get_query_run("qrununknown"), 404)
