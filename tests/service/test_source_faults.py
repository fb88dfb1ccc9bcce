"""Cut, stall, reset and garbage on the way to a source: a typed error, nothing published, nothing leaked.

The sources are real servers behind a proxy that breaks what they send at a chosen byte. The
positions are measured: a first run that nothing disturbs says how many bytes each step takes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pyarrow as pa
import pytest
from pyarrow.fs import S3FileSystem
from sqlalchemy import select

from catalog.model import Connection, DiscoveryStatus, ReadMode
from catalog.settings import KIB
from catalog.store import remote_tables as table_store
from catalog.store import table_syncs
from catalog.store.remote_tables import FoundTable
from catalog.tables import remote_table_files
from engine import errors
from engine.service import connections, refresh
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from tests.connectors.sources import (
    clickhouse_server,
    flightsql_server,
    mariadb_server,
    postgres_server,
)
from tests.patience import PATIENCE_S
from tests.service.conftest import settings_for
from tests.service.fault_proxy import Fault, FaultProxy
from tests.service.remote import rows_of
from tests.service.steps import new_caller, staged_files, until

pytestmark = pytest.mark.anyio

ROWS = {"big": 300_000, "small": 20_000, "tiny": 50, "wide": 60_000}
WIDE_CHARS = 600
"""Of each row of ``wide``, in Postgres: together more than is read in one part."""
EMPTY_TABLES = 60
HASTY = {
    "source_connect_timeout_s": 2.0,
    "source_silence_s": 2.0,
    "discovery_timeout_s": 8.0,
    "sync_timeout_s": 20.0,
}
PAUSE_S = 0.01
TAIL_BYTES = 12
CUTS = 20
FAULTS_IN_A_ROW = 50

SILENT = (Fault.STALL, Fault.SLOW)
"""Only a limit ends them, so they are tested side by side."""


class Phase(StrEnum):
    """What a fault interrupts."""

    CONNECT = "connect"
    LOGIN = "login"
    DISCOVER = "discover"
    FETCH = "fetch"


LOUD = tuple(fault for fault in Fault if fault not in SILENT)
FAULTS: dict[str, dict[Phase, tuple[Fault, ...]]] = {
    "postgres": {
        Phase.CONNECT: LOUD,
        Phase.LOGIN: (Fault.RESET, Fault.GARBAGE),
        Phase.DISCOVER: LOUD,
        Phase.FETCH: LOUD,
    },
    **{
        name: {
            Phase.CONNECT: (Fault.REFUSE,),
            Phase.LOGIN: (Fault.GARBAGE,),
            Phase.DISCOVER: (Fault.CUT,),
            Phase.FETCH: (Fault.RESET, Fault.GARBAGE),
        }
        for name in ("mariadb", "clickhouse", "flightsql")
    },
}
"""What is tried of each source; cuts are also made at random bytes of a table."""


@dataclass(frozen=True)
class Source:
    """A running server with the tables of ``ROWS`` and some empty ones.

    ``config`` makes the options of a connection through a port, ``schema`` is where the tables are.
    With ``asks_again`` the driver reads a piece that broke off once more.
    """

    name: str
    type: str
    schema: str
    port: int
    config: Callable[[int], dict[str, Any]]
    table_count: int = len(ROWS) + EMPTY_TABLES
    asks_again: bool = False


@dataclass(frozen=True)
class Sizes:
    """Bytes that a server sends to answer a check, a discovery, and the first query of each table.

    ``borders`` are where the pieces that it sent of ``small`` end.
    """

    check: int
    discover: int
    fetch: dict[str, int]
    borders: list[int]

    def middle_of(self, phase: Phase) -> int:
        """Return the byte after which to break a phase; all begin with logging in."""
        return {
            Phase.CONNECT: 0,
            Phase.LOGIN: self.check // 2,
            Phase.DISCOVER: (self.check + self.discover) // 2,
            Phase.FETCH: self.fetch["big"] // 2,
        }[phase]


@dataclass(frozen=True)
class Place:
    """A connection through a proxy."""

    engine: Engine
    caller: Caller
    source: Source
    proxy: FaultProxy
    connection: Connection

    def sql(self, table: str = "big") -> str:
        return f"SELECT count(*), sum(id) FROM net.{self.source.schema}.{table}"

    async def query(self, table: str = "big") -> list[list[Any]]:
        return await rows_of(self.engine, self.caller, self.sql(table))

    async def found(self, table: str = "big") -> FoundTable:
        return await self.engine.db.read(
            table_store.get_table,
            self.caller.workspace_id,
            self.connection.id,
            self.source.schema,
            table,
        )

    async def health(self) -> connections.Health:
        return await connections.check_health(self.engine, self.caller, self.connection.id)

    async def rediscover(self) -> refresh.SchemasRefreshed:
        return await refresh.refresh_schemas(self.engine, self.caller, self.connection.id)

    async def refresh(self, table: str = "big") -> refresh.TableRefreshed:
        place = (self.connection.id, self.source.schema, table)
        return await refresh.refresh_table(self.engine, self.caller, *place)

    async def purge(self, table: str) -> None:
        place = (self.connection.id, self.source.schema, table)
        await connections.purge_table(self.engine, self.caller, *place)


def answer(table: str = "big") -> list[list[Any]]:
    """What :meth:`Place.query` gives when nothing is missing and nothing is there twice."""
    rows = ROWS[table]
    return [[rows, rows * (rows + 1) // 2]]


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """An engine of this module's own, as its files and processes are counted.

    Small batches: when a fault strikes, some are in files already.
    """
    settings = settings_for(tmp_path_factory.mktemp("faults") / "data").model_copy(
        update={"source_batch_bytes": 256 * KIB, "source_processes_max": len(Phase) * len(SILENT)}
    )
    opened = await Engine.open(settings)
    yield opened
    await opened.close()


@contextmanager
def hasty(engine: Engine, patience: int = 1) -> Iterator[None]:
    """Give up soon, in the block; each limit is so many times longer."""
    before = engine.settings
    limits = {name: limit * patience for name, limit in HASTY.items()}
    engine.settings = before.model_copy(update=limits)
    try:
        yield
    finally:
        engine.settings = before


@pytest.fixture(scope="module")
def postgres() -> Iterator[Source]:
    with postgres_server.running_server() as server:
        statements = [
            f"CREATE TABLE {name} AS SELECT g AS id, rpad('row ' || g,"
            f" {WIDE_CHARS if name == 'wide' else 10}) AS name FROM generate_series(1, {rows}) g"
            for name, rows in ROWS.items()
        ]
        statements += [
            f"CREATE TABLE empty_{n} (id int, name text, at timestamptz)"
            for n in range(EMPTY_TABLES)
        ]
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

        def config(port: int) -> dict[str, Any]:
            return {
                "host": "127.0.0.1",
                "port": port,
                "user": "postgres",
                "password": postgres_server.PASSWORD,
                "database": "postgres",
                "sslmode": "disable",
            }

        yield Source("postgres", "postgres", "public", server.port, config)


@pytest.fixture(scope="module")
def postgres_tls(postgres: Source) -> Source:
    """The same server, the bytes encrypted: here an end must be told from a cut by TLS."""

    def config(port: int) -> dict[str, Any]:
        return {**postgres.config(port), "sslmode": "require"}

    return replace(postgres, name="postgres_tls", config=config)


@pytest.fixture(scope="module")
def cockroachdb(postgres: Source) -> Source:
    """The same server, read through a cursor as text."""
    return replace(postgres, name="cockroachdb", type="cockroachdb")


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Source]:
    with mariadb_server.mariadb_server() as server:
        server.run(
            *(
                f"CREATE TABLE {name} AS SELECT seq AS id, concat('row ', seq) AS name"
                f" FROM seq_1_to_{rows}"
                for name, rows in ROWS.items()
            ),
            *(
                f"CREATE TABLE empty_{n} (id int, name text, at datetime)"
                for n in range(EMPTY_TABLES)
            ),
        )

        def config(port: int) -> dict[str, Any]:
            return {
                "host": "127.0.0.1",
                "port": port,
                "user": server.user,
                "password": server.password,
                "database": server.database,
            }

        yield Source("mariadb", "mariadb", server.database, server.port, config)


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    if find_spec("chdb") is None:
        pytest.skip("install the engine: pip install chdb")
    with clickhouse_server.running(tmp_path_factory.mktemp("clickhouse")) as server:
        server.run("CREATE DATABASE shop")
        for name, rows in ROWS.items():
            server.run(
                f"CREATE TABLE shop.{name} ENGINE = MergeTree ORDER BY id AS"
                f" SELECT toInt64(number + 1) AS id, concat('row ', toString(id)) AS name"
                f" FROM numbers({rows})"
            )
        for n in range(EMPTY_TABLES):
            server.run(f"CREATE TABLE shop.empty_{n} (id Int64, name String) ENGINE = Memory")

        def config(port: int) -> dict[str, Any]:
            return {"host": "127.0.0.1", "port": port, "database": "shop", "secure": False}

        yield Source("clickhouse", "clickhouse", "shop", server.port, config)


@pytest.fixture(scope="module")
def flightsql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    def table_of(rows: int) -> pa.Table:
        ids = range(1, rows + 1)
        whole = pa.table({"id": pa.array(ids, pa.int64()), "name": [f"row {n}" for n in ids]})
        # The server sends a message for each chunk.
        return pa.Table.from_batches(whole.to_batches(max_chunksize=3000), whole.schema)

    rows_of_all = {**ROWS, **{f"empty_{n}": 0 for n in range(EMPTY_TABLES)}}
    state = flightsql_server.State(
        tables={(None, "shop", name): table_of(rows) for name, rows in rows_of_all.items()}
    )
    with flightsql_server.running(state, tmp_path_factory.mktemp("flight")) as server:
        port = int(server.uri.rpartition(":")[2])

        def config(port: int) -> dict[str, Any]:
            return {"uri": f"grpc://127.0.0.1:{port}"}

        yield Source("flightsql", "flightsql", "shop", port, config)


@pytest.fixture(scope="module")
def csv_on_s3(s3_endpoint: str) -> Source:
    """Text has no end of its own: only the store knows how long a file is."""
    address = s3_endpoint.removeprefix("http://")
    bucket = S3FileSystem(
        access_key="AK",
        secret_key="SK",
        scheme="http",
        endpoint_override=address,
        allow_bucket_creation=True,
    )
    bucket.create_dir("faults")
    for name, rows in ROWS.items():
        lines = "".join(f"{n},row {n}\n" for n in range(1, rows + 1))
        with bucket.open_output_stream(f"faults/{name}.csv") as file:
            file.write(f"id,name\n{lines}".encode())

    def config(port: int) -> dict[str, Any]:
        return {
            "url": "s3://faults",
            "s3_endpoint": f"http://127.0.0.1:{port}",
            "s3_access_key_id": "AK",
            "s3_secret_access_key": "SK",
        }

    port = int(address.rpartition(":")[2])
    return Source("csv_on_s3", "files", "main", port, config, len(ROWS), asks_again=True)


@asynccontextmanager
async def connected(engine: Engine, source: Source) -> AsyncIterator[Place]:
    """Connect a new workspace to a source through a proxy of its own; the tables must be found."""
    caller = await new_caller(engine)
    async with FaultProxy(source.port) as proxy:
        asked = NewConnection("net", source.type, source.config(proxy.port))
        made, count = await connections.create_connection(engine, caller, asked)
        assert (made.discovery_error, count) == (None, source.table_count)
        yield Place(engine, caller, source, proxy, made)


_SIZES: dict[str, Sizes] = {}


async def measured(engine: Engine, source: Source) -> Sizes:
    """Measure a source, once."""
    if source.name not in _SIZES:
        async with connected(engine, source) as place:
            proxy = place.proxy

            async def bytes_of(work: Callable[[], Awaitable[Any]]) -> int:
                await proxy.heal()
                await work()
                return proxy.passed_bytes

            check = await bytes_of(place.health)
            discover = await bytes_of(place.rediscover)
            tables = ("big", "small") if source.name in FAULTS else ("small",)
            fetch = {table: await bytes_of(partial(place.query, table)) for table in tables}
            borders = proxy.borders
            _SIZES[source.name] = Sizes(check, discover, fetch, borders)
    return _SIZES[source.name]


@pytest.fixture
def source(request: pytest.FixtureRequest) -> Source:
    """The source that a test names as its parameter."""
    found: Source = request.getfixturevalue(request.param)
    return found


async def unnamed_blobs(engine: Engine) -> set[str]:
    """Keys of stored files of tables that no row names."""
    stored = {blob.key async for blob in engine.blobs.list("tables")}
    named = await engine.db.read(lambda conn: set(conn.scalars(select(remote_table_files.c.key))))
    return stored - named


def holders(port: int) -> list[int]:
    """Processes of ours that hold a connection to a port: those that are to have none."""
    here = psutil.Process()
    held = []
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            held += [
                process.pid
                for connection in process.net_connections("tcp")
                if connection.raddr[1:] == (port,)
            ]
    return held


async def assert_nothing_left(place: Place, blobs_before: set[str]) -> None:
    engine = place.engine
    assert await unnamed_blobs(engine) == blobs_before
    counts = engine.sources.counts
    assert (counts["busy"], counts["waiting"]) == (0, 0)

    async def held() -> tuple[list[Path], int, list[int]]:
        holding = await asyncio.to_thread(holders, place.proxy.port)
        return staged_files(engine), place.proxy.open_count, holding

    # A process that was killed is not gone at once, and an answer is sent before it is kept.
    await until(held, lambda found: found == ([], 0, []))


async def assert_no_copy(place: Place, table: str = "big") -> None:
    found = await place.found(table)
    assert not found.table.is_synced
    assert found.files == ()
    assert not await place.engine.db.read(table_syncs.is_syncing, found.table.id)


async def assert_fails(place: Place, phase: Phase) -> None:
    """Do what a phase is of; it must end with a typed error."""
    engine = place.engine
    if phase in {Phase.CONNECT, Phase.LOGIN}:
        health = await place.health()
        assert not health.healthy
        assert health.error
    elif phase is Phase.DISCOVER:
        with pytest.raises(errors.SourceFailed):
            await place.rediscover()
        detail = await connections.get_connection(engine, place.caller, place.connection.id)
        assert detail.connection.discovery_status is DiscoveryStatus.FAILED
        assert detail.connection.discovery_error
        assert detail.table_count == place.source.table_count
    else:
        with pytest.raises(errors.SourceFailed, match="could not be synced"):
            await place.query()


async def assert_all_fail(engine: Engine, cases: Sequence[tuple[Place, Phase, Fault]]) -> None:
    """Break the places, side by side; each must fail, and of its fault.

    On a machine that is busy a limit may end an attempt before the fault: then there is more time.
    """
    for patience in (1, 3, 9):
        with hasty(engine, patience):
            for place, phase, fault in cases:
                sizes = await measured(engine, place.source)
                await place.proxy.heal()
                place.proxy.arm(fault, after_bytes=sizes.middle_of(phase), pause_s=PAUSE_S)
            async with asyncio.timeout(PATIENCE_S * patience), asyncio.TaskGroup() as group:
                for place, phase, _ in cases:
                    group.create_task(assert_fails(place, phase))
        cases = [case for case in cases if not case[0].proxy.strikes]
        if not cases:
            return
    raise AssertionError(f"never struck: {[(phase, fault) for _, phase, fault in cases]}")


async def assert_works(place: Place, phase: Phase) -> None:
    """Do it again, undisturbed."""
    if phase in {Phase.CONNECT, Phase.LOGIN}:
        assert (await place.health()).healthy
    elif phase is Phase.DISCOVER:
        assert (await place.rediscover()).tables_discovered == place.source.table_count
    else:
        assert await place.query() == answer()


MATRIX = [
    (name, phase, fault)
    for name, phases in FAULTS.items()
    for phase, faults in phases.items()
    for fault in faults
]


@pytest.mark.parametrize(("source", "phase", "fault"), MATRIX, indirect=["source"])
async def test_a_fault_is_a_typed_error_and_leaves_nothing(
    engine: Engine, source: Source, phase: Phase, fault: Fault
) -> None:
    await measured(engine, source)
    async with connected(engine, source) as place:
        before = await unnamed_blobs(engine)
        await assert_all_fail(engine, [(place, phase, fault)])
        await assert_no_copy(place)
        await assert_nothing_left(place, before)
        await place.proxy.heal()
        await assert_works(place, phase)


QUIET = [
    [("postgres", phase, fault) for phase in Phase for fault in SILENT],
    [
        (name, phase, Fault.STALL)
        for name in ("mariadb", "clickhouse", "flightsql")
        for phase in (Phase.CONNECT, Phase.FETCH)
    ],
]


@pytest.mark.parametrize("named", QUIET, ids=["postgres", "others"])
async def test_silent_sources_are_given_up_side_by_side(
    engine: Engine, request: pytest.FixtureRequest, named: list[tuple[str, Phase, Fault]]
) -> None:
    sources: dict[str, Source] = {name: request.getfixturevalue(name) for name, _, _ in named}
    for source in sources.values():
        await measured(engine, source)
    async with AsyncExitStack() as stack:
        cases = [
            (await stack.enter_async_context(connected(engine, sources[name])), phase, fault)
            for name, phase, fault in named
        ]
        before = await unnamed_blobs(engine)
        await assert_all_fail(engine, cases)
        for place, phase, _ in cases:
            await assert_no_copy(place)
            await assert_nothing_left(place, before)
            await place.proxy.heal()
            await assert_works(place, phase)


@pytest.mark.parametrize("source", ["postgres", "mariadb", "flightsql"], indirect=True)
async def test_a_source_that_sends_byte_by_byte_is_read_exactly(
    engine: Engine, source: Source
) -> None:
    async with connected(engine, source) as place:
        place.proxy.arm(Fault.SLOW)
        assert await place.query("tiny") == answer("tiny")
        assert place.proxy.strikes


@pytest.mark.parametrize(
    ("source", "cuts"),
    [
        ("postgres", CUTS),
        ("mariadb", CUTS),
        ("clickhouse", CUTS),
        ("flightsql", CUTS),
        ("postgres_tls", CUTS // 4),
        ("cockroachdb", CUTS // 4),
        ("csv_on_s3", CUTS // 5),
    ],
    indirect=["source"],
)
async def test_a_short_table_is_never_published(engine: Engine, source: Source, cuts: int) -> None:
    """The connections after the one that is cut work: a driver may try again, in silence."""
    sizes = await measured(engine, source)
    whole = sizes.fetch["small"]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    middle = [rng.randrange(sizes.check, whole * 19 // 20) for _ in range(cuts)]
    # Where a cut looks most like an end: between two messages, and just before the last byte.
    borders = [border for border in sizes.borders if whole // 5 < border < whole]
    ends = [*rng.sample(borders, 2), whole - 1, whole - rng.randrange(2, TAIL_BYTES)]
    async with connected(engine, source) as place:
        for position in (*middle, *ends):
            fault = rng.choice([Fault.CUT, Fault.RESET, Fault.HALF_CLOSE])
            before = await unnamed_blobs(engine)
            place.proxy.arm(fault, after_bytes=position, once=True)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    rows = await place.query("small")
            except errors.SourceFailed:
                await assert_no_copy(place, "small")
                await assert_nothing_left(place, before)
            else:
                assert rows == answer("small"), (position, fault)
                # Only what followed the rows was missing, or the driver has asked again.
                assert position in ends or source.asks_again, (position, fault)
                await place.purge("small")
        await place.proxy.heal()
        assert await place.query("small") == answer("small")


@pytest.mark.parametrize("sql", ["SELECT id FROM {}", "SELECT id FROM {} WHERE nanvl(id, 1) > 0"])
async def test_a_live_answer_is_whole_or_an_error(
    engine: Engine, postgres: Source, sql: str
) -> None:
    """The first statement is pushed whole, and asked for by table when that fails."""
    async with connected(engine, postgres) as place:
        changes = {"mode": ReadMode.LIVE}
        await connections.update_connection(engine, place.caller, place.connection.id, changes)
        query = partial(
            rows_of,
            engine,
            place.caller,
            sql.format(f"net.{postgres.schema}.small") + " ORDER BY id",
        )
        expected = [[n + 1] for n in range(ROWS["small"])]
        await place.proxy.heal()
        assert await query() == expected
        whole = place.proxy.passed_bytes
        before = await unnamed_blobs(engine)
        for share in (0.2, 0.5, 0.9):
            for once in (True, False):
                place.proxy.arm(Fault.CUT, after_bytes=int(whole * share), once=once)
                async with asyncio.timeout(PATIENCE_S):
                    try:
                        assert await query() == expected
                        assert once
                    except errors.SourceFailed:
                        assert place.proxy.strikes
                await assert_nothing_left(place, before)
                await place.proxy.heal()


@pytest.mark.parametrize(
    "source", ["postgres", "mariadb", "clickhouse", "flightsql", "csv_on_s3"], indirect=True
)
async def test_a_refresh_that_fails_keeps_the_copy_before(engine: Engine, source: Source) -> None:
    sizes = await measured(engine, source)
    async with connected(engine, source) as place:
        assert await place.query("small") == answer("small")
        version = (await place.found("small")).files
        before = await unnamed_blobs(engine)
        for fault in (Fault.CUT, Fault.GARBAGE):
            place.proxy.arm(fault, after_bytes=sizes.fetch["small"] * 3 // 4)
            with hasty(engine):
                async with asyncio.timeout(PATIENCE_S):
                    with pytest.raises(errors.SourceFailed, match="could not be synced"):
                        await place.refresh("small")
            assert (await place.found("small")).files == version
            assert await place.query("small") == answer("small")
            await assert_nothing_left(place, before)
            await place.proxy.heal()
        assert (await place.refresh("small")).rows_synced == ROWS["small"]
        assert await place.query("small") == answer("small")


async def test_a_table_in_parts_is_whole_or_not_there(engine: Engine, postgres: Source) -> None:
    """One part of two is cut, and once the session that holds their snapshot."""
    async with connected(engine, postgres) as place:
        await place.proxy.heal()
        assert await place.query("wide") == answer("wide")
        assert len((await place.found("wide")).files) == 2
        whole = place.proxy.passed_bytes
        for share in (0.1, 0.4, 0.6, 0.97):
            await place.purge("wide")
            before = await unnamed_blobs(engine)
            place.proxy.arm(Fault.CUT, after_bytes=int(whole * share), once=True)
            async with asyncio.timeout(PATIENCE_S):
                with pytest.raises(errors.SourceFailed, match="could not be synced"):
                    await place.query("wide")
            await assert_no_copy(place, "wide")
            await assert_nothing_left(place, before)


async def test_fifty_faults_in_a_row_leak_nothing(engine: Engine, postgres: Source) -> None:
    sizes = await measured(engine, postgres)
    phases = list(Phase)
    faults = [Fault.CUT, Fault.RESET, Fault.HALF_CLOSE, Fault.REFUSE]

    async def break_it(place: Place, number: int) -> None:
        phase = phases[number % len(phases)]
        fault = faults[number // len(phases) % len(faults)]
        if number == FAULTS_IN_A_ROW // 2:
            fault = Fault.STALL
        place.proxy.arm(fault, after_bytes=sizes.middle_of(phase))
        await assert_fails(place, phase)
        await place.proxy.heal()

    def held() -> tuple[int, int, int]:
        here = psutil.Process()
        return here.num_fds(), here.num_threads(), len(here.children(recursive=True))

    async with connected(engine, postgres) as place:
        before = await unnamed_blobs(engine)
        with hasty(engine):
            for number in range(len(phases)):
                await break_it(place, number)
            held_before = held()  # now that what is made once is there, such as threads of pools
            for number in range(FAULTS_IN_A_ROW):
                await break_it(place, number)
        await assert_nothing_left(place, before)

        async def grown() -> list[int]:
            return [now - then for now, then in zip(held(), held_before, strict=True)]

        # A spare process is made while we look; a leak would be fifty.
        await until(grown, lambda counts: max(counts) <= 3)
        assert await place.query() == answer()
