"""A stand-in for BigQuery's REST interface, with a real SQL engine behind it.

Written from Google's reference of the v2 interface: the parts that a reader of tables needs. SQL is
transpiled and run by DuckDB. Scalars that DuckDB has are kept, compared and written as values; cells
of other types (BYTES, JSON, ARRAY, …) are kept as the JSON that BigQuery sends for them.
"""

import base64
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from sqlglot import exp
from typing_extensions import override

PAGE_BYTES_MAX = 10 << 20
"""BigQuery's own bound of a page."""

Field = dict[str, Any]
Cell = Any

_API = "/bigquery/v2"
_DUCKDB_TYPES = {
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
    "BOOLEAN": "BOOLEAN",
    "STRING": "VARCHAR",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
}
_STANDARD_NAMES = {
    "INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT",
}  # fmt: skip
_RESULT_TYPES = {
    pa.int64(): "INTEGER",
    pa.int32(): "INTEGER",
    pa.float64(): "FLOAT",
    pa.bool_(): "BOOLEAN",
    pa.string(): "STRING",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "DATETIME",
    pa.timestamp("us", "UTC"): "TIMESTAMP",
}


class ApiError(Exception):
    """An answer of the interface that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass
class Table:
    """A table: what ``tables.get`` says of it."""

    fields: list[Field]
    kind: str = "TABLE"
    description: str | None = None


@dataclass
class Job:
    """A query that has run."""

    query: str
    fields: list[Field]
    rows: list[dict[str, Any]]


@dataclass
class FakeBigQuery:
    """The state of a server: one project in one location.

    ``key`` is the public key of the service account that may log in; None lets everybody in.
    ``error`` answers the next request, whatever it is. ``pages_max`` pages of results are sent
    before the connection breaks off. With ``is_slow`` a query is never done when it is started.
    """

    project: str
    location: str = "us"
    key: rsa.RSAPublicKey | None = None
    url: str = ""
    error: ApiError | None = None
    pages_max: int | None = None
    is_slow: bool = False
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    datasets: dict[str, dict[str, Table]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    pages_sent: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._job_ids = (f"job-{number}" for number in count())
        self._engine = duckdb.connect()
        self._engine.execute("SET TimeZone = 'UTC'")

    def create_dataset(self, dataset: str) -> None:
        self.datasets[dataset] = {}
        self._engine.execute(f"CREATE SCHEMA {_quoted(dataset)}")

    def create_table(
        self,
        dataset: str,
        name: str,
        fields: list[Field],
        rows: Sequence[Sequence[Cell]] = (),
        **about: Any,
    ) -> None:
        """Create or replace a table.

        ``rows`` hold cells as BigQuery sends them.
        """
        self.datasets[dataset][name] = Table(fields, **about)
        place = f"{_quoted(dataset)}.{_quoted(name)}"
        columns = ", ".join(f"{_quoted(each['name'])} {_engine_type(each)}" for each in fields)
        self._engine.execute(f"CREATE OR REPLACE TABLE {place} ({columns})")
        values = ", ".join(_engine_value(each) for each in fields)
        if rows:
            stored = [
                [_stored(cell, each) for cell, each in zip(row, fields, strict=True)]
                for row in rows
            ]
            self._engine.executemany(f"INSERT INTO {place} SELECT {values}", stored)

    def fill(self, dataset: str, name: str, sql: str) -> None:
        """Insert what a SELECT of the engine gives."""
        self._engine.execute(f"INSERT INTO {_quoted(dataset)}.{_quoted(name)} {sql}")

    def drop_table(self, dataset: str, name: str) -> None:
        del self.datasets[dataset][name]

    def table(self, dataset: str, name: str) -> Table:
        tables = self.datasets.get(dataset)
        where = f"was not found in location {self.location.upper()}"
        if tables is None:
            raise ApiError(404, "notFound", f"Not found: Dataset {self.project}:{dataset} {where}")
        if name not in tables:
            whole = f"{self.project}:{dataset}.{name}"
            raise ApiError(404, "notFound", f"Not found: Table {whole} {where}")
        return tables[name]

    def run(self, sql: str) -> str:
        """Run a query and return the id of its job."""
        try:
            tree = sqlglot.parse_one(sql, read="bigquery")
        except sqlglot.errors.SqlglotError as error:
            raise ApiError(400, "invalidQuery", f"Syntax error: {error}") from error
        for dtype in tree.find_all(exp.DataType):
            if dtype.this == exp.DType.DECIMAL and not dtype.expressions:
                dtype.replace(exp.DataType.build(_DUCKDB_TYPES["NUMERIC"]))
        declared: dict[str, Field] = {}
        for source in list(tree.find_all(exp.Table)):
            declared.update(self._bind(source))
        try:
            result = self._engine.sql(tree.sql("duckdb")).to_arrow_table()
        except duckdb.Error as error:
            raise ApiError(400, "invalidQuery", str(error)) from error
        selected = tree.selects if isinstance(tree, exp.Query) else []
        fields = [
            _result_field(expression, column, declared)
            for expression, column in zip(selected, result.schema, strict=True)
        ]
        columns = [
            _cells(column, each) for column, each in zip(result.columns, fields, strict=True)
        ]
        rows = [{"f": [{"v": cell} for cell in row]} for row in zip(*columns, strict=True)]
        job_id = next(self._job_ids)
        self.jobs[job_id] = Job(sql, fields, rows)
        return job_id

    def _bind(self, source: exp.Table) -> dict[str, Field]:
        """Point a table of the query at the engine's; return its fields by name."""
        if source.name.startswith("INFORMATION_SCHEMA."):
            source.replace(self._information_schema(source))
            return {}
        fields = self.table(source.db, source.name).fields
        source.set("catalog", None)
        return {each["name"]: each for each in fields}

    def _information_schema(self, source: exp.Table) -> exp.Expr:
        region = source.db.removeprefix("region-")
        datasets = [source.db]
        if region != source.db:
            datasets = list(self.datasets) if region == self.location else []
        elif source.db not in self.datasets:
            self.table(source.db, "")
        names, lines = (
            (_COLUMNS_VIEW, self._column_lines(datasets))
            if source.name.endswith(".COLUMNS")
            else (_TABLES_VIEW, self._table_lines(datasets))
        )
        view = f"_view_{next(self._job_ids)}".replace("-", "_")
        columns = {
            name: pa.array([line[position] for line in lines], dtype)
            for position, (name, dtype) in enumerate(names)
        }
        self._engine.register(view, pa.table(columns))
        return exp.to_table(view).as_(source.alias)

    def _column_lines(self, datasets: list[str]) -> list[tuple[Any, ...]]:
        return [
            (dataset, name, each["name"], position, _type_text(each), _nulls(each), "NO")
            for dataset in datasets
            for name, table in self.datasets[dataset].items()
            for position, each in enumerate(table.fields, 1)
        ]

    def _table_lines(self, datasets: list[str]) -> list[tuple[Any, ...]]:
        return [
            (dataset, name, "BASE TABLE" if table.kind == "TABLE" else table.kind)
            for dataset in datasets
            for name, table in self.datasets[dataset].items()
        ]


_COLUMNS_VIEW = (
    ("table_schema", pa.string()),
    ("table_name", pa.string()),
    ("column_name", pa.string()),
    ("ordinal_position", pa.int64()),
    ("data_type", pa.string()),
    ("is_nullable", pa.string()),
    ("is_hidden", pa.string()),
)
_TABLES_VIEW = (*_COLUMNS_VIEW[:2], ("table_type", pa.string()))


@contextmanager
def fake_bigquery(project: str) -> Iterator[FakeBigQuery]:
    """Run a server for the time of the block."""
    state = FakeBigQuery(project)

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: FakeBigQuery

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Type", "").startswith("application/json"):
            self._answer(json.loads(body or b"{}"))
        else:
            self._answer(dict(parse_qsl(body.decode())))

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, body: dict[str, Any]) -> None:
        state = self.server_state
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        path = [unquote(step) for step in parts.path.strip("/").split("/")]
        try:
            with state.lock:
                state.requests.append((parts.path, body or query))
                document = self._route(state, path, {**query, **body})
        except ConnectionAbortedError:
            self.close_connection = True
            return
        except ApiError as error:
            self._send(error.status, _error_document(error))
            return
        self._send(200, document)

    def _route(self, state: FakeBigQuery, path: list[str], given: dict[str, Any]) -> Any:
        if state.error is not None:
            error, state.error = state.error, None
            raise error
        if path == ["token"]:
            return _exchange(state, given["assertion"])
        if state.key is not None and self.headers.get("Authorization") != f"Bearer {_ACCESS}":
            raise ApiError(
                401, "required", "Request is missing required authentication credential."
            )
        project, *rest = path[len(_API.split("/")) :]
        if project != state.project:
            raise ApiError(404, "notFound", f"Not found: Project {project}")
        return _resource(state, self.command, rest, given)

    def _send(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _resource(state: FakeBigQuery, method: str, path: list[str], given: dict[str, Any]) -> Any:
    match path:
        case ["datasets"]:
            ids = [{"datasetReference": _reference(state, dataset)} for dataset in state.datasets]
            return {"datasets": ids}
        case ["datasets", dataset]:
            if dataset not in state.datasets:
                state.table(dataset, "")
            return {"datasetReference": _reference(state, dataset), "location": state.location}
        case ["datasets", dataset, "tables", name]:
            return _table_resource(state, dataset, name)
        case ["queries"] if method == "POST":
            return _results(state, state.run(given["query"]), given, is_start=True)
        case ["queries", job_id]:
            return _results(state, job_id, given)
        case ["jobs", job_id, *_]:
            return _job_resource(state, job_id)
    raise ApiError(404, "notFound", f"Not found: {'/'.join(path)}")


def _results(
    state: FakeBigQuery, job_id: str, given: Mapping[str, Any], *, is_start: bool = False
) -> dict[str, Any]:
    options = given.get("formatOptions", {}) if is_start else given
    is_integral = options.get("useInt64Timestamp", options.get("formatOptions.useInt64Timestamp"))
    if str(is_integral).lower() != "true":
        raise ApiError(400, "invalid", "Timestamps would be rounded")
    job = state.jobs[job_id]
    document: dict[str, Any] = {
        "jobReference": _job_reference(state, job_id),
        "jobComplete": not (is_start and state.is_slow),
    }
    if not document["jobComplete"]:
        return document
    document |= {"schema": {"fields": job.fields}, "totalRows": str(len(job.rows))}
    rows_max = int(given.get("maxResults", len(job.rows)))
    if rows_max == 0 and not is_start:
        return document
    if state.pages_max is not None and state.pages_sent >= state.pages_max:
        raise ConnectionAbortedError
    state.pages_sent += 1
    start = int(given.get("pageToken", given.get("startIndex", 0)))
    end, size = start, 0
    while end < min(len(job.rows), start + rows_max) and size < PAGE_BYTES_MAX:
        size += len(json.dumps(job.rows[end]))
        end += 1
    document["rows"] = job.rows[start:end]
    if end < len(job.rows):
        document["pageToken"] = str(end)
    return document


def _job_resource(state: FakeBigQuery, job_id: str) -> dict[str, Any]:
    job = state.jobs[job_id]
    return {
        "jobReference": _job_reference(state, job_id),
        "configuration": {"jobType": "QUERY", "query": {"query": job.query}},
        "status": {"state": "DONE"},
        "statistics": {"query": {"statementType": "SELECT"}},
    }


def _table_resource(state: FakeBigQuery, dataset: str, name: str) -> dict[str, Any]:
    table = state.table(dataset, name)
    about = {
        "tableReference": {**_reference(state, dataset), "tableId": name},
        "type": table.kind,
        "schema": {"fields": table.fields},
        "description": table.description,
        "numRows": "7",
    }
    return {key: value for key, value in about.items() if value is not None}


def _reference(state: FakeBigQuery, dataset: str) -> dict[str, str]:
    return {"projectId": state.project, "datasetId": dataset}


def _job_reference(state: FakeBigQuery, job_id: str) -> dict[str, str]:
    return {"projectId": state.project, "jobId": job_id, "location": state.location}


_ACCESS = "an-access-token"
_AUDIENCE = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/bigquery"


def _exchange(state: FakeBigQuery, assertion: str) -> dict[str, Any]:
    """Check a signed claim as Google's token endpoint does."""
    assert state.key is not None
    signed, _, signature = assertion.rpartition(".")
    claim = json.loads(_decoded(signed.partition(".")[2]))
    if (claim["aud"], claim["scope"]) != (_AUDIENCE, _SCOPE):
        raise ApiError(400, "invalid_grant", "Another audience or scope")
    try:
        state.key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise ApiError(400, "invalid_grant", "Invalid JWT Signature.") from None
    return {"access_token": _ACCESS, "expires_in": 3600, "token_type": "Bearer"}


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _error_document(error: ApiError) -> dict[str, Any]:
    if error.reason == "invalid_grant":
        return {"error": error.reason, "error_description": str(error)}
    detail = {"message": str(error), "domain": "global", "reason": error.reason}
    return {"error": {"code": error.status, "message": str(error), "errors": [detail]}}


def _is_kept_as_json(each: Field) -> bool:
    return each.get("mode") == "REPEATED" or each["type"] not in _DUCKDB_TYPES


def _engine_type(each: Field) -> str:
    return "VARCHAR" if _is_kept_as_json(each) else _DUCKDB_TYPES[each["type"]]


def _engine_value(each: Field) -> str:
    if _is_kept_as_json(each):
        return "?"
    if each["type"] == "TIMESTAMP":
        return "MAKE_TIMESTAMPTZ(CAST(? AS BIGINT))"
    return f"CAST(? AS {_DUCKDB_TYPES[each['type']]})"


def _stored(cell: Cell, each: Field) -> Cell:
    return json.dumps(cell) if _is_kept_as_json(each) else cell


def _result_field(
    expression: exp.Expr, column: "pa.Field[Any]", declared: dict[str, Field]
) -> Field:
    plain = expression.unalias()
    if isinstance(plain, exp.Column) and plain.name in declared:
        return {**declared[plain.name], "name": column.name}
    kind = "NUMERIC" if pa.types.is_decimal(column.type) else _RESULT_TYPES[column.type]
    return {"name": column.name, "type": kind, "mode": "NULLABLE"}


def _cells(column: "pa.ChunkedArray[Any]", each: Field) -> list[Cell]:
    """Write the values of a column as BigQuery does."""
    if _is_kept_as_json(each):
        return [json.loads(str(cell)) for cell in column.to_pylist()]
    if each["type"] == "TIMESTAMP":
        return column.cast(pa.int64()).cast(pa.string()).to_pylist()
    texts = column.cast(pa.string())
    if each["type"] == "DATETIME":
        texts = pc.replace_substring(texts, " ", "T")
    cells: list[Cell] = texts.to_pylist()
    return [_FLOATS.get(cell, cell) for cell in cells] if each["type"] == "FLOAT" else cells


_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _type_text(each: Field) -> str:
    """Write a type as the information schema does."""
    kind: str = each["type"]
    name = _STANDARD_NAMES.get(kind, kind)
    if "fields" in each:
        inside = ", ".join(
            f"{_bare(member['name'])} {_type_text(member)}" for member in each["fields"]
        )
        name = f"STRUCT<{inside}>"
    if "rangeElementType" in each:
        name = f"RANGE<{each['rangeElementType']['type']}>"
    numbers = [str(each[key]) for key in ("maxLength", "precision", "scale") if key in each]
    if numbers:
        name = f"{name}({', '.join(numbers)})"
    return f"ARRAY<{name}>" if each.get("mode") == "REPEATED" else name


def _bare(name: str) -> str:
    """Write a name as BigQuery does: in backticks only where it must."""
    is_plain = name.isidentifier() and name.upper() not in {"SELECT", "FROM", "ORDER"}
    return name if is_plain else exp.to_identifier(name, quoted=True).sql("bigquery")


def _nulls(each: Field) -> str:
    return "NO" if each.get("mode") == "REQUIRED" else "YES"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")
