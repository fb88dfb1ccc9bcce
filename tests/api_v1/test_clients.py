"""What real clients call, in their own manner, and the fields they read of the answers."""

from typing import Any

import pytest

from tests.api_v1.documents import pdf_sample
from tests.api_v1.library import DEFINITION, Library, fresh_slug

pytestmark = pytest.mark.system

WIDTH = 8


def unit(place: int) -> list[float]:
    """A vector that is near no other of these."""
    return [1.0 if each == place else 0.0 for each in range(WIDTH)]


def test_a_client_that_sends_blobs(library: Library) -> None:
    """The smallest schema, no file type, a file called blob, pages of 500 that are 100."""
    dataset = library.call(
        "POST",
        "/datasets",
        json={
            "name": "Blobs",
            "slug": fresh_slug("blobs"),
            "description": "",
            "dataset_type": "text",
            "schema_definition": DEFINITION,
        },
    )
    path = f"/pipelines/datasets/{dataset['id']}/apply-preset"
    library.call("POST", path, params={"preset_name": "general_purpose"})
    sample = pdf_sample()
    body = {"dataset_id": dataset["id"], "name": "Upload", "slug": "upload", "description": ""}
    entry = library.call("POST", "/entries", json={**body, "metadata": {}})["entry"]
    files = {"file": ("blob", sample.data, "application/octet-stream")}
    library.call("POST", f"/entries/{entry['id']}/upload", files=files)
    library.settle([entry["id"]])
    listing = library.call("GET", "/entries", params={"dataset_id": dataset["id"], "limit": 500})
    assert [(each["status"], each["mime_type"]) for each in listing["entries"]] == [
        ("processed", "application/pdf")
    ]
    assert listing["page_size"] == 100


def test_a_worker_that_brings_its_own_text_and_vectors(library: Library) -> None:
    """Slug lookup, the entry of before deleted, text and chunks of its own; no pipeline runs."""
    slug = fresh_slug("folios")
    assert library.ask("GET", f"/datasets/slug/{slug}").status_code == 404
    made = library.dataset(slug=slug)
    assert library.call("GET", f"/datasets/slug/{slug}")["id"] == made["id"]

    entry = worker_entry(library, made["id"])
    text = "# Folio 5\n\nLes marées d'équinoxe 🌊 sont hautes."
    saved = library.call(
        "POST", f"/entries/{entry['id']}/processed", json={"content": {"text": text}}
    )
    assert saved["entry_id"] == entry["id"]
    assert saved["manifest"]["processed"]["content_key"].endswith("/content.json")
    start = text.index("Les")
    custom = {
        "ark": "ark:/12148/x",
        "folio": 5,
        "char_start": start,
        "char_end": len(text),
        "nested": {"list": [1, None, "é"]},
    }
    chunks = [
        {"chunk_text": text[start:], "chunk_index": 0, "embedding": unit(0), "metadata": custom},
        {"chunk_text": "Rien.", "chunk_index": 1, "embedding": unit(1), "metadata": {}},
    ]
    body = {"collection_name": "entry_chunks", "chunks": chunks}
    assert library.call("POST", f"/entries/{entry['id']}/chunks", json=body) == {
        "entry_id": entry["id"],
        "indexed": 2,
        "collection_name": "entry_chunks",
    }
    assert library.call("GET", f"/entries/{entry['id']}")["status"] == "processed"
    found = library.chunks(query_vector=unit(0), dataset_ids=[made["id"]], limit=2)
    first = found["results"][0]
    assert first["chunk_text"] == text[start:]
    assert first["score"] == pytest.approx(1)
    ours = {"dataset_id": made["id"], "entry_id": entry["id"], "chunk_index": 0}
    assert first["metadata"] == {**first["metadata"], **custom, **ours}
    # The offsets count characters, so they cut the text as Python does.
    assert text[first["metadata"]["char_start"] : first["metadata"]["char_end"]] == text[start:]
    hit = library.search("equinoxe", dataset_ids=[made["id"]])["results"][0]
    assert hit["metadata"]["ark"] == "ark:/12148/x"


def worker_entry(library: Library, dataset_id: int) -> dict[str, Any]:
    """An entry made anew in the place of the one of the last run, found by its page."""
    library.entry(dataset_id, slug="folio-5", metadata={"ark": "ark:/12148/x"})
    page = library.call("GET", "/entries", params={"dataset_id": dataset_id, "page": 1})
    assert page["total_pages"] == 1
    (old,) = [each for each in page["entries"] if each["slug"] == "folio-5"]
    assert library.ask("DELETE", f"/entries/{old['id']}").content == b""
    entry = library.entry(dataset_id, slug="folio-5", metadata={"ark": "ark:/12148/x"})
    library.upload(entry["id"], "doc.md", b"# Folio 5\n")
    return entry


def test_chunks_posted_again_replace_those_of_their_index(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry = library.entry(dataset_id)
    path = f"/entries/{entry['id']}/chunks"
    chunks = [
        {"chunk_text": f"text {number}", "chunk_index": number, "embedding": unit(number)}
        for number in range(3)
    ]
    library.call("POST", path, json={"chunks": chunks})
    again = {"chunk_text": "new", "chunk_index": 1, "embedding": unit(5)}
    assert library.call("POST", path, json={"chunks": [again]})["indexed"] == 1
    found = library.chunks(query_vector=unit(5), dataset_ids=[dataset_id], limit=10)
    assert found["total"] == 3
    assert found["results"][0]["chunk_text"] == "new"
    texts = {hit["chunk_text"] for hit in found["results"]}
    assert texts == {"text 0", "new", "text 2"}


def test_a_backfill_that_walks_all_pages(library: Library) -> None:
    """Pages of datasets and entries until ``total_pages``; a change shows in the entry."""
    slugs = {library.dataset()["slug"] for _ in range(3)}
    found: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        params = {"page": page, "page_size": 2}
        listing = library.call("GET", "/datasets", params=params)
        assert len(listing["datasets"]) <= 2
        found += listing["datasets"]
        page, pages = page + 1, listing["total_pages"]
    assert slugs <= {each["slug"] for each in found}
    assert len(found) == listing["total"] == len({each["id"] for each in found})

    entry = library.entry(found[0]["id"])
    changed = library.call("PATCH", f"/entries/{entry['id']}", json={"name": "Changed"})
    assert changed["updated_at"] > entry["updated_at"]
    assert changed["created_at"] == entry["created_at"]


def test_a_client_with_ids_as_text(library: Library) -> None:
    dataset = library.dataset(preset="general_purpose")
    entry = library.document(dataset["id"], "eel.txt", b"The eel sleeps under the quay.")
    body = {
        "query": "The eel sleeps under the quay.",
        "dataset_ids": [str(dataset["id"])],
        "score_threshold": 0.7,
        "limit": 10,
    }
    (hit,) = library.call("POST", "/vector/chunks", json=body)["results"]
    assert hit["entry_id"] == entry["id"]
    assert "The eel sleeps" in hit["chunk_text"]
    assert 0.7 <= hit["score"] <= 1


def test_no_answer_looks_like_an_envelope(library: Library) -> None:
    """Clients unwrap a body that has ``data`` at its top."""
    dataset = library.dataset()
    entry = library.entry(dataset["id"])
    for path in ("/datasets", f"/datasets/{dataset['id']}", "/entries", f"/entries/{entry['id']}"):
        body = library.call("GET", path)
        assert "data" not in body
        assert "success" not in body
