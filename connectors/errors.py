"""What can go wrong between here and a source.

The tree::

    ConnectorError
    ├── EgressRefused       the address may not be reached; nothing was sent to it
    ├── EgressFailed        a URL could not be read: an error status, too large, an encoding
    │   └── EgressBroken        it was not reached, broke off or took too long: may work again
    ├── OptionsInvalid      the configuration or the credential of a connection cannot be meant
    ├── DriverMissing       the extra that holds the driver of this source is not installed
    ├── TableGone           the source has no such table, or this user may not read it
    └── SourceError         the source was asked, and something went wrong there or on the way
        ├── SourceUnreachable   no connection came about: name, network, TLS, timeout
        ├── SourceRefused       it answered no: credential, permission, unknown database
        └── SourceFailed        it broke off, timed out, or sent what cannot be read

The class docstring is the default message. Messages of sources go through :func:`scrubbed`, so that
no credential is repeated. Messages never hold an address that a name resolved to or a redirect led
to: they would map the network behind the service.
"""

import re
from collections.abc import Iterable

MESSAGE_CHARS_MAX = 1000
_URL_CREDENTIALS = re.compile(r"(\w+://)[^\s/@:]*(?::[^\s/@]*)?@")
_PASSWORD_PAIR = re.compile(
    r"(?i)\b(password|passwd|pwd|token|secret|secret_access_key|private_key)\s*[=:]\s*(\"[^\"]*\"|'[^']*'|\S+)"
)


class ConnectorError(Exception):
    """The source could not be read."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class EgressRefused(ConnectorError):
    """The address may not be reached from here."""


class EgressFailed(ConnectorError):
    """The address could not be read."""


class EgressBroken(EgressFailed):
    """The address could not be reached, or broke off."""


class OptionsInvalid(ConnectorError):
    """The configuration of the connection is not valid."""


class DriverMissing(ConnectorError):
    """The driver of this source is not installed."""


class TableGone(ConnectorError):
    """The source has no such table."""


class SourceError(ConnectorError):
    """The source could not be used."""


class SourceUnreachable(SourceError):
    """The source cannot be reached."""


class SourceRefused(SourceError):
    """The source refused the connection."""


class SourceFailed(SourceError):
    """The source failed while it was read."""


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """Make a driver's text fit for the eyes of whoever made the connection.

    Args:
        text: what the driver said; its first line that says something is kept.
        secrets: values that must not be repeated, whatever stands around them.

    >>> scrubbed("connect to postgresql://bob:hunter2@db/x failed: hunter2", ["hunter2"])
    'connect to postgresql://…@db/x failed: …'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[0] if lines else "no reason given"
    line = _URL_CREDENTIALS.sub(r"\1…@", line)
    line = _PASSWORD_PAIR.sub(r"\1=…", line)
    for secret in secrets:
        if secret:
            line = line.replace(secret, "…")
    return line[:MESSAGE_CHARS_MAX]
