"""The statements that are about the session, and not about data.

``gives_rows`` tells whether the answer has rows.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class Transaction:
    """BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE or ROLLBACK TO; ``tag`` is its answer."""

    tag: str
    savepoint: str | None = None
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SetSetting:
    """SET name TO value; None = the default. ``is_local`` ends with the transaction."""

    name: str
    value: str | None
    is_local: bool = False
    tag: str = "SET"
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW name, or ALL."""

    name: str
    gives_rows: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Discard:
    """DISCARD ALL, PLANS, SEQUENCES or TEMP."""

    what: str
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Declare:
    """DECLARE a cursor for a query."""

    name: str
    sql: str
    is_binary: bool
    is_held: bool
    scrolls: bool
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH, or MOVE, so many rows of a cursor; None = all. Only ever forward."""

    name: str
    rows: int | None
    moves: bool

    @property
    def gives_rows(self) -> bool:
        """Whether its answer has rows: MOVE has none."""
        return not self.moves


@dataclass(frozen=True, slots=True)
class CloseCursor:
    """CLOSE a cursor; None = all."""

    name: str | None
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Prepare:
    """PREPARE a statement, with the types of its first parameters as they were written."""

    name: str
    sql: str
    types: tuple[str, ...]
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ExecutePrepared:
    """EXECUTE a prepared statement; arguments are SQL."""

    name: str
    arguments: tuple[str, ...]
    gives_rows: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Deallocate:
    """DEALLOCATE a prepared statement; None = all."""

    name: str | None
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY (query) TO STDOUT. ``options`` by their names in small letters."""

    sql: str
    options: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    gives_rows: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Ignored:
    """A statement without any effect here, such as UNLISTEN."""

    tag: str
    gives_rows: ClassVar[bool] = False


Command: TypeAlias = (
    Transaction
    | SetSetting
    | Show
    | Discard
    | Declare
    | Fetch
    | CloseCursor
    | Prepare
    | ExecutePrepared
    | Deallocate
    | Copy
    | Ignored
)
