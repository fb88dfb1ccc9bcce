"""What can go wrong on the way out.

The tree::

    ConnectorError
    ├── EgressRefused       the address may not be reached; nothing was sent to it
    └── EgressFailed        it may, but it could not be read: unreachable, an error status,
                            too large, too slow

The class docstring is the default message. Messages never hold an address that a name resolved to
or a redirect led to: they would map the network behind the service.
"""


class ConnectorError(Exception):
    """The source could not be read."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class EgressRefused(ConnectorError):
    """The address may not be reached from here."""


class EgressFailed(ConnectorError):
    """The address could not be read."""
