"""What can go wrong on the way out."""


class ConnectorError(Exception):
    """The source could not be read."""


class EgressRefused(ConnectorError):
    """The address may not be reached."""


class EgressFailed(ConnectorError):
    """The address could not be read."""
