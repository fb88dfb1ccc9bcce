"""Whatever stands in a search, its answer is rows or a typed refusal, and the server goes on.

Every text of ``search_strings`` goes through every function that takes one, as a literal and as a bound
parameter, over HTTP.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from server.v1.query import QueryResponse
from tests.system.conftest import StartServer
from tests.system.search_strings import STRINGS, long_texts

pytestmark = pytest.mark.system

# The functions, the text in the place of %s, and the columns of the answer.
SEARCHES = {
    "bm25_search": (
        "SELECT id, score FROM bm25_search('docs', 'body', %s) ORDER BY score DESC, id LIMIT 3",
        ["id", "score"],
    ),
    "bm25_search with k": ("SELECT id FROM bm25_search('docs', 'body', %s, 3) ORDER BY id", ["id"]),
    "bm25_search of two columns": (
        "SELECT count(*) AS n FROM bm25_search('docs', 'body,title', %s)",
        ["n"],
    ),
    "hybrid_search": (
        "SELECT id, score FROM hybrid_search('docs', 'body', 'body', %s, 3) ORDER BY score DESC, id",
        ["id", "score"],
    ),
    "vector_search": (
        "SELECT id, _distance FROM vector_search('docs', 'body', %s, 3) ORDER BY _distance, id",
        ["id", "_distance"],
    ),
    "vector_distance": (
        "SELECT id, vector_distance(body, %s) AS d FROM docs ORDER BY d, id LIMIT 3",
        ["id", "d"],
    ),
    "bm25_highlight": ("SELECT bm25_highlight(body, %s) AS h FROM docs ORDER BY id", ["h"]),
}
SQL_CHARS_MAX = 1_000_000
TOO_LONG = "A text that is searched for may have at most 32,768 characters"
LONG = long_texts(32_768)
HUGE = long_texts(990_000)
ANSWER = set(QueryResponse.model_fields)
REFUSALS = {"SQL_INVALID", "BAD_REQUEST", "SQL_TOO_COMPLEX", "STATEMENT_FORBIDDEN"}
ROWS = (
    ("red shoes", "Shoes"),
    ("blue hat", "Hat"),
    ("a red hat and red shoes", "Both"),
    ("running in the rain: 100% C++ at http://example.com/a?b=c", None),
    ("", ""),
    (None, "Nothing"),
    ("🔥 e-mail to שלום 红色的鞋子", "Signs"),
)


@pytest.fixture(scope="module")
def client(start_server: StartServer) -> Iterator[httpx.Client]:
    """A dataset with a words index over two columns, one of vectors of text, one of vectors."""
    server = start_server()
    with server.client() as client:
        lines = [
            orjson.dumps({"id": n, "body": body, "title": title, "v": [n, 1.5, -1.0]})
            for n, (body, title) in enumerate(ROWS)
        ]
        inline = {"format": "json", "content": b"\n".join(lines).decode()}
        body = {"label": "docs", "table_name": "docs", "source": {"inline": inline}}
        made = client.post("/v1/datasets", json=body)
        assert made.status_code == 201, made.text
        for index in (
            {"index_name": "words", "columns": ["body", "title"], "index_type": "bm25"},
            {"index_name": "meaning", "columns": ["body"], "index_type": "vector"},
            {"index_name": "near", "columns": ["v"], "index_type": "vector"},
        ):
            made_index = client.post(f"/v1/datasets/{made.json()['id']}/indexes", json=index)
            assert made_index.status_code == 201, made_index.text
        yield client


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def ask(client: httpx.Client, sql: str, *params: Any) -> httpx.Response:
    return client.post("/v1/query", json={"sql": sql, "params": list(params)})


def rows_of(response: httpx.Response, columns: list[str] | None = None) -> Any:
    """The rows of an answer that is whole."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == ANSWER
    assert columns is None or body["columns"] == columns
    assert body["row_count"] == len(body["rows"])
    assert all(len(row) == len(body["columns"]) for row in body["rows"])
    return body["rows"]


def is_answer_or_refusal(response: httpx.Response) -> bool:
    """See that the body has its shape; tell whether it is an answer."""
    if response.status_code == 200:
        rows_of(response)
        return True
    assert response.status_code in {400, 422}, response.text[:2000]
    body = response.json()
    assert body["status"] == response.status_code
    assert body["error"]["message"] == body["message"]
    assert body["error"]["code"] in REFUSALS | {"UNPROCESSABLE_ENTITY"}
    for hint in ("Traceback", "site-packages", "/blobs/", "python", "panick"):
        assert hint not in body["message"], body["message"]
    return False


def assert_calm(client: httpx.Client) -> None:
    assert rows_of(ask(client, "SELECT 1")) == [[1]]


@pytest.mark.parametrize("text", STRINGS, ids=range(len(STRINGS)))
def test_a_text_is_never_an_error(client: httpx.Client, text: str) -> None:
    for sql, columns in SEARCHES.values():
        answer = rows_of(ask(client, sql % "$1", text), columns)
        assert rows_of(ask(client, sql % quoted(text)), columns) == answer
        is_answer_or_refusal(ask(client, sql % f"'{text}'"))  # breaks out when it has a quote
    assert_calm(client)


@pytest.mark.parametrize("function", SEARCHES)
@pytest.mark.parametrize("name", LONG)
def test_a_long_text_is_answered_or_has_too_many_words(
    client: httpx.Client, name: str, function: str
) -> None:
    sql, columns = SEARCHES[function]
    response = ask(client, sql % "$1", LONG[name])
    if response.status_code == 200:
        rows_of(response, columns)
    else:
        assert not is_answer_or_refusal(response)
        message = response.json()["message"]
        assert message.startswith("A search may have "), message
    assert ask(client, sql % quoted(LONG[name])).status_code == response.status_code
    assert_calm(client)


@pytest.mark.parametrize("function", SEARCHES)
@pytest.mark.parametrize("name", HUGE)
def test_a_huge_text_is_refused(client: httpx.Client, name: str, function: str) -> None:
    sql, _ = SEARCHES[function]
    literal = quoted(HUGE[name])
    for response in (ask(client, sql % "$1", HUGE[name]), ask(client, sql % literal)):
        assert not is_answer_or_refusal(response)
        assert response.json()["message"].startswith(TOO_LONG) or len(literal) > SQL_CHARS_MAX
    assert_calm(client)


def test_a_text_that_the_statement_makes_huge_is_answered_or_refused(client: httpx.Client) -> None:
    for sql, _ in SEARCHES.values():
        for text in ("repeat('red ', 50000)", "'" + "r" * 32_768 + "' || 'x'"):
            is_answer_or_refusal(ask(client, sql % text))
    assert_calm(client)


@pytest.mark.parametrize(
    "escape", [r"\ud800", r"\udc00", r"red \udfff shoes", r"\ud83d", r"\u0000"]
)
@pytest.mark.parametrize("function", SEARCHES)
def test_what_is_no_text_is_refused(client: httpx.Client, function: str, escape: str) -> None:
    sql, _ = SEARCHES[function]
    bound = orjson.dumps({"sql": sql % "$1", "params": ["<text>"]})
    literal = orjson.dumps({"sql": sql % "'<text>'"})
    for body in (bound, literal):
        response = client.post(
            "/v1/query",
            content=body.replace(b"<text>", escape.encode()),
            headers={"Content-Type": "application/json"},
        )
        assert not is_answer_or_refusal(response)
    assert_calm(client)


NO_TEXTS = (
    *("NULL", "1", "-1", "1.5", "1e400", "TRUE", "FALSE", "DATE '2026-01-01'", "INTERVAL '1 day'"),
    *(
        "x'00ff'",
        "b'red'",
        "ARRAY['red']",
        "ARRAY[]",
        "ARRAY[NULL]",
        "ARRAY[ARRAY['red']]",
        "[1, 2]",
    ),
    *(
        "named_struct('a', 1)",
        "(1, 2)",
        "(SELECT 'red')",
        "'red' || 'blue'",
        "upper('red')",
        "body",
    ),
    *(
        "random()",
        "now()",
        "CAST('red' AS VARCHAR)",
        "'red'::text",
        "CASE WHEN true THEN 'red' END",
    ),
    *("embedding('sys_emb_local', 'x', 'red')", "$1", "?", "*", "DEFAULT", ""),
    *("arrow_cast('red', 'LargeUtf8')", "arrow_cast('red', 'Utf8View')", "concat('r', NULL)"),
)


@pytest.mark.parametrize("argument", NO_TEXTS)
@pytest.mark.parametrize("function", SEARCHES)
def test_what_is_no_plain_text_is_answered_or_refused(
    client: httpx.Client, function: str, argument: str
) -> None:
    sql, _ = SEARCHES[function]
    is_answer_or_refusal(ask(client, sql % argument))
    assert_calm(client)


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**63, -(2**63), 10**75, 10**80, 1.5, 1e308, 5e-324),
    *([], [None], ["red"], ["red", None], [1, "red"], [True], [1.0, None], [[1.0]], [["red"]]),
    *({"a": 1}, [{"a": 1}]),
)


@pytest.mark.parametrize("value", VALUES, ids=map(repr, VALUES))
@pytest.mark.parametrize("function", SEARCHES)
def test_a_bound_value_that_is_no_text_is_answered_or_refused(
    client: httpx.Client, function: str, value: Any
) -> None:
    sql, _ = SEARCHES[function]
    is_answer_or_refusal(ask(client, sql % "$1", value))
    assert_calm(client)


# The vectors of column v have three numbers, those of body 256.
VECTORS = (
    *("ARRAY[1, 2, 3]", "ARRAY[1.5, 2, -3]", "[1, 2, 3]", "make_array(1, 2, 3)", "ARRAY[0, 0, 0]"),
    *("ARRAY[]", "ARRAY[1]", "ARRAY[1, 2]", "ARRAY[1, 2, 3, 4]", f"ARRAY[{'1, ' * 255}1]"),
    f"ARRAY[{', '.join(['1'] * 5_000)}]",
    *(
        "ARRAY[NULL, 1, 2]",
        "ARRAY[NULL, NULL, NULL]",
        "NULL",
        "ARRAY['a', 'b', 'c']",
        "ARRAY[TRUE]",
    ),
    *(
        "ARRAY[ARRAY[1, 2, 3]]",
        "ARRAY[[1], [2], [3]]",
        "ARRAY[1, 'a', 3]",
        "'[1, 2, 3]'",
        "1",
        "''",
    ),
    *(
        "ARRAY['NaN'::double, 1, 2]",
        "ARRAY['Infinity'::double, 1, 2]",
        "ARRAY['-inf'::double, 1, 2]",
    ),
    *(
        "ARRAY[1e38, 1e38, 1e38]",
        "ARRAY[1e300, 1, 2]",
        "ARRAY[-1e300, 1e300, 0]",
        "ARRAY[1e-320, 0, 0]",
    ),
    *("ARRAY[9223372036854775807, 1, 2]", "ARRAY[1::decimal(38, 10), 2, 3]", "ARRAY[x'00', 1, 2]"),
    *("ARRAY[DATE '2026-01-01', NULL, NULL]", "(SELECT ARRAY[1, 2, 3])", "v", "id", "random()"),
    *("arrow_cast(ARRAY[1, 2, 3], 'FixedSizeList(3, Float32)')", "named_struct('a', 1)", "$1"),
    *(
        "ARRAY[1, 2, 3] || ARRAY[4]",
        "array_repeat(1, 3)",
        "array_repeat(1.0, 100000)",
        "ARRAY[1, 2",
    ),
)
OF_VECTORS = (
    "SELECT id, _distance FROM vector_search('docs', 'v', %s, 3)",
    "SELECT id, _distance FROM vector_search('docs', 'body', %s, 3)",
    "SELECT id, vector_distance(v, %s) AS d FROM docs ORDER BY d LIMIT 3",
    "SELECT id, vector_distance(body, %s) AS d FROM docs ORDER BY d LIMIT 3",
    "SELECT id FROM docs ORDER BY l2_distance(v, %s) LIMIT 3",
    "SELECT id FROM docs WHERE id > 1 ORDER BY l2_distance(%s, v) LIMIT 3",
    "SELECT id, cosine_distance(v, %s) AS d FROM docs ORDER BY d LIMIT 3",
    "SELECT id, negative_dot_product(v, %s) AS d FROM docs ORDER BY d DESC",
)


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
@pytest.mark.parametrize("sql", OF_VECTORS, ids=range(len(OF_VECTORS)))
def test_a_vector_is_answered_or_refused(client: httpx.Client, sql: str, vector: str) -> None:
    is_answer_or_refusal(ask(client, sql % vector))
    assert_calm(client)


BOUND_VECTORS: tuple[Any, ...] = (
    *(
        [1, 2, 3],
        [1.5, 2, 3],
        [],
        [1],
        [1] * 256,
        [1] * 5_000,
        [None, 1, 2],
        ["a", "b", "c"],
        "red",
    ),
    *([1e300, 1, 2], [1e38, 1e38, 1e38], [True, False, True], [10**80, 1, 2], [[1, 2, 3]], None, 7),
)


@pytest.mark.parametrize("vector", BOUND_VECTORS, ids=range(len(BOUND_VECTORS)))
@pytest.mark.parametrize("sql", OF_VECTORS, ids=range(len(OF_VECTORS)))
def test_a_bound_vector_is_answered_or_refused(client: httpx.Client, sql: str, vector: Any) -> None:
    is_answer_or_refusal(ask(client, sql % "$1", vector))
    assert_calm(client)


COUNTS = (
    *("1", "3", "100000", "100001", "0", "-1", "-9223372036854775808", "9223372036854775807"),
    *("9223372036854775808", "1" * 40, "1.0", "1.5", "1e3", "1e400", "'3'", "'x'", "''", "NULL"),
    *("TRUE", "ARRAY[1]", "1 + 1", "(SELECT 1)", "id", "random()", "'NaN'::double", "x'01'", "$1"),
    *("CAST(3 AS SMALLINT)", "3::decimal(5, 2)", "DATE '2026-01-01'", "INTERVAL '1'", ""),
)
COUNTED = (
    "SELECT id FROM bm25_search('docs', 'body', 'red', %s)",
    "SELECT id FROM vector_search('docs', 'body', 'red', %s)",
    "SELECT id FROM vector_search('docs', 'v', ARRAY[1, 2, 3], %s)",
    "SELECT id FROM hybrid_search('docs', 'body', 'body', 'red', %s)",
    "SELECT id FROM hybrid_search('docs', 'body', 'body', 'red', 3, %s)",
    "SELECT id FROM bm25_search('docs', 'body', 'red') ORDER BY score DESC LIMIT %s",
    "SELECT id FROM docs ORDER BY l2_distance(v, ARRAY[1, 2, 3]) LIMIT %s",
)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("sql", COUNTED, ids=range(len(COUNTED)))
def test_a_count_is_taken_or_refused(client: httpx.Client, sql: str, count: str) -> None:
    is_answer_or_refusal(ask(client, sql % count))
    assert_calm(client)


@pytest.mark.parametrize(
    "count", [1, 3, 0, -1, 100_000, 100_001, 2**63, 10**80, 1.5, "3", None, True]
)
@pytest.mark.parametrize("sql", COUNTED, ids=range(len(COUNTED)))
def test_a_bound_count_is_taken_or_refused(client: httpx.Client, sql: str, count: Any) -> None:
    is_answered = is_answer_or_refusal(ask(client, sql % "$1", count))
    if count == 1 and type(count) is int:
        assert is_answered
    assert_calm(client)


TABLES = (
    *(
        "docs",
        "datasets.main.docs",
        "DOCS",
        '"docs"',
        '"Docs"',
        "main.docs",
        "none",
        "",
        " ",
        ".",
        "...",
    ),
    *(
        "a.b.c.d",
        "docs; DROP TABLE docs",
        "docs --",
        "(SELECT 1)",
        "docs, docs",
        "docs d",
        "1",
        "'docs'",
    ),
    *(
        "../docs",
        "/etc/passwd",
        "information_schema.tables",
        "results.x",
        "hotdata.results.x",
        '"',
        '"docs',
    ),
    *("bm25_search", "docs\x01", "💩", "d" * 10_000, "." * 10_000, '"' * 9_999, "$1", "NULL"),
)


@pytest.mark.parametrize("table", TABLES, ids=range(len(TABLES)))
@pytest.mark.parametrize(
    "column", ["body", "body,title", "BODY", "none", "", ",", "body,", "b\x01", "*"]
)
def test_a_table_and_a_column_are_found_or_not(
    client: httpx.Client, table: str, column: str
) -> None:
    for sql in (
        "SELECT count(*) FROM bm25_search($1, $2, 'red')",
        "SELECT count(*) FROM vector_search($1, $2, 'red')",
        "SELECT count(*) FROM hybrid_search($1, $2, 'body', 'red')",
        "SELECT count(*) FROM sorted_scan($1, $2)",
    ):
        is_answer_or_refusal(ask(client, sql, table, column))
    assert_calm(client)


WRONG_CALLS = (
    "SELECT * FROM bm25_search()",
    "SELECT * FROM bm25_search('docs')",
    "SELECT * FROM bm25_search('docs', 'body')",
    "SELECT * FROM bm25_search('docs', 'body', 'red', 1, 2)",
    "SELECT * FROM bm25_search(docs, body, red)",
    "SELECT * FROM bm25_search('docs', 'body', 'red') b, bm25_search('docs', 'body', 'hat') c",
    "SELECT * FROM bm25_search('docs', 'body', (SELECT body FROM docs LIMIT 1))",
    "SELECT d.id FROM docs d, bm25_search('docs', 'body', d.body) b",
    "SELECT * FROM docs d, LATERAL bm25_search('docs', 'body', d.body)",
    "SELECT bm25_search('docs', 'body', 'red')",
    "SELECT * FROM vector_search('docs', 'title', 'red')",
    "SELECT * FROM vector_search('docs', 'v', 'red')",
    "SELECT * FROM hybrid_search('docs', 'body', 'v', 'red')",
    "SELECT * FROM hybrid_search('docs', 'body', 'body')",
    "SELECT vector_distance(id, 'red') FROM docs",
    "SELECT vector_distance(title, 'red') FROM docs",
    "SELECT vector_distance('red', 'red')",
    "SELECT vector_distance(body) FROM docs",
    "SELECT vector_distance() FROM docs",
    "SELECT vector_distance(body, 'red', 'blue') FROM docs",
    "SELECT vector_distance(docs.body, 'red') FROM docs",
    "SELECT vector_distance(d.body, 'red') FROM docs d",
    "SELECT vector_distance(\"body\", 'red') FROM docs",
    "SELECT vector_distance(upper(body), 'red') FROM docs",
    "SELECT vector_distance(body, body) FROM docs",
    "SELECT vector_distance(body, NULL) FROM docs",
    "SELECT vector_distance(v, v) FROM docs",
    "SELECT bm25_highlight(body) FROM docs",
    "SELECT bm25_highlight(NULL, 'red')",
    "SELECT bm25_highlight(id, 'red') FROM docs",
    "SELECT bm25_highlight(body, title) FROM docs",
    "SELECT bm25_highlight(v, 'red') FROM docs",
    "SELECT embedding('sys_emb_local', '', 'red')",
    "SELECT embedding('none', 'x:1', 'red')",
    "SELECT embedding('none', 'x:y', 'red')",
    "SELECT embedding(body, body, body) FROM docs",
    "SELECT embedding(NULL, NULL, NULL)",
    "SELECT embedding('', '', '')",
    "SELECT * FROM sorted_scan('docs', 'none')",
    "SELECT * FROM sorted_scan('docs', 'words')",
    "SELECT * FROM sorted_scan()",
    "SELECT l2_distance(v, ARRAY[1, 2]) FROM docs",
    "SELECT l2_distance(v, body) FROM docs",
    "SELECT l2_distance(v) FROM docs",
    "SELECT l2_distance(NULL, NULL)",
    "SELECT cosine_distance(ARRAY[0, 0], ARRAY[0, 0])",
    "SELECT negative_dot_product(ARRAY['a'], ARRAY['b'])",
)


@pytest.mark.parametrize("sql", WRONG_CALLS)
def test_a_strange_call_is_answered_or_refused(client: httpx.Client, sql: str) -> None:
    for text in (sql, f"EXPLAIN {sql}", f"SELECT count(*) FROM ({sql}) AS t"):
        is_answer_or_refusal(ask(client, text))
    assert_calm(client)
