"""A real receiver of notifications on the loopback address, which answers as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Received:
    """One request: where it went, its headers in lower case, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receiver(ThreadingHTTPServer):
    """Keeps what it receives. Paths have statuses of their own, used up but for the last; 204 else.

    A path that is in ``silent`` gets no answer until ``speaks`` is set.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Answer)
        self.received: list[Received] = []
        self.statuses: dict[str, list[int]] = {}
        self.silent: set[str] = set()
        self.speaks = threading.Event()
        self.extra: dict[str, tuple[dict[str, str], bytes]] = {}
        self._changed = threading.Condition()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def at(self, path: str) -> list[Received]:
        """What has come to a path so far."""
        return [each for each in self.received if each.path == path]

    def wait(self, path: str, is_enough: Callable[[list[Received]], bool]) -> list[Received]:
        """Wait until enough has come to a path."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_enough(self.at(path)), PATIENCE_S), self.at(
                path
            )
            return self.at(path)

    def take(self, received: Received) -> int:
        """Keep a request and choose the status of its answer."""
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()
            statuses = self.statuses.get(received.path, [204])
            return statuses.pop(0) if len(statuses) > 1 else statuses[0]

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of these tests."""


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.server.take(Received(self.path, headers, body))
        if self.path in self.server.silent:
            self.server.speaks.wait(PATIENCE_S)
        more, content = self.server.extra.get(self.path, ({}, b""))
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver in a thread during the block."""
    receiver = Receiver(port)
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.speaks.set()
        receiver.shutdown()
        thread.join()
        receiver.server_close()
