"""Turns of requests, and waits between attempts."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from engine.embeddings.pacing import WAIT_S_MAX, Pacer, retry_wait_s


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def turns(requests_per_minute: int | None, count: int) -> list[float]:
    """The moments at which so many requests in a row may start."""
    time = Time()
    pacer = Pacer(requests_per_minute, clock=lambda: time.now, sleep=time.sleep)

    async def ask() -> list[float]:
        moments = []
        for _ in range(count):
            await pacer.wait()
            moments.append(time.now)
        return moments

    return asyncio.run(ask())


def test_requests_are_spread_over_a_minute() -> None:
    assert turns(60, 4) == [0, 1, 2, 3]
    assert turns(1, 2) == [0, 60]


def test_without_a_rate_nobody_waits() -> None:
    assert turns(None, 3) == [0, 0, 0]


def test_an_unused_turn_is_not_saved_up() -> None:
    time = Time()
    pacer = Pacer(60, clock=lambda: time.now, sleep=time.sleep)

    async def ask() -> None:
        await pacer.wait()
        time.now = 100.0
        for _ in range(3):
            await pacer.wait()

    asyncio.run(ask())
    assert time.waits == [1.0, 1.0]


@pytest.mark.parametrize(("said", "wait_s"), [("0", 0), ("3.5", 3.5), ("-1", 0), ("999", 60)])
def test_the_wait_that_is_asked_for_is_kept_within_a_minute(said: str, wait_s: float) -> None:
    assert retry_wait_s(0, said) == wait_s


def test_a_date_is_a_wait_too() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_wait_s(0, soon) == WAIT_S_MAX
    assert retry_wait_s(0, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize("said", ["", "soon", "inf", "nan", "1e999"])
def test_otherwise_the_wait_is_random_and_may_double_each_time(said: str) -> None:
    for retries, longest_s in ((0, 0.5), (1, 1.0), (3, 4.0), (20, WAIT_S_MAX)):
        waits = [retry_wait_s(retries, said) for _ in range(50)]
        assert all(0 <= wait <= longest_s for wait in waits)
        assert len(set(waits)) > 1
