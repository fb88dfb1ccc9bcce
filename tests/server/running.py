"""A real server process for tests: started on a free port, its log kept, ended by SIGTERM."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.patience import PATIENCE_S

TOKEN = "tm_test_token_of_the_http_suite"
_ROOT = Path(__file__).parents[2]
_PROGRAM = (
    "from catalog.settings import Settings; from server.app import serve; "
    "serve(Settings(), '127.0.0.1', 0)"
)


@dataclass
class RunningServer:
    """One server process and what it has logged so far."""

    process: subprocess.Popen[str]
    url: str
    log: list[str] = field(default_factory=list)

    def client(self, **headers: str) -> httpx.Client:
        """A client that sends the token and these headers."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {TOKEN}", **headers},
            timeout=PATIENCE_S,
        )

    @contextmanager
    def asking(self, sql: str) -> Iterator[None]:
        """Ask this for as long as the block runs, and hang up at its end."""
        with self.client() as client:
            request = client.build_request("POST", "/v1/query", json={"sql": sql})
        connection = http.client.HTTPConnection(str(request.url.host), request.url.port)
        with closing(connection):
            connection.request("POST", "/v1/query", request.content, dict(request.headers))
            yield

    def terminate(self) -> None:
        """Ask for a drain."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(PATIENCE_S)


def server_command() -> list[str]:
    """The program of one server on a free port."""
    return [sys.executable, "-c", _PROGRAM]


def server_environment(data_dir: Path, settings: Mapping[str, object]) -> dict[str, str]:
    """Where it finds the code, and its settings by their names without the prefix."""
    chosen = {
        "DATA_DIR": data_dir,
        "API_KEY": TOKEN,
        "WORKERS": 2,
        "PG_PORT": 0,
        "FLIGHT_PORT": 0,
        **settings,
    }
    named = {f"TIDEMILL_{name.upper()}": str(value) for name, value in chosen.items()}
    return {**os.environ, "PYTHONPATH": str(_ROOT), **named}


@contextmanager
def serving(data_dir: Path, **settings: object) -> Iterator[RunningServer]:
    """Run a server over a data folder for as long as the block runs."""
    process = subprocess.Popen(
        server_command(),
        env=server_environment(data_dir, settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    log: list[str] = []
    is_ready = threading.Event()
    port: list[int] = []

    def collect() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            event = _parsed(line)
            if event.get("event") == "server.ready":
                port.append(event["port"])
                is_ready.set()
        is_ready.set()

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        assert is_ready.wait(PATIENCE_S), "the server did not start in time"
        assert port, "".join(log)
        yield RunningServer(process, f"http://127.0.0.1:{port[0]}", log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            collector.join()
            process.stderr.close()


def _parsed(line: str) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return event
