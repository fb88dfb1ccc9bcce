"""What can go wrong in the catalog.

The tree::

    CatalogError
    ├── NotFound            the thing does not exist for this workspace
    ├── Conflict            the name is taken, or the thing is in a state that forbids the change
    │   └── Superseded      what the work was based on is not the latest any more; do it again
    ├── InvalidValue        a value breaks a rule of the catalog (name form, unknown version)
    ├── BlobMissing         the catalog promises bytes the blob store does not have
    └── Unavailable         the catalog or the blob store cannot be reached now; try again

The class docstring is the default message. Messages never hold a value of another workspace, a
path or a DSN: they are shown to clients as they are.
"""

from typing_extensions import override


class CatalogError(Exception):
    """The catalog refused the operation."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The sentence a client may read."""
        return str(self.args[0])

    @override
    def __str__(self) -> str:
        return self.message


class NotFound(CatalogError):
    """Not found."""

    @classmethod
    def of(cls, kind: str, identifier: str) -> "NotFound":
        """Say that a thing of this kind is not here, whether foreign, deleted or never made."""
        return cls(f"{kind} '{identifier}' not found")


class Conflict(CatalogError):
    """Conflict with the present state."""


class Superseded(Conflict):
    """What this was based on was replaced meanwhile."""


class InvalidValue(CatalogError):
    """The value breaks a rule."""


class BlobMissing(CatalogError):
    """Stored data is missing."""


class Unavailable(CatalogError):
    """The catalog cannot be reached now. Try again."""
