"""Drivers are imported when a source is used, and may be missing."""

import importlib
from typing import Any

from connectors.errors import DriverMissing


def load_driver(module: str, *, extra: str | None = None) -> Any:  # noqa: ANN401 - any driver
    """Import a driver.

    Args:
        module: dotted name.
        extra: the extra of Tidemill that installs it; None for a package that is always there.

    Raises:
        DriverMissing: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if extra is None:
            raise
        raise missing_driver(extra) from error


def missing_driver(extra: str | None) -> DriverMissing:
    """Name the command that installs an extra."""
    return DriverMissing(
        f"The driver of this source is not installed: pip install 'tidemill[{extra}]'"
    )
