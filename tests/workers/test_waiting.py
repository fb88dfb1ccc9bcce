"""Waiting is bounded and fair, and a refusal leaves nothing behind."""

import pytest

from engine.errors import Overloaded, Unavailable
from engine.workers.waiting import WaitingRoom

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def call_all(room: WaitingRoom[int]) -> list[str]:
    called = []
    while (entry := room.call(lambda _: True)) is not None:
        called.append(entry[0])
    return called


async def test_workspaces_take_turns() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=10, places_of_workspace=5)
    for workspace in ("a", "a", "a", "b", "c", "b"):
        room.enter(workspace)
    assert call_all(room) == ["a", "b", "c", "a", "b", "a"]
    assert room.count == 0


async def test_a_refused_workspace_does_not_stop_the_others() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=2, places_of_workspace=2)
    room.enter("a")
    room.enter("a")
    with pytest.raises(Overloaded):
        room.enter("b")
    assert call_all(room) == ["a", "a"]
    room.enter("b")
    assert call_all(room) == ["b"]


async def test_one_workspace_has_its_own_bound() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=10, places_of_workspace=1)
    room.enter("a")
    with pytest.raises(Overloaded, match="workspace"):
        room.enter("a")
    room.enter("b")


async def test_who_left_or_was_cancelled_is_not_called() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=10, places_of_workspace=10)
    first, second, third = (room.enter("a") for _ in range(3))
    assert room.leave("a", first)
    assert not room.leave("a", first)
    second.cancel()
    assert room.call(lambda _: True) == ("a", third)
    assert room.count == 0


async def test_a_workspace_that_may_not_come_keeps_its_place() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=10, places_of_workspace=10)
    room.enter("a")
    room.enter("b")
    called = room.call(lambda workspace: workspace != "a")
    assert called is not None
    assert called[0] == "b"
    assert room.count == 1


async def test_closing_sends_everybody_away() -> None:
    room: WaitingRoom[int] = WaitingRoom(places=10, places_of_workspace=10)
    waiters = [room.enter(workspace) for workspace in "aab"]
    room.close(Unavailable())
    for waiter in waiters:
        with pytest.raises(Unavailable):
            await waiter
