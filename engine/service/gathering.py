"""Work that is cheaper for many things at once: what comes while it is done waits for the next time."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

TOGETHER_MAX = 64


class Gatherer(Generic[ItemT, ResultT]):
    """Hands things of one key over together, one group of a key at a time."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[ItemT, asyncio.Future[ResultT]]]] = defaultdict(
            list
        )
        self._working: dict[Hashable, asyncio.Task[None]] = {}

    async def add(
        self,
        key: Hashable,
        item: ItemT,
        work: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
    ) -> ResultT:
        """Have one thing done, perhaps together with others; return what came of it.

        Args:
            key: things of the same key may be done together.
            item: what to do.
            work: does some, at most 64, and returns a result for each. When it fails for several, it is
                called for each alone.
        """
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting[key].append((item, future))
        if key not in self._working:
            self._working[key] = asyncio.create_task(self._work(key, work))
        return await future

    async def close(self) -> None:
        """Stop; who waits is cancelled."""
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(
        self, key: Hashable, work: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]
    ) -> None:
        try:
            while group := self._waiting[key][:TOGETHER_MAX]:
                del self._waiting[key][:TOGETHER_MAX]
                await _do([each for each in group if not each[1].done()], work)
        finally:
            del self._working[key]
            for _, future in self._waiting.pop(key, []):
                future.cancel()


async def _do(
    group: "Sequence[tuple[ItemT, asyncio.Future[ResultT]]]",
    work: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
) -> None:
    try:
        results: Sequence[Any] = await work([item for item, _ in group]) if group else ()
    except asyncio.CancelledError:
        for _, future in group:
            future.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - whoever waits raises it
        if len(group) > 1:  # one of them may be to blame: each for itself
            for each in group:
                await _do([each], work)
            return
        results = [error]
    for (_, future), result in zip(group, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
