"""Rows by Flight SQL, against bare servers of pyarrow.flight; and what a tiny statement costs.

Ten million rows of five columns are read from a dataset: planned, scanned and sent. The first peer sends the
same rows from memory and does nothing else; the second scans the Parquet file that was uploaded to us, with pyarrow,
for every request. The client counts rows and keeps none. All are asked in turns.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
from adbc_driver_flightsql import dbapi

from bench.common import Report, at_least, main, median_ratio, percentile
from bench.service import TOKEN, free_port, serving
from server.flight.commands import CommandStatementQuery, pack

T = TypeVar("T")

_SQL = "SELECT * FROM numbers"
_BARE = """
import sys
import pyarrow.dataset as ds, pyarrow.flight as fl, pyarrow.parquet as pq

class Server(fl.FlightServerBase):
    def do_get(self, context, ticket):
        if ticket.ticket == b"memory":
            return fl.RecordBatchStream(table)
        return fl.RecordBatchStream(ds.dataset(sys.argv[1]).scanner().to_reader())

table = pq.read_table(sys.argv[1])
server = Server("grpc+tcp://127.0.0.1:0")
print(server.port, flush=True)
sys.stdin.read()
"""


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--tiny", type=int, default=300, help="statements of one row")


def run(arguments: argparse.Namespace) -> Report:
    rows, rounds, tiny = arguments.rows, arguments.rounds, arguments.tiny
    if arguments.quick:
        rows, rounds, tiny = 100_000, 2, 5
    report = Report("flight", {"rows": rows, "columns": 5, "rounds": rounds, "tiny": tiny})
    folder = (arguments.out / "flight").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = _write(folder / f"{rows}.parquet", rows)
    ours = free_port()
    with serving(folder, {"FLIGHT_PORT": str(ours)}) as service, _bare(path) as peer:
        service.load("numbers", path)
        ways: dict[str, Callable[[], int]] = {
            "Tidemill": lambda: _by_flight(ours, _SQL),
            "Tidemill by ADBC": lambda: _by_adbc(ours, _SQL),
            "bare, from memory": lambda: _by_ticket(peer, b"memory"),
            "bare, from Parquet": lambda: _by_ticket(peer, b"parquet"),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in _from(number, ways):
                started_s = time.perf_counter()
                assert way() == rows
                if number:  # the first fills the page cache
                    took[name].append(time.perf_counter() - started_s)
        latencies = _tiny(ours, tiny)
    for name, values in took.items():
        middle = statistics.median(values)
        report.rows.append({"way": name, "s": round(middle, 3), "rows_per_s": round(rows / middle)})
    report.rows += [
        {"way": f"tiny: {name}", "p50_ms": round(percentile(values, 0.5) * 1e3, 2)}
        for name, values in latencies.items()
    ]
    for name in ("bare, from memory", "bare, from Parquet"):
        ratio = median_ratio(took[name], took["Tidemill"])
        report.ratios[f"rate of Tidemill / {name}"] = ratio
        report.goals.append(at_least(f"rate / {name}", ratio, 0.9))
    return report


def _from(number: int, ways: Mapping[str, T]) -> list[tuple[str, T]]:
    """All ways, in every round another one first."""
    items = list(ways.items())
    start = number % len(items)
    return items[start:] + items[:start]


def _write(path: Path, rows: int) -> Path:
    if not path.exists():
        numbers = np.arange(rows)
        table = pa.table(
            {
                "id": numbers,
                "k": (numbers * 7919) % 1000,
                "v": numbers * 0.5,
                "word": pa.array((numbers % 100_000).astype(str)),
                "at": pa.array(numbers * 1_000_000, pa.timestamp("us")),
            }
        )
        pq.write_table(table, path, compression="lz4")
    return path


@contextmanager
def _bare(path: Path) -> Iterator[int]:
    """Run the peer in a process of its own; yield its port."""
    with subprocess.Popen(
        [sys.executable, "-c", _BARE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _options() -> fl.FlightCallOptions:
    headers: Any = [(b"authorization", f"Bearer {TOKEN}".encode())]  # bytes, unlike the stubs say
    return fl.FlightCallOptions(headers=headers)


def _by_flight(port: int, sql: str) -> int:
    options = _options()
    with fl.FlightClient(f"grpc+tcp://127.0.0.1:{port}") as client:
        descriptor = fl.FlightDescriptor.for_command(pack(CommandStatementQuery(sql)))
        info = client.get_flight_info(descriptor, options)
        return _count(client.do_get(info.endpoints[0].ticket, options))


def _by_ticket(port: int, ticket: bytes) -> int:
    with fl.FlightClient(f"grpc+tcp://127.0.0.1:{port}") as client:
        return _count(client.do_get(fl.Ticket(ticket)))


def _count(reader: fl.FlightStreamReader) -> int:
    chunks: Iterator[Any] = iter(reader)
    return sum(chunk.data.num_rows for chunk in chunks)


def _by_adbc(port: int, sql: str) -> int:
    with _connected(port) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def _connected(port: int) -> dbapi.Connection:
    header = {"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}"}
    return dbapi.connect(f"grpc://127.0.0.1:{port}", db_kwargs=header, autocommit=True)


def _tiny(port: int, times: int) -> dict[str, list[float]]:
    """Measure a statement of one row, each client over one connection."""
    took: dict[str, list[float]] = {"Flight": [], "ADBC": [], "ADBC, prepared once": []}
    options = _options()
    client = fl.FlightClient(f"grpc+tcp://127.0.0.1:{port}")
    descriptor = fl.FlightDescriptor.for_command(pack(CommandStatementQuery("SELECT 1 AS one")))

    def by_flight() -> None:
        info = client.get_flight_info(descriptor, options)
        assert client.do_get(info.endpoints[0].ticket, options).read_all().num_rows == 1

    with client, _connected(port) as connection, connection.cursor() as kept:

        def by_adbc() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 AS one")
                assert cursor.fetch_arrow_table().num_rows == 1

        def prepared() -> None:
            kept.execute("SELECT 1 AS one")
            assert kept.fetch_arrow_table().num_rows == 1

        ways = {"Flight": by_flight, "ADBC": by_adbc, "ADBC, prepared once": prepared}
        for _ in range(times):
            for name, way in ways.items():
                started_s = time.perf_counter()
                way()
                took[name].append(time.perf_counter() - started_s)
    return took


if __name__ == "__main__":
    main("Rows by Flight SQL.", run, add_arguments)
