"""The only door out for URLs: files are fetched through it, and JSON is posted.

The invariant: the address that was judged is the address that is connected to. Names are resolved
here, once for each connection; all answers are judged; the socket goes to one of them, while TLS
and the Host header keep the name. Every redirect goes through the same door. Nothing is read from
the environment, and there are no proxies.

The trap: content is stored as it comes. It is asked for uncompressed; gzip or zstd sent anyway is
kept as such, for a reader that bounds what it expands.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Self

import httpcore
import httpx
from typing_extensions import override

from connectors.addresses import may_connect
from connectors.errors import EgressBroken, EgressFailed, EgressRefused

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to IP addresses, best first; raises OSError for an unknown name."""
Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far, and in all if the server said."""

URL_LENGTH_MAX = 8_192
PORT_MAX = 65_535
WRITE_BYTES = 1 << 20
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = (
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"tidemill"),
    (b"Connection", b"close"),
)
_JSON_HEADERS = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"Content-Type", b"application/json"),
    (b"User-Agent", b"tidemill"),
)
_IDLE_S = 30.0
_STORED_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What a fetch may do.

    ``timeout_s`` is for the whole fetch, redirects included; ``size_max_bytes`` is for the body
    as received. What is posted follows no redirect.
    """

    allow_private: bool
    size_max_bytes: int
    timeout_s: float
    redirects_max: int = 0


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A body on disk; ``final_name`` is the last part of the last URL's path, maybe empty."""

    size_bytes: int
    content_type: str | None
    final_name: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from a post; ``retry_after`` is that header, maybe empty."""

    status: int
    retry_after: str
    body: bytes


async def resolve_system(host: str, port: int) -> list[str]:
    """Resolve by the system's resolver, without blocking the loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def resolve_public(
    host: str, port: int, policy: EgressPolicy, resolver: Resolver = resolve_system
) -> list[str]:
    """Resolve a host to addresses that may be connected to; connect to these and never to the name.

    Raises:
        EgressRefused: one of the answers is an address the policy forbids.
        EgressFailed: the name does not resolve.
    """
    try:
        addresses = await resolver(host, port)
    except (OSError, UnicodeError) as exc:
        raise EgressBroken("The host name cannot be resolved") from exc
    if not addresses:
        raise EgressBroken("The host name cannot be resolved")
    if not all(may_connect(address, allow_private=policy.allow_private) for address in addresses):
        raise EgressRefused
    return addresses


async def fetch_to_file(
    url: str,
    destination: Path,
    policy: EgressPolicy,
    *,
    on_progress: Progress | None = None,
    resolver: Resolver = resolve_system,
    tls: ssl.SSLContext | None = None,
) -> FetchedFile:
    """Read a URL into a file.

    Args:
        url: http or https; redirects are followed.
        destination: created or overwritten; removed again when the fetch fails.
        policy: bounds and permissions.
        on_progress: told about every megabyte.
        resolver: how names become addresses.
        tls: which certificates to trust; the usual ones when None.

    Raises:
        EgressRefused: the URL, or one it redirects to, may not be read.
        EgressFailed: it could not be read within the bounds.
    """
    try:
        with _in_our_words(policy):
            async with (
                asyncio.timeout(policy.timeout_s),
                _open_pool(policy, resolver, tls) as pool,
                _followed(pool, url, policy.redirects_max) as (final, response),
            ):
                size_bytes = await _save(response, destination, policy, on_progress)
                kind = _header(response, b"content-type") or None
                return FetchedFile(size_bytes, kind, PurePosixPath(final.path).name)
    except BaseException:
        await asyncio.to_thread(destination.unlink, missing_ok=True)
        raise


class JsonPost:
    """Posts JSON to one URL, again and again; use it as an asynchronous context.

    Connections are kept between posts, each to the address that was judged when it was made. No
    redirect is followed: what is posted, and the credential with it, is for this address only.
    """

    def __init__(
        self,
        url: str,
        policy: EgressPolicy,
        *,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
        resolver: Resolver = resolve_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: http or https.
            policy: bounds of each post, and permissions.
            bearer: a token to send with every post, of visible ASCII characters.
            headers: more to send with every post; names and values as above.
            resolver: how names become addresses.
            tls: which certificates to trust; the usual ones when None.

        Raises:
            EgressRefused: the URL may not be used.
        """
        self._target = _target(check_url(url))
        self._policy = policy
        token = () if bearer is None else ((b"Authorization", b"Bearer " + bearer.encode("ascii")),)
        given = (headers or {}).items()
        more = ((name.encode("ascii"), text.encode("ascii")) for name, text in given)
        self._headers = (*_JSON_HEADERS, *token, *more)
        self._resolver = resolver
        self._tls = tls
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        opening = _open_pool(self._policy, self._resolver, self._tls)
        self._pool = await self._stack.enter_async_context(opening)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def send(self, body: bytes) -> Reply:
        """Post a body and read the whole answer, whatever its status.

        Raises:
            EgressRefused: the address may not be reached.
            EgressBroken: it was not reached, broke off or took too long.
            EgressFailed: the answer is too large, or encoded.
        """
        async with self._answer(body) as response:
            if _header(response, b"content-encoding").lower() not in {"", "identity"}:
                raise _encoded()
            _announced_bytes(response, self._policy)
            content = bytearray()
            async for chunk in response.aiter_stream():
                content += chunk
                if len(content) > self._policy.size_max_bytes:
                    raise _too_large(self._policy)
            return Reply(response.status, _header(response, b"retry-after"), bytes(content))

    async def tell(self, body: bytes) -> int:
        """Post a body and return the status of the answer; nothing else of it is read.

        Raises:
            EgressRefused: the address may not be reached.
            EgressBroken: it was not reached, broke off or took too long.
        """
        async with self._answer(body) as response:
            return response.status

    @asynccontextmanager
    async def _answer(self, body: bytes) -> AsyncIterator[httpcore.Response]:
        stream = self._pool.stream("POST", self._target, headers=self._headers, content=body)
        with _in_our_words(self._policy):
            async with asyncio.timeout(self._policy.timeout_s), stream as response:
                yield response


@asynccontextmanager
async def _open_pool(
    policy: EgressPolicy, resolver: Resolver, tls: ssl.SSLContext | None
) -> AsyncIterator[httpcore.AsyncConnectionPool]:
    backend = _JudgingBackend(policy, resolver)
    async with httpcore.AsyncConnectionPool(
        ssl_context=tls or _usual_tls(), network_backend=backend, keepalive_expiry=_IDLE_S
    ) as pool:
        yield pool


@cache
def _usual_tls() -> ssl.SSLContext:
    """Read the certificates once: it takes some milliseconds, on the loop."""
    return httpx.create_ssl_context(trust_env=False)


@contextmanager
def _in_our_words(policy: EgressPolicy) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException) as exc:
        raise EgressBroken(f"The request took longer than {policy.timeout_s:g} s") from exc
    except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
        raise EgressBroken("The address could not be reached, or broke off") from exc


def check_url(url: httpx.URL | str) -> httpx.URL:
    """Parse a URL and refuse the ones whose meaning depends on who parses them.

    Raises:
        EgressRefused: it is malformed, neither http nor https, or holds a user name or password.
    """
    if len(str(url)) > URL_LENGTH_MAX or _UNSAFE.search(str(url)):
        raise EgressRefused(
            "The URL is too long or holds blanks, control characters or backslashes"
        )
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise EgressRefused("The URL is not valid") from exc
    if parsed.scheme not in {"http", "https"}:
        raise EgressRefused("Only http and https URLs can be read")
    if parsed.userinfo or not parsed.host:
        raise EgressRefused("The URL needs a host and may not hold a user name or password")
    if parsed.port is not None and not 0 < parsed.port <= PORT_MAX:
        raise EgressRefused("The port of the URL is not valid")
    return parsed


@asynccontextmanager
async def _followed(
    pool: httpcore.AsyncConnectionPool, url: str, redirects_max: int
) -> AsyncIterator[tuple[httpx.URL, httpcore.Response]]:
    """Open a URL, or the one it redirects to in the end; only a success comes out."""
    current = check_url(url)
    for _ in range(redirects_max + 1):
        async with pool.stream("GET", _target(current), headers=_HEADERS) as response:
            location = _header(response, b"location")
            if response.status not in _REDIRECTS or not location:
                if not httpx.codes.is_success(response.status):
                    raise EgressFailed(f"The address answered with status {response.status}")
                yield current, response
                return
        current = check_url(_joined(current, location))
    raise EgressFailed(f"More than {redirects_max} redirects")


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def _joined(current: httpx.URL, location: str) -> httpx.URL:
    if _UNSAFE.search(location):
        raise EgressRefused("The redirect is not a valid URL")
    try:
        return current.join(location)
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise EgressRefused("The redirect is not a valid URL") from exc


def _header(response: httpcore.Response, name: bytes) -> str:
    values = (value for key, value in response.headers if key.lower() == name)
    return next(values, b"").decode("latin-1").strip()


async def _save(
    response: httpcore.Response,
    destination: Path,
    policy: EgressPolicy,
    on_progress: Progress | None,
) -> int:
    if _header(response, b"content-encoding").lower() not in _STORED_ENCODINGS:
        raise _encoded()
    total = _announced_bytes(response, policy)
    received = 0
    with await asyncio.to_thread(destination.open, "wb", buffering=WRITE_BYTES) as file:
        async for chunk in response.aiter_stream():
            received += len(chunk)
            if received > policy.size_max_bytes:
                raise _too_large(policy)
            file.write(chunk)
            if on_progress is not None:
                on_progress(received, total)
    return received


def _announced_bytes(response: httpcore.Response, policy: EgressPolicy) -> int | None:
    """Read how large the body will be, if the server says; refuse it when that is too large."""
    announced = _header(response, b"content-length")
    total = int(announced) if announced.isdecimal() else None
    if total is not None and total > policy.size_max_bytes:
        raise _too_large(policy)
    return total


def _encoded() -> EgressFailed:
    return EgressFailed("The address sent a content encoding that was not asked for")


def _too_large(policy: EgressPolicy) -> EgressFailed:
    return EgressFailed(f"The content is larger than {policy.size_max_bytes} bytes")


class _JudgingBackend(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only; the caller goes on using the name."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._sockets = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve_public(host, port, self._policy, self._resolver)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._sockets.connect_tcp(address, port, timeout)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
        raise httpcore.ConnectError from failure

    @override
    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise EgressRefused

    @override
    async def sleep(self, seconds: float) -> None:
        await self._sockets.sleep(seconds)
