"""Entries: made, listed, read many at once, changed, deleted; their content brought by a client."""

from typing import Any
from urllib.parse import unquote

import pytest

from tests.api_v1.documents import pdf
from tests.api_v1.library import (
    DEFINITION,
    Library,
    detail_of,
    fresh_slug,
    messages_of,
    problems_of,
)

pytestmark = pytest.mark.system

SCHEMA = {
    "type": "object",
    "properties": {"source": {"type": "string"}, "year": {"type": "integer", "minimum": 1900}},
    "required": ["source"],
    "additionalProperties": False,
}
STRICT = {**DEFINITION, "original": {"metadata_schema": SCHEMA}}


@pytest.fixture(scope="module")
def dataset_id(library: Library) -> int:
    """Of a dataset without a pipeline."""
    return int(library.dataset()["id"])


@pytest.fixture(scope="module")
def strict_id(library: Library) -> int:
    """Of a dataset that wants certain metadata."""
    return int(library.dataset(schema_definition=STRICT)["id"])


def save(library: Library, entry_id: int, text: str, **fields: Any) -> Any:
    content = {"text": text, **fields}
    return library.call("POST", f"/entries/{entry_id}/processed", json={"content": content})


def test_a_new_entry_is_wrapped_and_shown_bare_afterwards(
    library: Library, dataset_id: int
) -> None:
    body = {
        "dataset_id": dataset_id,
        "name": "My Research Paper",
        "slug": fresh_slug("paper"),
        "description": "Uploaded via SDK",
        "metadata": {"source": "sdk-upload"},
    }
    response = library.ask("POST", "/entries", json=body)
    assert response.status_code == 201
    assert set(response.json()) == {"entry"}
    entry = response.json()["entry"]
    assert {name: entry[name] for name in body} == body
    assert entry["status"] == "pending"
    assert entry["mime_type"] == "application/octet-stream"
    assert entry["storage_path"] == f"datasets/{dataset_id}/entries/{entry['id']}"
    assert entry["manifest"] == {
        "schema_version": "v1",
        "dataset_schema_id": "general_v1",
        "original": {"files": [], "metadata": {"source": "sdk-upload"}},
        "processing": {"steps_completed": [], "files": []},
        "processed": None,
    }
    unknown = ("primary_file_key", "processed_content_key", "file_size_bytes", "error")
    assert [entry[name] for name in unknown] == [None] * 4
    assert library.call("GET", f"/entries/{entry['id']}") == entry


def test_description_and_metadata_may_be_left_out(library: Library, dataset_id: int) -> None:
    entry = library.entry(dataset_id)
    assert (entry["description"], entry["metadata"]) == ("", {})
    assert library.entry(dataset_id, description=None)["description"] in {"", None}


@pytest.mark.parametrize("slug", ["my file.v2 (final)", "Ünï-cødé 🌊", "a/b", "%2e", "x" * 255])
def test_a_slug_may_be_any_short_text(library: Library, slug: str) -> None:
    entry = library.entry(library.dataset()["id"], slug=slug)
    assert entry["slug"] == slug
    found = library.call("GET", "/entries", params={"slug": slug})
    assert [each["id"] for each in found["entries"]] == [entry["id"]]


def test_a_slug_is_unique_in_its_dataset_alone(library: Library, dataset_id: int) -> None:
    slug = library.entry(dataset_id)["slug"]
    body = {"dataset_id": dataset_id, "name": "x", "slug": slug}
    assert f"'{slug}'" in detail_of(library.ask("POST", "/entries", json=body), 409)
    assert library.entry(library.dataset()["id"], slug=slug)["slug"] == slug


def test_an_unknown_dataset_is_not_found(library: Library) -> None:
    body = {"dataset_id": 999999, "name": "x", "slug": "x"}
    response = library.ask("POST", "/entries", json=body)
    assert detail_of(response, 404) == "Dataset with id 999999 not found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 256),
        ("name", ""),
        ("name", 5),
        ("slug", ""),
        ("slug", "x" * 256),
        ("dataset_id", "many"),
        ("dataset_id", 0),
        ("dataset_id", 2**63),
        ("metadata", []),
        ("metadata", "text"),
        ("description", {}),
    ],
)
def test_a_wrong_field_is_named(library: Library, dataset_id: int, field: str, value: Any) -> None:
    body = {"dataset_id": dataset_id, "name": "x", "slug": fresh_slug(), field: value}
    problems = problems_of(library.ask("POST", "/entries", json=body))
    assert [place for place, _ in problems] == [("body", field)]


@pytest.mark.parametrize("name", ["  ", "\t\n", "nul\x00"])
def test_a_name_that_cannot_be_shown_is_refused(
    library: Library, dataset_id: int, name: str
) -> None:
    body = {"dataset_id": dataset_id, "name": name, "slug": fresh_slug()}
    assert problems_of(library.ask("POST", "/entries", json=body))


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ({}, "metadata"),
        ({"source": 5}, "metadata.source"),
        ({"source": "x", "year": 1200}, "metadata.year"),
        ({"source": "x", "colour": "red"}, "metadata"),
    ],
)
def test_metadata_must_be_as_the_dataset_wants_it(
    library: Library, strict_id: int, metadata: dict[str, Any], where: str
) -> None:
    body = {"dataset_id": strict_id, "name": "x", "slug": fresh_slug(), "metadata": metadata}
    assert f"The {where} breaks" in messages_of(library.ask("POST", "/entries", json=body))
    entry = library.entry(strict_id, metadata={"source": "x", "year": 2020})
    response = library.ask("PATCH", f"/entries/{entry['id']}", json={"metadata": metadata})
    assert f"The {where} breaks" in messages_of(response)
    assert library.call("GET", f"/entries/{entry['id']}")["metadata"]["year"] == 2020


def test_metadata_keeps_every_value(library: Library, dataset_id: int) -> None:
    metadata = {
        "deep": {"er": [1, 2.5, None, True, {"x": []}]},
        "": "empty name",
        "big": 2**60,
        "text": "é\u2028🌊\\\"'",
    }
    entry = library.entry(dataset_id, metadata=metadata)
    save(library, entry["id"], "Some text")
    shown = library.call("GET", f"/entries/{entry['id']}")
    assert shown["metadata"] == shown["manifest"]["original"]["metadata"] == metadata
    (hit,) = library.search("Some text", dataset_ids=[dataset_id], limit=1)["results"]
    assert {name: hit["metadata"][name] for name in metadata} == metadata


def test_the_page_of_a_listing(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    made = [library.entry(dataset_id)["id"] for _ in range(23)]
    everything = library.call("GET", "/entries", params={"dataset_id": dataset_id, "limit": 100})
    assert [each["id"] for each in everything["entries"]] == made[::-1]
    first = library.call("GET", "/entries", params={"dataset_id": dataset_id})
    numbers = {name: value for name, value in first.items() if name != "entries"}
    assert numbers == {"total": 23, "page": 1, "page_size": 20, "total_pages": 2}
    second = library.call("GET", "/entries", params={"dataset_id": dataset_id, "page": 2})
    assert [each["id"] for each in first["entries"] + second["entries"]] == made[::-1]
    past = library.call("GET", "/entries", params={"dataset_id": dataset_id, "page": 10**6})
    assert (past["entries"], past["total"]) == ([], 23)


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({}, 20),
        ({"limit": 1}, 1),
        ({"limit": 100}, 100),
        ({"limit": 101}, 100),
        ({"limit": 500}, 100),
        ({"limit": 0}, 20),
        ({"limit": -3}, 20),
        ({"page_size": 7}, 7),
        ({"page_size": 5000}, 100),
        ({"limit": 3, "page_size": 7}, 3),
    ],
)
def test_the_size_of_a_page_is_clamped(library: Library, params: dict[str, int], size: int) -> None:
    assert library.call("GET", "/entries", params=params)["page_size"] == size


def test_a_listing_of_an_unknown_dataset_is_empty(library: Library) -> None:
    found = library.call("GET", "/entries", params={"dataset_id": 999999})
    assert (found["entries"], found["total"], found["total_pages"]) == ([], 0, 0)


def test_a_listing_by_status(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    pending, saved = (library.entry(dataset_id)["id"] for _ in range(2))
    save(library, saved, "Text")

    def ids(status: str) -> list[int]:
        params = {"dataset_id": dataset_id, "status": status}
        return [each["id"] for each in library.call("GET", "/entries", params=params)["entries"]]

    assert ids("pending") == [pending]
    assert ids("PROCESSED") == [saved]
    assert ids("failed") == ids("error") == []
    response = library.ask("GET", "/entries", params={"status": "sleeping"})
    ((place, _),) = problems_of(response)
    assert place[-1] == "status"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_entry_is_not_found(library: Library, method: str) -> None:
    response = library.ask(method, "/entries/999999", json={} if method == "PATCH" else None)
    assert detail_of(response, 404) == "Entry with id 999999 not found"


@pytest.mark.parametrize("some_id", ["x", "0", "-1", str(2**63), "1.5", "%20"])
def test_a_wrong_id_is_named(library: Library, some_id: str) -> None:
    ((place, _),) = problems_of(library.ask("GET", f"/entries/{some_id}"))
    assert place == ("path", "entry_id")


@pytest.mark.parametrize(
    "form", ["{}_0", "%20{}", "{}%20", "+{}", "%2B{}", "{}.0", "\N{FULLWIDTH DIGIT ONE}"]
)
def test_a_number_is_written_in_ascii_digits(library: Library, form: str) -> None:
    entry = library.entry(library.dataset()["id"])
    body = {"entry_ids": [unquote(form.format(entry["id"]))]}
    for response, place in (
        (library.ask("GET", f"/entries/{form.format(entry['id'])}"), ("path", "entry_id")),
        (library.ask("GET", f"/datasets/{form.format(1)}"), ("path", "dataset_id")),
        (library.ask("GET", f"/entries?page={form.format(1)}"), ("query", "page")),
        (library.ask("GET", f"/entries?limit={form.format(1)}"), ("query", "limit")),
        (library.ask("GET", f"/datasets?page_size={form.format(1)}"), ("query", "page_size")),
        (library.ask("POST", "/entries/batch", json=body), ("body", "entry_ids", 0)),
    ):
        assert problems_of(response) == [(place, "int_parsing")]
    proxied = library.client.get(f"/clusters/{form.format(1)}/proxy/api/v1/entries")
    assert "must be a number" in detail_of(proxied, 400)
    search = {"query": "x", "min_score": unquote(form.format(0))}
    response = library.ask("POST", "/search", json=search)
    if form != "{}.0":
        assert problems_of(response) == [(("body", "min_score"), "float_parsing")]


def test_many_entries_are_read_at_once(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    made = [library.entry(dataset_id)["id"] for _ in range(5)]
    body: dict[str, Any] = {"dataset_id": dataset_id, "limit": 3}
    found = library.call("POST", "/entries/batch", json=body)
    assert [each["id"] for each in found["entries"]] == made[:1:-1]
    assert found["total"] == 5
    rest = library.call("POST", "/entries/batch", json={**body, "offset": 3})
    assert [each["id"] for each in rest["entries"]] == made[1::-1]
    some = library.call("POST", "/entries/batch", json={"entry_ids": [made[0], 999999, made[4]]})
    assert {each["id"] for each in some["entries"]} == {made[0], made[4]}
    assert some["entries"][0] == library.call("GET", f"/entries/{made[4]}")
    none = library.call("POST", "/entries/batch", json={"entry_ids": []})
    assert none == {"entries": [], "total": 0}


def test_a_batch_is_narrowed_by_slug_status_and_dataset(library: Library) -> None:
    dataset_id, other = library.dataset()["id"], library.dataset()["id"]
    first, second = library.entry(dataset_id), library.entry(dataset_id)
    save(library, first["id"], "Text")

    def ids(**body: Any) -> list[int]:
        found = library.call("POST", "/entries/batch", json=body)
        return [each["id"] for each in found["entries"]]

    assert ids(dataset_id=dataset_id, slugs=[second["slug"], "never"]) == [second["id"]]
    assert ids(dataset_id=dataset_id, status="processed") == [first["id"]]
    assert ids(dataset_id=other, entry_ids=[first["id"]]) == []
    assert ids(dataset_id=999999) == []
    assert ids(entry_ids=[str(first["id"])]) == [first["id"]]


@pytest.mark.parametrize("path", ["/entries/batch", "/entries/batch/content"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "dataset_id"),
        ({"limit": 5}, "dataset_id"),
        ({"dataset_id": 1, "limit": 0}, "limit"),
        ({"dataset_id": 1, "limit": 501}, "limit"),
        ({"dataset_id": 1, "offset": -1}, "offset"),
        ({"dataset_id": "x"}, "dataset_id"),
        ({"entry_ids": 7}, "entry_ids"),
        ({"entry_ids": ["x"]}, "entry_ids"),
    ],
)
def test_a_wrong_batch_is_named(
    library: Library, path: str, body: dict[str, Any], field: str
) -> None:
    ((place, _),) = problems_of(library.ask("POST", path, json=body))
    assert place[:2] == ("body", field)


def test_the_content_of_many_entries_is_read_at_once(library: Library) -> None:
    dataset = library.dataset(preset="general_purpose")
    entry = library.document(dataset["id"], "oak.pdf", pdf("The oak stands alone."))
    empty = library.entry(dataset["id"])
    body = {"dataset_id": dataset["id"]}
    found = library.call("POST", "/entries/batch/content", json=body)
    assert found["total"] == 2
    blank, full = found["entries"]
    assert (blank["entry_id"], blank["status"], blank["content"]) == (empty["id"], "pending", None)
    assert (full["entry_id"], full["status"], full["name"]) == (
        entry["id"],
        "processed",
        entry["name"],
    )
    content = full["content"]
    assert "The oak stands alone." in content["text"]
    assert content["page_count"] == 1
    for chunk in content["chunks"]:
        start, end = chunk["char_start"], chunk["char_end"]
        assert content["text"][start:end].strip() == chunk["chunk_text"].strip()
        assert (chunk["page_start"], chunk["page_end"]) == (1, 1)


def test_a_changed_entry_is_found_by_what_it_is_now(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry = library.entry(dataset_id, name="Kestrel", metadata={"tags": ["bird"], "kept": 1})
    save(library, entry["id"], "It hovers over the field.")
    path = f"/entries/{entry['id']}"
    changed = library.call(
        "PATCH", path, json={"name": "Buzzard", "metadata": {"tags": ["raptor"]}}
    )
    assert (changed["name"], changed["metadata"]) == ("Buzzard", {"tags": ["raptor"]})
    assert changed["status"] == "processed"
    assert changed["slug"] == entry["slug"]
    assert library.search("kestrel", dataset_ids=[dataset_id])["total"] == 0
    assert library.search("buzzard", dataset_ids=[dataset_id], tags=["raptor"])["total"] == 1
    assert library.search("hovers", dataset_ids=[dataset_id], tags=["bird"])["total"] == 0
    described = library.call("PATCH", path, json={"description": "A wide winged thing"})
    assert described["name"] == "Buzzard"
    assert library.search("winged", dataset_ids=[dataset_id])["total"] == 1


def test_a_change_of_an_entry_without_content_is_kept(library: Library, dataset_id: int) -> None:
    entry = library.entry(dataset_id)
    path = f"/entries/{entry['id']}"
    assert library.call("PATCH", path, json={"name": "New"})["name"] == "New"
    assert library.call("PATCH", path, json={})["name"] == "New"
    for body in ({"name": ""}, {"name": "x" * 256}, {"metadata": 5}):
        ((place, _),) = problems_of(library.ask("PATCH", path, json=body))
        assert place == ("body", *body)


def test_a_deleted_entry_is_nowhere(library: Library) -> None:
    dataset = library.dataset(slug=fresh_slug("left").replace("-", "_"))
    entry, other = library.entry(dataset["id"]), library.entry(dataset["id"])
    for each in (entry, other):
        save(library, each["id"], "The pelican has a bag.")
        chunk = {"chunk_text": "The pelican has a bag.", "chunk_index": 0}
        library.call("POST", f"/entries/{each['id']}/chunks", json={"chunks": [chunk]})
    response = library.ask("DELETE", f"/entries/{entry['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert library.ask("DELETE", f"/entries/{entry['id']}").status_code == 404
    scope = {"dataset_ids": [dataset["id"]]}
    left = [other["id"]]
    assert [hit["entry_id"] for hit in library.search("pelican", **scope)["results"]] == left
    near = library.chunks(query="The pelican has a bag.", **scope)["results"]
    assert [hit["entry_id"] for hit in near] == left
    for table, column in (("entries", "id"), ("chunks", "entry_id"), ("files", "entry_id")):
        sql = f"SELECT DISTINCT {column} FROM documents.{dataset['slug']}.{table}"
        assert library.rows(sql) == [left], table
    again = library.entry(dataset["id"], slug=entry["slug"])
    assert again["id"] not in {entry["id"], other["id"]}
