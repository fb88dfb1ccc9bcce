"""A load generator on raw sockets: keep-alive HTTP/1.1, the next request leaves with the answer.

A client library costs more than the server it should load. Every connection sends its next
request from the very callback that saw the end of the last answer. The trap it avoids: a run ends
only when every answer is there, so no abandoned query disturbs whoever is measured next.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from typing_extensions import override

from bench.common import percentile

_HOST = "127.0.0.1"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_CHUNKED_END = b"\r\n0\r\n\r\n"
_OK = b" 200 "
_ANSWER_TIMEOUT_S = 120


@dataclass
class Sample:
    """What one round of one target gave."""

    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    errors: int = 0

    @property
    def requests_per_s(self) -> float:
        return len(self.latencies_s) / self.elapsed_s

    @property
    def p50_ms(self) -> float:
        return percentile(self.latencies_s, 0.5) * 1e3


class Client(asyncio.Protocol):
    """One connection that sends requests until the deadline."""

    def __init__(self, make_request: Callable[[], bytes], sample: Sample, until_s: float) -> None:
        self.is_done = asyncio.get_running_loop().create_future()
        self._make_request = make_request
        self._sample = sample
        self._until_s = until_s
        self._buffer = bytearray()
        self._expected_bytes: int | None = None
        self._sent_s = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by class
        self._send()

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_complete():
            return
        now_s = time.perf_counter()
        self._sample.latencies_s.append(now_s - self._sent_s)
        self._sample.errors += _OK not in self._buffer[:16]
        self._buffer.clear()
        self._expected_bytes = None
        if now_s < self._until_s:
            self._send()
        else:
            self._transport.close()
            self.is_done.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_done.done():
            self.is_done.set_exception(exc or ConnectionError("the server hung up"))

    def _send(self) -> None:
        request = self._make_request()
        self._sent_s = time.perf_counter()
        self._transport.write(request)

    def _is_complete(self) -> bool:
        if self._expected_bytes is None:
            head_bytes = self._buffer.find(_HEAD_END)
            if head_bytes < 0:
                return False
            length = _LENGTH.search(self._buffer, 0, head_bytes)
            self._expected_bytes = head_bytes + 4 + int(length[1]) if length else 0
        if self._expected_bytes:
            return len(self._buffer) >= self._expected_bytes
        return self._buffer.endswith(_CHUNKED_END)


async def load(
    port: int, make_request: Callable[[], bytes], *, concurrency: int, seconds: float
) -> Sample:
    """Load one address of this machine from so many connections and wait for every answer."""
    sample = Sample()
    started_s = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients = [
        (
            await loop.create_connection(
                lambda: Client(make_request, sample, started_s + seconds), _HOST, port
            )
        )[1]
        for _ in range(concurrency)
    ]
    async with asyncio.timeout(seconds + _ANSWER_TIMEOUT_S):
        await asyncio.gather(*(client.is_done for client in clients))
    sample.elapsed_s = time.perf_counter() - started_s
    return sample


def call_repeatedly(call: Callable[[], object], *, seconds: float) -> Sample:
    """Time a function of this process, again and again, as the peer without a network."""
    sample = Sample()
    started_s = now_s = time.perf_counter()
    while now_s < started_s + seconds:
        call()
        after_s = time.perf_counter()
        sample.latencies_s.append(after_s - now_s)
        now_s = after_s
    sample.elapsed_s = now_s - started_s
    return sample
