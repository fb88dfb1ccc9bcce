"""One real engine on a fresh data folder, and a web server to fetch files from."""

from collections.abc import AsyncIterator, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from catalog.settings import Settings
from engine.service import identity
from engine.service.context import Caller, Engine
from tests.service.steps import API_KEY, caller_of


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        api_key=API_KEY,
        workers=1,
        workers_max=2,
        egress_allow_private=True,
        job_poll_s=3600,
    )


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    opened = await Engine.open(settings)
    yield opened
    await opened.close()


@pytest.fixture
async def caller(engine: Engine) -> Caller:
    return await caller_of(engine)


@pytest.fixture
async def stranger(engine: Engine, caller: Caller) -> Caller:
    """A caller in another workspace of the same organisation."""
    credential = await identity.authenticate(engine, API_KEY)
    assert credential is not None
    other = await identity.create_workspace(engine, credential, name="other", organization_id=None)
    return await identity.choose_workspace(engine, credential, other.id)


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

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
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
