"""A fakesnow server in a process, and an environment, of its own; and SQL run on it.

Run as a script, by the interpreter of that environment, this file is the server: fakesnow's, behind
a door that refuses wrong passwords as Snowflake does and remembers what clients logged in with.
It prints its port, and ends with its standard input.
"""

import fcntl
import gzip
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PASSWORD = "correct horse"
TOKEN = "a-token-that-is-let-in"
DATABASE = "SALES"

_FOLDER = Path(__file__).parent
_ENVIRONMENT = Path(__file__).parents[3] / ".venv-fakesnow"
_LOGIN_PATH = "/session/v1/login-request"
_LOGINS_PATH = "/logins"
# As tests.patience, which is not there in the other environment.
_PATIENCE_S = 300
# What Snowflake answers to a wrong password, with status 200.
_REFUSAL = {
    "data": {"nextAction": "RETRY_LOGIN", "authnMethod": "USERNAME_PASSWORD"},
    "code": "390100",
    "message": "Incorrect username or password was specified.",
    "success": False,
    "headers": None,
}

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class FakeSnowflake:
    """A running server; each database name is a database of its own."""

    port: int

    def execute(self, *statements: str, database: str = DATABASE) -> None:
        """Run statements in the schema PUBLIC, with the driver itself."""
        import adbc_driver_snowflake.dbapi

        settings = {
            "username": "loader",
            "password": PASSWORD,
            "adbc.snowflake.sql.account": "fakesnow",
            "adbc.snowflake.sql.uri.host": "127.0.0.1",
            "adbc.snowflake.sql.uri.port": str(self.port),
            "adbc.snowflake.sql.uri.protocol": "http",
            "adbc.snowflake.sql.db": database,
            "adbc.snowflake.sql.schema": "PUBLIC",
            "adbc.snowflake.sql.client_option.disable_telemetry": "true",
        }
        with adbc_driver_snowflake.dbapi.connect(db_kwargs=settings, autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)

    def logins(self) -> list[dict[str, Any]]:
        """The data of all logins so far."""
        import httpx

        answer = httpx.get(f"http://127.0.0.1:{self.port}{_LOGINS_PATH}", trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found


@contextmanager
def fake_snowflake() -> Iterator[FakeSnowflake]:
    """Run a server for the time of the block."""
    with subprocess.Popen(
        [str(_fakesnow_python()), __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield FakeSnowflake(int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(_PATIENCE_S)


@lru_cache
def _fakesnow_python() -> Path:
    """The interpreter of an environment with exactly the pinned packages; made when missing."""
    requirements = _FOLDER / "requirements-fakesnow.txt"
    stamp = _ENVIRONMENT / "installed.txt"
    python = _ENVIRONMENT / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    with requirements.open() as file:
        # Several workers of one test run come here at the same time.
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = file.read()
        if stamp.exists() and stamp.read_text() == wanted:
            return python
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(_ENVIRONMENT)],
            [*uv, "pip", "install", "--python", str(python), "--requirement", str(requirements)],
        ):
            subprocess.run(command, check=True, timeout=_PATIENCE_S)
        stamp.write_text(wanted)
    return python


class _Door:
    """Looks at logins before the application does."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._logins: list[Message] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in {_LOGIN_PATH, _LOGINS_PATH}:
            await self._app(scope, receive, send)
        elif scope["path"] == _LOGINS_PATH:
            await _answer(send, self._logins)
        else:
            await self._log_in(scope, receive, send)

    async def _log_in(self, scope: Message, receive: Receive, send: Send) -> None:
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
        is_packed = (b"content-encoding", b"gzip") in scope["headers"]
        login = json.loads(gzip.decompress(body) if is_packed else body)["data"]
        self._logins.append(login)
        if not _is_let_in(login):
            await _answer(send, _REFUSAL)
            return

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


def _is_let_in(login: Message) -> bool:
    if login.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        return True
    return login.get("PASSWORD") == PASSWORD or login.get("TOKEN") == TOKEN


async def _answer(send: Send, document: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def _serve() -> None:
    import fakesnow.server  # type: ignore[import-not-found]  # is in the other environment
    import uvicorn

    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(_Door(fakesnow.server.app), log_level="warning"))

        def stop_with_parent() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=stop_with_parent, daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    _serve()
