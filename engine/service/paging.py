"""Limits, offsets and cursors of a listing, read in one place."""

import base64
from typing import Any

import orjson

from engine import errors

OFFSET_MAX = 2**62


def clamp_page(
    limit: int | None, offset: int | None, *, default: int = 100, lowest: int = 1
) -> tuple[int, int]:
    """Return the effective limit (``lowest`` to 1000) and offset of a listing.

    Raises:
        InvalidRequest: one of them is negative.

    >>> clamp_page(None, None), clamp_page(5000, 3), clamp_page(0, 0)
    ((100, 0), (1000, 3), (1, 0))
    """
    for name, value in (("limit", limit), ("offset", offset)):
        if value is not None and value < 0:
            raise errors.InvalidRequest(f"{name} must not be negative")
    effective = default if limit is None else max(lowest, min(limit, 1000))
    return effective, min(offset or 0, OFFSET_MAX)


def write_cursor(position: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write where a page ended so that a client can hand it back; :func:`read_cursor` reads it."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def read_cursor(cursor: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a cursor, which may be anybody's: what is in it is for the caller to check.

    Raises:
        InvalidRequest: it is none.

    >>> read_cursor(write_cursor(["a", 1]))
    ['a', 1]
    """
    try:
        return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise errors.InvalidRequest("Invalid pagination cursor") from None
