"""A real HTTP server with the embeddings API of OpenAI, that computes vectors and fails when told to."""

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from engine.embeddings.base import Vectors
from engine.embeddings.wordllama_local import WordEmbedder
from tests.patience import PATIENCE_S

WIDTH = 256
KEY = "canary-sk-4f2a"


@dataclass(frozen=True)
class Answer:
    """What one request gets instead of vectors."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    announced_bytes: int | None = None


Fault = Answer | Callable[[dict[str, Any]], Answer] | threading.Event


class EmbeddingSite(ThreadingHTTPServer):
    """Embeds with the built-in model. ``faults`` are used up one for each request, in order.

    A fault is an answer, a function that makes one of the body, or an event that is waited for.
    ``forever`` is the fault of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key: str | None = KEY
        self.faults: deque[Fault] = deque()
        self.forever: Fault | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text that was sent, in order of arrival."""
        return [text for request in self.requests for text in request["input"]]

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingSite
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        site = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        site.requests.append(body)
        site.headers.append(dict(self.headers))
        fault = site.forever or (site.faults.popleft() if site.faults else None)
        if isinstance(fault, threading.Event):
            fault.wait(PATIENCE_S)
            self._send(Answer(503))
        elif fault is not None:
            self._send(fault if isinstance(fault, Answer) else fault(body))
        elif site.key is not None and self.headers["Authorization"] != f"Bearer {site.key}":
            said = {"error": {"code": "invalid_api_key", "message": f"Incorrect key {site.key}"}}
            self._send(Answer(401, {}, json.dumps(said).encode()))
        elif self.path != "/v1/embeddings":
            self._send(Answer(404, {}, b"<html>not here</html>"))
        else:
            self._send(Answer(200, {}, vectors_body(body)))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.announced_bytes is None else answer.announced_bytes
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(answer.body)
        if length > len(answer.body):
            self.close_connection = True

    @override
    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


def vectors_of(texts: Sequence[str], dimensions: int | None = None) -> Vectors:
    """What the server computes."""
    return WordEmbedder(dimensions).embed(texts)


def vectors_body(request: dict[str, Any], **changes: Any) -> bytes:
    """A good answer, its items in reverse; ``changes`` replace fields of every item."""
    vectors = vectors_of(request["input"], request.get("dimensions"))
    items = [
        {"object": "embedding", "index": place, "embedding": vector.tolist(), **changes}
        for place, vector in enumerate(vectors)
    ]
    return json.dumps({"object": "list", "data": items[::-1], "model": request["model"]}).encode()
