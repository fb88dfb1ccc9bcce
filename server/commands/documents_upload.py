"""``tidemill documents upload``: the files of a folder become entries, and are watched to their end.

Some threads send files; the one that called asks for many entries at once how far they are. A file whose entry
has the same bytes already is not sent again, so an upload that was interrupted is continued by repeating it.
"""

import hashlib
import io
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from rich.console import Console
from typing_extensions import override

from server.client import ClientError
from server.commands.documents_api import Documents, original_of
from server.commands.documents_board import Board, Stage, Upload
from server.commands.terminal import counted, note

DEFAULT_PRESET = "general_purpose"
_SLUG_CHARS_MAX = 255
_POLL_S = 0.3


def upload_documents(  # noqa: PLR0913 - what the command has
    documents: Documents,
    folder: Path,
    slug: str,
    *,
    preset: str | None,
    create: bool,
    concurrency: int,
    waits: bool,
    pattern: str,
) -> None:
    """Upload the files of a folder to a dataset, and show what comes of each.

    Args:
        documents: of the cluster.
        folder: whose files, those of its folders too; hidden ones are left out.
        slug: of the dataset.
        preset: pipeline that the dataset gets; None = a new one gets ``DEFAULT_PRESET``.
        create: make the dataset if there is none.
        concurrency: files that are sent at once.
        waits: until everything is processed; else until it is sent.
        pattern: glob that a file's name, or the end of its path, must match.

    Raises:
        ClientError: there is no such dataset, no file, or one of the files failed.
    """
    files = find_files(folder, pattern)
    if not files:
        raise ClientError(f"No file in {folder} matches '{pattern}'.")
    dataset = open_dataset(documents, slug, preset=preset, create=create)
    pipeline = dataset["pipeline_config"]
    if pipeline is None or not pipeline["enabled"] or pipeline["trigger"] == "manual":
        note(f"No pipeline of '{slug}' starts by itself: files stay 'uploaded'.")
    board = Board(Console(), files)
    send_files(documents, dataset["id"], board, concurrency=concurrency, waits=waits)
    note(board.summary())
    if failed := board.count(Stage.FAILED):
        raise ClientError(f"{failed:,} of {counted(len(files), 'file')} failed.")


def open_dataset(
    documents: Documents, slug: str, *, preset: str | None, create: bool
) -> dict[str, Any]:
    """Find a dataset, or make it; apply a preset that is named, and to a new one in any case.

    Raises:
        ClientError: there is none, or no such preset.
    """
    found = documents.find_dataset(slug)
    if found is None and not create:
        raise ClientError(f"There is no document dataset '{slug}'; --create makes it.")
    if found is None:
        documents.check_preset(preset or DEFAULT_PRESET)
        made = documents.create_dataset(slug)
        return documents.apply_preset(made["id"], preset or DEFAULT_PRESET)
    return found if preset is None else documents.apply_preset(found["id"], preset)


def find_files(folder: Path, pattern: str) -> list[Upload]:
    """List the files of a folder and its folders, by their paths, without hidden ones."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            inner = path.relative_to(folder)
            if not name.startswith(".") and _is_inside(path) and inner.match(pattern):
                found.append(Upload(path, slug_of(inner), path.stat().st_size))
    return found


def _is_inside(path: Path) -> bool:
    """Tell a file of the folder itself: a link may lead to what was not meant to be sent."""
    return path.is_file() and not path.is_symlink()


def slug_of(inner: PurePath) -> str:
    """Name the entry of a file: its path in the folder, a long one by its end and a hash of the whole.

    >>> slug_of(PurePath("2026/Tide tables.pdf"))
    '2026/Tide tables.pdf'
    """
    slug = _readable(inner.as_posix())
    if len(slug) <= _SLUG_CHARS_MAX:
        return slug
    digest = hashlib.sha256(slug.encode()).hexdigest()[:16]
    return f"{digest}…{slug[-(_SLUG_CHARS_MAX - len(digest) - 1) :]}"


def send_files(
    documents: Documents, dataset_id: int, board: Board, *, concurrency: int, waits: bool
) -> None:
    """Send the files of a board, and watch them to their end.

    Raises:
        ClientError: the server cannot be asked any more. What is wrong with a file is on the board.
    """
    known = documents.find_entries(dataset_id, [file.slug for file in board.files])
    run = _Run(documents, dataset_id, board, known, waits=waits)
    with ThreadPoolExecutor(concurrency) as pool, board.shown():
        sent: set[Future[None]] = {pool.submit(run.send, file) for file in board.files}
        try:
            while sent or run.watched:
                done, sent = wait(sent, _POLL_S)
                for each in done:
                    each.result()
                if not sent and run.watched:
                    run.is_stopped.wait(_POLL_S)
                run.look()
        except BaseException:
            run.is_stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


@dataclass
class _Run:
    """One upload of many files."""

    documents: Documents
    dataset_id: int
    board: Board
    known: Mapping[str, dict[str, Any]]
    waits: bool
    is_stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def watched(self) -> Sequence[Upload]:
        """The files whose processing has not ended."""
        return [file for file in self.board.files if file.stage is Stage.PROCESSING]

    def send(self, file: Upload) -> None:
        """Send a file unless its entry has it, and see what it has started."""
        try:
            entry = self.known.get(file.slug)
            if entry is None or not _is_same(entry, file.path):
                file.stage = Stage.UPLOADING
                entry = self._sent(file, entry)
                self._begin(file, entry, Stage.UPLOADED)
            else:
                self._begin(file, entry, Stage.UNCHANGED)
        except ClientError as error:
            self.board.end(file, Stage.FAILED, str(error))
        except OSError as error:
            self.board.end(file, Stage.FAILED, error.strerror or str(error))

    def look(self) -> None:
        """Ask how far the files are that are being processed."""
        watched = {file.entry_id: file for file in self.watched}
        found = self.documents.get_entries([number for number in watched if number is not None])
        for entry in found:
            self._show(watched.pop(entry["id"]), entry)
        for file in watched.values():
            self.board.end(file, Stage.FAILED, "the entry was deleted")

    def _sent(self, file: Upload, entry: Mapping[str, Any] | None) -> dict[str, Any]:
        name = _readable(file.path.name)
        with _opened(file, self.is_stopped) as content:
            if entry is not None:
                return self.documents.replace_original(entry["id"], (name, content))
            return self.documents.create_entry(
                self.dataset_id,
                name=name,
                slug=file.slug,
                metadata=file.metadata,
                file=(name, content),
            )

    def _begin(self, file: Upload, entry: Mapping[str, Any], idle: Stage) -> None:
        """Watch a file that is processed now; of another one this is the end."""
        file.entry_id = entry["id"]
        if entry["status"] != "processing":
            is_told = entry["status"] in {idle, Stage.PROCESSED}
            self.board.end(file, idle, "" if is_told else f"it is {entry['status']}")
        elif self.waits:
            file.detail, file.stage = _step_of(entry), Stage.PROCESSING
        else:
            self.board.end(file, idle, "its processing goes on")

    def _show(self, file: Upload, entry: Mapping[str, Any]) -> None:
        if entry["status"] == "processing":
            file.detail = _step_of(entry)
        elif entry["status"] == "processed":
            self.board.end(file, Stage.PROCESSED, _content_of(entry))
        elif entry["error"] is not None:
            self.board.end(file, Stage.FAILED, entry["error"])
        else:
            self.board.end(file, Stage.UPLOADED, "another upload came in between")


class _CountedFile(io.FileIO):
    """A file that tells how much of it was read, and cannot be read on once it is stopped."""

    def __init__(self, file: Upload, is_stopped: threading.Event) -> None:
        super().__init__(file.path)
        self._upload = file
        self._is_stopped = is_stopped

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if self._is_stopped.is_set():
            raise ClientError("It was stopped.")
        chunk = super().read(-1 if size is None else size) or b""
        self._upload.sent_bytes = self.tell()
        return chunk


@contextmanager
def _opened(file: Upload, is_stopped: threading.Event) -> Iterator[io.FileIO]:
    with _CountedFile(file, is_stopped) as content:
        yield content


def _is_same(entry: Mapping[str, Any], path: Path) -> bool:
    """Tell whether an entry has these bytes, and they did not fail."""
    original = original_of(entry)
    if original is None or entry["error"] is not None:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == str(original["hash"])


def _step_of(entry: Mapping[str, Any]) -> str:
    steps = entry["processing_history"]
    return str(steps[-1]["name"]) if steps else "queued"


def _content_of(entry: Mapping[str, Any]) -> str:
    facts = entry["manifest"]["processed"]["fields_summary"]
    nouns = {"page_count": "page", "chunk_count": "chunk", "figure_count": "figure"}
    return ", ".join(counted(facts[name], noun) for name, noun in nouns.items() if facts.get(name))


def _readable(name: str) -> str:
    """Write a name of the system as text that can be sent, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "replace")
