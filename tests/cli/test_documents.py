"""``tidemill documents``: a folder goes in, is watched, continued, found again; what is wrong is said."""

import io
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import pytest
from rich.console import Console
from typing_extensions import override

from server.client import Client, ClientError
from server.commands.documents_api import Documents, open_documents
from server.commands.documents_board import Board, Stage, Upload
from server.commands.documents_upload import find_files, send_files, slug_of
from tests.cli.conftest import Run
from tests.cli.test_commands import assert_one_sentence
from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, serving

MOON = "<html><body><h1>Moon</h1><p>The moon pulls the water of the seas.</p></body></html>"


@pytest.fixture(scope="module")
def documents_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("cli-documents") / "data") as running:
        yield running


@pytest.fixture
def run(tidemill: Run, documents_server: RunningServer) -> Run:
    """Runs the command against this module's server."""

    def run(*arguments: object, **more: object) -> Any:
        place = {"url": documents_server.url, "api_key": TOKEN}
        return tidemill("documents", *arguments, **{**place, **more})

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents that can be read, one of them below; a broken one; hidden ones."""
    folder = tmp_path / "notes"
    (folder / "sky").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "tides.md").write_text("# Tides\n\nThe sea rises and falls twice a day.\n")
    (folder / "sky" / "page [1].html").write_text(MOON)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    (folder / ".git" / "config").write_text("no document")
    (folder / ".hidden.md").write_text("# No document")
    return folder


def lines_of(finished: Any) -> set[str]:
    return set(finished.stdout.decode().splitlines())


def test_a_folder_is_uploaded_continued_and_found(run: Run, folder: Path) -> None:
    missing = run("upload", folder, "--dataset", "notes")
    assert_one_sentence(missing, "no document dataset 'notes'", "--create")

    first = run("upload", folder, "--dataset", "notes", "--create")
    assert first.returncode == 1
    read = {line for line in lines_of(first) if line.startswith("processed")}
    assert read == {"processed  tides.md: 1 chunk", "processed  sky/page [1].html: 1 chunk"}
    assert b"failed     broken.pdf: ocr: The PDF" in first.stdout
    assert b"3 files: 2 processed, 1 failed" in first.stderr
    assert first.stderr.endswith(b"Error: 1 of 3 files failed.\n")

    (folder / "tides.md").write_text("# Ebb\n\nThe sea goes away.\n")
    (folder / "broken.pdf").unlink()
    again = run("upload", folder, "--dataset", "notes", "--concurrency", "1")
    assert again.returncode == 0, again.stderr
    assert lines_of(again) == {"unchanged  sky/page [1].html", "processed  tides.md: 1 chunk"}

    found = run("search", "waater", "--dataset", "notes")
    assert found.returncode == 0, found.stderr
    text = found.stdout.decode()
    assert re.search(r"│ notes +│ Moon +│ .*pulls the water", text)
    assert "page [1].html" in text
    assert "mark" not in text
    assert found.stderr == b"1 document\n"
    gone = run("search", "rises")
    assert gone.stderr == b"0 documents\n"
    both = run("search", "where does the sea go", "--mode", "hybrid", "--limit", "1")
    assert b"Ebb" in both.stdout
    assert re.search(rb"the first 1 of \d documents; --limit shows more", both.stderr)


def test_what_failed_before_is_sent_again_and_fails_again(run: Run, folder: Path) -> None:
    upload = ("upload", folder, "--dataset", "broken", "--create", "--pattern", "*.pdf")
    for _ in range(2):
        finished = run(*upload)
        assert finished.returncode == 1
        assert b"failed     broken.pdf: ocr: The PDF" in finished.stdout


def test_a_refused_file_leaves_no_entry(run: Run, folder: Path) -> None:
    (folder / "empty.md").write_text("")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    finished = run("upload", folder, "--dataset", "refused", "--create", "--pattern", "[de]*")
    assert finished.returncode == 1
    assert "failed     empty.md: The file is empty" in lines_of(finished)
    assert b"failed     data.bin: Unsupported format: 'data.bin' is " in finished.stdout
    listed = run("datasets").stdout.decode()
    assert re.search(
        r"│ refused +│ refused +│ general_purpose +│ on_upload +│ +0 │ +0 bytes │", listed
    )


def test_without_waiting_the_files_are_only_sent(
    run: Run, folder: Path, documents_server: RunningServer
) -> None:
    upload = ("upload", folder, "--dataset", "sent", "--pattern", "tides.*")
    sent = run(*upload, "--create", "--no-wait")
    assert sent.returncode == 0, sent.stderr
    assert lines_of(sent) == {"uploaded   tides.md: its processing goes on"}
    with Client(documents_server.url, TOKEN) as client:
        documents = open_documents(client, None)
        dataset = documents.find_dataset("sent")
        assert dataset is not None
        board = Board(Console(file=io.StringIO()), find_files(folder, "tides.*"))
        send_files(documents, dataset["id"], board, concurrency=1, waits=True)
    assert board.files[0].stage in {Stage.PROCESSED, Stage.UNCHANGED}
    assert b"1 unchanged" in run(*upload).stderr


def test_files_of_a_dataset_without_a_pipeline_stay_uploaded(
    run: Run, folder: Path, documents_server: RunningServer
) -> None:
    with Client(documents_server.url, TOKEN) as client:
        open_documents(client, "1").create_dataset("idle")
    upload = ("upload", folder, "--dataset", "idle", "--pattern", "sky/*")
    finished = run(*upload)
    assert finished.returncode == 0, finished.stderr
    assert b"files stay 'uploaded'" in finished.stderr
    assert lines_of(finished) == {"uploaded   sky/page [1].html"}
    listed = run("datasets").stdout.decode()
    assert re.search(r"│ idle +│ idle +│ none +│ +│ +1 │", listed)
    assert lines_of(run(*upload)) == {"unchanged  sky/page [1].html: it is uploaded"}
    preset = run(*upload, "--preset", "scientific_articles")
    assert b"files stay" not in preset.stderr
    assert "scientific_articles" in run("datasets").stdout.decode()


def test_a_workspace_is_chosen_by_its_id_or_its_number(
    run: Run, documents_server: RunningServer
) -> None:
    with documents_server.client() as client:
        (first,) = client.get("/v1/workspaces").json()["workspaces"]
        assert (first["number"], first["organization_number"]) == (1, 1)
        other = client.post("/v1/workspaces", json={"name": "other"}).json()["workspace"]
        try:
            several = run("datasets")
            assert run("datasets", "--workspace", first["public_id"]).returncode == 0
            assert run("datasets", workspace="1").returncode == 0
            empty = run("datasets", "--workspace", other["public_id"])
        finally:
            client.delete(f"/v1/workspaces/{other['public_id']}")
    assert_one_sentence(several, "several workspaces", "--workspace")
    assert "general_purpose" not in empty.stdout.decode()
    assert_one_sentence(run("datasets", "--workspace", "99"), "Cluster 99")
    assert_one_sentence(run("datasets", "--workspace", "ws_x"), "no workspace 'ws_x'")


def test_wrong_arguments_are_explained(run: Run, folder: Path) -> None:
    upload = ("upload", folder, "--dataset")
    assert_one_sentence(run(*upload, "x", "--pattern", "*.zip"), "No file in", "'*.zip'")
    assert_one_sentence(run(*upload, "No Slug", "--create"), "slug: String should match")
    assert_one_sentence(run(*upload, "new", "--create", "--preset", "magic"), "'magic' not found")
    assert_one_sentence(run(*upload, "new"), "no document dataset 'new'")  # nothing was made
    assert_one_sentence(run("search", "x", "--dataset", "new"), "no document dataset 'new'")
    assert_one_sentence(run("search", ""), "query: ")
    assert run("upload", folder / "tides.md", "--dataset", "x").returncode == 2
    assert run("search", "x", "--mode", "magic").returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there")
def test_files_are_named_by_their_paths_whatever_their_bytes(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.md").write_text("y")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    files = find_files(tmp_path, "*")
    assert [(file.slug, file.size_bytes) for file in files] == [("caf\ufffd.txt", 1), ("a/b.md", 1)]
    long = slug_of(PurePath("x" * 200, "y" * 200 + ".pdf"))
    other = slug_of(PurePath("z" * 200, "y" * 200 + ".pdf"))
    assert (len(long), len(other)) == (255, 255)
    assert long.endswith("y.pdf")
    assert long != other


class Slow(Documents):
    """Answers as a server that takes its time: each look at an entry finds it one step further."""

    steps: Sequence[str | None] = ("ocr", "embedding", None)

    def __init__(self, client: Client) -> None:
        super().__init__(client, 1)
        self._looks = 0
        self.asked: list[Sequence[int]] = []

    @override
    def find_entries(self, dataset_id: int, slugs: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {}

    @override
    def create_entry(
        self,
        dataset_id: int,
        *,
        name: str,
        slug: str,
        metadata: Mapping[str, Any],
        file: tuple[str, BinaryIO],
    ) -> dict[str, Any]:
        assert file[1].read(4) == b"tide"
        file[1].read()
        return self._entry(int(slug[1]), None)

    @override
    def get_entries(self, entry_ids: Sequence[int]) -> list[dict[str, Any]]:
        if not entry_ids:
            return []
        self.asked.append(entry_ids)
        step = self.steps[min(self._looks, len(self.steps) - 1)]
        self._looks += len(entry_ids) == 2
        return [self._entry(number, step, is_done=step is None) for number in entry_ids]

    @staticmethod
    def _entry(number: int, step: str | None, *, is_done: bool = False) -> dict[str, Any]:
        facts: Mapping[str, int] = {"page_count": 2, "chunk_count": 1, "figure_count": 0}
        return {
            "id": number,
            "status": "processed" if is_done else "processing",
            "error": None,
            "processing_history": [] if step is None else [{"name": step}],
            "manifest": {"processed": {"fields_summary": facts}},
        }


def test_the_live_table_follows_the_steps(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"n{number}").write_text("tides")
    page = Console(file=io.StringIO(), force_terminal=True, width=80, height=30)
    with Client("http://127.0.0.1:1", TOKEN) as client:
        documents = Slow(client)
        board = Board(page, find_files(tmp_path, "*"))
        send_files(documents, 1, board, concurrency=2, waits=True)
    assert isinstance(page.file, io.StringIO)
    shown = page.file.getvalue()
    for said in (
        "2 files: ",
        "2 processing",
        "ocr",
        "embedding",
        "processed  n1: 2 pages, 1 chunk",
    ):
        assert said in shown
    assert [1, 2] in map(sorted, documents.asked)  # both in one request


def test_the_live_table_shows_no_more_than_fits() -> None:
    page = Console(file=io.StringIO(), force_terminal=True, width=60, height=10)
    files = [Upload(Path("x"), f"file [{n}]", 200, Stage.UPLOADING) for n in range(9)]
    files[0].sent_bytes = 50
    board = Board(page, [*files, Upload(Path("x"), "later", 1)])
    page.print(board.table())
    assert isinstance(page.file, io.StringIO)
    text = page.file.getvalue()
    assert "10 files: 1 waiting, 9 uploading" in text
    assert "file [0]" in text
    assert "uploading 25%" in text
    assert "… and 5 more" in text
    assert "later" not in text


def test_an_upload_that_is_stopped_sends_no_more(tmp_path: Path) -> None:
    class Stopped(Slow):
        def __init__(self, client: Client) -> None:
            super().__init__(client)
            self.may_read = threading.Event()
            self.made: list[str] = []

        @override
        def create_entry(
            self,
            dataset_id: int,
            *,
            name: str,
            slug: str,
            metadata: Mapping[str, Any],
            file: tuple[str, BinaryIO],
        ) -> dict[str, Any]:
            self.made.append(slug)
            if slug == "n1":
                return self._entry(1, None)
            self.may_read.wait(PATIENCE_S)
            while True:  # as a file without end
                file[1].read(1)

        @override
        def get_entries(self, entry_ids: Sequence[int]) -> list[dict[str, Any]]:
            self.may_read.set()
            raise ClientError("The server is away.")

    for number in (1, 2, 3):
        (tmp_path / f"n{number}").write_text("tides")
    board = Board(Console(file=io.StringIO()), find_files(tmp_path, "*"))
    with Client("http://127.0.0.1:1", TOKEN) as client:
        documents = Stopped(client)
        with pytest.raises(ClientError, match="away"):
            send_files(documents, 1, board, concurrency=1, waits=True)
    assert documents.made in (["n1"], ["n1", "n2"])
    assert board.files[2].stage is Stage.WAITING
