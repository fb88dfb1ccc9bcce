"""Asks a service for vectors: ``POST {base_url}/embeddings``, as OpenAI and many others have it.

Texts leave in batches, bounded by count and bytes, a few at once. A failure that may pass (429, 5xx,
a broken connection) is tried again after a random and growing wait, or after the one the service asks for;
a wrong key is not. The key goes to this address only, and is in no message; neither are the texts.
"""

import asyncio
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson

from connectors.egress import EgressPolicy, JsonPost, Reply, Resolver, resolve_system
from connectors.errors import EgressBroken, EgressFailed, EgressRefused
from engine.embeddings.base import EmbedderSpec, Vectors, is_blank
from engine.embeddings.pacing import Pacer, Sleep, retry_wait_s
from engine.embeddings.provider_config import ServiceConfig, read_service
from engine.embeddings.service_answers import read_code, read_vectors
from engine.errors import InvalidRequest, RemoteError, SourceFailed

REQUEST_BYTES_MAX = 1 << 20
_OK = 200
_REFUSED_KEY = frozenset({401, 403})
_MAY_PASS = frozenset({408, 409, 425, 429})
_NO_MONEY_LEFT = "insufficient_quota"  # OpenAI's reason for a 429 that does not pass
_SERVER_FAILED = 500
_REDIRECTS = range(300, 400)


class ServiceEmbedder:
    """One service under one key; use it as an asynchronous context.

    ``dimensions`` is None until the first answer says how wide its vectors are.
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        pacer: Pacer,
        *,
        sleep: Sleep = asyncio.sleep,
        resolver: Resolver = resolve_system,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            spec: of a provider of type ``service``.
            pacer: shared by all who ask this service.
            sleep: how waits between attempts are spent.
            resolver: how names become addresses.

        Raises:
            InvalidRequest: the address may not be reached, or the key cannot be sent.
        """
        self._config: ServiceConfig = read_service(spec.config)
        self._asked_dimensions = spec.dimensions or self._config.dimensions
        self.dimensions = self._asked_dimensions
        self._requests_max = spec.requests_max
        self._pacer = pacer
        self._sleep = sleep
        policy = EgressPolicy(
            allow_private=spec.allow_private,
            size_max_bytes=spec.response_bytes_max,
            timeout_s=self._config.timeout_s,
        )
        key = _sendable(spec.credential)
        try:
            self._door = JsonPost(self._config.url, policy, bearer=key, resolver=resolver)
        except EgressRefused as error:
            raise InvalidRequest(f"config.base_url: {error}") from error

    @property
    def texts_at_once(self) -> int:
        """How many texts one call should have, so that all requests are busy."""
        return self._config.batch_size * self._requests_max

    async def __aenter__(self) -> Self:
        await self._door.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._door.__aexit__(kind, error, trace)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts; blank ones are not sent.

        Raises:
            SourceFailed: the service cannot be reached, refuses, or its answer cannot be used.
            InvalidRequest: its address may not be reached from here.
        """
        rows = [row for row, text in enumerate(texts) if not is_blank(text)]
        asked = [texts[row] for row in rows]
        if not asked and self.dimensions is None:
            await self._ask(["width"])  # only an answer says how wide the zero vectors are
        batches = list(_batches(asked, self._config.batch_size))
        found = await self._ask_all(batches)
        assert self.dimensions is not None
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        if rows:
            vectors[rows] = np.concatenate(found)
        return vectors

    async def _ask_all(self, batches: list[list[str]]) -> list[Vectors]:
        """Ask for several batches side by side; the first failure ends the others."""
        places = asyncio.Semaphore(self._requests_max)

        async def ask(batch: list[str]) -> Vectors:
            async with places:
                return await self._ask(batch)

        try:
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(ask(batch)) for batch in batches]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in asking]

    async def _ask(self, batch: list[str]) -> Vectors:
        """Ask for one batch until there is an answer, a failure that stays, or no retry left."""
        body = self._body_of(batch)
        retries = 0
        while True:
            await self._pacer.wait()
            try:
                reply = await self._send(body)
            except EgressBroken as error:
                failure = SourceFailed(f"The embedding service could not be asked: {error}")
                retry_after = ""
            else:
                if reply.status == _OK:
                    return self._read(reply, len(batch))
                failure = _failure_of(reply, batch)
                if not _may_pass(reply):
                    raise failure
                retry_after = reply.retry_after
            if retries == self._config.max_retries:
                raise failure
            await self._sleep(retry_wait_s(retries, retry_after))
            retries += 1

    def _body_of(self, batch: list[str]) -> bytes:
        fields: dict[str, Any] = {
            "model": self._config.model,
            "input": batch,
            "encoding_format": "float",
        }
        if self._asked_dimensions is not None:
            fields["dimensions"] = self._asked_dimensions
        return orjson.dumps(fields)

    async def _send(self, body: bytes) -> Reply:
        try:
            return await self._door.send(body)
        except EgressBroken:
            raise
        except EgressRefused as error:
            raise InvalidRequest(
                "The embedding service may not be reached from here: private addresses need"
                " TIDEMILL_EGRESS_ALLOW_PRIVATE"
            ) from error
        except EgressFailed as error:
            raise RemoteError(
                f"The answer of the embedding service cannot be read: {error}"
            ) from error

    def _read(self, reply: Reply, count: int) -> Vectors:
        vectors = read_vectors(reply.body, count, self.dimensions)
        self.dimensions = vectors.shape[1]
        return vectors


class BlockingService:
    """The same for code that blocks, with an event loop of its own; use it as a context."""

    def __init__(self, spec: EmbedderSpec) -> None:
        pacer = Pacer(read_service(spec.config).requests_per_minute)
        self._service = ServiceEmbedder(spec, pacer)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.run(self._service.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._service.__aexit__(kind, error, trace))
        self._runner.close()

    @property
    def dimensions(self) -> int | None:
        """The width of the vectors, once it is known."""
        return self._service.dimensions

    @property
    def texts_at_once(self) -> int:
        """How many texts one call should have."""
        return self._service.texts_at_once

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts: see :meth:`ServiceEmbedder.embed`."""
        return self._runner.run(self._service.embed(texts))


def _sendable(credential: str | None) -> str | None:
    """Refuse a key that is no header value; nothing of it is repeated."""
    key = None if credential is None else credential.strip()
    if not key:
        return None
    if not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            "The key of this embedding provider has characters that cannot be sent"
        )
    return key


def _batches(texts: Sequence[str], texts_max: int) -> Iterator[list[str]]:
    """Cut texts into batches of at most a megabyte; a longer text is a batch of its own."""
    batch: list[str] = []
    size_bytes = 0
    for text in texts:
        text_bytes = len(text.encode())
        if batch and (len(batch) == texts_max or size_bytes + text_bytes > REQUEST_BYTES_MAX):
            yield batch
            batch, size_bytes = [], 0
        batch.append(text)
        size_bytes += text_bytes
    if batch:
        yield batch


def _may_pass(reply: Reply) -> bool:
    """Tell a failure that another attempt may not meet."""
    if read_code(reply.body) == _NO_MONEY_LEFT:
        return False
    return reply.status in _MAY_PASS or reply.status >= _SERVER_FAILED


def _failure_of(reply: Reply, batch: list[str]) -> SourceFailed:
    """Say what went wrong in our own words: the service's may repeat the texts, or the key."""
    code = read_code(reply.body)
    said = f"status {reply.status}" + (f", {code}" if code else "")
    if reply.status in _REFUSED_KEY:
        return RemoteError(f"The embedding service refused the key ({said})")
    if reply.status in _REDIRECTS:
        return RemoteError(f"The embedding service redirects ({said}), which is not followed")
    if reply.status in _MAY_PASS or reply.status >= _SERVER_FAILED:
        return RemoteError(f"The embedding service failed ({said})")
    longest = max(map(len, batch))
    return RemoteError(
        f"The embedding service refused the request ({said}); the longest of its {len(batch)} texts"
        f" has {longest} characters"
    )
