"""Locks of this server by key, which are gone when nobody holds or wants them."""

import asyncio
from weakref import WeakValueDictionary


class KeyedLocks:
    """One lock for each key."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """Return the lock of a key; whoever enters it keeps it alive."""
        return self._locks.setdefault(key, asyncio.Lock())
