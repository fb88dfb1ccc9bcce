"""The listening socket: connections come in, and are known by what may cancel them."""

import asyncio
import hmac
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from engine.service.context import Engine
from server.door import Door
from server.pgwire.connection import Connection
from server.pgwire.errors import FatalPgError

_LOOK_AGAIN_S = 0.05


def open_pg_door(door: Door) -> "PgDoor":
    """Make the door that the settings describe.

    Raises:
        OSError, ssl.SSLError: the certificate cannot be read.
    """
    settings = door.settings
    if settings.pg_tls_certificate is None:
        return PgDoor(door)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.pg_tls_certificate, settings.pg_tls_key)
    pem = settings.pg_tls_certificate.read_text(encoding="ascii")
    end = "-----END CERTIFICATE-----"
    certificate = ssl.PEM_cert_to_DER_cert(
        pem[pem.index("-----BEGIN CERT") :].partition(end)[0] + end
    )
    return PgDoor(door, tls=context, certificate=certificate, requires_tls=settings.pg_tls_required)


class PgDoor:
    """Postgres clients of one server process.

    Args:
        door: the engine and the limits, shared with HTTP.
        tls: how connections are encrypted when clients ask; None = not.
        certificate: of the server in DER, for channel binding.
        requires_tls: whether others are refused.
    """

    def __init__(
        self,
        door: Door,
        *,
        tls: ssl.SSLContext | None = None,
        certificate: bytes = b"",
        requires_tls: bool = False,
    ) -> None:
        self._door = door
        self._known: dict[int, Connection] = {}
        self._served: dict[Connection, asyncio.Task[None]] = {}
        self._is_aborting = False
        self._numbers = count(secrets.randbelow(1 << 20) + 1)
        self._server: asyncio.Server | None = None
        self.tls = tls
        self.certificate = certificate
        self.requires_tls = requires_tls
        self.pretence = secrets.token_bytes(32)

    @property
    def engine(self) -> Engine:
        """The open engine."""
        return self._door.engine

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which is any free one for 0.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Let nobody in, and end every connection once it has its answer."""
        if self._server is not None:
            self._server.close()
        while self._served:
            for connection, task in [*self._served.items()]:
                if connection.is_idle or self._is_aborting:
                    task.cancel()
            await asyncio.wait([*self._served.values()], timeout=_LOOK_AGAIN_S)

    def abort(self) -> None:
        """End every connection now, whatever it does; :meth:`stop` returns then."""
        self._is_aborting = True

    def begin(self, connection: Connection) -> None:
        """Serve a connection."""
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._served[connection] = task
        task.add_done_callback(lambda _task: self._served.pop(connection, None))

    def enter(self, connection: Connection) -> int:
        """Make a connection known to requests that cancel; return its process id."""
        number = next(self._numbers) & 0x7FFFFFFF
        self._known[number] = connection
        return number

    def cancel(self, process_id: int, secret: bytes) -> None:
        """Stop what a connection does, if the secret is its own; else nothing."""
        connection = self._known.get(process_id)
        if connection is not None and hmac.compare_digest(connection.secret, secret):
            connection.interrupt()

    def admit(self, workspace_id: str) -> None:
        """Take one statement from the rate of a workspace; raise ``Overloaded``."""
        self._door.limiter.admit(workspace_id)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a message as a running request."""
        with self._door.counted():
            yield

    async def _serve(self, connection: Connection) -> None:
        try:
            is_full = len(self._served) > self._door.settings.pg_connections_max
            await connection.serve(
                FatalPgError("sorry, too many clients already", "53300") if is_full else None
            )
        finally:
            self._known.pop(connection.process_id, None)
