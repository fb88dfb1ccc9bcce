"""One real engine on a fresh data folder, and a web server to fetch files from."""

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from catalog.settings import Settings
from engine.service.context import Caller, Engine
from tests.service.steps import API_KEY, new_caller


def settings_for(data_dir: Path) -> Settings:
    fields: dict[str, Any] = {
        "data_dir": data_dir,
        "api_key": API_KEY,
        "workers": 1,
        "workers_max": 2,
        "egress_allow_private": True,
        "local_files": (Path(tempfile.gettempdir()),),
        "job_poll_s": 3600,
    }
    return Settings(**fields)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """One engine for all tests that keep to a workspace of their own."""
    opened = await Engine.open(settings_for(tmp_path_factory.mktemp("shared") / "data"))
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a data folder that is this test's own."""
    return settings_for(tmp_path / "data")


@pytest.fixture
async def own_engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine on a fresh data folder: for tests that count, close or change things for all."""
    opened = await Engine.open(settings)
    yield opened
    await opened.close()


@pytest.fixture
def engine(shared_engine: Engine) -> Iterator[Engine]:
    """The shared engine, its settings put back afterwards."""
    before = shared_engine.settings
    yield shared_engine
    shared_engine.settings = before


@pytest.fixture
async def caller(engine: Engine) -> Caller:
    """A caller in a workspace that is this test's own."""
    return await new_caller(engine)


@pytest.fixture
async def stranger(engine: Engine) -> Caller:
    """A caller in another workspace of the same organisation."""
    return await new_caller(engine)


class WebServer:
    """Serves what is in ``files``: path to content type and body; a missing path is a 404."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        files: Mapping[str, tuple[str, bytes]] = self.files

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content_type, body = files.get(self.path, ("text/plain", b"not here"))
                self.send_response(200 if self.path in files else 404)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()
