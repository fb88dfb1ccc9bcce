"""A real server process to measure, and a plain client for the set-up around a measurement."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import ROOT

TOKEN = "tm_bench_key_000000000000000000000000"  # noqa: S105 - of a server that lives for minutes
_HOST = "127.0.0.1"
# Other doors are opened by who measures them.
_ALONE = {"PG_PORT": "0", "FLIGHT_PORT": "0"}
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 60
_ANSWER_TIMEOUT_S = 3600
_BLOCK_BYTES = 1 << 20
_PROGRAM = (
    "import sys; from catalog.settings import Settings; from server.app import serve; "
    "serve(Settings(), '127.0.0.1', int(sys.argv[1]))"
)


class RequestFailed(Exception):
    """The server answered with an error."""


@dataclass(frozen=True)
class Service:
    """A running Tidemill."""

    pid: int
    port: int
    data_folder: Path = Path()

    def call(
        self, method: str, path: str, body: object = None, *, workspace_id: str | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Send one JSON request and return the parsed answer."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_ANSWER_TIMEOUT_S)
        content = None if body is None else json.dumps(body)
        scope = {} if workspace_id is None else {"X-Workspace-Id": workspace_id}
        try:
            connection.request(method, path, content, _HEADERS | scope)
            return _answer(connection)
        finally:
            connection.close()

    def query(self, sql: str, *, accept: str = "application/json") -> bytes:
        """Run one statement and return the body of the answer."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            content = json.dumps({"sql": sql})
            connection.request("POST", "/v1/query", content, _HEADERS | {"Accept": accept})
            return _body(connection)
        finally:
            connection.close()

    def upload(self, path: Path) -> str:
        """Send a file in blocks of 1 MiB and return the id of the upload."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_ANSWER_TIMEOUT_S)
        headers = _HEADERS | {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(path.stat().st_size),
        }
        try:
            connection.connect()
            connection.putrequest("POST", "/v1/files?streaming=true")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            with path.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    connection.send(block)
            upload_id: str = _answer(connection)["id"]
            return upload_id
        finally:
            connection.close()

    def create_dataset(self, name: str, upload_id: str, format_name: str) -> Path:
        """Make a dataset of an upload; return the folder of its Parquet files."""
        source = {"upload_id": upload_id, "format": format_name}
        body = {"label": name, "table_name": name, "source": source}
        dataset_id = self.call("POST", "/v1/datasets", body)["id"]
        version = next(self.data_folder.glob(f"**/datasets/{dataset_id}/*"))
        assert any(version.glob("*.parquet"))
        return version

    def load(self, name: str, path: Path, format_name: str = "parquet") -> Path:
        """Upload a file and make a dataset of it; return the folder of its Parquet files."""
        return self.create_dataset(name, self.upload(path), format_name)

    def delete(self, path: str) -> None:
        """Delete something."""
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            connection.request("DELETE", path, None, _HEADERS)
            _body(connection)
        finally:
            connection.close()

    def delete_datasets(self) -> None:
        """Drop every dataset, so that disks do not fill up."""
        for dataset in self.call("GET", "/v1/datasets?limit=100")["datasets"]:
            self.delete(f"/v1/datasets/{dataset['id']}")


_HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def _body(connection: http.client.HTTPConnection) -> bytes:
    response = connection.getresponse()
    body = response.read()
    if response.status >= 300:
        raise RequestFailed(f"{response.status}: {body[:500]!r}")
    return body


def _answer(connection: http.client.HTTPConnection) -> Any:  # noqa: ANN401 - JSON
    return json.loads(_body(connection))


def query_request(
    port: int, sql: str, *, params: Sequence[object] = (), accept: str = "application/json"
) -> bytes:
    """The bytes of one keep-alive ``POST /v1/query``."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": accept}
    body = {"sql": sql, "params": [*params]} if params else {"sql": sql}
    return post_request(port, "/v1/query", json.dumps(body).encode(), headers)


def post_request(port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one HTTP/1.1 POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {_HOST}:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def serving(
    out_folder: Path, changed_settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Run our server over a new data folder during the block, with the default settings but these."""
    data_folder = (out_folder / "data").absolute()
    shutil.rmtree(data_folder, ignore_errors=True)
    port = free_port()
    settings = {
        "DATA_DIR": str(data_folder),
        "API_KEY": TOKEN,
        **_ALONE,
        **(changed_settings or {}),
    }
    environment = {f"TIDEMILL_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-c", _PROGRAM, str(port)]
    with running(command, port, out_folder / "server.log", environment, path="/health") as pid:
        yield Service(pid, port, data_folder)
    shutil.rmtree(data_folder, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log_path: Path,
    environment: dict[str, str] | None = None,
    *,
    path: str = "/",
) -> Iterator[int]:
    """Run a server process during the block, from its first answer on; yields its process id."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for_answer(process, port, path)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            finally:
                process.kill()


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    until_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until_s:
        assert process.poll() is None, f"{process.args!r} ended at once; see its log"
        connection = http.client.HTTPConnection(_HOST, port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise TimeoutError(f"nothing answers on port {port}")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        number: int = probe.getsockname()[1]
        return number
