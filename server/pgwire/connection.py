"""One connection: bytes between a socket and a session, from the first message to the last.

What arrives is buffered up to a bound and then waits in the kernel; what is sent waits for a slow client.
While a session works the connection goes on to listen, so that a client that goes away stops its query.
"""

import asyncio
import hashlib
import secrets
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog
from typing_extensions import override

from server.pgwire import backend
from server.pgwire.errors import ConnectionGone, FatalPgError, PgError, as_pg_error
from server.pgwire.frontend import (
    Authentication,
    CancelRequest,
    EncryptionRequest,
    FrontendReader,
    Message,
    Startup,
    Terminate,
)
from server.pgwire.login import Login, find_login, open_workspace
from server.pgwire.runner import QueryRunner
from server.pgwire.scram import MECHANISM, MECHANISM_PLUS, ScramExchange
from server.pgwire.session import Session
from server.pgwire.settings import SessionSettings
from server.pgwire.state import SessionState

if TYPE_CHECKING:
    from server.pgwire.door import PgDoor

T = TypeVar("T")

_log = structlog.get_logger()

_LOGIN_S = 60.0
_READ_BYTES_MAX = 1024 * 1024
_WRITE_BYTES_MAX = 256 * 1024
_GATHERED_BYTES = 32 * 1024
_OLD_MINOR = 0
_MAJOR = 3
_CLOSE_S = 5.0


class Connection(asyncio.Protocol):
    """The protocol object of one socket."""

    def __init__(self, door: "PgDoor") -> None:
        self._door = door
        self._frontend = FrontendReader()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_gone = False
        self._is_paused = False
        self._gathered = bytearray()
        self._transport: asyncio.Transport
        self._session: Session | None = None
        self._binding: bytes | None = None
        self._is_encrypting = False
        self._is_encrypted = False
        self.process_id = 0
        self.secret = secrets.token_bytes(4)
        self.is_idle = False

    # -- what the event loop calls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._is_encrypting:  # else the handshake is over, and start_tls returns
            self._use(transport)
            self._door.begin(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._frontend.feed(data)
        if self._frontend.waiting_bytes > _READ_BYTES_MAX and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._arrived.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._arrived.set()
        self._writable.set()
        self.interrupt()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    # -- the life of the connection

    async def serve(self, refusal: PgError | None = None) -> None:
        """Answer the client until it goes away or is refused; never raises but for cancellation.

        With a ``refusal`` there will be no session; the client is told once it listens for errors.
        """
        try:
            async with asyncio.timeout(_LOGIN_S):
                settings = await self._log_in(refusal)
            if settings is not None:
                await self._answer()
        except ConnectionGone:
            pass
        except TimeoutError:
            _log.info("pgwire.login_too_slow")
        except PgError as error:
            await self._say_last(error)
        except asyncio.CancelledError:
            await self._say_last(
                FatalPgError("terminating connection due to administrator command", "57P01")
            )
            raise
        except Exception as error:  # noqa: BLE001 - the outermost frame of a connection
            _log.exception("pgwire.bug")
            await self._say_last(as_pg_error(error))
        finally:
            if self._session is not None:
                await self._session.aclose()
            self._transport.close()

    def interrupt(self) -> None:
        """Stop what the session does."""
        if self._session is not None:
            self._session.interrupt()

    async def send(self, data: bytes) -> None:
        """Send bytes, gathered into fewer writes; wait while the client is slow."""
        self._gathered += data
        if len(self._gathered) >= _GATHERED_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if self._gathered:
            self._transport.write(bytes(self._gathered))
            self._gathered.clear()
        if not self._writable.is_set():
            await self._writable.wait()
        if self._is_gone:
            raise ConnectionGone

    def _use(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none by class
        self._transport.set_write_buffer_limits(high=_WRITE_BYTES_MAX)

    async def _say_last(self, error: PgError) -> None:
        fatal = {**error.fields, "S": "FATAL", "V": "FATAL"}
        self._gathered += backend.error(fatal)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._flush()
        except (ConnectionGone, TimeoutError):
            return

    async def _read(self, parse: Callable[[], T | None]) -> T:
        while True:
            message = parse()
            if message is not None:
                return message
            if self._is_gone:
                raise ConnectionGone
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
            self._arrived.clear()
            await self._flush()
            await self._arrived.wait()

    async def _answer(self) -> None:
        session = self._session
        assert session is not None
        while True:
            self.is_idle = self._frontend.waiting_bytes == 0
            message: Message = await self._read(self._frontend.message)
            self.is_idle = False
            if isinstance(message, Terminate):
                return
            with self._door.counted():
                await session.handle(message)

    # -- the beginning

    async def _log_in(self, refusal: PgError | None) -> SessionSettings | None:
        startup = await self._start()
        if startup is None:
            return None
        if refusal is not None:
            raise refusal
        if startup.major != _MAJOR:
            raise FatalPgError(
                f"unsupported frontend protocol {startup.major}.{startup.minor}", "0A000"
            )
        extensions = [name for name in startup.options if name.startswith("_pq_.")]
        if startup.minor > _OLD_MINOR or extensions:
            await self.send(backend.negotiate_version(_OLD_MINOR, extensions))
        user = startup.options.get("user", "")
        if not user:
            raise FatalPgError("no PostgreSQL user name specified in startup packet", "28000")
        if self._door.requires_tls and not self._is_encrypted:
            raise FatalPgError("this server requires encrypted connections", "28000")
        login = await self._authenticate(user)
        settings = await self._open_session(login, startup)
        await self._flush()
        return settings

    async def _start(self) -> Startup | None:
        while True:
            first = await self._read(self._frontend.first)
            match first:
                case Startup():
                    return first
                case CancelRequest(process_id, secret):
                    self._door.cancel(process_id, secret)
                    return None
                case EncryptionRequest(is_tls=is_tls):
                    await self._answer_encryption(is_tls=is_tls)

    async def _answer_encryption(self, *, is_tls: bool) -> None:
        context = self._door.tls
        if not is_tls or context is None or self._is_encrypted:
            await self.send(backend.NO_ENCRYPTION)
            return
        if self._frontend.waiting_bytes:  # sent by whoever is in between, before the handshake
            raise FatalPgError("received unencrypted data after SSL request", "08P01")
        await self.send(backend.ENCRYPT)
        await self._flush()
        self._is_encrypting = True
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self._transport, self, context, server_side=True)
        except (ssl.SSLError, OSError):
            raise ConnectionGone from None
        assert transport is not None
        self._use(transport)
        self._is_encrypted = True
        self._binding = hashlib.sha256(self._door.certificate).digest()

    async def _authenticate(self, user: str) -> Login:
        login = await find_login(self._door.engine, user)
        mechanisms = [MECHANISM_PLUS, MECHANISM] if self._binding else [MECHANISM]
        await self.send(backend.sasl_offer(mechanisms))
        exchange = ScramExchange(
            login.verifier if login else None,
            pretence=self._door.pretence,
            user=user,
            binding=self._binding,
        )
        initial = (await self._read_authentication()).body
        mechanism, _, rest = initial.partition(b"\x00")
        name = mechanism.decode("latin-1")
        if name not in mechanisms or len(rest) < 4:  # noqa: PLR2004 - a length
            raise FatalPgError("client selected an invalid SASL authentication mechanism", "08P01")
        await self.send(backend.sasl_continue(exchange.challenge(name, rest[4:])))
        proof = exchange.verify((await self._read_authentication()).body)
        if proof is None or login is None:
            raise FatalPgError(f'password authentication failed for user "{user[:64]}"', "28P01")
        await self.send(backend.sasl_final(proof) + backend.AUTHENTICATION_OK)
        return login

    async def _read_authentication(self) -> Authentication:
        message = await self._read(self._frontend.message)
        if not isinstance(message, Authentication):
            raise FatalPgError("expected password response", "08P01")
        return message

    async def _open_session(self, login: Login, startup: Startup) -> SessionSettings:
        engine = self._door.engine
        user = startup.options["user"]
        place = await open_workspace(engine, login, startup.options.get("database") or user, user)
        settings = SessionSettings({"session_authorization": user})
        options = {
            name: value
            for name, value in startup.options.items()
            if name not in {"user", "database", "options", "replication"} and name[:5] != "_pq_."
        }
        settings.begin({**options, **_options_of(startup.options.get("options", ""))})
        state = SessionState(settings, self.send)
        runner = QueryRunner(
            engine,
            replace(place.caller, door="pgwire"),
            (place.catalog, place.schema),
            settings,
            admit=lambda: self._door.admit(place.caller.workspace_id),
        )
        self._session = Session(state, runner)
        for name, value in settings.reported().items():
            await self.send(backend.parameter_status(name, value))
        self.process_id = runner.process_id = self._door.enter(self)
        await self.send(backend.key_data(self.process_id, self.secret) + backend.ready(b"I"))
        return settings


def _options_of(text: str) -> dict[str, str]:
    """Read ``-c name=value --name=value``; a backslash keeps a blank."""
    words = text.replace("\\ ", "\x00").split()
    options: dict[str, str] = {}
    for place, word in enumerate(words):
        given = word[2:] if word.startswith(("--", "-c")) else ""
        if word == "-c" and place + 1 < len(words):
            given = words[place + 1]
        name, equals, value = given.replace("\x00", " ").partition("=")
        if equals:
            options[name.strip().replace("-", "_")] = value
    return options
