"""Files: sent whole, hashed and sniffed; replaced; read whole and in ranges; gone when deleted."""

import hashlib
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api_v1.conftest import BODY_BYTES_MAX, FILE_BYTES_MAX
from tests.api_v1.documents import docx_sample, image_sample, jats_sample, meca_sample, pdf
from tests.api_v1.library import (
    DEFINITION,
    Library,
    detail_of,
    messages_of,
    problems_of,
)
from tests.patience import wait_for

pytestmark = pytest.mark.system

DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def dataset_id(library: Library) -> int:
    """Of a dataset without a pipeline, that takes every file."""
    return int(library.dataset()["id"])


@pytest.fixture(scope="module")
def stored(library: Library, dataset_id: int) -> int:
    """An entry whose file is ``DATA``, and two files beside it."""
    entry_id = int(library.entry(dataset_id)["id"])
    library.upload(entry_id, "all-bytes.bin", DATA)
    library.upload(entry_id, "notes.txt", b"made on the way", file_type="processing")
    library.upload(entry_id, "figure-1.png", b"no picture", file_type="processed")
    return entry_id


def download(library: Library, entry_id: int, **options: Any) -> httpx.Response:
    return library.ask("GET", f"/entries/{entry_id}/download", **options)


def test_an_upload_says_what_was_stored(library: Library, dataset_id: int) -> None:
    entry_id = library.entry(dataset_id)["id"]
    uploaded = library.upload(entry_id, "all.bin", DATA, file_type="original")
    assert (uploaded["entry_id"], uploaded["status"]) == (entry_id, "uploaded")
    file = uploaded["file"]
    key = f"datasets/{dataset_id}/entries/{entry_id}/original/all.bin"
    assert (file["key"], file["size"]) == (key, len(DATA))
    assert file["hash"] == hashlib.sha256(DATA).hexdigest()
    assert file["created_at"].endswith("Z")
    assert file["expires_at"] is None
    entry = uploaded["entry"]
    assert entry["manifest"]["original"]["files"] == [file]
    assert (entry["primary_file_key"], entry["file_size_bytes"]) == (key, len(DATA))
    assert library.call("GET", f"/entries/{entry_id}") == entry
    assert download(library, entry_id).content == DATA


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("paper", pdf("Sniffed."), "application/pdf"),
        ("wrong.txt", pdf("Sniffed."), "application/pdf"),
        ("notes.md", b"# Title\n", "text/markdown"),
        ("notes.txt", b"Title\n", "text/plain"),
        ("page.html", b"<!doctype html><p>x</p>", "text/html"),
        ("x.pdf", bytes(range(256)), "application/octet-stream"),
        *((each.name, each.data, each.media_type) for each in (docx_sample(), jats_sample())),
        *((each.name, each.data, each.media_type) for each in (image_sample(), meca_sample())),
    ],
    ids=range(10),
)
def test_a_file_is_what_its_bytes_are(
    library: Library, dataset_id: int, name: str, data: bytes, media_type: str
) -> None:
    entry_id = library.entry(dataset_id)["id"]
    uploaded = library.upload(entry_id, name, data)
    assert uploaded["file"]["mime_type"] == uploaded["entry"]["mime_type"] == media_type
    assert download(library, entry_id).headers["content-type"].split(";")[0] == media_type


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\temp\\tide.pdf", "tide.pdf"),
        ("Ünï cødé 🌊.pdf", "Ünï cødé 🌊.pdf"),
        ("..", "file"),
        ("blob", "file"),
        ("a" * 300 + ".pdf", "a" * 251 + ".pdf"),
        ('quo"te;.pdf', None),
    ],
)
def test_a_name_is_made_harmless(
    library: Library, dataset_id: int, given: str, kept: str | None
) -> None:
    entry_id = library.entry(dataset_id)["id"]
    file = library.upload(entry_id, given, b"content")["file"]
    name = file["key"].removeprefix(f"datasets/{dataset_id}/entries/{entry_id}/original/")
    assert "/" not in name
    assert kept is None or name == kept
    response = download(library, entry_id)
    assert response.content == b"content"
    disposition = response.headers["content-disposition"]
    assert disposition.startswith("attachment; filename")
    assert "\n" not in disposition


def test_files_of_other_kinds_stand_beside_the_original(library: Library, stored: int) -> None:
    entry = library.call("GET", f"/entries/{stored}")
    assert entry["status"] == "uploaded"
    (made,) = entry["manifest"]["processing"]["files"]
    assert made["expires_at"] > made["created_at"]
    assert entry["manifest"]["original"]["files"][0]["expires_at"] is None
    assert download(library, stored).content == DATA
    response = download(library, stored, params={"file_type": "processing"})
    assert response.content == b"made on the way"
    params = {"file_type": "processed", "file_name": "figure-1.png"}
    assert download(library, stored, params=params).content == b"no picture"
    assert download(library, stored, params={"key": made["key"]}).content == b"made on the way"


def test_what_is_made_on_the_way_lives_as_long_as_the_dataset_says(library: Library) -> None:
    processing = {"intermediate_files": [], "retention_days": 0.5}
    definition = {**DEFINITION, "processing": processing}
    entry_id = library.entry(library.dataset(schema_definition=definition)["id"])["id"]
    file = library.upload(entry_id, "x.txt", b"x", file_type="processing")["file"]
    hours = _seconds(file["expires_at"]) - _seconds(file["created_at"])
    assert hours == pytest.approx(12 * 3600, abs=1)


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


def test_what_has_expired_is_no_file_any_more(narrow: Library) -> None:
    definition = {**DEFINITION, "processing": {"retention_days": 0}}
    entry_id = narrow.entry(narrow.dataset(schema_definition=definition)["id"])["id"]
    narrow.upload(entry_id, "x.txt", b"x", file_type="processing")

    def is_gone() -> bool:
        entry = narrow.call("GET", f"/entries/{entry_id}")
        return not entry["manifest"]["processing"]["files"]

    wait_for(is_gone, "the file to expire")
    params = {"file_type": "processing"}
    assert download(narrow, entry_id, params=params).status_code == 404


def test_an_unknown_file_is_not_found(library: Library, dataset_id: int, stored: int) -> None:
    empty = library.entry(dataset_id)["id"]
    assert "no such file" in detail_of(download(library, empty), 404)
    for params in ({"file_name": "x"}, {"key": "datasets/1"}, {"file_name": "figure-1.png"}):
        assert "no such file" in detail_of(download(library, stored, params=params), 404)
    assert detail_of(download(library, 999999), 404) == "Entry with id 999999 not found"
    ((place, _),) = problems_of(download(library, stored, params={"file_type": "secret"}))
    assert place[-1] == "file_type"


def test_a_file_of_a_wrong_kind_is_refused(library: Library, dataset_id: int) -> None:
    entry_id = library.entry(dataset_id)["id"]
    response = library.send(entry_id, "x.bin", b"x", file_type="secret")
    assert problems_of(response)[0][0] == ("body", "file_type")
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "pending"
    assert detail_of(library.send(999999, "x", b"x"), 404) == "Entry with id 999999 not found"


def test_an_empty_file_is_refused(library: Library, dataset_id: int) -> None:
    entry_id = library.entry(dataset_id)["id"]
    assert "empty" in messages_of(library.send(entry_id, "x.bin", b""))
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "pending"


def test_a_dataset_takes_the_files_it_names(library: Library) -> None:
    original = {
        "required_files": ["*.pdf"],
        "optional_files": ["notes-?.md"],
        "metadata_schema": {},
    }
    definition = {**DEFINITION, "original": original}
    dataset_id = library.dataset(schema_definition=definition)["id"]
    entry_id = library.entry(dataset_id)["id"]
    response = library.send(entry_id, "paper.docx", docx_sample().data)
    assert "Unsupported format" in messages_of(response)
    assert "*.pdf, notes-?.md" in messages_of(response)
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "pending"
    for name in ("PAPER.PDF", "notes-1.md"):
        assert library.upload(entry_id, name, b"content")["status"] == "uploaded"
    library.upload(entry_id, "figure.png", b"x", file_type="processed")


def test_a_pipeline_takes_the_files_it_can_read(library: Library) -> None:
    dataset_id = library.dataset(preset="scientific_articles")["id"]
    entry_id = library.entry(dataset_id)["id"]
    response = library.send(entry_id, "paper.xml", pdf("No article."))
    assert "Unsupported format" in messages_of(response)
    assert "application/pdf" in messages_of(response)
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "pending"
    assert library.upload(entry_id, "a.xml", jats_sample().data)["status"] == "processing"
    library.settle([entry_id])


def test_a_file_may_be_as_large_as_the_limit(narrow: Library) -> None:
    entry_id = narrow.entry(narrow.dataset()["id"])["id"]
    assert narrow.upload(entry_id, "x.bin", b"x" * FILE_BYTES_MAX)["file"]["size"] == FILE_BYTES_MAX
    other = narrow.entry(narrow.dataset()["id"])["id"]
    response = narrow.send(other, "x.bin", b"x" * (FILE_BYTES_MAX + 1))
    assert str(FILE_BYTES_MAX) in detail_of(response, 413)
    assert narrow.call("GET", f"/entries/{other}")["status"] == "pending"
    assert download(narrow, other).status_code == 404
    response = narrow.send(other, "x.bin", b"x" * (FILE_BYTES_MAX * 30))
    assert response.status_code == 413


def test_a_body_may_be_as_large_as_the_limit(narrow: Library) -> None:
    entry_id = narrow.entry(narrow.dataset()["id"])["id"]
    path = f"/entries/{entry_id}/processed"
    frame = len(b'{"content":{"text":""}}')
    for extra, status in ((0, 200), (1, 413)):
        text = "x" * (BODY_BYTES_MAX - frame + extra)
        content = f'{{"content":{{"text":"{text}"}}}}'.encode()
        response = narrow.ask("POST", path, content=content)
        assert response.status_code == status, response.text[:200]
    assert detail_of(response, 413)


def test_a_file_sent_again_takes_the_place_of_the_one_before(library: Library) -> None:
    dataset = library.dataset(preset="general_purpose")
    scope = {"dataset_ids": [dataset["id"]]}
    first = library.document(dataset["id"], "bird.pdf", pdf("The curlew calls."))
    assert library.search("curlew", **scope)["total"] == 1
    uploaded = library.upload(first["id"], "bird.pdf", pdf("The dotterel runs."))
    assert uploaded["status"] == "processing"
    assert uploaded["workflow_name"] != first["workflow_name"]
    (second,) = library.settle([first["id"]])
    assert second["status"] == "processed"
    assert library.search("curlew", **scope)["total"] == 0
    assert library.search("dotterel", **scope)["total"] == 1
    (file,) = second["manifest"]["original"]["files"]
    assert file["hash"] == uploaded["file"]["hash"]
    # Another name stands beside it, and is the one that counts.
    library.upload(first["id"], "fish.pdf", pdf("The gurnard grunts."))
    (third,) = library.settle([first["id"]])
    assert len(third["manifest"]["original"]["files"]) == 2
    assert third["primary_file_key"].endswith("/fish.pdf")
    assert library.search("gurnard", **scope)["total"] == 1
    assert library.search("dotterel", **scope)["total"] == 0


def test_the_same_file_again_is_the_newest(library: Library, dataset_id: int) -> None:
    """Also when its name was there before another's."""
    entry_id = library.entry(dataset_id)["id"]
    for name, data in (("a.txt", b"one"), ("b.txt", b"two"), ("a.txt", b"three")):
        library.upload(entry_id, name, data)
    assert download(library, entry_id).content == b"three"
    assert library.call("GET", f"/entries/{entry_id}")["primary_file_key"].endswith("/a.txt")


def test_a_form_makes_an_entry_with_its_file(library: Library) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    fields = {
        "dataset_id": str(dataset_id),
        "name": "At once",
        "slug": "at-once",
        "metadata": '{"source": "form"}',
    }
    files = {"file": ("once.pdf", pdf("The whimbrel whistles."))}
    response = library.ask("POST", "/entries", data=fields, files=files)
    assert response.status_code == 201
    entry = response.json()["entry"]
    assert (entry["name"], entry["metadata"]) == ("At once", {"source": "form"})
    (done,) = library.settle([entry["id"]])
    assert done["status"] == "processed"
    assert library.search("whimbrel", dataset_ids=[dataset_id])["total"] == 1
    assert library.ask("POST", "/entries", data=fields, files=files).status_code == 409


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"dataset_id": "x"}, "dataset_id"),
        ({"name": ""}, "name"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": "[]"}, "metadata"),
        ({"metadata": '{"a":"\\u0000"}'}, None),
        ({"metadata": "[" * 500 + "]" * 500}, None),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x00b"}, None),
    ],
)
def test_a_wrong_form_makes_nothing(
    library: Library, change: dict[str, str], place: str | None
) -> None:
    dataset_id = library.dataset()["id"]
    fields = {"dataset_id": str(dataset_id), "name": "x", "slug": "x", **change}
    response = library.ask("POST", "/entries", data=fields, files={"file": ("x.txt", b"x")})
    ((where, _),) = problems_of(response)
    assert place is None or where[:2] == ("body", place)
    assert library.call("GET", "/entries", params={"dataset_id": dataset_id})["total"] == 0


def test_a_form_whose_file_is_refused_makes_nothing(library: Library) -> None:
    """Not even for a moment, which a crash would make last: ids are never used again."""
    dataset_id = library.dataset(preset="scientific_articles")["id"]
    before = library.entry(library.dataset()["id"])["id"]
    fields = {"dataset_id": str(dataset_id), "name": "x", "slug": "x"}
    response = library.ask("POST", "/entries", data=fields, files={"file": ("x.txt", b"x")})
    assert "Unsupported format" in messages_of(response)
    assert library.call("GET", "/entries", params={"dataset_id": dataset_id})["total"] == 0
    good = {"file": ("a.xml", jats_sample().data)}
    made = library.ask("POST", "/entries", data=fields, files=good)
    assert made.status_code == 201
    assert made.json()["entry"]["id"] == before + 1
    library.settle([made.json()["entry"]["id"]])


def test_the_bytes_of_what_is_deleted_go_after_a_grace(
    narrow: Library, narrow_folder: Path
) -> None:
    mark = b"the bytes that must not stay"

    def holders() -> list[Path]:
        found = [path for path in narrow_folder.rglob("*") if path.is_file() and _holds(path, mark)]
        return [path for path in found if ".db" not in path.name]

    dataset_id = narrow.dataset()["id"]
    entries = [narrow.entry(dataset_id)["id"] for _ in range(2)]
    for entry_id in entries:
        narrow.upload(entry_id, "x.txt", mark)
        body = {"content": {"text": mark.decode()}}
        narrow.call("POST", f"/entries/{entry_id}/processed", json=body)
    assert len(holders()) >= 4
    narrow.ask("DELETE", f"/entries/{entries[0]}")
    assert download(narrow, entries[0]).status_code == 404
    assert narrow.ask("DELETE", f"/datasets/{dataset_id}").status_code == 204
    wait_for(lambda: not holders(), "the bytes to go")


def _holds(path: Path, mark: bytes) -> bool:
    try:
        return mark in path.read_bytes()
    except FileNotFoundError:
        return False


def test_nothing_of_a_refused_file_stays(narrow: Library, narrow_folder: Path) -> None:
    entry_id = narrow.entry(narrow.dataset()["id"])["id"]
    assert narrow.send(entry_id, "x.bin", b"y" * (FILE_BYTES_MAX * 4)).status_code == 413
    time.sleep(0.1)
    large = [
        path for path in narrow_folder.rglob("*") if path.is_file() and _holds(path, b"y" * 1000)
    ]
    assert large == []


def test_a_picture_may_be_named_as_files_of_vectors_are(library: Library) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    entry = library.document(dataset_id, "x.md", b"# Fields\n\nThe wind turns.")
    library.upload(entry["id"], "vectors-field.png", b"x", file_type="processed")
    changed = library.call("PATCH", f"/entries/{entry['id']}", json={"name": "Gales"})
    assert (changed["name"], changed["status"]) == ("Gales", "processed")
    assert library.search("gales", dataset_ids=[dataset_id])["total"] == 1
