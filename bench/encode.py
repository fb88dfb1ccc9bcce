"""Large answers over HTTP: rows per second as JSON and Arrow, and the memory it takes to stream them.

The client reads as fast as the socket gives and parses nothing; the count of rows comes from the
record of the run. While an answer leaves, the result is also kept as Parquet, as always. The trap:
keeping goes on after the last byte, so the next answer waits until it is done.
"""

import argparse
import re
import socket
import time
from dataclasses import dataclass

from bench.common import (
    MB,
    Memory,
    Report,
    Row,
    at_least,
    at_most,
    main,
    percentile,
    watched_memory,
)
from bench.points import points_file
from bench.service import Service, query_request, serving

_SQL = "SELECT * FROM {table}"
_ACCEPT = {"json": "application/json", "arrow": "application/vnd.apache.arrow.stream"}
_ROWS_PER_S_MIN = {"json": 1.0e6, "arrow": 10.0e6}
_READ_BYTES = 1 << 20
_RUN_ID = re.compile(rb"x-query-run-id: *(\w+)", re.IGNORECASE)
_KEPT_TIMEOUT_S = 600


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    rows: int
    size_bytes: int
    first_byte_s: float
    elapsed_s: float


def read_answer(service: Service, table: str, format_name: str) -> Answer:
    """Ask for a whole table and count what comes; then wait until the result is kept."""
    request = query_request(
        service.port, _SQL.format(table=table), accept=_ACCEPT[format_name]
    ).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    buffer = bytearray(_READ_BYTES)
    size_bytes, first_byte_s, head, tail = 0, 0.0, b"", b""
    started_s = time.perf_counter()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request)
        while count := connection.recv_into(buffer):
            if not head:
                first_byte_s = time.perf_counter() - started_s
                head = bytes(buffer[: min(count, 4096)])
            size_bytes += count
            tail = bytes(buffer[max(0, count - 5) : count])
    elapsed_s = time.perf_counter() - started_s
    assert b" 200 " in head[:16], head
    assert tail.endswith(b"0\r\n\r\n") or b"content-length" in head.lower(), "cut short"
    found = _RUN_ID.search(head)
    assert found is not None
    rows = _wait_until_kept(service, found[1].decode())
    return Answer(rows, size_bytes, first_byte_s, elapsed_s)


def _wait_until_kept(service: Service, run_id: str) -> int:
    until_s = time.monotonic() + _KEPT_TIMEOUT_S
    while time.monotonic() < until_s:
        run = service.call("GET", f"/v1/query-runs/{run_id}")
        result = service.call("GET", f"/v1/results/{run['result_id']}?limit=0")
        if result["status"] == "ready":
            rows: int = run["row_count"]
            return rows
        assert result["status"] == "processing", result
        time.sleep(0.05)
    raise TimeoutError("the result was not kept in time")


def _row(format_name: str, answers: list[Answer], memory: Memory) -> Row:
    rates = [answer.rows / answer.elapsed_s for answer in answers]
    return {
        "rows": answers[0].rows,
        "format": format_name,
        "rounds": len(answers),
        "rows_per_s": round(percentile(rates, 0.5)),
        "mb_per_s": round(percentile([a.size_bytes / a.elapsed_s / MB for a in answers], 0.5), 1),
        "elapsed_p50_s": round(percentile([a.elapsed_s for a in answers], 0.5), 3),
        "first_byte_ms": round(percentile([a.first_byte_s for a in answers], 0.5) * 1e3, 1),
        "size_mb": round(answers[0].size_bytes / MB, 1),
        **memory.to_json(),
    }


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--stream-rows", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=5)


def run(arguments: argparse.Namespace) -> Report:
    rows, stream_rows, rounds = arguments.rows, arguments.stream_rows, arguments.rounds
    if arguments.quick:
        rows, stream_rows, rounds = 20_000, 200_000, 1
    parameters = {"rows": rows, "stream_rows": stream_rows, "rounds": rounds}
    report = Report("encode", parameters)
    with serving(arguments.out) as service:
        service.load("points", points_file(arguments.out, rows))
        service.load("many_points", points_file(arguments.out, stream_rows))
        answers: dict[str, list[Answer]] = {name: [] for name in _ACCEPT}
        for name in _ACCEPT:
            read_answer(service, "points", name)
        with watched_memory(service.pid) as memory:
            for _ in range(rounds):
                for name, taken in answers.items():
                    taken.append(read_answer(service, "points", name))
        for name, taken in answers.items():
            row = _row(name, taken, memory)
            report.rows.append(row)
            goal = f"{name}: rows/s of {rows} rows with 7 columns"
            report.goals.append(at_least(goal, row["rows_per_s"], _ROWS_PER_S_MIN[name]))
        for name in _ACCEPT:
            _measure_stream(report, service, name)
    return report


def _measure_stream(report: Report, service: Service, format_name: str) -> None:
    with watched_memory(service.pid) as memory:
        answer = read_answer(service, "many_points", format_name)
    report.rows.append(_row(format_name, [answer], memory))
    goal = f"{format_name}: MB the server process grows while it streams {answer.rows} rows"
    report.goals.append(at_most(goal, memory.server_growth_mb, 300))


if __name__ == "__main__":
    main("Large answers over HTTP.", run, add_arguments)
