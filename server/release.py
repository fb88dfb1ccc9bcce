"""Which release of Tidemill this is."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the installed version, or ``0+source`` when run from a folder of sources."""
    try:
        return version("tidemill")
    except PackageNotFoundError:
        return "0+source"
