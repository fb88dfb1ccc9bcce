"""When a request may start, and how long to wait before one is tried again."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

Sleep = Callable[[float], Awaitable[None]]

WAIT_S_MAX = 60.0
_FIRST_WAIT_S = 0.5
_MINUTE_S = 60.0


class Pacer:
    """Spreads requests evenly over a minute, for all who share it; without a rate nobody waits."""

    def __init__(
        self,
        requests_per_minute: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.requests_per_minute = requests_per_minute
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    async def wait(self) -> None:
        """Wait for a turn; turns are given in the order of asking."""
        if self.requests_per_minute is None:
            return
        now = self._clock()
        turn = max(now, self._free_at)
        self._free_at = turn + _MINUTE_S / self.requests_per_minute
        if turn > now:
            await self._sleep(turn - now)


def retry_wait_s(retries: int, retry_after: str) -> float:
    """Choose how long to wait before a request is tried again, at most a minute.

    Args:
        retries: how often it was tried again already.
        retry_after: that header, or nothing: without it the wait is random, up to twice as long each
            time, so that those who failed together do not come back together.
    """
    asked_s = _seconds_of(retry_after)
    if asked_s is not None:
        return min(asked_s, WAIT_S_MAX)
    longest_s = min(_FIRST_WAIT_S * 2**retries, WAIT_S_MAX)
    return secrets.randbelow(round(longest_s * 1000) + 1) / 1000


def _seconds_of(retry_after: str) -> float | None:
    """Read the header: seconds, or a date.

    >>> _seconds_of("1.5"), _seconds_of("Wed, 21 Oct 2015 07:28:00 GMT"), _seconds_of("soon")
    (1.5, 0.0, None)
    """
    try:
        seconds = float(retry_after)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if seconds < float("inf") else None
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
