"""Names in SQL, workspaces in headers, tokens: no way around leads into another workspace."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.patience import PATIENCE_S
from tests.system.api_document import DOCUMENT, GATEWAY_PREFIX, GUARDED, IN_WORKSPACE, Operation
from tests.system.tenants import (
    UNKNOWN,
    Tenant,
    World,
    fresh_name,
    make_table,
    two_workspaces,
)

pytestmark = pytest.mark.system

over_guarded = pytest.mark.parametrize("operation", GUARDED, ids=lambda op: op.name)
over_workspace_operations = pytest.mark.parametrize(
    "operation", IN_WORKSPACE, ids=lambda op: op.name
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with two_workspaces(tmp_path_factory.mktemp("names") / "data", is_bound=False) as made:
        yield made


_TABLE_NAMES = (
    "{t}",
    "main.{t}",
    "datasets.{t}",
    "datasets.main.{t}",
    '"{t}"',
    "DATASETS.Main.{t}",
)
_RESULT_NAMES = (
    "results.{r}",
    "hotdata.results.{r}",
    "runtimedb.results.{r}",
    "datasets.results.{r}",
)
_STATEMENTS = (
    "SELECT * FROM {name}",
    "SELECT count(*) FROM {name}",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM {name})",
    "SELECT 1 UNION ALL SELECT n FROM {name}",
    "WITH x AS (SELECT * FROM {name}) SELECT 1",
    "SELECT (SELECT max(n) FROM {name})",
    "SELECT * FROM {name} WHERE false",
    "DESCRIBE {name}",
    "SHOW COLUMNS FROM {name}",
    "EXPLAIN SELECT * FROM {name}",
    "EXPLAIN ANALYZE SELECT * FROM {name}",
)
_NAMES = (*_TABLE_NAMES, *_RESULT_NAMES)


@dataclass(frozen=True, slots=True)
class Named:
    """A table and a result that SQL can name in one workspace only; or, unknown, in none."""

    table: str
    result: str

    def sql(self, statement: str, name: str = "{t}") -> str:
        return statement.replace("{name}", name).format(t=self.table, r=self.result)

    def hidden(self, text: str) -> str:
        return text.replace(self.table, "<table>").replace(self.result, "<result>")


@pytest.fixture(scope="module")
def foreign_named(world: World) -> Named:
    table = fresh_name()
    make_table(world.foreign, table)
    answer = world.foreign.call("POST", "/v1/query", json={"sql": f"SELECT n FROM {table}"})
    return Named(table, answer["result_id"])


def unknown_named() -> Named:
    return Named(fresh_name(), UNKNOWN["result"])


def asked(tenant: Tenant, sql: str, named: Named, **options: Any) -> tuple[int, str]:
    response = tenant.client.post("/v1/query", json={"sql": sql, **options})
    body = response.json()
    shown = {key: body.get(key) for key in ("error", "message", "status", "rows", "columns")}
    return response.status_code, named.hidden(str(shown))


@pytest.mark.parametrize("name", _NAMES)
def test_the_tables_of_a_workspace_do_not_exist_in_another(
    world: World, foreign_named: Named, name: str
) -> None:
    for statement in _STATEMENTS:
        sql, unknown = foreign_named.sql(statement, name), unknown_named()
        answer = asked(world.own, sql, foreign_named)
        assert answer == asked(world.own, unknown.sql(statement, name), unknown), sql
        assert answer[0] == 400, (sql, answer)


def test_the_owner_reads_these_very_tables(world: World, foreign_named: Named) -> None:
    """Without this the test above would pass with names nobody can use."""
    for name in (*_TABLE_NAMES, *_RESULT_NAMES[:3]):
        status, shown = asked(
            world.foreign, foreign_named.sql("SELECT n FROM {name}", name), foreign_named
        )
        assert status == 200, (name, shown)


def test_the_schema_of_sql_shows_own_names_only(world: World, foreign_named: Named) -> None:
    own_table = fresh_name()
    make_table(world.own, own_table)
    for sql in (
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM information_schema.columns",
    ):
        shown = world.own.client.post("/v1/query", json={"sql": sql}).text
        assert own_table in shown
        assert foreign_named.table not in shown
        assert foreign_named.result not in shown
        assert foreign_named.table in world.foreign.client.post("/v1/query", json={"sql": sql}).text
    for sql in ("SHOW TABLES", "SELECT * FROM information_schema.schemata"):
        assert foreign_named.table not in world.own.client.post("/v1/query", json={"sql": sql}).text


@pytest.mark.parametrize(
    "options",
    [
        {"default_catalog": "hotdata", "default_schema": "results"},
        {"default_schema": "main"},
        {"default_catalog": "results"},
    ],
)
def test_defaults_for_names_open_no_other_workspace(
    world: World, foreign_named: Named, options: dict[str, str]
) -> None:
    for name in ("{t}", "{r}"):
        unknown = unknown_named()
        answer = asked(
            world.own, foreign_named.sql("SELECT * FROM {name}", name), foreign_named, **options
        )
        assert answer == asked(
            world.own, unknown.sql("SELECT * FROM {name}", name), unknown, **options
        )
        assert answer[0] == 400


def test_the_same_name_means_each_workspaces_own_table(world: World) -> None:
    name = fresh_name()
    make_table(world.foreign, name, "n\n666\n")
    make_table(world.own, name, "n\n1\n")
    sql = f"SELECT n FROM {name}"
    assert world.own.call("POST", "/v1/query", json={"sql": sql})["rows"] == [[1]]
    assert world.foreign.call("POST", "/v1/query", json={"sql": sql})["rows"] == [[666]]


def test_a_dataset_or_a_saved_query_reads_no_foreign_table(
    world: World, foreign_named: Named
) -> None:
    before = world.own.listings()
    answers = []
    for named in (foreign_named, unknown_named()):
        body = {
            "label": "x",
            "table_name": fresh_name(),
            "source": {"sql": named.sql("SELECT * FROM {name}")},
        }
        response = world.own.client.post("/v1/datasets", json=body)
        answers.append((response.status_code, named.hidden(response.text)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 400
    assert world.own.listings() == before
    plans, outcomes = [], []
    for named in (foreign_named, unknown_named()):
        body = {"name": "x", "sql": named.sql("SELECT * FROM {name}")}
        saved = world.own.call("POST", "/v1/queries", json=body)
        plans.append([saved[key] for key in ("category", "num_tables", "has_predicate")])
        ran = world.own.client.post(f"/v1/queries/{saved['id']}/execute")
        outcomes.append((ran.status_code, named.hidden(ran.text)))
    assert plans == [[None] * 3] * 2
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == 400


def test_an_asynchronous_query_reads_no_foreign_table(world: World, foreign_named: Named) -> None:
    errors = []
    for named in (foreign_named, unknown_named()):
        body = {"sql": named.sql("SELECT * FROM {name}"), "async": True}
        run = settled(world.own, world.own.call("POST", "/v1/query", json=body)["query_run_id"])
        errors.append((run["status"], run["result_id"], named.hidden(run["error_message"])))
    assert errors[0] == errors[1]
    assert errors[0][:2] == ("failed", None)


def settled(tenant: Tenant, run_id: str) -> Any:
    until = time.monotonic() + PATIENCE_S
    while (run := tenant.call("GET", f"/v1/query-runs/{run_id}"))["status"] == "running":
        assert time.monotonic() < until
        time.sleep(0.02)
    return run


def test_a_foreign_query_cannot_be_cancelled(world: World) -> None:
    sql = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    submitted = world.foreign.call("POST", "/v1/query", json={"sql": sql, "async": True})
    path = f"/v1/query-runs/{submitted['query_run_id']}"
    assert world.own.client.post(f"{path}/cancel").status_code == 404
    assert world.foreign.call("GET", path)["status"] == "running"
    assert world.foreign.call("POST", f"{path}/cancel")["status"] == "cancelled"


def test_a_cursor_of_another_workspace_opens_nothing(world: World) -> None:
    for _ in range(3):
        world.foreign.make("query_run")
        world.own.make("query_run")
    path = "/v1/query-runs?limit=1"
    cursor = world.foreign.call("GET", path)["next_cursor"]
    page = world.own.call("GET", "/v1/query-runs", params={"limit": 1000, "cursor": cursor})
    own_ids = {
        run["id"] for run in world.own.call("GET", "/v1/query-runs?limit=1000")["query_runs"]
    }
    assert {run["id"] for run in page["query_runs"]} <= own_ids


# --- who may enter -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stranger(world: World) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=world.server.url) as client:
        yield client


@over_workspace_operations
def test_a_foreign_workspace_looks_unknown(
    world: World, stranger: httpx.Client, operation: Operation
) -> None:
    """Asked with the token of one workspace; to it every other is foreign."""
    answers = []
    for workspace_id in (world.foreign.workspace_id, UNKNOWN["workspace"], "nonsense"):
        headers = {"Authorization": f"Bearer {world.bound_token}", "X-Workspace-Id": workspace_id}
        response = request(stranger, operation, headers)
        answers.append((response.status_code, response.text.replace(workspace_id, "<id>")))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 404
    assert '"workspace_not_found"' in answers[0][1]


def test_a_token_of_one_workspace_manages_none(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.bound_token}"}
    with httpx.Client(base_url=world.server.url, headers=headers) as client:
        assert client.get(GATEWAY_PREFIX).status_code == 403
        assert client.post(GATEWAY_PREFIX, json={"name": "x"}).status_code == 403
        answers = [
            client.delete(f"{GATEWAY_PREFIX}/{workspace_id}")
            for workspace_id in (world.foreign.workspace_id, UNKNOWN["workspace"])
        ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text


@over_guarded
def test_without_a_valid_token_nothing_answers(
    world: World, stranger: httpx.Client, operation: Operation
) -> None:
    tokens = (None, "", "Bearer", "Basic dG06dG0=", "Bearer " + "x" * 5000, "Bearer a b")
    for value in (*tokens, f"Bearer {world.revoked_token}", f"bearer{world.bound_token}"):
        headers = {"X-Workspace-Id": world.own.workspace_id}
        if value is not None:
            headers["Authorization"] = value
        response = request(stranger, operation, headers)
        assert response.status_code == 401, (value, response.text)
        assert response.headers["www-authenticate"].startswith("Bearer")
        schema = operation.document["responses"]["401"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator(
            {**schema, "components": DOCUMENT["components"]}
        )
        validator.validate(response.json())


def request(client: httpx.Client, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    path = operation.path
    for name in ("id", "name", "public_id"):
        path = path.replace("{" + name + "}", "x")
    body = operation.body_example
    return client.request(operation.method, path, headers=headers, json=body)
