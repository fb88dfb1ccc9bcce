"""Work for many things at once: together when they come together, alone when one of them fails."""

import asyncio
from collections.abc import Sequence

import pytest

from engine.service.gathering import TOGETHER_MAX, Gatherer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_what_comes_meanwhile_is_done_together() -> None:
    groups: list[int] = []

    async def double(items: Sequence[int]) -> list[int]:
        groups.append(len(items))
        await asyncio.sleep(0.01)
        return [2 * item for item in items]

    gatherer: Gatherer[int, int] = Gatherer()
    count = TOGETHER_MAX + 10
    found = await asyncio.gather(*(gatherer.add("key", item, double) for item in range(count)))
    assert found == [2 * item for item in range(count)]
    assert groups == [TOGETHER_MAX, 10]


async def test_one_that_fails_spoils_no_other() -> None:
    async def refuse_three(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        return list(items)

    gatherer: Gatherer[int, int] = Gatherer()
    adding = [gatherer.add("key", item, refuse_three) for item in range(6)]
    found = await asyncio.gather(*adding, return_exceptions=True)
    assert [each for each in found if not isinstance(each, Exception)] == [0, 1, 2, 4, 5]
    assert isinstance(found[3], ValueError)


async def test_who_waits_at_the_end_is_cancelled() -> None:
    async def never(_items: Sequence[int]) -> list[int]:
        await asyncio.Event().wait()
        return []

    gatherer: Gatherer[int, int] = Gatherer()
    waiting = asyncio.create_task(gatherer.add("key", 1, never))
    await asyncio.sleep(0.01)
    later = asyncio.create_task(gatherer.add("key", 2, never))
    await asyncio.sleep(0.01)
    await gatherer.close()
    for task in (waiting, later):
        with pytest.raises(asyncio.CancelledError):
            await task
