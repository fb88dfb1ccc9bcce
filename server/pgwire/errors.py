"""What goes wrong on the wire, and what each error of the engine is called in Postgres."""

from types import MappingProxyType

from engine import errors as engine_errors
from engine.errors import EngineError
from server.errors import said_of


class ConnectionGone(Exception):
    """The client hung up."""


class PgError(Exception):
    """An error with a SQLSTATE.

    Attributes:
        message: one sentence or less, as Postgres writes it.
        sqlstate: five characters.
        is_fatal: whether the session ends with it.
    """

    is_fatal = False

    def __init__(self, message: str, sqlstate: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.hint = hint

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the message that tells of it."""
        severity = "FATAL" if self.is_fatal else "ERROR"
        known = {"S": severity, "V": severity, "C": self.sqlstate, "M": self.message}
        return known if self.hint is None else {**known, "H": self.hint}


class FatalPgError(PgError):
    """An error that ends the session."""

    is_fatal = True


class ProtocolViolation(FatalPgError):
    """The bytes are no message of the protocol."""

    def __init__(self, message: str, sqlstate: str = "08P01") -> None:
        super().__init__(message, sqlstate)


SQLSTATES: MappingProxyType[type[Exception], str] = MappingProxyType(
    {
        Exception: "XX000",
        engine_errors.InvalidRequest: "22023",
        engine_errors.SqlInvalid: "42601",
        engine_errors.StatementForbidden: "25006",
        engine_errors.SqlTooComplex: "54001",
        engine_errors.PermissionDenied: "42501",
        engine_errors.NotFound: "42704",
        engine_errors.Conflict: "55006",
        engine_errors.TooLarge: "54000",
        engine_errors.Overloaded: "53300",
        engine_errors.QueryTimeout: "57014",
        engine_errors.QueryCancelled: "57014",
        engine_errors.ResourceExhausted: "53200",
        engine_errors.QueryCrashed: "XX000",
        engine_errors.SourceFailed: "58030",
        engine_errors.Unavailable: "57P03",
    }
)


def as_pg_error(error: Exception) -> PgError:
    """Say an error in Postgres's words; one that is not of the engine keeps its text to itself."""
    if isinstance(error, PgError):
        return error
    if isinstance(error, EngineError):
        return PgError(error.message, sqlstate_of(error))
    return PgError("The server failed to answer this statement.", "XX000")


def sqlstate_of(error: EngineError) -> str:
    """Find the code of an error: what its message says of the SQL, or what its class is.

    >>> sqlstate_of(engine_errors.SqlInvalid("Table 'x' not found"))
    '42P01'
    >>> sqlstate_of(engine_errors.QueryTimeout())
    '57014'
    """
    if type(error) is engine_errors.SqlInvalid:
        return next(
            (code for words, code in _OF_SQL if all(word in error.message for word in words)),
            "42601" if error.message.startswith("SQL parse error") else "42000",
        )
    return said_of(type(error), SQLSTATES)


# DataFusion says what is wrong in words only.
_OF_SQL = (
    (("Table '", "not found"), "42P01"),
    (("table '", "not found"), "42P01"),
    (("No field named",), "42703"),
    (("Ambiguous reference",), "42702"),
    (("Invalid function",), "42883"),
    (("invalid input syntax for",), "22P02"),
    (("malformed array literal",), "22P02"),
    (("division by zero",), "22012"),
    (("date/time field value out of range",), "22008"),
    (("interval out of range",), "22008"),
    (("unrecognized configuration parameter",), "42704"),
    (("function ", "does not exist"), "42883"),
    (("column ", "does not exist"), "42703"),
    (("relation ", "does not exist"), "42P01"),
    (("type ", "does not exist"), "42704"),
    (("does not take",), "42883"),
    (("must be in the GROUP BY",), "42803"),
    (("could not be resolved from available columns",), "42803"),
    (("Divide by zero",), "22012"),
    (("Cast error",), "22P02"),
    (("Cannot cast string",), "22P02"),
    (("Parser error",), "22P02"),
    (("overflow",), "22003"),
    (("Overflow",), "22003"),
    (("There is no value for the parameter",), "08P01"),
)
