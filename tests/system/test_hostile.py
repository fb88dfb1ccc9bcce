"""Hostile statements end in typed errors, and nobody else notices.

While every statement of ``hostile.py`` runs, a neighbour in another workspace asks ``SELECT 1`` in a
loop; each test checks the neighbour's answers since the test before.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

import httpx
import psutil
import pytest

from tests.patience import wait_for
from tests.server.running import RunningServer
from tests.system.conftest import StartServer
from tests.system.folders import files_now
from tests.system.hostile import (
    EATERS,
    EXHAUSTED,
    FORBIDDEN,
    HARMLESS,
    HOST,
    INVALID,
    STATEMENTS,
    TIMEOUT,
    WRITES,
    Hostile,
)
from tests.system.polling import wait_for_status

pytestmark = pytest.mark.system

MIB = 1024 * 1024
# Harmless statements end within it on a slow machine too.
TIMEOUT_S = 12
# Not one worker more, so that the neighbour needs the one nobody else may take.
SETTINGS = {
    "query_timeout_s": TIMEOUT_S,
    "query_memory_bytes": 256 * MIB,
    "workers": 2,
    "workers_max": 2,
}
_NEIGHBOUR_PAUSE_S = 0.02
# Who had to wait for the end of a statement that runs to its limit would be slower.
_NEIGHBOUR_SLOWEST_S = 10.0
# What a pool of threads and connections kept alive may grow by.
_SLACK = 2


class Neighbour:
    """Asks SELECT 1 in a loop, in a workspace of its own."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._answers: list[tuple[int, float]] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def check(self) -> None:
        """Every answer since the last check was right and in time."""
        answers, self._answers = self._answers, []
        assert {status for status, _ in answers} <= {200}
        assert max((elapsed_s for _, elapsed_s in answers), default=0) < _NEIGHBOUR_SLOWEST_S
        assert self._thread.is_alive()

    def wait_for_answers(self, count: int) -> None:
        """Let it ask a few times more."""
        wait_for(lambda: len(self._answers) >= count, "answers of the neighbour")

    def leave(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._is_over.wait(_NEIGHBOUR_PAUSE_S):
            started = time.monotonic()
            response = self._client.post("/v1/query", json={"sql": "SELECT 1"})
            self._answers.append((response.status_code, time.monotonic() - started))


@dataclass(frozen=True)
class Scene:
    server: RunningServer
    client: httpx.Client
    neighbour: Neighbour
    data_dir: Path

    def ask(self, sql: str) -> httpx.Response:
        return self.client.post("/v1/query", json={"sql": sql})

    def assert_calm(self) -> None:
        """The same process answers, and the neighbour never stopped."""
        assert self.server.process.poll() is None
        # For a moment both workers may be gone: the one that was killed, and one that is replaced.
        wait_for(lambda: self.client.get("/health").status_code == HTTPStatus.OK, "a worker")
        self.neighbour.check()


@pytest.fixture(scope="module")
def scene(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    data_dir = tmp_path_factory.mktemp("hostile") / "data"
    server = start_server(data_dir, **SETTINGS)
    with server.client() as owner:
        mine = owner.get("/v1/workspaces").json()["workspaces"][0]["public_id"]
        made = owner.post("/v1/workspaces", json={"name": "neighbour"}).json()["workspace"]
    with (
        server.client(**{"X-Workspace-Id": mine}) as client,
        server.client(**{"X-Workspace-Id": made["public_id"]}) as other,
    ):
        for table, sql in (
            ("cars", "SELECT 'fiat' AS name, 29.0 AS mpg"),
            ("cars3000", "SELECT x FROM generate_series(1, 3000) AS t(x)"),
        ):
            body = {"label": table, "table_name": table, "source": {"sql": sql}}
            assert client.post("/v1/datasets", json=body).status_code == 201
        neighbour = Neighbour(other)
        try:
            yield Scene(server, client, neighbour, data_dir)
        finally:
            neighbour.leave()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_a_hostile_statement_ends_as_documented(scene: Scene, statement: Hostile) -> None:
    response = scene.ask(statement.sql)
    if statement.rows is not None:
        assert response.status_code == 200, response.text
        assert response.json()["rows"] == statement.rows
    else:
        refusal = response.json().get("error", {"code": "ANSWER"})
        assert (response.status_code, refusal["code"]) in statement.ends
        assert "root:" not in response.text
    scene.assert_calm()


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        pytest.param(
            b'{"sql":"SELECT ' + b"1" * 100_000_000 + b'"}',
            (413, "PAYLOAD_TOO_LARGE"),
            id="100 MB of SQL",
        ),
        pytest.param(
            _json(sql="SELECT 1 -- " + "x" * 1_000_000), (400, "SQL_TOO_COMPLEX"), id="1 MB of SQL"
        ),
        pytest.param(
            b'{"sql":"SELECT \'\\u0000\'"}', (422, "UNPROCESSABLE_ENTITY"), id="escaped NUL"
        ),
        pytest.param(b'{"sql":"SELECT \'\x00\'"}', (400, "BAD_REQUEST"), id="bare NUL"),
        pytest.param(b'{"sql":"SELECT \'\\ud800\'"}', (400, "BAD_REQUEST"), id="lone surrogate"),
        pytest.param(b'{"sql":"SELECT \'\xff\xfe\'"}', (400, "BAD_REQUEST"), id="invalid UTF-8"),
        pytest.param(
            b'{"a":' * 100_000 + b"1" + b"}" * 100_000, (400, "BAD_REQUEST"), id="100,000 levels"
        ),
        pytest.param(
            b'{"sql":"SELECT 1","params":' + b"[" * 500 + b"]" * 500 + b"}",
            (422, "UNPROCESSABLE_ENTITY"),
            id="nested params",
        ),
        pytest.param(_json(sql="SELECT $1", params=[1] * 100_000), INVALID, id="100,000 params"),
        pytest.param(
            b'{"sql":"SELECT $1","params":[' + b"9" * 5_000 + b"]}",
            (400, "BAD_REQUEST"),
            id="a number of 5,000 digits",
        ),
        pytest.param(b'{"sql":"SELECT $1","params":[NaN]}', (400, "BAD_REQUEST"), id="NaN"),
        pytest.param(b"", (400, "BAD_REQUEST"), id="no body"),
        pytest.param(b"[]", (422, "UNPROCESSABLE_ENTITY"), id="no object"),
        pytest.param(_json(sql=["SELECT 1"]), (422, "UNPROCESSABLE_ENTITY"), id="no text"),
        pytest.param(_json(sql=" \n "), INVALID, id="no SQL"),
        pytest.param(
            _json(sql="SELECT * FROM passwd", default_catalog="/", default_schema="etc"),
            INVALID,
            id="a folder as the default schema",
        ),
    ],
)
def test_a_hostile_body_ends_as_documented(
    scene: Scene, body: bytes, ends: tuple[int, str]
) -> None:
    headers = {"Content-Type": "application/json"}
    response = scene.client.post("/v1/query", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == ends
    scene.assert_calm()


def test_a_parameter_is_never_read_as_sql(scene: Scene) -> None:
    hostile = ["'; DROP TABLE cars; --", "\\'; SELECT 1; --", '"', "$1", "E'\\x41'", "\u2019", "''"]
    slots = ", ".join(f"${number} AS c{number}" for number in range(1, len(hostile) + 1))
    body = {"sql": f"SELECT {slots}", "params": hostile}
    response = scene.client.post("/v1/query", json=body)
    assert response.json()["rows"] == [hostile]


@pytest.mark.parametrize("statement", [*WRITES[:3], *HOST[:3]], ids=lambda it: it.name)
def test_other_doors_refuse_the_same(scene: Scene, statement: Hostile) -> None:
    made = scene.client.post("/v1/queries", json={"name": "x", "sql": statement.sql})
    assert made.status_code == 201
    for response in (
        scene.client.post(f"/v1/queries/{made.json()['id']}/execute"),
        scene.client.post("/v1/datasets", json={"label": "x", "source": {"sql": statement.sql}}),
    ):
        assert (response.status_code, response.json()["error"]["code"]) in statement.ends
    body = {"sql": statement.sql, "async": True, "async_after_ms": 5000}
    response = scene.client.post("/v1/query", json=body)
    assert (response.status_code, response.json()["error"]["code"]) in statement.ends


def test_an_endless_answer_is_cut_off_and_recorded(scene: Scene) -> None:
    sql = "SELECT x FROM generate_series(1, 1000000000000) AS t(x)"
    with scene.client.stream("POST", "/v1/query", json={"sql": sql}) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            deque(response.iter_raw(), maxlen=0)
    run_id = response.headers["X-Query-Run-Id"]
    run = wait_for_status(scene.client, f"/v1/query-runs/{run_id}", "failed", "succeeded")
    assert run["status"] == "failed"
    assert f"limit of {TIMEOUT_S} s" in str(run["error_message"])
    scene.assert_calm()


def test_a_storm_leaves_nothing_behind(scene: Scene) -> None:
    storm = [
        statement.sql for statement in (*EATERS, *HARMLESS, *WRITES) if statement.name in _STORM
    ]
    assert len(storm) == len(_STORM)

    def rage() -> None:
        with ThreadPoolExecutor(3) as pool:
            answers = zip(storm * 2, pool.map(scene.ask, storm * 2), strict=True)
            ends = {answer.status_code: (sql, answer.text[:500]) for sql, answer in answers}
        assert ends.keys() == {200, FORBIDDEN[0], EXHAUSTED[0], TIMEOUT[0]}, ends

    rage()
    before = wait_for(partial(_settled, scene, None), "the workers after a storm")
    rage()
    wait_for(partial(_settled, scene, before), f"no more than {before}")
    scene.neighbour.wait_for_answers(5)
    scene.assert_calm()


def test_queries_that_fail_late_leave_nothing_in_their_worker(scene: Scene) -> None:
    late = "SELECT repeat('y', 100), 1 / (x - 20000) FROM generate_series(1, 40000) AS t(x)"

    def threads() -> int:
        zygote = _zygote_of(psutil.Process(scene.server.process.pid))
        return sum(worker.num_threads() for worker in zygote.children())

    assert scene.ask(late).status_code == INVALID[0]
    before = threads()
    for _ in range(_LATE_FAILURES):
        assert scene.ask(late).status_code == INVALID[0]
    assert threads() < before + _LATE_FAILURES // 2
    wait_for(partial(_settled, scene, None), "the half-made results to go")
    scene.assert_calm()


_LATE_FAILURES = 16
_STORM = {
    *("endless_sum", "repeated_text", "three_way_cross_join", "distinct_texts"),
    *("and_of_900", "regex_bomb", "copy_to"),
}


@dataclass(frozen=True)
class Holdings:
    """What the server process and its workers hold."""

    workers: int
    descriptors: int
    threads: int
    leftovers: frozenset[str]

    def is_no_more_than(self, other: "Holdings") -> bool:
        return (
            self.descriptors <= other.descriptors + _SLACK
            and self.threads <= other.threads + _SLACK
        )


def _zygote_of(server: psutil.Process) -> psutil.Process:
    """The process that forks the workers that run SQL, not the one for sources."""
    (zygote,) = [child for child in server.children() if child.cmdline()[-1] == "query"]
    return zygote


def _kept_by_clients(server: psutil.Process) -> int:
    """How many connections clients keep open: whether they do is theirs, and changes by the second."""
    connections = server.net_connections("tcp")
    return sum(each.status != psutil.CONN_LISTEN for each in connections)


def _settled(scene: Scene, before: Holdings | None) -> Holdings | None:
    """What is held now, if killed workers are replaced and nothing is left of them."""
    server = psutil.Process(scene.server.process.pid)
    zygote = _zygote_of(server)
    folders = (scene.data_dir / "spill", scene.data_dir / "staging")
    files = [path for folder in folders for path in files_now(folder)]
    now = Holdings(
        workers=len(zygote.children()),
        descriptors=server.num_fds() - _kept_by_clients(server),
        threads=server.num_threads(),
        leftovers=frozenset(path.name for path in files if path.suffix != ".lock"),
    )
    is_settled = now.workers == SETTINGS["workers"] and not now.leftovers
    return now if is_settled and (before is None or now.is_no_more_than(before)) else None
