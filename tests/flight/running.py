"""A real Tidemill with its Flight SQL door, in this process: its event loop runs in a thread."""

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow.flight as fl
from adbc_driver_flightsql import dbapi

from catalog.model import JobStatus
from catalog.settings import Settings
from engine.service import connections, identity
from engine.service.context import Caller
from server.door import Door
from server.flight.door import FlightDoor
from tests.patience import PATIENCE_S
from tests.service.steps import finished, submit_dataset

T = TypeVar("T")

TOKEN = "tm_test_token_of_the_flight_suite"
HEADER = "adbc.flight.sql.rpc.call_header."
KEEPING = {f"{HEADER}x-keep-results": "true"}


@dataclass
class Running:
    """A server: its door, where it listens, and the loop that it runs in."""

    loop: asyncio.AbstractEventLoop
    door: Door
    flight: FlightDoor
    port: int
    scheme: str = "grpc"

    @property
    def uri(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work of the engine."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def caller(self) -> Caller:
        """Make a workspace of a test's own."""
        return self.wait(_caller(self.door))

    def connect(self, workspace_id: str | None, **options: str) -> dbapi.Connection:
        """Connect with ADBC; a header is an option whose name starts with ``HEADER``."""
        given = {"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}", **options}
        if workspace_id is not None:
            given[f"{HEADER}x-workspace-id"] = workspace_id
        return dbapi.connect(self.uri, db_kwargs=given, autocommit=True)

    def client(self) -> fl.FlightClient:
        """Connect with Flight alone."""
        return fl.FlightClient(f"grpc+tcp://localhost:{self.port}")

    def count_running(self) -> int:
        """Queries that run or keep their result."""
        return self.door.engine.runs.count

    def load(self, caller: Caller, label: str, csv: bytes) -> None:
        """Make a dataset of a few rows of CSV."""
        self.wait(_load(self.door, caller, label, csv))


def connect_sqlite(server: Running, caller: Caller, path: Path, *statements: str) -> None:
    """Make a database of these statements and a connection ``lite`` to it."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    asked = connections.NewConnection("lite", "sqlite", {"path": str(path)})
    made, _ = server.wait(connections.create_connection(server.door.engine, caller, asked))
    assert made.discovery_error is None


def options_of(caller: Caller, *, timeout_s: float | None = None) -> fl.FlightCallOptions:
    """The headers of a call by Flight alone."""
    # They are bytes, whatever the stubs say.
    headers = [
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"x-workspace-id", caller.workspace_id.encode()),
    ]
    return fl.FlightCallOptions(timeout=timeout_s, headers=cast("list[tuple[str, str]]", headers))


@contextmanager
def running(
    data_dir: Path, *, tls: tuple[bytes, bytes] | None = None, **settings: object
) -> Iterator[Running]:
    """Run a server on a free port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="engine")
    thread.start()
    fields: dict[str, Any] = {
        "data_dir": data_dir,
        "api_key": TOKEN,
        "workers": 1,
        "workers_max": 2,
        "job_poll_s": 3600,
        "egress_allow_private": True,
        "local_files": (Path(tempfile.gettempdir()),),
        "rate_limit_per_s": 100_000,
        **settings,
    }
    door = Door(Settings(**fields))
    flight = FlightDoor(door, "127.0.0.1", 0, tls=tls)

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_S)

    try:
        wait(door.open())
        wait(flight.start())
        scheme = "grpc" if tls is None else "grpc+tls"
        yield Running(loop, door, flight, flight.port, scheme)
    finally:
        wait(flight.stop(drain_s=0))
        wait(door.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _caller(door: Door) -> Caller:
    credential = await identity.authenticate(door.engine, TOKEN)
    assert credential is not None
    made = await identity.create_workspace(
        door.engine, credential, name="test", organization_id=None
    )
    return await identity.choose_workspace(door.engine, credential, made.id)


async def _load(door: Door, caller: Caller, label: str, csv: bytes) -> None:
    source = {"inline": {"format": "csv", "content": csv.decode()}}
    job = await submit_dataset(door.engine, caller, source, label=label)
    done = await finished(door.engine, caller, job)
    assert done.status is JobStatus.SUCCEEDED, done.error_message
