"""Sessions: what a client's unqualified names mean, and whether its results are kept.

A session begins when a client sets an option, and is known by a cookie; a client that sends no cookies
back has no session, and can say the same with every call by the headers ``x-default-catalog``,
``x-default-schema`` and ``x-keep-results: true``. Invariants: a session belongs to one token; it is forgotten an hour after its last
use. Only the event loop touches this.

Source: https://arrow.apache.org/docs/format/Flight.html#session-management
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from engine.query.resolve import DATASETS, MAIN
from engine.service.context import Caller
from server.flight.protobuf import (
    integer,
    many_data,
    optional_integer,
    optional_text,
    read_fields,
    read_map,
    read_message,
    write_map,
    write_message,
)

COOKIE = "arrow_flight_session_id"
IDLE_S = 3600.0
_SESSIONS_MAX = 10_000
_BYTES_MAX = 255
_CATALOG, _SCHEMA, _KEEP_RESULTS = "catalog", "schema", "keep_results"
_READABLE = {_CATALOG: 1, _SCHEMA: 1, _KEEP_RESULTS: 2}
_INVALID_NAME, _INVALID_VALUE = 1, 2
CLOSED, NOT_CLOSEABLE = 1, 3


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Defaults for names, None is the server's own; and whether results get an id to read them by."""

    catalog: str | None = None
    schema: str | None = None
    keeps_results: bool = False


@dataclass(frozen=True, slots=True)
class SetSessionOptionsRequest:
    """Options by name; a value is a message with one field, of which there are five kinds."""

    session_options: tuple[bytes, ...] = many_data(1)


@dataclass(frozen=True, slots=True)
class SetSessionOptionsResult:
    """What could not be set, by name."""

    errors: tuple[bytes, ...] = many_data(1)


@dataclass(frozen=True, slots=True)
class GetSessionOptionsResult:
    """All options by name."""

    session_options: tuple[bytes, ...] = many_data(1)


@dataclass(frozen=True, slots=True)
class CloseSessionResult:
    """1 = closed, 3 = there is nothing to close."""

    status: int = integer(1)


@dataclass(frozen=True, slots=True)
class _TextValue:
    string_value: str | None = optional_text(1)


@dataclass(frozen=True, slots=True)
class _BoolValue:
    bool_value: int | None = optional_integer(2)


@dataclass(frozen=True, slots=True)
class _OptionError:
    value: int = integer(1)


@dataclass(slots=True)
class _Session:
    token_id: str
    options: SessionOptions
    used_s: float


class Sessions:
    """The sessions of one server process, by cookie."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def options_of(self, caller: Caller, headers: Mapping[str, str]) -> SessionOptions:
        """Return what names without catalog or schema mean in a call."""
        own = self._find(caller, headers)
        kept = own.options if own is not None else SessionOptions()
        keeps_results = headers.get("x-keep-results", "").lower()
        return SessionOptions(
            headers.get("x-default-catalog") or kept.catalog,
            headers.get("x-default-schema") or kept.schema,
            keeps_results == "true" if keeps_results else kept.keeps_results,
        )

    def describe(self, caller: Caller, headers: Mapping[str, str]) -> bytes:
        """Write the answer to ``GetSessionOptions``."""
        options = self.options_of(caller, headers)
        values: dict[str, _TextValue | _BoolValue] = {
            _CATALOG: _TextValue(options.catalog or DATASETS),
            _SCHEMA: _TextValue(options.schema or MAIN),
            _KEEP_RESULTS: _BoolValue(int(options.keeps_results)),
        }
        written = {name: write_message(value) for name, value in values.items()}
        return write_message(GetSessionOptionsResult(write_map(written)))

    def change(
        self, caller: Caller, headers: Mapping[str, str], request: bytes
    ) -> tuple[bytes, str | None]:
        """Set options; all of them, or none when one is wrong.

        Returns:
            The answer to ``SetSessionOptions``, and the cookie of a session that has begun.

        Raises:
            MalformedMessage: the request is no message.
        """
        given = read_map(read_message(SetSessionOptionsRequest, request).session_options)
        errors: dict[str, bytes] = {}
        changed: dict[str, Any] = {}
        for name, value in given.items():
            number = _READABLE.get(name)
            if number is None:
                errors[name] = write_message(_OptionError(_INVALID_NAME))
            elif not _is_readable(value, number):
                errors[name] = write_message(_OptionError(_INVALID_VALUE))
            elif number == 1:
                changed[name] = read_message(_TextValue, value).string_value or None
            else:
                changed[name] = bool(read_message(_BoolValue, value).bool_value)
        cookie = None
        if not errors and changed:
            cookie = self._store(caller, headers, changed)
        return write_message(SetSessionOptionsResult(write_map(errors))), cookie

    def close(self, caller: Caller, headers: Mapping[str, str]) -> bytes:
        """Forget a session and write the answer to ``CloseSession``."""
        own = self._find(caller, headers)
        if own is not None:
            del self._sessions[_cookie_of(headers)]
        return write_message(CloseSessionResult(CLOSED if own is not None else NOT_CLOSEABLE))

    def _store(
        self, caller: Caller, headers: Mapping[str, str], changed: Mapping[str, Any]
    ) -> str | None:
        own = self._find(caller, headers)
        cookie = None
        if own is None:
            cookie = secrets.token_urlsafe(24)
            own = _Session(caller.token_id, SessionOptions(), self._clock_s())
            self._sessions[cookie] = own
            if len(self._sessions) > _SESSIONS_MAX:
                self._sessions.popitem(last=False)
        own.options = SessionOptions(
            changed.get(_CATALOG, own.options.catalog),
            changed.get(_SCHEMA, own.options.schema),
            changed.get(_KEEP_RESULTS, own.options.keeps_results),
        )
        return None if cookie is None else f"{COOKIE}={cookie}"

    def _find(self, caller: Caller, headers: Mapping[str, str]) -> _Session | None:
        oldest_s = self._clock_s() - IDLE_S
        while self._sessions and next(iter(self._sessions.values())).used_s < oldest_s:
            self._sessions.popitem(last=False)
        cookie = _cookie_of(headers)
        own = self._sessions.get(cookie)
        if own is None or own.token_id != caller.token_id:
            return None
        own.used_s = self._clock_s()
        self._sessions.move_to_end(cookie)
        return own


def _cookie_of(headers: Mapping[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _is_readable(value: bytes, number: int) -> bool:
    """Tell whether a value is of the kind that an option has, or empty, and no longer than a name."""
    found = read_fields(value)
    return all(
        each == number and (not isinstance(held, bytes) or _is_name(held))
        for each, _, held in found
    )


def _is_name(held: bytes) -> bool:
    return len(held) <= _BYTES_MAX and b"\x00" not in held
