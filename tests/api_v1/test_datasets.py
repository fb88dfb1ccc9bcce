"""Datasets: made, listed, found, changed under a version, deleted with all they hold."""

from typing import Any

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

FIELDS = {
    "id",
    "name",
    "slug",
    "description",
    "dataset_type",
    "size_bytes",
    "entry_count",
    "schema_definition",
    "current_schema_version",
    "storage_path",
    "created_at",
    "updated_at",
    "last_synced_at",
    "version",
    "pipeline_config",
}
SECRET = "the-secret-of-the-webhook"
WEBHOOK = {"url": "https://hooks.example.com/in", "secret": SECRET, "enabled": True}


def body_of(**fields: Any) -> dict[str, Any]:
    slug = fresh_slug("d")
    made = {"name": slug, "slug": slug, "description": "", "dataset_type": "text"}
    return {**made, "schema_definition": DEFINITION, **fields}


def test_a_new_dataset_is_shown_bare(library: Library) -> None:
    response = library.ask("POST", "/datasets", json=body_of(name="ArXiv Papers"))
    assert response.status_code == 201
    made = response.json()
    assert made.keys() >= FIELDS
    assert made["name"] == "ArXiv Papers"
    assert (made["version"], made["current_schema_version"]) == (1, "v1")
    assert (made["entry_count"], made["size_bytes"]) == (0, 0)
    assert made["storage_path"] == f"datasets/{made['id']}"
    assert made["pipeline_config"] is made["last_synced_at"] is None
    assert made["created_at"].endswith("Z")
    assert library.call("GET", f"/datasets/{made['id']}") == made
    assert library.call("GET", f"/datasets/slug/{made['slug']}") == made


def test_a_definition_has_defaults_and_keeps_what_it_was_given(library: Library) -> None:
    definition = library.dataset()["schema_definition"]
    assert definition["original"]["required_files"] == []
    assert definition["processing"] is None
    given = {**DEFINITION, "processing": {"intermediate_files": ["*.arrow"]}}
    kept = library.dataset(schema_definition=given)["schema_definition"]
    assert kept["processing"] == {"intermediate_files": ["*.arrow"], "retention_days": 7}


def test_a_taken_slug_is_a_conflict(library: Library) -> None:
    taken = library.dataset()["slug"]
    response = library.ask("POST", "/datasets", json=body_of(slug=taken))
    assert f"'{taken}'" in detail_of(response, 409)
    other = library.dataset()
    response = library.ask("PATCH", f"/datasets/{other['id']}", json={"slug": taken})
    assert f"'{taken}'" in detail_of(response, 409)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("name", None),
        ("slug", "Has Capitals"),
        ("slug", "dot.ted"),
        ("slug", "line\n"),
        ("slug", ""),
        ("slug", "x" * 256),
        ("dataset_type", "films"),
        ("description", 7),
        ("schema_definition", None),
        ("schema_definition", []),
    ],
)
def test_a_wrong_field_is_named(library: Library, field: str, value: Any) -> None:
    problems = problems_of(library.ask("POST", "/datasets", json=body_of(**{field: value})))
    assert [place[:2] for place, _ in problems] == [("body", field)]


@pytest.mark.parametrize("field", ["name", "slug", "schema_definition"])
def test_a_missing_field_is_named(library: Library, field: str) -> None:
    body = body_of()
    del body[field]
    problems = problems_of(library.ask("POST", "/datasets", json=body))
    assert problems == [(("body", field), "missing")]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema_id": None}, "schema_id"),
        ({"original": None}, "original"),
        ({"original": {"required_files": "*.pdf"}}, "original"),
        ({"processing": {"retention_days": -1}}, "processing"),
        ({"processing": {"retention_days": 1e9}}, "processing"),
    ],
)
def test_a_wrong_definition_is_named(library: Library, change: dict[str, Any], place: str) -> None:
    body = body_of(schema_definition={**DEFINITION, **change})
    ((where, _),) = problems_of(library.ask("POST", "/datasets", json=body))
    assert where[:3] == ("body", "schema_definition", place)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"properties": {"a": {"type": "nonsense"}}},
        {"$ref": "https://example.com/schema.json"},
        {"pattern": "("},
    ],
)
def test_a_metadata_schema_must_be_one_and_stand_alone(
    library: Library, schema: dict[str, Any]
) -> None:
    original = {"metadata_schema": schema}
    response = library.ask(
        "POST", "/datasets", json=body_of(schema_definition={**DEFINITION, "original": original})
    )
    assert "original.metadata_schema" in messages_of(response)


def test_unknown_fields_are_ignored(library: Library) -> None:
    made = library.call("POST", "/datasets", json=body_of(pipeline_config={"x": 1}, colour="red"))
    assert made["pipeline_config"] is None
    assert "colour" not in made


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b'"x"', b"NaN"])
def test_a_body_that_is_no_object_is_refused(library: Library, content: bytes) -> None:
    ((place, _),) = problems_of(library.ask("POST", "/datasets", content=content))
    assert place[0] == "body"


def test_the_page_of_a_listing(library: Library) -> None:
    made = [library.dataset()["id"] for _ in range(3)]
    listing = library.call("GET", "/datasets", params={"limit": 2})
    assert [each["id"] for each in listing["datasets"]] == made[:0:-1]
    assert (listing["page"], listing["page_size"]) == (1, 2)
    assert listing["total_pages"] == -(-listing["total"] // 2)
    second = library.call("GET", "/datasets", params={"page_size": 2, "page": 2})
    assert second["datasets"][0]["id"] == made[0]
    past = library.call("GET", "/datasets", params={"page": 10**6})
    assert past["datasets"] == []
    assert past["total"] == listing["total"]
    assert past["page_size"] == 100


@pytest.mark.parametrize("params", [{"page": 0}, {"page": "x"}, {"limit": 0}, {"page_size": -1}])
def test_a_wrong_page_is_named(library: Library, params: dict[str, Any]) -> None:
    ((place, _),) = problems_of(library.ask("GET", "/datasets", params=params))
    assert place == ("query", *params)


def test_an_unknown_dataset_is_not_found(library: Library) -> None:
    assert detail_of(library.ask("GET", "/datasets/999999"), 404) == (
        "Dataset with id 999999 not found"
    )
    response = library.ask("GET", "/datasets/slug/never-made")
    assert detail_of(response, 404) == "Dataset with slug 'never-made' not found"
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        assert library.ask(method, "/datasets/999999", json=body).status_code == 404


@pytest.mark.parametrize(
    "path", ["/datasets/x", "/datasets/0", "/datasets/-1", f"/datasets/{2**63}"]
)
def test_a_wrong_id_is_named(library: Library, path: str) -> None:
    ((place, _),) = problems_of(library.ask("GET", path))
    assert place == ("path", "dataset_id")


@pytest.mark.parametrize("slug", ["information_schema", "pg_catalog"])
def test_a_schema_of_sql_is_no_slug(library: Library, slug: str) -> None:
    assert "reserved" in messages_of(library.ask("POST", "/datasets", json=body_of(slug=slug)))
    path = f"/datasets/{library.dataset()['id']}"
    assert "reserved" in messages_of(library.ask("PATCH", path, json={"slug": slug}))


def doubling(depth: int) -> dict[str, Any]:
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(depth)}
    return {"$defs": {**twice, f"a{depth}": {}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize("schema", [doubling(40), {"$ref": "#"}], ids=["doubling", "circle"])
def test_a_schema_that_would_take_for_ever_is_refused(
    library: Library, schema: dict[str, Any]
) -> None:
    body = body_of()
    body["schema_definition"] = {
        **body["schema_definition"],
        "original": {"metadata_schema": schema},
    }
    assert "too large" in messages_of(library.ask("POST", "/datasets", json=body))


def test_a_schema_with_references_counts(library: Library) -> None:
    schema = {
        "$defs": {"year": {"type": "integer"}},
        "properties": {"year": {"$ref": "#/$defs/year"}},
    }
    body = body_of()
    body["schema_definition"] = {
        **body["schema_definition"],
        "original": {"metadata_schema": schema},
    }
    dataset_id = library.call("POST", "/datasets", json=body)["id"]
    entry = {"dataset_id": dataset_id, "name": "a", "slug": "a"}
    refused = library.ask("POST", "/entries", json={**entry, "metadata": {"year": "no"}})
    assert "metadata.year" in messages_of(refused)
    large = {"year": 2026, "more": "x" * 70_000}
    assert "65536" in messages_of(
        library.ask("POST", "/entries", json={**entry, "metadata": large})
    )
    assert library.ask("POST", "/entries", json={**entry, "metadata": {"year": 2026}}).is_success


def test_a_slug_out_of_form_is_named(library: Library) -> None:
    ((place, _),) = problems_of(library.ask("GET", "/datasets/slug/Not%20One"))
    assert place == ("path", "slug")


def test_a_change_counts_and_leaves_the_rest(library: Library) -> None:
    made = library.dataset(description="before")
    path = f"/datasets/{made['id']}"
    changed = library.call("PATCH", path, json={"name": "After", "version": 1})
    assert (changed["name"], changed["version"]) == ("After", 2)
    assert changed["updated_at"] > made["updated_at"]
    kept = {*made} - {"name", "version", "updated_at"}
    assert {name: changed[name] for name in kept} == {name: made[name] for name in kept}
    emptied = library.call("PATCH", path, json={"description": "", "dataset_type": "images"})
    assert (emptied["description"], emptied["dataset_type"]) == ("", "images")
    assert emptied["version"] == 3


@pytest.mark.parametrize("body", [{}, {"name": None}, {"version": 2}])
def test_a_change_of_nothing_changes_nothing(library: Library, body: dict[str, Any]) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    before = library.call("GET", f"/datasets/{dataset_id}")
    assert library.call("PATCH", f"/datasets/{dataset_id}", json=body) == before
    library.call("PATCH", f"/pipelines/datasets/{dataset_id}/config", json={})
    assert library.call("GET", f"/datasets/{dataset_id}") == before
    entry = library.entry(dataset_id)
    assert library.call("PATCH", f"/entries/{entry['id']}", json={}) == entry


def test_a_stale_version_is_a_conflict(library: Library) -> None:
    made = library.dataset()
    path = f"/datasets/{made['id']}"
    library.call("PATCH", path, json={"name": "One", "version": 1})
    response = library.ask("PATCH", path, json={"name": "Two", "version": 1})
    assert "version is 2, not 1" in detail_of(response, 409)
    assert library.call("GET", path)["name"] == "One"
    assert library.call("PATCH", path, json={"name": "Three", "version": 2})["version"] == 3


def test_a_new_definition_has_its_own_version(library: Library) -> None:
    made = library.dataset()
    definition = {**DEFINITION, "version": "v2"}
    path = f"/datasets/{made['id']}"
    changed = library.call("PATCH", path, json={"schema_definition": definition})
    assert changed["current_schema_version"] == "v2"
    entry = library.entry(made["id"])
    assert entry["manifest"]["schema_version"] == "v2"


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"slug": "No"}, {"version": 0}, {"name": "x" * 256}]
)
def test_a_wrong_change_is_named(library: Library, body: dict[str, Any]) -> None:
    made = library.dataset()
    ((place, _),) = problems_of(library.ask("PATCH", f"/datasets/{made['id']}", json=body))
    assert place == ("body", *body)


def test_a_dataset_that_is_renamed_is_read_by_its_new_slug(library: Library) -> None:
    made = library.dataset(slug=fresh_slug("old").replace("-", "_"))
    entry = library.entry(made["id"])
    library.call("POST", f"/entries/{entry['id']}/processed", json={"content": {"text": "A word"}})
    assert library.rows(f"SELECT id FROM documents.{made['slug']}.entries") == [[entry["id"]]]
    slug = fresh_slug("new").replace("-", "_")
    library.call("PATCH", f"/datasets/{made['id']}", json={"slug": slug})
    assert library.rows(f"SELECT id FROM documents.{slug}.entries") == [[entry["id"]]]
    sql = f"SELECT id FROM documents.{made['slug']}.entries"
    assert library.client.post("/v1/query", json={"sql": sql}).status_code == 400
    assert library.ask("GET", f"/datasets/slug/{made['slug']}").status_code == 404


def test_the_totals_count_entries_and_their_bytes(library: Library) -> None:
    made = library.dataset(preset="general_purpose")
    data = pdf("The bytes are counted.")
    entry = library.document(made["id"], "counted.pdf", data)
    library.entry(made["id"])
    shown = library.call("GET", f"/datasets/{made['id']}")
    assert shown["entry_count"] == 2
    assert shown["size_bytes"] == len(data) + entry["manifest"]["processed"]["size"]


def test_a_deleted_dataset_takes_everything_with_it(library: Library) -> None:
    made = library.dataset(preset="general_purpose", slug=fresh_slug("gone").replace("-", "_"))
    entry = library.document(made["id"], "gone.pdf", pdf("The albatross flies away."))
    assert library.search("albatross")["total"] == 1
    response = library.ask("DELETE", f"/datasets/{made['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert library.ask("GET", f"/datasets/{made['id']}").status_code == 404
    assert library.ask("GET", f"/entries/{entry['id']}").status_code == 404
    assert library.ask("GET", f"/entries/{entry['id']}/download").status_code == 404
    assert library.search("albatross")["total"] == 0
    near = library.chunks(query="The albatross flies away.", limit=100)["results"]
    assert entry["id"] not in {hit["entry_id"] for hit in near}
    sql = f"SELECT 1 FROM documents.{made['slug']}.chunks"
    assert library.client.post("/v1/query", json={"sql": sql}).status_code == 400
    assert library.ask("DELETE", f"/datasets/{made['id']}").status_code == 404
    again = library.dataset(slug=made["slug"])
    assert again["id"] != made["id"]
    assert library.rows(f"SELECT count(*) FROM documents.{made['slug']}.entries") == [[0]]


def test_the_secret_of_a_webhook_is_never_shown(library: Library) -> None:
    made = library.ask("POST", "/datasets", json=body_of(webhook_config=WEBHOOK))
    assert made.status_code == 201
    path = f"/datasets/{made.json()['id']}"
    shown = library.ask("GET", path)
    listed = library.ask("GET", "/datasets")
    changed = library.ask("PATCH", path, json={"name": "x"})
    for response in (made, shown, listed, changed):
        assert SECRET not in response.text
    assert shown.json()["webhook_config"] == {
        "url": WEBHOOK["url"],
        "events": ["entry.status_changed"],
        "enabled": True,
        "has_secret": True,
    }
    assert SECRET not in library.client.get("/v1/secrets").text


def test_a_webhook_is_set_changed_and_ended(library: Library) -> None:
    made = library.dataset()
    path = f"/datasets/{made['id']}"
    assert made["webhook_config"] is None
    set_up = library.call("PATCH", path, json={"webhook_config": WEBHOOK})
    assert set_up["webhook_config"]["has_secret"]
    nothing = {"webhook_config": {**WEBHOOK, "events": []}}
    assert "leave it out" in messages_of(library.ask("PATCH", path, json=nothing))
    moved = {"url": "https://hooks.example.com/to", "events": ["entry.failed"], "enabled": False}
    changed = library.call("PATCH", path, json={"webhook_config": moved})["webhook_config"]
    assert changed == {**moved, "has_secret": True}
    assert library.call("PATCH", path, json={"name": "x"})["webhook_config"] == changed
    assert library.call("PATCH", path, json={"webhook_config": None})["webhook_config"] is None


@pytest.mark.parametrize(
    "change",
    [{"events": ["entry.exploded"]}, {"url": "ftp://example.com"}, {"url": ""}, {"url": "nothing"}],
)
def test_a_wrong_webhook_is_refused(library: Library, change: dict[str, Any]) -> None:
    body = body_of(webhook_config={**WEBHOOK, **change})
    response = library.ask("POST", "/datasets", json=body)
    assert response.status_code == 422, response.text
    assert SECRET not in response.text


def test_the_notifications_of_a_dataset_can_be_listed(library: Library) -> None:
    made = library.dataset()
    listing = library.call("GET", f"/datasets/{made['id']}/webhook-deliveries")
    assert listing == {
        "deliveries": [],
        "total": 0,
        "page": 1,
        "page_size": 100,
        "total_pages": 0,
    }
    assert library.ask("GET", "/datasets/999999/webhook-deliveries").status_code == 404


def test_an_unknown_embedding_provider_is_refused(library: Library) -> None:
    response = library.ask("POST", "/datasets", json=body_of(embedding_provider_id="embpx"))
    assert response.status_code in {404, 422}, response.text
    assert "embpx" in response.text
