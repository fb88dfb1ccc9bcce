"""Eight clients that write without pause, and note what they were told.

Each step is one or a few requests. A step that meets a dead server leaves its fact unsure; an
answer nobody expects is a surprise and fails the test.
"""

import random
import string
import threading
import time
from collections.abc import Callable

import httpx

from tests.patience import PATIENCE_S
from tests.server.running import TOKEN
from tests.system.crash_ledger import (
    DatasetFact,
    Ledger,
    ResultFact,
    RunFact,
    SavedQueryFact,
    SecretFact,
    State,
    UploadFact,
)

Step = Callable[["Api", Ledger, random.Random], None]


class Unexpected(Exception):
    """An answer that a healthy server never gives."""


class Api:
    """A client that accepts only the statuses it names."""

    def __init__(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S)

    def call(self, method: str, path: str, status: int, **body: object) -> dict[str, object]:
        response = self._client.request(method, path, json=body or None)
        return self._checked(response, status)

    def send_file(self, content: bytes) -> dict[str, object]:
        headers = {"Content-Type": "text/csv"}
        return self._checked(self._client.post("/v1/files", content=content, headers=headers), 201)

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _checked(response: httpx.Response, status: int) -> dict[str, object]:
        if response.status_code != status:
            request = response.request
            raise Unexpected(
                f"{request.method} {request.url.path}: {response.status_code} {response.text[:300]}"
            )
        found: dict[str, object] = response.json() if response.content else {}
        return found


def seeded(seed: float) -> random.Random:
    """Numbers that can be repeated."""
    return random.Random(seed)


def csv_of(rows: int, width: int = 4) -> bytes:
    """Rows whose numbers are 0 to rows - 1, so that count and sum prove them."""
    filler = "x" * width
    return ("n,note\n" + "".join(f"{n},{filler}\n" for n in range(rows))).encode()


def upload(api: Api, ledger: Ledger, rng: random.Random) -> str:
    rows = rng.choice([3, 50, rng.randrange(1, 2000), rng.randrange(20_000, 60_000)])
    content = csv_of(rows, rng.randrange(1, 40))
    ledger.rows_by_upload_size[len(content)] = rows
    upload_id = str(api.send_file(content)["id"])
    ledger.uploads[upload_id] = UploadFact(rows)
    ledger.note("upload", id=upload_id)
    return upload_id


def write_uploads(api: Api, ledger: Ledger, rng: random.Random) -> None:
    upload(api, ledger, rng)


def write_datasets_from_uploads(api: Api, ledger: Ledger, rng: random.Random) -> None:
    upload_id = upload(api, ledger, rng)
    fact = ledger.uploads[upload_id]
    fact.consumed = State.UNSURE
    create_dataset(api, ledger, rng, fact.rows, {"upload_id": upload_id, "format": "csv"})
    fact.consumed = State.THERE


def write_datasets(api: Api, ledger: Ledger, rng: random.Random) -> None:
    rows = rng.randrange(1, 500)
    source: dict[str, object] = {"inline": {"format": "csv", "content": csv_of(rows).decode()}}
    refreshes = rng.random() < 0.4
    if refreshes:
        source = {"sql": f"SELECT value AS n FROM generate_series(0, {rows - 1})"}
    table = create_dataset(api, ledger, rng, rows, source)
    fact = ledger.datasets[table]
    if refreshes:
        made = api.call("POST", "/v1/refresh", 200, dataset_id=fact.id)
        fact.version = int(str(made["version"]))
        ledger.note("refreshed", table=table, version=fact.version)
    elif rng.random() < 0.3:
        fact.state = State.UNSURE
        api.call("DELETE", f"/v1/datasets/{fact.id}", 204)
        fact.state = State.GONE
        ledger.note("dataset deleted", table=table)


def create_dataset(
    api: Api, ledger: Ledger, rng: random.Random, rows: int, source: dict[str, object]
) -> str:
    table = "t_" + name_of(rng)
    fact = ledger.datasets[table] = DatasetFact(rows)
    body = {"label": table, "table_name": table, "source": source}
    if rng.random() < 0.3:
        job_id = str(api.call("POST", "/v1/datasets", 202, **body, **{"async": True})["id"])
        ledger.jobs[job_id] = table
        ledger.note("dataset job", id=job_id, table=table)
        job = poll(api, f"/v1/jobs/{job_id}", {"succeeded"})
        fact.id = str(dict(job["result"])["id"])  # type: ignore[call-overload]  # JSON
    else:
        fact.id = str(api.call("POST", "/v1/datasets", 201, **body)["id"])
    fact.state = State.THERE
    ledger.note("dataset", table=table, id=fact.id)
    return table


def write_saved_queries(api: Api, ledger: Ledger, rng: random.Random) -> None:
    name = name_of(rng)
    fact = ledger.saved_queries[name] = SavedQueryFact(unsure_sql=f"SELECT '{name}' AS v1")
    made = api.call("POST", "/v1/queries", 201, name=name, sql=fact.unsure_sql)
    fact.id = str(made["id"])
    _confirm_sql(ledger, name, fact)
    fact.state = State.THERE
    for version in range(2, rng.randrange(2, 6)):
        fact.unsure_sql = f"SELECT '{name}' AS v{version}"
        api.call("PUT", f"/v1/queries/{fact.id}", 200, sql=fact.unsure_sql)
        _confirm_sql(ledger, name, fact)
    if rng.random() < 0.2:
        fact.state = State.UNSURE
        api.call("DELETE", f"/v1/queries/{fact.id}", 204)
        fact.state = State.GONE
        ledger.note("saved query deleted", name=name)


def _confirm_sql(ledger: Ledger, name: str, fact: SavedQueryFact) -> None:
    fact.sqls.append(str(fact.unsure_sql))
    fact.unsure_sql = None
    ledger.note("saved query", name=name, version=len(fact.sqls))


def write_secrets(api: Api, ledger: Ledger, rng: random.Random) -> None:
    name = name_of(rng)
    fact = ledger.secrets[name] = SecretFact(values=[name_of(rng)])
    api.call("POST", "/v1/secrets", 201, name=name, value=fact.values[-1])
    fact.state = State.THERE
    ledger.note("secret", name=name)
    for _ in range(rng.randrange(4)):
        fact.values.append(name_of(rng))
        api.call("PUT", f"/v1/secrets/{name}", 200, value=fact.values[-1])
        fact.values = fact.values[-1:]
        ledger.note("secret changed", name=name)
    if rng.random() < 0.2:
        fact.state = State.UNSURE
        api.call("DELETE", f"/v1/secrets/{name}", 204)
        fact.state = State.GONE
        ledger.note("secret deleted", name=name)


def ask_for_small_answers(api: Api, ledger: Ledger, rng: random.Random) -> None:
    ask(api, ledger, rng.randrange(1, 100))


def ask_for_large_answers(api: Api, ledger: Ledger, rng: random.Random) -> None:
    result_id = ask(api, ledger, rng.choice([5_000, 10_000, 30_000, 30_000, 400_000]))
    wait_until_ready(api, ledger, result_id)


def ask(api: Api, ledger: Ledger, rows: int) -> str:
    answer = api.call("POST", "/v1/query", 200, sql=sql_of(rows))
    assert answer["row_count"] == rows
    result_id, run_id = str(answer["result_id"]), str(answer["query_run_id"])
    ledger.runs[run_id] = RunFact(rows, has_succeeded=True)
    ledger.results[result_id] = ResultFact(rows)
    ledger.note("answer", run_id=run_id, result_id=result_id)
    return result_id


def submit_queries(api: Api, ledger: Ledger, rng: random.Random) -> None:
    rows = rng.choice([10, 30_000])
    submitted = api.call("POST", "/v1/query", 202, sql=sql_of(rows), **{"async": True})
    run_id = str(submitted["query_run_id"])
    fact = ledger.runs[run_id] = RunFact(rows, has_succeeded=False)
    ledger.note("submitted", run_id=run_id)
    run = poll(api, f"/v1/query-runs/{run_id}", {"succeeded"})
    fact.has_succeeded = True
    result_id = str(run["result_id"])
    ledger.results[result_id] = ResultFact(rows)
    ledger.note("run succeeded", run_id=run_id, result_id=result_id)
    wait_until_ready(api, ledger, result_id)


def wait_until_ready(api: Api, ledger: Ledger, result_id: str) -> None:
    poll(api, f"/v1/results/{result_id}?limit=0", {"ready"})
    ledger.results[result_id].was_ready = True
    ledger.note("result ready", result_id=result_id)


def poll(api: Api, path: str, ends: set[str]) -> dict[str, object]:
    while True:
        found = api.call("GET", path, 200)
        if found["status"] in ends:
            return found
        if found["status"] not in {"pending", "processing", "running"}:
            raise Unexpected(f"{path}: {found}")
        time.sleep(0.01)


def sql_of(rows: int) -> str:
    return f"SELECT value AS n, repeat('x', 30) AS note FROM generate_series(0, {rows - 1})"


def name_of(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=16))


WRITERS: tuple[Step, ...] = (
    write_uploads,
    write_datasets_from_uploads,
    write_datasets,
    write_saved_queries,
    write_secrets,
    ask_for_small_answers,
    ask_for_large_answers,
    submit_queries,
)


class Writers:
    """One thread per writer, from the start of a server to its death."""

    def __init__(self, url: str, ledger: Ledger, rng: random.Random) -> None:
        self._ledger = ledger
        self._threads = [
            threading.Thread(target=self._write, args=(url, step, seeded(rng.random())))
            for step in WRITERS
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until every writer has met the dead server."""
        for thread in self._threads:
            thread.join(PATIENCE_S * 2)
            assert not thread.is_alive(), "a writer did not notice that the server is dead"

    def _write(self, url: str, step: Step, rng: random.Random) -> None:
        api = Api(url)
        try:
            while True:
                step(api, self._ledger, rng)
        except httpx.ReadTimeout as error:
            self._ledger.surprises.append(f"{step.__name__}: {error!r}")
        except httpx.TransportError:
            return  # the server is dead
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it
            self._ledger.surprises.append(f"{step.__name__}: {error!r}")
        finally:
            api.close()
