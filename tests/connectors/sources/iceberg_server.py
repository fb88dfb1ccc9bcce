"""A real HTTP server that speaks the part of the Iceberg REST protocol that a reader needs.

It serves the tables of another catalog, one table to a page, to those who send its token.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from typing_extensions import override

LEVELS = "\x1f"


class CatalogServer(ThreadingHTTPServer):
    """Serves ``catalog``.

    Attributes:
        token: what clients must send; None = nothing is asked for.
        client: id and secret that get the token.
        overrides: configuration that clients are told to follow.
        config: what is told with every table.
        seen: the paths asked for, each with its Authorization header.
    """

    daemon_threads = True

    def __init__(self, catalog: Catalog, token: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.catalog = catalog
        self.token = token
        self.client = ("an-id", "a-secret")
        self.overrides: dict[str, str] = {}
        self.config: dict[str, str] = {}
        self.seen: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: CatalogServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        token = self.headers.get("Authorization")
        self.server.seen.append((url.path, token))
        if self.server.token is not None and token != f"Bearer {self.server.token}":
            self._refuse(401, "NotAuthorizedException", f"Not authorized: {token}")
            return
        steps = [unquote(step) for step in url.path.strip("/").split("/")[1:]]
        try:
            self._send(200, self._found(steps, parse_qs(url.query)))
        except NoSuchTableError:
            self._refuse(404, "NoSuchTableException", "Table does not exist")
        except NoSuchNamespaceError:
            self._refuse(404, "NoSuchNamespaceException", "Namespace does not exist")

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        given = (body.get("client_id", [""])[0], body.get("client_secret", [""])[0])
        if self.path != "/v1/oauth/tokens" or given != self.server.client:
            self._send(401, {"error": "invalid_client", "error_description": given[1]})
            return
        self._send(200, {"access_token": self.server.token, "token_type": "bearer"})

    def _found(self, steps: list[str], query: dict[str, list[str]]) -> dict[str, Any]:
        catalog = self.server.catalog
        match steps:
            case ["config"]:
                return {"defaults": {}, "overrides": self.server.overrides}
            case ["namespaces"]:
                parent = tuple(query["parent"][0].split(LEVELS)) if "parent" in query else ()
                return {"namespaces": catalog.list_namespaces(parent)}
            case ["namespaces", namespace, "tables"]:
                tables = sorted(catalog.list_tables(tuple(namespace.split(LEVELS))))
                place = int(query.get("pageToken", ["0"])[0])
                page = [{"namespace": t[:-1], "name": t[-1]} for t in tables[place : place + 1]]
                more = {"next-page-token": str(place + 1)} if place + 1 < len(tables) else {}
                return {"identifiers": page} | more
            case ["namespaces", namespace, "tables", name]:
                table = catalog.load_table((*namespace.split(LEVELS), name))
                return {
                    "metadata-location": table.metadata_location,
                    "metadata": json.loads(table.metadata.model_dump_json()),
                    "config": self.server.config,
                }
        raise NoSuchTableError

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": kind, "code": status}})

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""
