"""Content that a client brings itself: text, and chunks with vectors of its own."""

from typing import Any

import pytest

from tests.api_v1.library import Library, detail_of, fresh_slug, messages_of, problems_of

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def dataset_id(library: Library) -> int:
    """Of a dataset without a pipeline."""
    return int(library.dataset()["id"])


def save(library: Library, entry_id: int, text: str, **fields: Any) -> Any:
    content = {"text": text, **fields}
    return library.call("POST", f"/entries/{entry_id}/processed", json={"content": content})


def test_saved_content_makes_an_entry_processed(library: Library, dataset_id: int) -> None:
    entry = library.entry(dataset_id)
    saved = save(library, entry["id"], "# A title\n\nThe capercaillie sings.", title="A title")
    assert saved["entry_id"] == entry["id"]
    assert saved["manifest"]["processed"]["fields_summary"]["text_length"] == 34
    assert library.call("GET", f"/entries/{entry['id']}")["status"] == "processed"
    (hit,) = library.search("capercaillie", dataset_ids=[dataset_id])["results"]
    assert (hit["entry_id"], hit["title"]) == (entry["id"], "A title")
    save(library, entry["id"], "Another text.")
    assert library.search("capercaillie", dataset_ids=[dataset_id])["total"] == 0


def test_chunks_of_an_earlier_text_go_with_it(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry = library.entry(dataset_id)
    save(library, entry["id"], "secret apples")
    chunk = {"chunk_text": "secret apples", "chunk_index": 0, "embedding": [1.0, 0.0]}
    library.call("POST", f"/entries/{entry['id']}/chunks", json={"chunks": [chunk]})
    assert library.chunks(query_vector=[1, 0], dataset_ids=[dataset_id])["total"] == 1
    save(library, entry["id"], "new oranges")
    assert library.chunks(query_vector=[1, 0], dataset_ids=[dataset_id])["total"] == 0
    assert library.search("oranges", dataset_ids=[dataset_id])["total"] == 1
    file = library.ask("GET", f"/entries/{entry['id']}/download?file_type=processed")
    assert file.json()["text"] == "new oranges"


@pytest.mark.parametrize("name", ["content.json", "chunks.arrow", "vectors-000000.arrow"])
def test_files_of_the_pipeline_are_not_replaced_from_outside(library: Library, name: str) -> None:
    entry = library.entry(library.dataset()["id"])
    save(library, entry["id"], "broken platypus")
    form = {"files": {"file": (name, b"garbage")}, "data": {"file_type": "processed"}}
    refused = library.ask("POST", f"/entries/{entry['id']}/upload", **form)
    assert "choose another" in messages_of(refused)
    body = {"entry_ids": [entry["id"]]}
    found = library.call("POST", "/entries/batch/content", json=body)["entries"]
    assert [each["content"]["text"] for each in found] == ["broken platypus"]


def test_an_upload_beside_the_original_leaves_the_entry_waiting(library: Library) -> None:
    entry = library.entry(library.dataset()["id"])
    form = {"files": {"file": ("notes.txt", b"beside")}, "data": {"file_type": "processed"}}
    assert library.ask("POST", f"/entries/{entry['id']}/upload", **form).is_success
    assert library.call("GET", f"/entries/{entry['id']}")["status"] == "pending"


@pytest.mark.parametrize("body", [{}, {"content": {}}, {"content": {"text": 5}}, {"content": "x"}])
def test_wrong_content_is_named(library: Library, dataset_id: int, body: dict[str, Any]) -> None:
    entry = library.entry(dataset_id)
    ((place, _),) = problems_of(library.ask("POST", f"/entries/{entry['id']}/processed", json=body))
    assert place[:2] == ("body", "content")


def test_chunks_of_another_width_are_refused_with_the_right_one(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry = library.entry(dataset_id)
    path = f"/entries/{entry['id']}/chunks"
    chunk = {"chunk_text": "x", "chunk_index": 0, "embedding": [1.0, 0.0, 0.0]}
    library.call("POST", path, json={"chunks": [chunk]})
    wider = {**chunk, "embedding": [1.0] * 4}
    text = messages_of(library.ask("POST", path, json={"chunks": [wider]}))
    assert "4" in text
    assert "3" in text
    response = library.ask("POST", "/vector/chunks", json={"query_vector": [1.0] * 4})
    assert library.chunks(query_vector=[1, 0, 0], dataset_ids=[dataset_id])["total"] == 1
    body = {"query_vector": [1.0] * 4, "dataset_ids": [dataset_id]}
    response = library.ask("POST", "/vector/chunks", json=body)
    assert "have 3" in detail_of(response, 400)


@pytest.mark.parametrize("way", ["deleted", "saved anew"])
def test_another_width_may_come_once_there_are_no_vectors(library: Library, way: str) -> None:
    slug = fresh_slug("width").replace("-", "_")
    dataset_id = library.dataset(slug=slug)["id"]
    first, second, plain = (library.entry(dataset_id)["id"] for _ in range(3))
    save(library, plain, "It has no chunks.")

    def send(entry_id: int, vector: list[float]) -> Any:
        chunk = {"chunk_text": "x", "chunk_index": 0, "embedding": vector}
        return library.ask("POST", f"/entries/{entry_id}/chunks", json={"chunks": [chunk]})

    assert send(first, [1.0, 0.0, 0.0]).is_success
    assert "have 3" in messages_of(send(second, [1.0, 0.0]))
    if way == "deleted":
        library.call("DELETE", f"/entries/{first}")
    else:
        save(library, first, "It has no chunks any more.")
    assert send(second, [1.0, 0.0]).is_success
    found = library.chunks(query_vector=[1.0, 0.0], dataset_ids=[dataset_id])["results"]
    assert [(hit["entry_id"], hit["score"]) for hit in found] == [(second, 1)]
    sql = f"SELECT entry_id, embedding FROM documents.{slug}.chunks"
    assert library.rows(sql) == [[second, [1.0, 0.0]]]
    assert library.search("chunks", dataset_ids=[dataset_id])["total"] == 2 - (way == "deleted")
    assert "have 2" in messages_of(send(plain, [1.0, 0.0, 0.0]))
    mixed = [
        {"chunk_text": "x", "chunk_index": at, "embedding": [1.0] * (2 + at)} for at in range(2)
    ]
    response = library.ask("POST", f"/entries/{plain}/chunks", json={"chunks": mixed})
    assert "has 3 numbers" in messages_of(response)


@pytest.mark.parametrize(
    "chunk",
    [
        {"chunk_index": 0},
        {"chunk_text": "x"},
        {"chunk_text": "x", "chunk_index": -1},
        {"chunk_text": "x", "chunk_index": 0, "embedding": []},
        {"chunk_text": "x", "chunk_index": 0, "embedding": ["a"]},
        {"chunk_text": "x", "chunk_index": 0, "embedding": [None]},
        {"chunk_text": "x", "chunk_index": 0, "embedding": [1e400]},
        {"chunk_text": "x", "chunk_index": 0, "embedding": [1e300, 0.0]},
        {"chunk_text": "x", "chunk_index": 0, "metadata": []},
    ],
)
def test_a_wrong_chunk_is_refused(library: Library, dataset_id: int, chunk: dict[str, Any]) -> None:
    entry = library.entry(dataset_id)
    text = repr({"chunks": [chunk]}).replace("'", '"').replace("None", "null")
    content = text.replace("inf", "1e400").encode()
    response = library.ask("POST", f"/entries/{entry['id']}/chunks", content=content)
    assert problems_of(response)
    assert library.call("GET", f"/entries/{entry['id']}")["status"] == "pending"


def test_two_chunks_of_one_index_are_refused(library: Library, dataset_id: int) -> None:
    entry = library.entry(dataset_id)
    chunk = {"chunk_text": "x", "chunk_index": 0}
    path = f"/entries/{entry['id']}/chunks"
    response = library.ask("POST", path, json={"chunks": [chunk, chunk]})
    assert "same chunk_index" in messages_of(response)
    other = {"collection_name": "elsewhere", "chunks": [chunk]}
    assert "entry_chunks" in messages_of(library.ask("POST", path, json=other))
    assert problems_of(library.ask("POST", path, json={"chunks": []}))


def test_a_vector_of_zeros_is_near_nothing(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry = library.entry(dataset_id)
    chunk = {"chunk_text": "x", "chunk_index": 0, "embedding": [0.0, 0.0, 0.0]}
    library.call("POST", f"/entries/{entry['id']}/chunks", json={"chunks": [chunk]})
    for vector in ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        found = library.chunks(query_vector=vector, dataset_ids=[dataset_id])
        assert all(0 <= hit["score"] <= 1 for hit in found["results"])


def test_lists_have_an_end(library: Library, dataset_id: int) -> None:
    """The fuzzer leaves these out: they take megabytes."""
    chunk = {"chunk_text": "x", "chunk_index": 0}
    many = [{**chunk, "chunk_index": number} for number in range(10_001)]
    long = {**chunk, "embedding": [0.5] * 65_537}
    path = f"/entries/{library.entry(dataset_id)['id']}/chunks"
    for chunks in (many, [long], [{**chunk, "chunk_text": "x" * 1_000_001}]):
        ((place, kind),) = problems_of(library.ask("POST", path, json={"chunks": chunks}))
        assert place[:2] == ("body", "chunks")
        assert kind.endswith("too_long")
    for field, values in (("entry_ids", list(range(1, 10_002))), ("slugs", ["x"] * 10_001)):
        body = {"dataset_id": dataset_id, field: values}
        problems = problems_of(library.ask("POST", "/entries/batch", json=body))
        assert problems == [(("body", field), "too_long")]
        assert library.call("POST", "/entries/batch", json={**body, field: values[1:]})
