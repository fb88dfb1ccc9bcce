"""The one place where errors of the drivers become errors of a source.

The trap: an error in the middle of a stream is an ``OSError`` that carries no SQLSTATE, and a failed
login carries none either, so what the server said is told from what libpq said by its form. The
invariant: no message holds a credential, an address that a name led to, a file of this machine or
the statement.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from connectors.errors import (
    ConnectorError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)

# A server writes its severity, in its own language, a colon and two blanks.
_SAID_BY_SERVER = re.compile(r"\b[^\W\d_]+:  (.+)")
_SAID_BY_LIBPQ = re.compile(r".*\bfailed: (.+)")
_DRIVER_PREFIX = re.compile(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?")
_BUSY = re.compile(r"starting up|shutting down|recovery|too many|connection slots")
_NO_PASSWORD = "no password supplied"  # noqa: S105 - what libpq says
_STATEMENT_TIMEOUT = "statement timeout"
_REFUSED = ("28", "42501", "3D000")
_GONE = ("42P01", "3F000")
_UNREACHABLE = ("08", "57P03", "53300")
_CHANGED = "42703"
_CANCELED = "57014"


class Failures:
    """Turns the errors of drivers into :class:`ConnectorError`.

    Args:
        errors: what the drivers raise, beside those of Arrow.
    """

    def __init__(self, *errors: type[Exception]) -> None:
        self._errors: tuple[type[Exception], ...] = (*errors, OSError, pa.ArrowException)
        self._hidden: tuple[str, ...] = ()

    def hide(self, *texts: str) -> None:
        """Never repeat these texts in a message."""
        self._hidden += texts

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Translate what goes wrong until a session is there."""
        try:
            yield
        except self._errors as error:
            raise self._of_connecting(str(error)) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate what goes wrong in a session."""
        try:
            yield
        except self._errors as error:
            state = str(getattr(error, "sqlstate", None) or "")
            raise self._of_reading(str(error), state) from error

    def _of_connecting(self, text: str) -> ConnectorError:
        said = _SAID_BY_SERVER.search(text)
        if said is not None:
            message = self._fit(said[1])
            return SourceUnreachable(message) if _BUSY.search(message) else SourceRefused(message)
        reason = _SAID_BY_LIBPQ.search(text)
        message = self._fit(reason[1] if reason else _DRIVER_PREFIX.sub("", text))
        return SourceRefused(message) if _NO_PASSWORD in message else SourceUnreachable(message)

    def _of_reading(self, text: str, state: str) -> ConnectorError:
        said = _SAID_BY_SERVER.search(text)
        message = self._fit(said[1] if said else _DRIVER_PREFIX.sub("", text))
        if state == _CANCELED or _STATEMENT_TIMEOUT in message:
            return SourceFailed(f"The source ended the query: {message}")
        if state == _CHANGED:
            return SourceFailed(f"The table has changed since it was described: {message}")
        if state.startswith(_GONE):
            return TableGone(message)
        if state.startswith(_REFUSED):
            return SourceRefused(message)
        if state.startswith(_UNREACHABLE):
            return SourceUnreachable(message)
        return SourceFailed(message)

    def _fit(self, text: str) -> str:
        return scrubbed(text, self._hidden)
