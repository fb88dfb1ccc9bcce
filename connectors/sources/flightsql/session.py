"""Talks to Flight SQL servers: connecting, logging in, commands, streams, and all its errors.

The invariant: only judged addresses are connected to. A server answers a statement with tickets, and
may say that a ticket is to be redeemed at another address, of its own choice: such an address is
judged like the first one, and never without TLS when that one had it. This is why pyarrow's client
does the talking: the ADBC driver connects to wherever an answer points, credentials in hand, and has
no option against it.

The trap: what gRPC says of a failed connection holds the address that the name was resolved to.
"""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pyarrow as pa

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    EgressRefused,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    scrubbed,
)
from connectors.hosts import resolve_host
from connectors.sources.flightsql import commands
from connectors.sources.flightsql.options import FlightSqlOptions, endpoint_of

_REUSE_CONNECTION = "arrow-flight-reuse-connection:"
_TLS_FAILURES = ("Ssl handshake failed", "CERTIFICATE_VERIFY_FAILED", "Peer name")

Header = tuple[bytes, bytes]


class FlightSession:
    """A logged-in client, and one for every other address that answers named."""

    def __init__(self, options: FlightSqlOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context
        self._flight = load_driver("pyarrow.flight")
        self._headers: list[Header] = []
        self._disguises: list[str] = []
        """What the credential becomes on the wire; messages must not hold it either."""
        self._others: dict[str, Any] = {}
        self._home = endpoint_of(options.uri)
        self._client = self._connect(self._home, self._log_in)

    def stream(self, command: bytes) -> Iterator[pa.RecordBatch]:
        """Run a command and yield the rows of all its endpoints, as the server sends them.

        Raises:
            ConnectorError: it was refused, failed, broke off, or sent us where we may not go.
        """
        with self._typed_errors(SourceFailed):
            descriptor = self._flight.FlightDescriptor.for_command(command)
            info = self._client.get_flight_info(descriptor, self._call(self._statement_s))
            for endpoint in info.endpoints:
                yield from self._read(endpoint)

    def rows(self, command: bytes) -> list[dict[str, Any]]:
        """Run a command of a small result and return it, by column name."""
        batches = list(self.stream(command))
        with self._typed_errors(SourceFailed):
            return [row for batch in batches for row in batch.to_pylist()]

    def close(self) -> None:
        """Close all connections."""
        for client in (self._client, *self._others.values()):
            client.close()
        self._others.clear()

    @property
    def _statement_s(self) -> float:
        return self._context.statement_timeout_s

    def _read(self, endpoint: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 - an untyped driver
        client = self._client_for([location.uri.decode() for location in endpoint.locations])
        reader = client.do_get(endpoint.ticket, self._call(self._statement_s))
        try:
            for chunk in reader:
                if chunk.data is not None:
                    # What a stranger sent: also offsets and UTF-8 are checked, once and here.
                    chunk.data.validate(full=True)
                    yield chunk.data
        finally:
            reader.cancel()

    def _client_for(self, uris: list[str]) -> Any:  # noqa: ANN401 - an untyped driver
        """Return a client of the first place that can be used; no place means where we are."""
        problem: ConnectorError | None = None
        for uri in uris:
            try:
                return self._client_at(uri)
            except (EgressRefused, SourceUnreachable) as error:
                problem = error
        if problem is not None:
            raise type(problem)(
                f"The rows are at another address of the server's choice. {problem}"
            )
        return self._client

    def _client_at(self, uri: str) -> Any:  # noqa: ANN401 - an untyped driver
        if uri.startswith(_REUSE_CONNECTION):
            return self._client
        try:
            place = endpoint_of(uri)
        except ValueError as error:
            raise EgressRefused("It is no address of a Flight server") from error
        if place == self._home:
            return self._client
        if self._home[0] and not place[0]:
            raise EgressRefused("It is without TLS")
        if uri not in self._others:
            self._others[uri] = self._connect(place, self._probe)
        return self._others[uri]

    def _connect(self, place: tuple[bool, str, int], greet: Callable[[Any], None]) -> Any:  # noqa: ANN401 - an untyped driver
        """Connect to the first address of a host that answers.

        Args:
            place: TLS or not, host, port.
            greet: makes the first calls; gRPC connects only then.
        """
        _, host, port = place
        problem: ConnectorError | None = None
        for address in resolve_host(host, port, allow_private=self._context.allow_private):
            client = self._client_to(address, place)
            try:
                with self._typed_errors(SourceUnreachable):
                    greet(client)
            except SourceUnreachable as error:
                client.close()
                problem = error
            else:
                return client
        raise problem or SourceUnreachable

    def _client_to(self, address: str, place: tuple[bool, str, int]) -> Any:  # noqa: ANN401 - an untyped driver
        has_tls, host, port = place
        tls: dict[str, Any] = {}
        if has_tls:
            tls = {"override_hostname": host, "tls_root_certs": self._trusted()}
        return self._flight.FlightClient(
            f"{'grpc+tls' if has_tls else 'grpc+tcp'}://{_bracketed(address)}:{port}",
            generic_options=[
                # Proxies of the environment would resolve and connect instead of us.
                ("grpc.enable_http_proxy", 0),
                ("grpc.default_authority", f"{_bracketed(host)}:{port}"),
            ],
            **tls,
        )

    def _trusted(self) -> bytes:
        if self._options.ca_cert is not None:
            return self._options.ca_cert.encode()
        public = httpx.create_ssl_context(trust_env=False).get_ca_certs(binary_form=True)
        return "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in public).encode()

    def _log_in(self, client: Any) -> None:  # noqa: ANN401 - an untyped driver
        headers = []
        if self._options.database is not None:
            headers.append((b"database", self._options.database.encode()))
        self._headers = headers
        token, user = self._options.reveal("token"), self._options.user
        if token is not None:
            headers.append((b"authorization", b"Bearer " + token.encode()))
        elif user is not None:
            password = self._options.reveal("password") or ""
            headers.append(self._shake_hands(client, user, password))
        self._probe(client)

    def _shake_hands(self, client: Any, user: str, password: str) -> Header:  # noqa: ANN401 - an untyped driver
        """Trade a password for a token; a server that gives none gets the password every time."""
        login = base64.b64encode(f"{user}:{password}".encode())
        self._disguises.append(login.decode())
        flight = self._flight
        try:
            name, value = client.authenticate_basic_token(
                user, password, self._call(self._context.connect_timeout_s)
            )
        except (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError):
            raise
        except pa.ArrowException:
            # No handshake, or no server: gRPC's error is the same, and the next call tells.
            value = b""
        if not value:
            return b"authorization", b"Basic " + login
        self._disguises.append(value.decode().removeprefix("Bearer "))
        return name, value

    def _probe(self, client: Any) -> None:  # noqa: ANN401 - an untyped driver
        """Ask for anything: an answer, even that the question is not known, is a server."""
        flight = self._flight
        descriptor = flight.FlightDescriptor.for_command(commands.sql_info())
        try:
            client.get_flight_info(descriptor, self._call(self._context.connect_timeout_s))
        except (
            flight.FlightUnavailableError,
            flight.FlightTimedOutError,
            flight.FlightUnauthenticatedError,
            flight.FlightUnauthorizedError,
        ):
            raise
        except pa.ArrowException:
            return

    def _call(self, timeout_s: float) -> Any:  # noqa: ANN401 - an untyped driver
        return self._flight.FlightCallOptions(timeout=timeout_s, headers=self._headers)

    @contextmanager
    def _typed_errors(self, otherwise: type[ConnectorError]) -> Iterator[None]:
        """Turn what the driver raises into an error of ours.

        Args:
            otherwise: when the connection fails, or fails to come about.
        """
        flight = self._flight
        try:
            yield
        except (flight.FlightUnauthenticatedError, flight.FlightUnauthorizedError) as error:
            raise SourceRefused(self._text_of(error)) from error
        except flight.FlightUnavailableError as error:
            is_tls = any(sign in str(error) for sign in _TLS_FAILURES)
            reason = "TLS failed: is the certificate trusted, and for this name?"
            raise otherwise(
                reason if is_tls else "The server cannot be reached, or broke off its answer"
            ) from error
        except flight.FlightTimedOutError as error:
            raise otherwise("The server took too long to answer") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SourceFailed(self._text_of(error)) from error

    def _text_of(self, error: Exception) -> str:
        # The text of a KeyError would be quoted once more.
        text = str(error.args[0]) if error.args else str(error)
        text = text.partition(". gRPC client debug context")[0].partition(". Detail: ")[0]
        _, _, said = text.rpartition(", with message: ")
        return scrubbed(said, (*self._options.secrets(), *self._disguises))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
