"""Limits and offsets of a listing, brought into their bounds in one place."""

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
