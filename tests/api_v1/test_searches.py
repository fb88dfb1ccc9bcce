"""Searches: by words with typos, filters, facets and pages; by meaning; by both; and health."""

from pathlib import Path
from typing import Any

import pytest

from tests.api_v1.library import Library, detail_of, messages_of, problems_of
from tests.server.running import RunningServer

pytestmark = pytest.mark.system

TEXTS = {
    "tides": "The tide rises twice a day. The moon pulls the water of the sea.",
    "bread": "Knead the dough and let it rest. The yeast makes the bread rise.",
    "volcano": "Lava flows from the volcano. Ash covers the fields for years.",
    "bicycle": "The bicycle has two wheels and a chain. Oil the chain each month.",
}
FACTS: dict[str, dict[str, Any]] = {
    "tides": {"tags": ["sea", "nature"], "year": 2001, "source": "atlas", "open": True},
    "bread": {"tags": ["kitchen"], "year": 2001, "source": "cookbook", "open": False},
    "volcano": {"tags": ["nature"], "year": 1999, "source": "atlas", "authors": ["Ada", "Bo"]},
    "bicycle": {"tags": [], "year": 2.5, "source": "manual; with, signs: \"'"},
}


@pytest.fixture(scope="module")
def shelf(library: Library) -> dict[str, int]:
    """Four documents with their chunks in one dataset, by name; the dataset is ``dataset``."""
    dataset = library.dataset(preset="general_purpose")
    ids = {"dataset": int(dataset["id"])}
    for name, text in TEXTS.items():
        entry = library.entry(dataset["id"], name=name, metadata=FACTS[name])
        library.upload(entry["id"], f"{name}.txt", text.encode())
        ids[name] = int(entry["id"])
    library.settle(ids[name] for name in TEXTS)
    return ids


def names(shelf: dict[str, int], body: dict[str, Any]) -> list[str]:
    """The found documents by name, the best first."""
    by_id = {number: name for name, number in shelf.items() if name != "dataset"}
    return [by_id[hit["entry_id"]] for hit in body["results"]]


def find(library: Library, shelf: dict[str, int], query: str, **fields: Any) -> list[str]:
    return names(shelf, library.search(query, dataset_ids=[shelf["dataset"]], **fields))


def test_a_hit_has_what_clients_read(library: Library, shelf: dict[str, int]) -> None:
    found = library.search("lava", dataset_ids=[shelf["dataset"]], limit=10)
    (hit,) = found["results"]
    assert (hit["entry_id"], hit["dataset_id"]) == (shelf["volcano"], shelf["dataset"])
    assert (hit["name"], hit["title"], hit["description"]) == ("volcano", "volcano", "")
    assert 0 < hit["score"] <= 1
    assert "<mark>Lava</mark>" in hit["highlighted"]["text"]
    assert hit["snippets"] == [{"field": "text", "text": hit["highlighted"]["text"]}]
    entry = library.call("GET", f"/entries/{shelf['volcano']}")
    assert hit["metadata"] == {
        **FACTS["volcano"],
        "title": "volcano",
        "mime_type": "text/plain",
        "status": "processed",
        "created_at": entry["created_at"],
    }
    rest = {name: value for name, value in found.items() if name not in {"results", "facets"}}
    assert rest.pop("execution_time_ms") >= 0
    assert rest == {
        "total": 1,
        "total_count": 1,
        "limit": 10,
        "offset": 0,
        "has_more": False,
        "query": "lava",
        "pagination": {"total": 1, "limit": 10, "offset": 0},
    }


def test_a_misspelled_word_is_found(library: Library, shelf: dict[str, int]) -> None:
    assert find(library, shelf, "volcanoo") == ["volcano"]
    assert find(library, shelf, "bicylce") == ["bicycle"]
    assert find(library, shelf, "zzzzzz") == []


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "(",
        "a AND",
        "field:",
        "*",
        "-",
        "\\",
        "🌊",
        "' OR 1=1",
        "name:volcano~2^9",
        "\u202e",
        " ",
    ],
)
def test_any_text_is_a_query(library: Library, shelf: dict[str, int], query: str) -> None:
    found = library.search(query, dataset_ids=[shelf["dataset"]])
    assert found["query"] == query
    assert set(names(shelf, found)) <= TEXTS.keys()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tags": ["nature"]}, {"tides", "volcano"}),
        ({"tags": ["nature", "sea"]}, {"tides"}),
        ({"tags": ["Nature"]}, set()),
        ({"mime_types": ["text/plain"]}, set(TEXTS)),
        ({"mime_types": ["application/pdf"]}, set()),
        ({"metadata_filters": {"source": "atlas"}}, {"tides", "volcano"}),
        (
            {"metadata_filters": {"source": ["cookbook", FACTS["bicycle"]["source"]]}},
            {"bread", "bicycle"},
        ),
        ({"metadata_filters": {"source": "atla"}}, set()),
        ({"metadata_filters": {"year": 2001}}, {"tides", "bread"}),
        ({"metadata_filters": {"year": 2001.0}}, {"tides", "bread"}),
        ({"metadata_filters": {"year": "2001"}}, set()),
        ({"metadata_filters": {"year": 2.5}}, {"bicycle"}),
        ({"metadata_filters": {"open": True}}, {"tides"}),
        ({"metadata_filters": {"open": ["true", 1]}}, set()),
        ({"metadata_filters": {"authors": "Bo"}}, {"volcano"}),
        ({"metadata_filters": {"year": 2001, "source": "atlas"}}, {"tides"}),
        ({"metadata_filters": {"unknown": "x"}}, set()),
        ({"metadata_filters": {"source": []}}, set()),
        ({"status": "processed"}, set(TEXTS)),
        ({"status": "failed"}, set()),
        ({"status": "error"}, set()),
    ],
)
def test_filters_are_exact(
    library: Library, shelf: dict[str, int], filters: dict[str, Any], expected: set[str]
) -> None:
    assert set(find(library, shelf, "the", **filters)) == expected


def test_what_is_found_is_counted_by_value(library: Library, shelf: dict[str, int]) -> None:
    facets = library.search("the", dataset_ids=[shelf["dataset"]], facets=True)["facets"]
    assert facets["tags"] == {"nature": 2, "sea": 1, "kitchen": 1}
    assert facets["mime_type"] == {"text/plain": 4}
    assert {str(key): count for key, count in facets["dataset_id"].items()} == {
        str(shelf["dataset"]): 4
    }
    assert facets["metadata"]["source"]["atlas"] == 2
    without = library.search("the", dataset_ids=[shelf["dataset"]])
    assert without["facets"] is None


def test_pages_join_to_the_whole(library: Library, shelf: dict[str, int]) -> None:
    whole = find(library, shelf, "the", limit=100)
    pages = [find(library, shelf, "the", limit=1, offset=at) for at in range(5)]
    assert [name for page in pages for name in page] == whole
    assert sorted(whole) == sorted(TEXTS)
    page = library.search("the", dataset_ids=[shelf["dataset"]], limit=1, offset=1)
    assert (page["total"], page["has_more"], page["offset"]) == (4, True, 1)
    far = library.search("the", dataset_ids=[shelf["dataset"]], offset=2**62)
    assert (far["results"], far["total"], far["has_more"]) == ([], 4, False)
    for fields in ({"min_score": 0.01}, {"mode": "hybrid"}):
        assert find(library, shelf, "the", offset=2**62, **fields) == []


def test_a_least_score_leaves_out_what_is_worse(library: Library, shelf: dict[str, int]) -> None:
    found = library.search("bread yeast dough the", dataset_ids=[shelf["dataset"]])["results"]
    scores = [hit["score"] for hit in found]
    assert scores == sorted(scores, reverse=True)
    least = scores[0]
    kept = library.search("bread yeast dough the", dataset_ids=[shelf["dataset"]], min_score=least)[
        "results"
    ]
    assert [hit["entry_id"] for hit in kept] == [shelf["bread"]]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/search", {}, ("query",)),
        ("/search", {"query": ""}, ("query",)),
        ("/search", {"query": 5}, ("query",)),
        ("/search", {"query": "x" * 40_000}, ("query",)),
        ("/search", {"query": "x", "limit": 0}, ("limit",)),
        ("/search", {"query": "x", "limit": 101}, ("limit",)),
        ("/search", {"query": "x", "offset": -1}, ("offset",)),
        ("/search", {"query": "x", "min_score": 2}, ("min_score",)),
        ("/search", {"query": "x", "dataset_ids": ["y"]}, ("dataset_ids", 0)),
        ("/search", {"query": "x", "dataset_ids": 7}, ("dataset_ids",)),
        ("/search", {"query": "x", "mode": "telepathy"}, ("mode",)),
        ("/search", {"query": "x", "metadata_filters": []}, ("metadata_filters",)),
        ("/vector/chunks", {"query": "x", "limit": 101}, ("limit",)),
        ("/vector/chunks", {"query": "x", "score_threshold": -1}, ("score_threshold",)),
        ("/vector/chunks", {"query_vector": []}, ("query_vector",)),
        ("/vector/entries", {"query_vector": ["a"]}, ("query_vector", 0)),
        ("/vector/entries", {"query": "x", "entry_ids": [0]}, ("entry_ids", 0)),
    ],
)
def test_a_wrong_field_is_named(
    library: Library, path: str, body: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    problems = problems_of(library.ask("POST", path, json=body))
    assert ("body", *place) in [where for where, _ in problems]


@pytest.mark.parametrize("path", ["/vector/chunks", "/vector/entries"])
@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "  "}, {"query": None}])
def test_a_search_by_meaning_needs_a_text_or_a_vector(
    library: Library, path: str, body: dict[str, Any]
) -> None:
    assert "query" in messages_of(library.ask("POST", path, json=body))


@pytest.mark.parametrize("path", ["/vector/chunks", "/vector/entries"])
@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999", "null", '"x"'])
def test_a_vector_holds_finite_numbers(library: Library, path: str, literal: str) -> None:
    content = f'{{"query_vector":[{literal},0.5]}}'.encode()
    assert problems_of(library.ask("POST", path, content=content))


def test_chunks_are_found_by_meaning(library: Library, shelf: dict[str, int]) -> None:
    found = library.chunks(query="baking a loaf", dataset_ids=[shelf["dataset"]], limit=2)
    assert names(shelf, found)[0] == "bread"
    assert found["total"] == len(found["results"]) == 2
    first = found["results"][0]
    assert first["chunk_text"] == TEXTS["bread"]
    assert first["metadata"]["entry_id"] == first["entry_id"] == shelf["bread"]
    assert first["metadata"]["dataset_id"] == first["dataset_id"] == shelf["dataset"]
    assert first["metadata"]["chunk_index"] == 0
    assert first["id"]
    scores = [hit["score"] for hit in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert found["query_info"]["query"] == "baking a loaf"
    assert found["query_info"]["execution_time_ms"] > 0


def test_entries_are_found_by_their_best_chunk(library: Library, shelf: dict[str, int]) -> None:
    body = {"query": "eruption of a mountain", "dataset_ids": [shelf["dataset"]], "limit": 3}
    found = library.call("POST", "/vector/entries", json=body)
    assert found["total"] == 3
    first = found["results"][0]
    assert first["entry_id"] == shelf["volcano"]
    assert first["score"] == max(chunk["score"] for chunk in first["matching_chunks"])
    assert first["content"] == {"text": TEXTS["volcano"]}
    assert first["name"] == "volcano"


@pytest.mark.parametrize("path", ["/vector/chunks", "/vector/entries"])
def test_filters_of_a_search_by_meaning_come_before_the_best(
    library: Library, shelf: dict[str, int], path: str
) -> None:
    def ask(**fields: Any) -> list[str]:
        body = {"query": "baking a loaf", **fields}
        return names(shelf, library.call("POST", path, json=body))

    assert ask(entry_ids=[shelf["bicycle"]], limit=1) == ["bicycle"]
    assert ask(entry_ids=[], limit=1) == []
    assert ask(entry_ids=[999999]) == []
    assert ask(dataset_ids=[999999]) == []
    assert ask(dataset_ids=[]) == []
    scope = [shelf["dataset"]]
    assert ask(dataset_ids=scope, collection_name="elsewhere") == []
    whole = ask(dataset_ids=scope, limit=10)
    assert sorted(whole) == sorted(TEXTS)
    assert ask(dataset_ids=scope, limit=2, offset=1) == whole[1:3]
    assert ask(dataset_ids=scope, score_threshold=1) == []


def test_a_vector_wins_over_a_text(library: Library, shelf: dict[str, int]) -> None:
    sql = f"SELECT embedding FROM documents.{{}}.chunks WHERE entry_id = {shelf['tides']}"
    slug = library.call("GET", f"/datasets/{shelf['dataset']}")["slug"]
    ((vector,),) = library.rows(sql.format(f'"{slug}"'))
    found = library.chunks(
        query="baking a loaf", query_vector=vector, dataset_ids=[shelf["dataset"]]
    )
    assert names(shelf, found)[0] == "tides"
    assert found["results"][0]["score"] == pytest.approx(1, abs=1e-3)


def test_a_vector_of_another_width_is_refused(library: Library, shelf: dict[str, int]) -> None:
    for path in ("/vector/chunks", "/vector/entries"):
        body = {"query_vector": [0.5] * 3, "dataset_ids": [shelf["dataset"]]}
        text = detail_of(library.ask("POST", path, json=body), 400)
        assert "3 numbers" in text
        assert "256" in text


def test_datasets_with_vectors_of_other_widths_do_not_spoil_a_search_of_all(
    library: Library, shelf: dict[str, int]
) -> None:
    own = library.entry(library.dataset()["id"])
    vector = [0.25, 0.5, -1.0, 0.125, 3.0]
    chunk = {"chunk_text": "A loaf of its own kind", "chunk_index": 0, "embedding": vector}
    library.call("POST", f"/entries/{own['id']}/chunks", json={"chunks": [chunk]})
    ids = {hit["entry_id"] for hit in library.chunks(query="baking a loaf", limit=100)["results"]}
    assert shelf["bread"] in ids
    assert own["id"] not in ids
    (hit,) = library.chunks(query_vector=vector)["results"]
    assert hit["entry_id"] == own["id"]
    found = library.search("baking a loaf", mode="hybrid", limit=100)["results"]
    assert shelf["bread"] in {each["entry_id"] for each in found}


def test_a_hybrid_search_finds_by_words_and_by_meaning(
    library: Library, shelf: dict[str, int]
) -> None:
    assert find(library, shelf, "loaf", limit=1) == []
    assert find(library, shelf, "loaf", mode="hybrid", limit=1) == ["bread"]
    filtered = find(library, shelf, "loaf", mode="hybrid", tags=["nature"])
    assert set(filtered) <= {"tides", "volcano"}
    assert filtered


def test_unknown_datasets_have_nothing(library: Library, shelf: dict[str, int]) -> None:
    for ids in ([], [999999], [2**63 - 1]):
        found = library.search("the", dataset_ids=ids)
        assert (found["results"], found["total"]) == ([], 0)
    mixed = library.search("the", dataset_ids=[999999, str(shelf["dataset"])])
    assert mixed["total"] == 4


def test_health_says_that_every_part_works(server: RunningServer, library: Library) -> None:
    healthy = library.call("GET", "/health")
    assert healthy["status"] == "healthy"
    assert healthy["version"]
    assert healthy["services"] == {
        name: {"status": "healthy"} for name in ("database", "storage", "search", "vector")
    }


def test_health_says_which_part_is_away(narrow: Library, narrow_folder: Path) -> None:
    blobs, away = narrow_folder / "blobs", narrow_folder / "blobs-away"
    blobs.rename(away)
    blobs.touch()
    try:
        response = narrow.ask("GET", "/health")
        uploaded = narrow.send(narrow.entry(narrow.dataset()["id"])["id"], "x.txt", b"x")
    finally:
        blobs.unlink()
        away.rename(blobs)
    assert response.status_code == 503
    assert response.json()["status"] == "degraded"
    parts = {name: part["status"] for name, part in response.json()["services"].items()}
    assert parts == {
        "database": "healthy",
        "storage": "unhealthy",
        "search": "healthy",
        "vector": "healthy",
    }
    assert detail_of(uploaded, 503)
    assert narrow.ask("GET", "/health").status_code == 200
    # Nor does the server stay blind to what came back.
    entry_id = narrow.entry(narrow.dataset(preset="general_purpose")["id"])["id"]
    narrow.upload(entry_id, "x.txt", b"Spring tides follow the full moon.")
    (processed,) = narrow.settle([entry_id])
    assert processed["status"] == "processed"
