"""What embedding query texts goes on with: vectors of recent texts, and the pace of each service."""

from collections import OrderedDict

from engine.embeddings.base import Vectors
from engine.embeddings.pacing import Pacer

Key = tuple[str, str, str]
"""Workspace, fingerprint and text: no workspace learns what another one asked for."""

_TEXT_CHARS_MAX = 2_000
_ENTRY_BYTES = 200
_PACERS_MAX = 1024


class RecentVectors:
    """A memory of vectors by their texts, bounded in bytes; the longest unused goes first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._vectors: OrderedDict[Key, Vectors] = OrderedDict()
        self._pacers: OrderedDict[str, Pacer] = OrderedDict()

    def get(self, key: Key) -> Vectors | None:
        """Return the vector of a text, if it is remembered."""
        vector = self._vectors.get(key)
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, key: Key, vector: Vectors) -> None:
        """Remember the vector of a text that is not long."""
        if len(key[2]) > _TEXT_CHARS_MAX:
            return
        if (known := self._vectors.pop(key, None)) is not None:
            self._bytes -= _size_of(key, known)
        self._vectors[key] = vector
        self._bytes += _size_of(key, vector)
        while self._bytes > self._bytes_max:
            self._bytes -= _size_of(*self._vectors.popitem(last=False))

    def pacer(self, provider_id: str, requests_per_minute: int | None) -> Pacer:
        """Return what all requests of this server to a provider share; a new rate is a new one."""
        pacer = self._pacers.pop(provider_id, None)
        if pacer is None or pacer.requests_per_minute != requests_per_minute:
            pacer = Pacer(requests_per_minute)
        self._pacers[provider_id] = pacer
        if len(self._pacers) > _PACERS_MAX:
            self._pacers.popitem(last=False)
        return pacer


def _size_of(key: Key, vector: Vectors) -> int:
    return sum(map(len, key)) + vector.nbytes + _ENTRY_BYTES
