"""``tidemill query``: the answer of one statement on the terminal or in a pipe.

A table shows the first rows only and never loads more: the query runs as an asynchronous run, and
its kept result is read by the page. The other formats pass through as the server sends them.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from types import FrameType
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from server.client import Client, ClientError

_CELL_CHARS_MAX = 200


def print_query(client: Client, sql: str, *, encoding: str, rows_max: int) -> None:
    """Run a statement and print its answer on standard output.

    Args:
        client: of the server.
        sql: one statement.
        encoding: ``table``, ``json``, ``csv`` or ``arrow``.
        rows_max: rows a table shows.

    Raises:
        ClientError: the query failed, or Arrow would go to a terminal.
    """
    if encoding == "table":
        _print_first_rows(client, sql, rows_max)
        return
    if encoding == "arrow" and sys.stdout.isatty():
        raise ClientError("Arrow is binary: send it to a file, as in '> answer.arrows'.")
    for chunk in client.stream_query(sql, encoding):
        sys.stdout.buffer.write(chunk)
    if encoding == "json":
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def table_of(answer: dict[str, Any], *, title: str | None = None) -> Table:
    """Lay an answer out as a table: numbers to the right, null as a dim word."""
    rows = answer["rows"]
    table = Table(title=title, title_justify="left", header_style="bold")
    for position, name in enumerate(answer["columns"]):
        numeric = any(type(row[position]) in {int, Decimal} for row in rows)
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _print_first_rows(client: Client, sql: str, rows_max: int) -> None:
    notes = Console(stderr=True)
    with _held_interrupts() as interrupts:
        run_id = client.run_query(sql, **{"async": True})["query_run_id"]
        try:
            with notes.status("Running; Ctrl-C stops the query."):
                run = client.wait_for_run(run_id, pause=interrupts.pause)
        except KeyboardInterrupt:
            with suppress(ClientError):  # it may have ended in this very moment
                client.send("POST", f"/v1/query-runs/{run_id}/cancel")
            raise
    answer = client.read_result(run["result_id"], limit=rows_max)
    Console().print(table_of(answer))
    shown, total = answer["row_count"], answer["total_row_count"]
    rows = f"{total} row{'' if total == 1 else 's'}"
    part = rows if shown == total else f"the first {shown} of {rows}; --rows shows more"
    notes.print(f"{part}, {run['execution_time_ms']} ms", highlight=False)


class _Interrupts:
    """Ctrl-C as it is heard inside :func:`_held_interrupts`."""

    def __init__(self) -> None:
        # Plain flags: a lock that the interrupted code holds could not be taken by the handler.
        self.is_pressed = False
        self._is_pausing = False

    def pause(self, seconds: float) -> None:
        """Sleep; raise ``KeyboardInterrupt`` as soon as there was a Ctrl-C."""
        self._is_pausing = True
        try:
            if self.is_pressed:
                raise KeyboardInterrupt
            time.sleep(seconds)
        finally:
            self._is_pausing = False

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the signal."""
        is_heard = self.is_pressed or self._is_pausing
        self.is_pressed = True
        if is_heard:
            raise KeyboardInterrupt


@contextmanager
def _held_interrupts() -> Iterator[_Interrupts]:
    """Inside the block Ctrl-C is heard between requests only, a second one at once.

    An interrupt in the middle of a request would leave a query running whose id nobody knows, or a
    connection nobody can send the cancellation on.
    """
    held = _Interrupts()
    before = signal.signal(signal.SIGINT, held.press)
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, before)
    if held.is_pressed:
        raise KeyboardInterrupt


def _cell(value: object) -> str:
    if value is None:
        return "[dim]null[/dim]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, Decimal)):
        value = orjson.dumps(value, default=_raw_number).decode()
    text = str(value)
    return escape(text if len(text) <= _CELL_CHARS_MAX else text[:_CELL_CHARS_MAX] + "…")


def _raw_number(value: object) -> orjson.Fragment:
    return orjson.Fragment(str(value))
