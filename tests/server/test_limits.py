"""Rates and sizes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from engine.errors import Overloaded, TooLarge
from server.limits import RateLimiter, read_body


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def admitted(limiter: RateLimiter, workspace_id: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            limiter.admit(workspace_id)
        except Overloaded:
            continue
        count += 1
    return count


def test_a_second_admits_as_many_requests_as_the_rate_and_no_more() -> None:
    clock = Clock()
    limiter = RateLimiter(5, clock_s=clock)
    assert admitted(limiter, "a", 20) == 5
    clock.now_s += 0.4
    assert admitted(limiter, "a", 20) == 2


def test_one_workspace_does_not_use_up_the_rate_of_another() -> None:
    limiter = RateLimiter(3, clock_s=Clock())
    assert admitted(limiter, "a", 10) == 3
    assert admitted(limiter, "b", 10) == 3


def test_a_refusal_says_in_whole_seconds_when_to_come_back() -> None:
    limiter = RateLimiter(1, clock_s=Clock())
    limiter.admit("a")
    with pytest.raises(Overloaded) as caught:
        limiter.admit("a")
    assert caught.value.retry_after_s == 1


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 20))
def test_no_pattern_of_arrivals_beats_the_rate(pauses_s: list[float], rate: int) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock_s=clock)
    started_s, count = clock.now_s, 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        count += admitted(limiter, "a", 3)
    assert count <= rate * (1 + clock.now_s - started_s) + 1e-6


def request_of(chunks: list[bytes], headers: dict[str, str]) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw}, receive)


def test_a_body_up_to_the_limit_is_read_whole() -> None:
    request = request_of([b"abc", b"de"], {})
    assert asyncio.run(read_body(request, size_max_bytes=5)) == b"abcde"


@pytest.mark.parametrize("headers", [{}, {"content-length": "3"}, {"content-length": "9" * 5000}])
def test_a_body_over_the_limit_is_refused_whatever_it_declares(headers: dict[str, str]) -> None:
    with pytest.raises(TooLarge):
        asyncio.run(read_body(request_of([b"abc", b"def"], headers), size_max_bytes=5))


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    request = request_of([], {"content-length": "6"})
    with pytest.raises(TooLarge):
        asyncio.run(read_body(request, size_max_bytes=5))
