"""Clients that make, upload, replace, rename and delete entries without pause, and note what they were told.

Each client has entries of its own, so every fact has one writer. What was sent when the server died is unsure:
it may have happened or not, and settles at the next look.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from tests.documents.markup_files import word_file
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer

CLIENTS = 4
COMMON = "tide"
"""A word of every document."""
_HEADERS = {"x-organization-id": "1"}
_ENTRIES_MAX = 8
_DONE_MAX = 12
"""Acknowledgements between two kills, at least: this many are not waited for."""
_WAIT_S = 5.0
_PAUSE_S = 0.5

Step: TypeAlias = Callable[[httpx.Client, "Fact"], None]


@dataclass
class Content:
    """What was uploaded: its hash, a word that nothing else has, and its sections."""

    data: bytes
    file_name: str
    word: str
    sections: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Fact:
    """An entry as its client knows it; lists are of what may be true, the last one most likely.

    ``id`` is None until a server has told it. ``may_be_gone`` and ``may_be_missing``: a deletion, or the
    creation, was not answered.
    """

    slug: str
    id: int | None = None
    names: list[str] = field(default_factory=list)
    contents: list[Content | None] = field(default_factory=lambda: [None])
    may_be_missing: bool = True
    may_be_gone: bool = False
    is_gone: bool = False


class Surprise(Exception):
    """An answer that a healthy server never gives."""


def content_of(rng: random.Random, word: str) -> Content:
    """Make a document with some sections, in one of four formats."""
    sections = rng.randrange(1, 7)
    bodies = [
        f"The {COMMON} rises at station {number}. " + f"{word} is what gauge {number} says. " * 20
        for number in range(sections)
    ]
    kind = rng.choice(["md", "html", "txt", "docx"])
    if kind == "docx":
        return Content(_word(bodies), f"{word}.docx", word, sections)
    heading = {"md": "## Part {}\n\n{}\n\n", "html": "<h2>Part {}</h2><p>{}</p>"}
    text = "".join(
        heading.get(kind, "{}. {}\n\n").format(number, body) for number, body in enumerate(bodies)
    )
    if kind == "html":
        text = f"<!doctype html><html><body>{text}</body></html>"
    return Content(text.encode(), f"{word}.{kind}", word, sections)


def _word(bodies: list[str]) -> bytes:
    def write(document: Any) -> None:
        for number, body in enumerate(bodies):
            document.add_heading(f"Part {number}", 2)
            document.add_paragraph(body)

    return word_file(write)


class Client:
    """One client over all lives of the server."""

    def __init__(self, number: int, dataset_id: int, rng: random.Random) -> None:
        self.facts: list[Fact] = []
        self.surprises: list[str] = []
        self.acknowledged = 0
        self._number = number
        self._dataset_id = dataset_id
        self._rng = rng
        self._words = 0

    def work(self, server: RunningServer) -> None:
        """Go on until the server is dead."""
        with httpx.Client(
            base_url=server.url, headers={**_HEADERS, **_bearer(server)}, timeout=PATIENCE_S
        ) as http:
            try:
                while True:
                    self._step(http)
            except httpx.ReadTimeout as error:
                self.surprises.append(repr(error))
            except httpx.TransportError:
                return
            except Surprise as error:
                self.surprises.append(str(error))

    def present(self) -> list[Fact]:
        """The entries that are not known to be gone."""
        return [fact for fact in self.facts if not fact.is_gone]

    def _step(self, http: httpx.Client) -> None:
        known = [fact for fact in self.present() if fact.id is not None and not fact.may_be_gone]
        steps: list[Step] = [self._upload, self._rename]
        if len(known) >= _ENTRIES_MAX:
            steps.append(self._delete)
        if (len(known) < _ENTRIES_MAX and self._rng.random() < 0.7) or not known:
            self._create(http)
        else:
            self._rng.choice(steps)(http, self._rng.choice(known))

    def _create(self, http: httpx.Client) -> None:
        word = self._word()
        fact = Fact(f"entry-{word}", names=[f"Report {word}"])
        self.facts.append(fact)
        fields = {"dataset_id": self._dataset_id, "name": fact.names[0], "slug": fact.slug}
        if self._rng.random() < 0.5:
            content = content_of(self._rng, word)
            fact.contents.append(content)
            form = {name: str(value) for name, value in fields.items()}
            files = {"file": (content.file_name, content.data)}
            made = _ask(http, "POST", "/entries", {201}, data=form, files=files)
            fact.contents = [content]
        else:
            made = _ask(http, "POST", "/entries", {201}, json=fields)
        fact.id, fact.may_be_missing = made.json()["entry"]["id"], False
        self.acknowledged += 1
        if fact.contents == [None]:
            self._upload(http, fact)

    def _upload(self, http: httpx.Client, fact: Fact) -> None:
        content = content_of(self._rng, self._word())
        fact.contents.append(content)
        files = {"file": (content.file_name, content.data)}
        answer = _ask(http, "POST", f"/entries/{fact.id}/upload", {200}, files=files)
        if answer.json()["file"]["hash"] != content.sha256:
            raise Surprise(f"another hash: {answer.text[:300]}")
        fact.contents = [content]
        self.acknowledged += 1

    def _rename(self, http: httpx.Client, fact: Fact) -> None:
        name = f"Report {self._word()}"
        fact.names.append(name)
        body = {"name": name}
        answer = _ask(http, "PATCH", f"/entries/{fact.id}", {200, 409}, json=body)
        if answer.status_code == httpx.codes.CONFLICT:  # it is being processed anew
            fact.names.remove(name)
        else:
            fact.names = [name]
            self.acknowledged += 1

    def _delete(self, http: httpx.Client, fact: Fact) -> None:
        fact.may_be_gone = True
        _ask(http, "DELETE", f"/entries/{fact.id}", {204})
        fact.is_gone = True
        self.acknowledged += 1

    def _word(self) -> str:
        self._words += 1
        return f"zq{self._number}x{self._words}y"


class Watcher:
    """Notes when steps of pipelines were completed, and that this never changes."""

    def __init__(self, dataset_id: int) -> None:
        self.surprises: list[str] = []
        self.completed: dict[tuple[str, str], str] = {}
        self._path = f"/entries?dataset_id={dataset_id}&limit=100"

    def work(self, server: RunningServer) -> None:
        """Look until the server is dead."""
        with (
            httpx.Client(
                base_url=server.url, headers={**_HEADERS, **_bearer(server)}, timeout=PATIENCE_S
            ) as http,
            suppress(httpx.TransportError),
        ):
            while True:
                self.look(_ask(http, "GET", self._path, {200}).json()["entries"])

    def look(self, entries: list[dict[str, object]]) -> None:
        """Compare the completed steps with those that were seen before."""
        for entry in entries:
            history = entry["processing_history"]
            assert isinstance(history, list)
            for step in history:
                if step["status"] == "completed":
                    self._compare(str(entry["workflow_name"]), step)

    def _compare(self, workflow: str, step: dict[str, str]) -> None:
        before = self.completed.setdefault((workflow, step["name"]), step["completed_at"])
        if before != step["completed_at"]:
            self.surprises.append(f"{workflow} did {step['name']} again: {before}, {step}")


def work_until_killed(
    server: RunningServer, clients: list[Client], watcher: Watcher, draw: random.Random
) -> None:
    """Let all work, kill the server at a moment drawn, and wait until all have noticed.

    It is some time after a number of acknowledgements, so that a busy machine has as much done.
    """
    workers: list[Client | Watcher] = [*clients, watcher]
    threads = [threading.Thread(target=worker.work, args=(server,)) for worker in workers]
    for thread in threads:
        thread.start()
    wanted = sum(client.acknowledged for client in clients) + draw.randrange(_DONE_MAX)
    until = time.monotonic() + _WAIT_S
    while sum(client.acknowledged for client in clients) < wanted and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(draw.uniform(0, _PAUSE_S))
    server.process.kill()
    server.process.wait()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "a client did not notice that the server is dead"


def _ask(
    http: httpx.Client, method: str, path: str, statuses: set[int], **body: object
) -> httpx.Response:
    answer = http.request(method, f"/api/v1{path}", **body)  # type: ignore[arg-type]  # json, files
    if answer.status_code not in statuses:
        raise Surprise(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    return answer


def _bearer(server: RunningServer) -> dict[str, str]:
    with server.client() as client:
        return {"Authorization": client.headers["Authorization"]}
