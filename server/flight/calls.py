"""Calls of clients: gRPC's threads on one side, the event loop of the engine on the other.

Every call is authorised, counted and logged here, its work runs as a task on the loop, and the thread
waits for it. A client that goes away, or cancels, cancels the task; a worker is then free again.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import Future as ThreadFuture
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow.flight as fl
import structlog
from typing_extensions import override

from engine.errors import QueryCancelled
from engine.service.context import Caller, Engine
from server.auth import choose_workspace, identify_token
from server.door import Door, Running
from server.errors import Draining, Unauthenticated
from server.flight.errors import flight_error

T = TypeVar("T")

DOOR = "flight"
HEADERS = "headers"
_GET_SCHEMA = fl.FlightMethod.GET_SCHEMA.name.lower()
_BEARER, _BASIC = "bearer", "basic"
_WATCH_S = 0.05
# A handshake has no method that would check it; and GetSchema cannot say UNAUTHENTICATED, see
# ``server.flight.errors``.
_CHECKED_AT_ONCE = (fl.FlightMethod.HANDSHAKE, fl.FlightMethod.GET_SCHEMA)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is allowed: who calls, and what the headers say.

    ``headers`` has lower-case names and the first value of each.
    """

    engine: Engine
    caller: Caller
    headers: dict[str, str]


class CallHeaders(fl.ServerMiddleware):
    """What a client said with its call, kept for the method that serves it."""

    def __init__(self, method: str, headers: dict[str, str]) -> None:
        self.method = method
        self.headers = headers
        self.answer: dict[str, str] = {}

    @override
    def sending_headers(self) -> dict[str, str]:  # type: ignore[override]  # the stubs know lists only
        """Answer a password with the token as a bearer, as clients that shake hands expect."""
        return self.answer


class CallHeadersFactory(fl.ServerMiddlewareFactory):
    """Reads the headers of each call; a handshake ends here."""

    def __init__(self, check_token: Callable[[dict[str, str]], None]) -> None:
        super().__init__()
        self._check_token = check_token

    @override
    def start_call(self, info: fl.CallInfo, headers: dict[str, list[Any]]) -> CallHeaders:
        """Keep the headers; raise for a handshake, and a few others, whose token is not valid."""
        first = {
            name: values[0]
            for name, values in headers.items()
            if values and isinstance(values[0], str)
        }
        call = CallHeaders(info.method.name.lower(), first)
        if info.method in _CHECKED_AT_ONCE:
            self._check_token(first)
        if first.get("authorization", "").lower().startswith(_BASIC):
            with suppress(Unauthenticated):  # as the call itself will say
                call.answer["authorization"] = f"Bearer {token_of(first)}"
        return call


class OpenHandshakes(fl.ServerAuthHandler):
    """Leaves every judgement to the headers; without a handler, Flight knows no handshake."""

    @override
    def authenticate(self, outgoing: object, incoming: object) -> None:
        """Say yes: the headers were checked before."""

    @override
    def is_valid(self, token: bytes) -> bytes:  # type: ignore[override]  # it is the name of the peer
        """Name nobody: the call itself is authorised."""
        return b""


class Calls:
    """Runs the work of calls on the loop of the engine.

    Attributes:
        is_stopping: refuse new statements; those that are under way may go on.
        is_closed: refuse everything.
    """

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self._door = door
        self._loop = loop
        self._running: set[asyncio.Task[Any]] = set()
        self._open = Running()
        self.is_stopping = False
        self.is_closed = False

    def run(
        self,
        context: fl.ServerCallContext,
        work: Callable[[Call], Awaitable[T]],
        *,
        follows: bool = False,
    ) -> T:
        """Authorise a call, do its work on the loop, and wait for that in this thread.

        Args:
            context: of the call.
            work: what to do.
            follows: whether the call goes on with what an earlier one was admitted for; then the
                rate limit does not count it, and a drain lets it in.

        Raises:
            Exception: what pyarrow makes the right status of, see ``server.flight.errors``.
        """
        started_s = time.perf_counter()
        middleware = _headers_of(context)
        headers = middleware.headers
        code = "OK"
        workspace: list[str] = []
        try:
            return self.wait(context, self._work(headers, work, workspace, follows=follows))
        except Exception as error:  # noqa: BLE001 - every error has a status
            code = type(error).__name__
            raise self.error_of(error, context) from None
        finally:
            _log.info(
                "flight.call",
                method=middleware.method,
                status=code,
                elapsed_ms=round((time.perf_counter() - started_s) * 1000, 3),
                workspace_id=workspace[0] if workspace else None,
            )

    def wait(self, context: fl.ServerCallContext, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it, as long as the client does.

        Raises:
            QueryCancelled: the client went away, or the door is closing.
        """
        return self.finish(self.start(work), context)

    def start(self, work: Coroutine[Any, Any, T]) -> "ThreadFuture[T]":
        """Run a coroutine on the loop without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def finish_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what ends a call on the loop; when the loop has ended, there is nothing left to end."""
        try:
            self.start(work)
        except RuntimeError:
            work.close()

    def finish(self, future: "ThreadFuture[T]", context: fl.ServerCallContext) -> T:
        """Wait for what :meth:`start` started, as :meth:`wait` does."""
        while True:
            try:
                return future.result(timeout=_WATCH_S)
            except TimeoutError:
                if future.done():
                    raise
                # What is done already is handed over, so that nothing is lost that must be closed.
                if context.is_cancelled() and future.cancel():
                    raise QueryCancelled from None
            except CancelledError:
                raise QueryCancelled from None

    def shown(self, context: fl.ServerCallContext, work: Callable[[], T]) -> T:
        """Do work in this thread; raise what pyarrow makes the right status of."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - as above
            raise self.error_of(error, context) from None

    def error_of(self, error: Exception, context: fl.ServerCallContext) -> Exception:
        """Return what pyarrow makes the right status of; once for a call."""
        call = _headers_of(context)
        return flight_error(
            error,
            context,
            user_agent=call.headers.get("user-agent", ""),
            is_schema=call.method == _GET_SCHEMA,
        )

    def admit(self, call: Call) -> None:
        """Count a call that did not follow another after all; on the loop only.

        Raises:
            Draining: the door is stopping.
            Overloaded: the workspace sends too many requests.
        """
        if self.is_stopping or self._door.is_draining:
            raise Draining
        self._door.limiter.admit(call.caller.workspace_id)

    def check_token(self, headers: dict[str, str]) -> None:
        """Check the token of a call that has not begun; raise what pyarrow makes the right status of."""
        try:
            self.start(identify_token(self._door.engine, token_of(headers))).result()
        except Exception as error:  # noqa: BLE001 - every error has a status
            raise flight_error(error) from None

    def hold(self) -> Callable[[], None]:
        """Count a statement as running until what is returned is called; on the loop only."""
        stack = ExitStack()
        stack.enter_context(self._door.counted())
        stack.enter_context(self._open.counted())
        return stack.close

    async def wait_idle(self) -> None:
        """Wait until no call runs and no answer waits."""
        await self._open.wait_idle()

    def cancel_all(self) -> None:
        """Cancel the work of every running call."""
        for task in tuple(self._running):
            task.cancel()

    async def _work(
        self,
        headers: dict[str, str],
        work: Callable[[Call], Awaitable[T]],
        workspace: list[str],
        *,
        follows: bool,
    ) -> T:
        is_draining = self.is_stopping or self._door.is_draining
        if self.is_closed or (is_draining and not follows):
            raise Draining
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            with self._open.counted(), self._door.counted():
                call = await self._authorize(headers, follows=follows)
                workspace.append(call.caller.workspace_id)
                return await work(call)
        finally:
            self._running.discard(task)

    async def _authorize(self, headers: dict[str, str], *, follows: bool) -> Call:
        engine = self._door.engine
        credential = await identify_token(engine, token_of(headers))
        caller = await choose_workspace(engine, credential, headers.get("x-workspace-id"))
        if not follows:
            self._door.limiter.admit(caller.workspace_id)
        return Call(engine, replace(caller, door=DOOR), headers)


def _headers_of(context: fl.ServerCallContext) -> CallHeaders:
    found = context.get_middleware(HEADERS)
    assert isinstance(found, CallHeaders)
    return found


def token_of(headers: dict[str, str]) -> str:
    """Return the token of a call: a bearer, or the password of anybody.

    Raises:
        Unauthenticated: there is none.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    token = given.strip()
    if scheme.lower() == _BASIC:
        token = _password_of(token)
    elif scheme.lower() != _BEARER:
        token = ""
    if not token:
        raise Unauthenticated
    return token


def _password_of(encoded: str) -> str:
    # Some clients leave the padding out.
    try:
        pair = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2]
