"""The settings of a session: what SET takes, SHOW tells, and clients are told of at once.

Names, defaults and forms of values are Postgres's. A setting that would change answers is either honoured or
refused; one that cannot matter to a session that only reads is kept and shown.
"""

import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from engine.errors import SqlInvalid
from engine.query.tokens import tokenize
from server.pgwire.errors import PgError

SERVER_VERSION = "15.0"
"""What clients take it for: the catalog relations and functions are those of this version."""
_UNITS_MS = {"": 1.0, "us": 0.001, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_HOURS = re.compile(r"[+-]?\d{1,2}(?:\.\d+)?")
_POSIX_OFFSET = re.compile(r"(?:<[^>]*>|[A-Za-z]{3,})?([+-]?)(\d{1,2})(?::?(\d{2}))?")
_OFFSET_MINUTES_MAX = 15 * 60 + 59
_TRUE = frozenset({"on", "true", "yes", "1", "t", "y"})
_FALSE = frozenset({"off", "false", "no", "0", "f", "n"})
_TIMEOUT_MS_MAX = 2**31 - 1
_NAME_CHARS_MAX = 63
_CUSTOM_MAX = 256


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its default, how a value is read, and what it is for.

    ``is_reported``: clients are told of every change. ``read`` is None where it cannot be set.
    """

    default: str
    read: Callable[[str, str], str] | None
    about: str
    is_reported: bool = False


class SessionSettings:
    """The settings of one session.

    Args:
        given: those that belong to the session, such as the user's name; they cannot be set.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._start: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._custom: dict[str, str] = {}
        self._of_transaction: dict[str, str | None] = {}

    def begin(self, options: Mapping[str, str]) -> None:
        """Take the settings of the start-up: they are the defaults of this session.

        Raises:
            PgError: one is not known, or its value is not right.
        """
        for name, value in options.items():
            self.set(name, value)
        self._start = dict(self._values)

    def get(self, name: str) -> str:
        """Return a value as SHOW tells it.

        Raises:
            PgError: there is no such setting.
        """
        known = name.lower()
        if known in self._custom or known in _OWN:
            return self._custom.get(known, "off")
        if known in self._given:
            return self._given[known]
        return self._values.get(known, _setting(known).default)

    def set(self, name: str, value: str | None, *, is_local: bool = False) -> dict[str, str]:
        """Change a setting, all of them for ``all``; None = what it was at the start.

        Returns:
            What clients are to be told of, under the names they know.

        Raises:
            PgError: there is no such setting, it cannot be set, or the value is not right.
        """
        known = name.lower()
        if known == "all":
            return self._change(self._reset_all)
        if "." in known:
            self._set_custom(known, value)
            return {}
        setting = _setting(known)
        if setting.read is None:
            raise PgError(f'parameter "{known}" cannot be changed', "55P02")
        chosen = self._start.get(known, setting.default) if value is None else value
        chosen = setting.read(known, chosen)
        if is_local:
            self._of_transaction.setdefault(known, self._values.get(known))

        def change() -> None:
            self._values[known] = chosen

        return self._change(change)

    def end_transaction(self) -> dict[str, str]:
        """Undo what was set for the transaction only; return what clients are to be told of."""
        if not self._of_transaction:
            return {}

        def change() -> None:
            for name, value in self._of_transaction.items():
                if value is None:
                    self._values.pop(name, None)
                else:
                    self._values[name] = value
            self._of_transaction.clear()

        return self._change(change)

    def reported(self) -> dict[str, str]:
        """Return what clients are told of at the start."""
        return {
            spelled(name): self.get(name)
            for name, setting in SETTINGS.items()
            if setting.is_reported
        }

    def all(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the value and the description of every setting, by name."""
        for name in sorted(SETTINGS):
            yield _SPELLED.get(name, name), self.get(name), SETTINGS[name].about

    @property
    def schema(self) -> str | None:
        """The first schema of the search path that is not the catalog's own; None = none is set."""
        for name in path_names(self.get("search_path")):
            if name not in {"$user", "pg_catalog", "pg_temp", "public"}:
                return name
        return None

    @property
    def timeout_s(self) -> float | None:
        """How long a statement may take; None = as long as the server lets it."""
        milliseconds = int(self.get("statement_timeout"))
        return milliseconds / 1000 if milliseconds else None

    @property
    def keeps_results(self) -> bool:
        """Whether results are kept as those of HTTP are."""
        return self.get("tidemill.keep_results") == "on"

    def _reset_all(self) -> None:
        self._values = dict(self._start)
        self._custom.clear()

    def _set_custom(self, name: str, value: str | None) -> None:
        """Names with a dot are anybody's; ours have a meaning."""
        if name in _OWN:
            value = _OWN[name](name, "off" if value is None else value)
        elif name.startswith("tidemill."):
            raise PgError(f'unrecognized configuration parameter "{name}"', "42704")
        if value is None:
            self._custom.pop(name, None)
        elif len(self._custom) < _CUSTOM_MAX or name in self._custom:
            self._custom[name] = value
        else:
            raise PgError("too many settings", "53400")

    def _change(self, change: Callable[[], object]) -> dict[str, str]:
        before = self.reported()
        change()
        return {name: value for name, value in self.reported().items() if before[name] != value}


def spelled(name: str) -> str:
    """Write the name of a setting as Postgres does: most are in small letters.

    >>> spelled("timezone"), spelled("search_path")
    ('TimeZone', 'search_path')
    """
    return _SPELLED.get(name.lower(), name.lower())


def path_names(path: str) -> list[str]:
    """Read a search path: names, folded unless they are quoted.

    >>> path_names('a, "B c", Public')
    ['a', 'B c', 'public']
    """
    try:
        tokens = tokenize(path)
    except SqlInvalid:
        return []
    names: list[str] = []
    for token in tokens:
        if token.text == ",":
            continue
        is_quoted = path[token.start] == '"'
        names.append(token.text if is_quoted else path[token.start : token.end + 1].lower())
    return names


def _setting(name: str) -> Setting:
    if name not in SETTINGS:
        raise PgError(f'unrecognized configuration parameter "{name}"', "42704")
    return SETTINGS[name]


def _wrong(name: str, value: str, hint: str | None = None) -> PgError:
    return PgError(f'invalid value for parameter "{name}": "{value[:60]}"', "22023", hint=hint)


def _any(_name: str, value: str) -> str:
    return value


def _name(_name: str, value: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in value)[:_NAME_CHARS_MAX]


def _bool(name: str, value: str) -> str:
    folded = value.lower()
    if folded in _TRUE:
        return "on"
    if folded in _FALSE:
        return "off"
    raise PgError(f'parameter "{name}" requires a Boolean value', "22023")


def _only_on(name: str, value: str) -> str:
    if _bool(name, value) != "on":
        raise PgError(f'"{name}" can only be on: sessions only read', "25006")
    return "on"


def _whole(name: str, value: str) -> str:
    try:
        return str(int(value))
    except ValueError:
        raise _wrong(name, value) from None


def _milliseconds(name: str, value: str) -> str:
    found = _DURATION.fullmatch(value.strip().lower())
    if found is None or found[2] not in _UNITS_MS:
        raise _wrong(name, value, 'Valid units are "us", "ms", "s", "min", "h", and "d".')
    milliseconds = round(float(found[1]) * _UNITS_MS[found[2]])
    if milliseconds > _TIMEOUT_MS_MAX:
        raise _wrong(name, value)
    return str(milliseconds)


def _time_zone(name: str, value: str) -> str:
    """Read a name of the IANA database, or an offset.

    Hours alone count eastwards, as in SQL; whatever else looks like an offset is one of POSIX, which
    counts westwards. So it is in Postgres.
    """
    text = value.strip()
    if text.upper() in {"UTC", "GMT", "Z", "ZULU"}:
        return "UTC"
    if _HOURS.fullmatch(text):
        minutes = round(float(text) * 60)
    elif offset := _POSIX_OFFSET.fullmatch(text):
        size = int(offset[2]) * 60 + int(offset[3] or 0)
        minutes = size if offset[1] == "-" else -size
    else:
        zone = _zones().get(text.lower())
        if zone is None:
            raise _wrong(name, value)
        return zone
    if abs(minutes) > _OFFSET_MINUTES_MAX:
        raise _wrong(name, value)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@cache
def _zones() -> dict[str, str]:
    """Return the names of time zones by themselves in small letters; the folders take milliseconds."""
    return {zone.lower(): zone for zone in zoneinfo.available_timezones()}


def _utf8(name: str, value: str) -> str:
    # Postgres looks at letters and digits only; asyncpg sends quotes.
    if "".join(filter(str.isalnum, value)).lower() not in {"utf8", "unicode"}:
        raise PgError(
            f'conversion between {value[:60]} and UTF8 is not supported; "{name}" is UTF8', "22023"
        )
    return "UTF8"


def _iso(name: str, value: str) -> str:
    parts = [part.strip().upper() for part in value.split(",")]
    orders = [part for part in parts if part in {"MDY", "DMY", "YMD"}]
    if any(part not in {"ISO", "MDY", "DMY", "YMD"} for part in parts):
        raise _wrong(name, value, "Dates are written as ISO 8601 only.")
    return f"ISO, {orders[-1] if orders else 'MDY'}"


def _one_of(*values: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value.lower() not in values:
            raise _wrong(name, value, f"Available values: {', '.join(values)}.")
        return value.lower()

    return read


_SPELLED = {
    "datestyle": "DateStyle",
    "intervalstyle": "IntervalStyle",
    "timezone": "TimeZone",
}
_OWN = {"tidemill.keep_results": _bool}
_LEVELS = ("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error")

SETTINGS: dict[str, Setting] = {
    "application_name": Setting("", _name, "Name of the client, shown in logs.", True),
    "bytea_output": Setting("hex", _one_of("hex"), "Form of bytea as text."),
    "client_encoding": Setting("UTF8", _utf8, "Encoding of all text.", True),
    "client_min_messages": Setting(
        "notice", _one_of(*_LEVELS), "Notices from this level on are sent."
    ),
    "datestyle": Setting("ISO, MDY", _iso, "Form of dates as text.", True),
    "default_table_access_method": Setting("heap", _any, "Kept, without effect."),
    "default_transaction_isolation": Setting(
        "read committed", _any, "Each statement sees the newest rows."
    ),
    "default_transaction_read_only": Setting("on", _only_on, "Sessions only read.", True),
    "extra_float_digits": Setting(
        "1", _whole, "Floats are written as short as they can be read back."
    ),
    "idle_in_transaction_session_timeout": Setting("0", _milliseconds, "Kept, without effect."),
    "in_hot_standby": Setting("off", None, "This is no standby.", True),
    "integer_datetimes": Setting("on", None, "Times are whole microseconds.", True),
    "intervalstyle": Setting("postgres", _one_of("postgres"), "Form of intervals as text.", True),
    "is_superuser": Setting("off", None, "Nobody is.", True),
    "jit": Setting("off", _bool, "Kept, without effect."),
    "escape_string_warning": Setting("on", _bool, "Kept, without effect."),
    "idle_session_timeout": Setting("0", _milliseconds, "Kept, without effect."),
    "lc_collate": Setting("C", None, "Texts are in the order of their code points."),
    "lc_ctype": Setting("C.UTF-8", None, "Class of characters."),
    "lc_messages": Setting("C", _any, "Messages are in English."),
    "lc_monetary": Setting("C", _any, "Form of money."),
    "lc_numeric": Setting("C", _any, "Form of numbers."),
    "lc_time": Setting("C", _any, "Names of days and months."),
    "lock_timeout": Setting("0", _milliseconds, "Kept, without effect: nothing is locked."),
    "max_identifier_length": Setting("63", None, "Bytes of a name, as clients believe."),
    "max_index_keys": Setting("32", None, "Columns of an index, as clients believe."),
    "row_security": Setting("on", _bool, "Kept, without effect."),
    "search_path": Setting(
        '"$user", public', _any, "Schemas where tables are looked for by bare names."
    ),
    "server_encoding": Setting("UTF8", None, "Encoding of all text.", True),
    "server_version": Setting(SERVER_VERSION, None, "What clients take the server for.", True),
    "server_version_num": Setting("150000", None, "The same as a number."),
    "session_authorization": Setting("", None, "The user.", True),
    "ssl": Setting("off", None, "Whether the server has a certificate."),
    "standard_conforming_strings": Setting("on", _one_of("on"), "A backslash is one.", True),
    "statement_timeout": Setting(
        "0", _milliseconds, "Milliseconds a statement may take; 0 = the server's own limit."
    ),
    "synchronous_commit": Setting("on", _any, "Kept, without effect."),
    "timezone": Setting(
        "UTC", _time_zone, "Zone in which timestamps with time zone are written.", True
    ),
    "transaction_isolation": Setting(
        "read committed", _any, "Each statement sees the newest rows."
    ),
    "transaction_read_only": Setting("on", _only_on, "Sessions only read."),
    "transaction_deferrable": Setting("off", _bool, "Kept, without effect."),
    "work_mem": Setting("4MB", _any, "Kept, without effect."),
    "xmloption": Setting("content", _any, "Kept, without effect."),
}
"""Every setting by its name."""
