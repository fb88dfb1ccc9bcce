"""Prepared statements: texts that clients run again, with other values, until they close them.

Invariants: a handle works in the workspace it was made in and nowhere else; what a workspace may keep is
bounded, and the one not used for longest makes room; one not used for an hour is forgotten. Only the event
loop touches this.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import NotFound
from engine.service.context import Caller
from server.flight.parameters import BoundText
from server.flight.sessions import SessionOptions

IDLE_S = 3600.0
_STATEMENTS_MAX = 1000
_WORKSPACES_MAX = 1000
_HANDLE_BYTES = 16


@dataclass(slots=True)
class PreparedStatement:
    """A text, the options of the session it was prepared in, and the values bound last."""

    sql: str
    options: SessionOptions
    bound: BoundText | None = None
    used_s: float = 0.0


class PreparedStatements:
    """The prepared statements of one server process, by workspace and handle."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._workspaces: OrderedDict[str, OrderedDict[bytes, PreparedStatement]] = OrderedDict()

    def add(self, caller: Caller, statement: PreparedStatement) -> bytes:
        """Keep a statement and return its handle."""
        handle = secrets.token_bytes(_HANDLE_BYTES)
        own = self._workspaces.setdefault(caller.workspace_id, OrderedDict())
        self._workspaces.move_to_end(caller.workspace_id)
        own[handle] = statement
        statement.used_s = self._clock_s()
        self._forget_idle(own)
        if len(own) > _STATEMENTS_MAX:
            own.popitem(last=False)
        if len(self._workspaces) > _WORKSPACES_MAX:
            self._workspaces.popitem(last=False)
        return handle

    def get(self, caller: Caller, handle: bytes) -> PreparedStatement:
        """Return a statement and count it as used.

        Raises:
            NotFound: it was closed or forgotten, or belongs to another workspace.
        """
        own = self._workspaces.get(caller.workspace_id, OrderedDict())
        self._forget_idle(own)
        statement = own.get(handle)
        if statement is None:
            raise NotFound("The prepared statement is not known. It may have been closed.")
        statement.used_s = self._clock_s()
        own.move_to_end(handle)
        return statement

    def close(self, caller: Caller, handle: bytes) -> None:
        """Forget a statement; harmless when it is not there."""
        own = self._workspaces.get(caller.workspace_id)
        if own is not None:
            own.pop(handle, None)
            if not own:
                del self._workspaces[caller.workspace_id]

    def _forget_idle(self, own: OrderedDict[bytes, PreparedStatement]) -> None:
        oldest_s = self._clock_s() - IDLE_S
        while own and next(iter(own.values())).used_s < oldest_s:
            own.popitem(last=False)
