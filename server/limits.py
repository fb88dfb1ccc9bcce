"""How much one client may ask: requests per second of a workspace, bytes of a body.

Buckets are kept for the workspaces seen last. An evicted bucket starts full again, so the number
kept bounds memory and is far above the workspaces that can be busy within the same second.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from engine.errors import Overloaded, TooLarge

_BUCKETS_MAX = 10_000
_DIGITS_MAX = 19


class RateLimiter:
    """A token bucket per workspace that holds one second's worth of requests."""

    def __init__(self, rate_per_s: int, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._clock_s = clock_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, workspace_id: str) -> None:
        """Take one request from the workspace's bucket.

        Raises:
            Overloaded: the bucket is empty; says after how many whole seconds to come back.
        """
        now_s = self._clock_s()
        tokens, seen_s = self._buckets.get(workspace_id, (float(self._rate_per_s), now_s))
        tokens = min(float(self._rate_per_s), tokens + (now_s - seen_s) * self._rate_per_s)
        is_admitted = tokens >= 1
        self._buckets[workspace_id] = (tokens - 1 if is_admitted else tokens, now_s)
        self._buckets.move_to_end(workspace_id)
        if len(self._buckets) > _BUCKETS_MAX:
            self._buckets.popitem(last=False)
        if not is_admitted:
            wait_s = math.ceil((1 - tokens) / self._rate_per_s)
            raise Overloaded(
                f"More than {self._rate_per_s} requests per second in this workspace.",
                retry_after_s=max(1, wait_s),
            )


async def read_body(request: Request, *, size_max_bytes: int) -> bytes:
    """Read a whole request body.

    Raises:
        TooLarge: it is, or is declared, longer than ``size_max_bytes``; the rest is not kept.
    """
    if (declared_size_bytes(request) or 0) > size_max_bytes:
        raise _too_large(size_max_bytes)
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in request.stream():
        size_bytes += len(chunk)
        if size_bytes > size_max_bytes:
            raise _too_large(size_max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def declared_size_bytes(request: Request) -> int | None:
    """Read ``Content-Length``; None when the body is chunked or the header is nonsense."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) <= _DIGITS_MAX else None


def _too_large(size_max_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than the limit of {size_max_bytes} bytes.")
