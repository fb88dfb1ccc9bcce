"""What a use case can refuse or fail with.

The tree::

    EngineError
    ├── InvalidRequest              the request breaks a rule; nothing was done
    │   ├── SqlInvalid              the SQL does not parse, plan or evaluate
    │   │   ├── SqlEmpty
    │   │   ├── StatementForbidden  not a read-only statement, or more than one
    │   │   └── SqlTooComplex       longer, deeper or larger than the limits
    │   ├── DataInvalid             a file or inline content cannot become a table
    │   ├── DocumentInvalid         a file cannot be read as a document
    │   └── WidthMismatch           a vector has not as many numbers as those it is compared with
    ├── PermissionDenied            the credential may not do this
    ├── NotFound                    unknown to this workspace
    ├── Conflict                    name taken, or a state forbids it
    ├── TooLarge                    a body or file is over its limit
    ├── Overloaded                  a queue or rate is full; carries ``retry_after_s``
    ├── QueryTimeout                the query ran longer than its limit and was killed
    ├── QueryCancelled              somebody cancelled the query
    ├── ResourceExhausted           the query needs more memory, spill or rows than its limit
    ├── QueryCrashed                the worker process died under this query
    ├── SourceFailed                a remote source could not be reached or read
    │   └── RemoteError             it was reached, and answered with an error or broke off
    └── Unavailable                 a part of the service is away; carries ``retry_after_s``

The class docstring is the default message. Messages are shown to clients as they are: no path, DSN
or value of another workspace.
"""


class EngineError(Exception):
    """The request failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The sentence a client may read."""
        return str(self.args[0])


class InvalidRequest(EngineError):
    """The request is not valid."""


class SqlInvalid(InvalidRequest):
    """The SQL is not valid."""


class SqlEmpty(SqlInvalid):
    """SQL query cannot be empty"""  # noqa: D415 - the API's own words


class StatementForbidden(SqlInvalid):
    """Only one read-only statement is allowed: SELECT, WITH, VALUES, EXPLAIN, SHOW or DESCRIBE."""


class SqlTooComplex(SqlInvalid):
    """The SQL is longer or more deeply nested than the limits allow."""


class DataInvalid(InvalidRequest):
    """The data cannot be read as a table."""


class DocumentInvalid(InvalidRequest):
    """The file cannot be read as a document."""


class WidthMismatch(InvalidRequest):
    """The vector has another width than those it is compared with."""


class PermissionDenied(EngineError):
    """This credential may not do that."""


class NotFound(EngineError):
    """Not found."""


class Conflict(EngineError):
    """Conflict with the present state."""


class TooLarge(EngineError):
    """The body is larger than the limit."""


class Overloaded(EngineError):
    """Too many requests are waiting. Try again shortly."""

    def __init__(self, message: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QueryTimeout(EngineError):
    """The query ran longer than its time limit and was stopped."""


class QueryCancelled(EngineError):
    """The query was cancelled."""


class ResourceExhausted(EngineError):
    """The query needs more resources than its limits allow."""


class QueryCrashed(EngineError):
    """The process running this query died. No other query was affected."""


class SourceFailed(EngineError):
    """The remote source could not be read."""


class RemoteError(SourceFailed):
    """The remote source answered with an error."""


class Unavailable(EngineError):
    """A part of the service is not available now. Try again shortly."""

    def __init__(self, message: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
