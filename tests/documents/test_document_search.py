"""The search of documents: words with errors, filters, counts, marks, and chunks by meaning."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from engine.documents.search.answer import search_documents
from engine.documents.search.marks import Marker
from engine.documents.search.words import SoughtPhrase, SoughtWord, read_words
from engine.workers.document_tasks import (
    DocumentSearchTask,
    MetadataFilter,
    SearchedDataset,
    SearchFilters,
    SearchMode,
    SegmentBinding,
)
from engine.workers.open_indexes import OpenIndexes
from engine.workers.tasks import dump_task, load_task
from tests.documents.staged import WIDTH, Document, build, vectors_of

LONG = "Lorem ipsum dolor sit amet. " * 400
PAPERS = [
    Document(1, ("Quantum computing with trapped ions", "An ion is charged"), "quantum.pdf",
             "Quantum computing", "A survey", tags=("physics", "survey"), mime_type="application/pdf",
             metadata={"year": 2021, "lab": "Zürich", "open": True}),
    Document(2, ("The gene CRISPR edits", "Editing of genes"), "genes.docx", "Gene editing",
             text=f"{LONG}CRISPR edits a gene. {LONG}", tags=("biology",),
             metadata={"year": 2020, "lab": "Paris", "authors": ["Ada", "Bo"]}),
    Document(3, ("Catalogue of cafés in Zürich", "Coffee and cake"), "cafes.txt", "Cafés",
             tags=("travel", "survey"), metadata={"year": "2021", "nested": {"deep": "hidden"}}),
    Document(4, ("量子力学の入門書です", "Chinese and Japanese"), "入門.txt", "量子力学",
             tags=("physics",), metadata={"lab": "Kyōto", "quote\"d.field": "a 'b' \"c\""}),
    Document(5, ("Quanta of light were proposed", "by Planck in 1900"), "planck.md", None,
             tags=(), mime_type=None, metadata={}),
]  # fmt: skip

Find = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> list[SegmentBinding]:
    """Five papers in three segments, and an old processing of the first one, which is dead."""
    root = tmp_path_factory.mktemp("papers")
    old = replace(PAPERS[0], title="Quantum steam engines", chunks=("steam", "quantum steam"))
    build(root / "a", [(1, old), (2, PAPERS[1])])
    build(root / "b", [(3, PAPERS[2])])
    build(root / "c", [(4, PAPERS[3]), (5, PAPERS[4]), (6, PAPERS[0])])
    return [
        SegmentBinding(str(root / "a"), (1,)),
        SegmentBinding(str(root / "b")),
        SegmentBinding(str(root / "c")),
    ]


@pytest.fixture
def indexes(tmp_path: Path) -> OpenIndexes:
    return OpenIndexes(tmp_path / "scratch")


@pytest.fixture
def find(papers: list[SegmentBinding], indexes: OpenIndexes) -> Find:
    def found(
        query: str,
        mode: SearchMode = SearchMode.KEYWORD,
        vector: Sequence[float] | None = None,
        segments: Sequence[SegmentBinding] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        chosen = tuple(papers if segments is None else segments)
        dataset = SearchedDataset(1, chosen, None if vector is None else tuple(vector))
        task = DocumentSearchTask(mode, query, (dataset,), "english", **options)
        answer = search_documents(task, indexes.segments)
        orjson.dumps(answer)  # it leaves the worker as JSON
        return answer

    return found


def ids(answer: dict[str, Any]) -> list[int]:
    return [hit["entry_id"] for hit in answer["hits"]]


def vector_of(text: str) -> list[float]:
    (vector,) = vectors_of(Document(0, (text,)))
    assert vector is not None
    return vector


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("quantum", {1}),
        ("QUANTUM", {1}),
        ("quantm", {1, 5}),  # a letter is missing
        ("qauntum", {1}),  # two changed places
        ("quxntux", set()),  # two errors are too many in seven letters
        ("comptuingx", {1}),  # two errors in ten letters
        ("geen", set()),  # none in four
        ("quan", {1, 5}),  # begins so
        ("quan ", set()),  # is a whole word
        ("edit", {2}),  # a stem
        ("genes", {2}),
        ("zurich", {1, 3}),  # without its accent; in metadata too
        ("Zürich", {1, 3}),
        ("cafe", {3}),
        ("量子", {4}),
        ("力学", {4}),
        ("学力", set()),
        ("hidden", {3}),  # however deep
        ("steam", set()),  # what is dead
        ("catalog", {3}),  # begins so
        ('"trapped ions"', {1}),
        ('"ions trapped"', set()),
        ("ions steam", {1}),  # any of the words
        ("of", {3, 5}),  # nothing else is sought
        ("of computing", {1}),
        ("the quantum", {1}),
        ("2021", {1, 3}),
        ("2012", set()),  # numbers have no errors
        ("...", set()),
        ("   ", {1, 2, 3, 4, 5}),
        ("", {1, 2, 3, 4, 5}),
        ("(edits OR ^ ~ AND title:", {2}),
    ],
)
def test_words_find_entries(find: Find, query: str, wanted: set[int]) -> None:
    answer = find(query)
    assert set(ids(answer)) == wanted
    assert answer["total"] == len(wanted)


def test_what_is_exact_and_in_a_title_comes_first(tmp_path: Path, find: Find) -> None:
    texts = ("nothing here", "about harvests", "about harvest", "about harvset", "about harves")
    documents = [(n, Document(n, (text,))) for n, text in enumerate(texts, 1)]
    documents.append((6, Document(6, ("nothing",), title="Harvest")))
    build(tmp_path / "one", documents)
    segments = [SegmentBinding(str(tmp_path / "one"))]
    answer = find("harvest ", segments=segments)
    assert ids(answer)[:2] == [6, 3]
    assert set(ids(answer)[2:]) == {2, 4, 5}
    assert ids(answer)[2] == 2  # its stem is the same
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] < 1


def test_pages_follow_each_other(find: Find) -> None:
    every = ids(find("quantum gene zurich planck"))
    assert len(every) == 5 - 1
    paged = [ids(find("quantum gene zurich planck", limit=1, offset=offset)) for offset in range(5)]
    assert [page for page in paged if page] == [[each] for each in every]
    assert find("quantum", limit=1, offset=7)["total"] == 1


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (SearchFilters(), {1, 2, 3, 4, 5}),
        (SearchFilters(tags=("survey",)), {1, 3}),
        (SearchFilters(tags=("survey", "physics")), {1}),
        (SearchFilters(tags=("surve",)), set()),
        (SearchFilters(mime_types=("application/pdf", "text/nothing")), {1}),
        (SearchFilters(mime_types=("text/plain",)), {2, 3, 4}),
        (SearchFilters(metadata=(MetadataFilter("year", (2021,)),)), {1}),
        (SearchFilters(metadata=(MetadataFilter("year", (2021.0,)),)), {1}),
        (SearchFilters(metadata=(MetadataFilter("year", ("2021",)),)), {3}),
        (SearchFilters(metadata=(MetadataFilter("year", ("2021", 2020.0)),)), {2, 3}),
        (SearchFilters(metadata=(MetadataFilter("authors", ("Bo",)),)), {2}),
        (SearchFilters(metadata=(MetadataFilter("open", (True,)),)), {1}),
        (SearchFilters(metadata=(MetadataFilter("open", ("true", 1)),)), set()),
        (SearchFilters(metadata=(MetadataFilter("lab", ("Zurich",)),)), set()),
        (SearchFilters(metadata=(MetadataFilter("lab", ("Zürich",)),)), {1}),
        (SearchFilters(metadata=(MetadataFilter('quote"d.field', ("a 'b' \"c\"",)),)), {4}),
        (SearchFilters(metadata=(MetadataFilter("nothing", ("x",)),)), set()),
        (SearchFilters(metadata=(MetadataFilter("lab", ()),)), set()),
        (
            SearchFilters(
                metadata=(MetadataFilter("year", (2021,)), MetadataFilter("lab", ("Zürich",)))
            ),
            {1},
        ),
        (SearchFilters(entry_ids=(3, 5, 99)), {3, 5}),
        (SearchFilters(entry_ids=()), set()),
        (SearchFilters(entry_ids=(1, 3), tags=("physics",)), {1}),
    ],
)
def test_filters_are_exact_in_every_mode(
    find: Find, filters: SearchFilters, wanted: set[int]
) -> None:
    vector = vector_of("anything")
    assert set(ids(find("", filters=filters))) == wanted
    assert set(ids(find("", SearchMode.CHUNKS, vector, filters=filters, limit=100))) == wanted
    assert set(ids(find("", SearchMode.ENTRIES, vector, filters=filters))) == wanted
    assert set(ids(find("quantum", SearchMode.HYBRID, vector, filters=filters))) == wanted


def test_values_are_counted_over_all_matches(find: Find) -> None:
    facets = find("", limit=1)["facets"]
    assert facets["dataset_id"] == {"1": 5}
    assert facets["mime_type"] == {"text/plain": 3, "application/pdf": 1}
    assert facets["tags"] == {"physics": 2, "survey": 2, "biology": 1, "travel": 1}
    assert facets["metadata"] == {
        "year": {"2021": 2, "2020": 1},
        "lab": {"Zürich": 1, "Paris": 1, "Kyōto": 1},
        "open": {"true": 1},
        "authors": {"Ada": 1, "Bo": 1},
        'quote"d.field': {"a 'b' \"c\"": 1},
    }
    facets = find("quantum")["facets"]
    assert facets["metadata"] == {"year": {"2021": 1}, "lab": {"Zürich": 1}, "open": {"true": 1}}
    assert find("quantum", with_facets=False)["facets"] is None


def test_fields_with_many_values_are_filtered_but_not_counted(tmp_path: Path, find: Find) -> None:
    long = "x" * 10_000
    documents = [
        (n + 1, Document(n, (), metadata={"doi": f"10/{n}", "parity": n % 2, "long": f"{long}{n % 3}"}))
        for n in range(150)
    ]  # fmt: skip
    build(tmp_path / "one", documents[:80])
    build(tmp_path / "two", documents[80:])
    segments = [SegmentBinding(str(tmp_path / name)) for name in ("one", "two")]
    assert find("", segments=segments)["facets"]["metadata"] == {"parity": {"0": 75, "1": 75}}
    for field, value, count in (("doi", "10/7", 1), ("long", f"{long}1", 50), ("long", long, 0)):
        filters = SearchFilters(metadata=(MetadataFilter(field, (value,)),))
        assert find("", segments=segments, filters=filters)["total"] == count


def test_values_of_several_kinds_are_told_apart(tmp_path: Path, find: Find) -> None:
    long = "7" * 300
    given = [[5, "5", 5.0], "5", -2.5, "-2.5", False, "false", 0, "~5", "=5", long, "2021-03-04"]
    documents = [
        (number, Document(number, (), metadata={"x": value}))
        for number, value in enumerate(given, 1)
    ]
    build(tmp_path / "one", documents)
    segments = [SegmentBinding(str(tmp_path / "one"))]

    def having(value: Any) -> list[int]:
        filters = SearchFilters(metadata=(MetadataFilter("x", (value,)),))
        return sorted(ids(find("", segments=segments, filters=filters)))

    assert having(5) == having(5.0) == [1]
    assert having("5") == [1, 2]
    assert [having(value) for value in given[2:]] == [[number] for number in range(3, 12)]
    assert having(True) == having("0") == having("~") == []
    counted = find("", segments=segments)["facets"]["metadata"]["x"]
    assert counted == {"5": 3, "-2.5": 2, "false": 2, "0": 1, "~5": 1, "=5": 1, "2021-03-04": 1}


def test_a_least_score_cuts_hits_total_and_counts(find: Find) -> None:
    every = find("quantum catalogue planck")
    scores = [hit["score"] for hit in every["hits"]]
    assert len(scores) == 3
    for count, least in ((3, 0.0), (2, (scores[1] + scores[2]) / 2), (1, scores[0]), (0, 1.0)):
        answer = find("quantum catalogue planck", score_min=least)
        assert ids(answer) == ids(every)[:count]
        assert answer["total"] == count
        assert sum(answer["facets"]["dataset_id"].values()) == count
    assert find("quantum catalogue planck", score_min=0.01, offset=2)["total"] == 3


@pytest.mark.parametrize(
    ("query", "entry", "marks"),
    [
        ("quantm", 1, {"name": "<mark>quantum</mark>.pdf",
                       "title": "<mark>Quantum</mark> computing",
                       "text": "<mark>Quantum</mark> computing with trapped ions\nAn ion is charged"}),
        ("ion", 1, {"text": "Quantum computing with trapped <mark>ions</mark>\nAn <mark>ion</mark> is"
                            " charged"}),
        ("cafe", 3, {"name": "<mark>cafes</mark>.txt", "title": "<mark>Cafés</mark>",
                     "text": "Catalogue of <mark>cafés</mark> in Zürich\nCoffee and cake"}),
        ("zurich", 1, {"metadata.lab": "<mark>Zürich</mark>"}),
        ("量子", 4, {"title": "<mark>量子</mark>力学", "text": "<mark>量子</mark>力学の入門書です\nChinese and Japanese"}),
        ('"planck in 1900"', 5, {"text": "Quanta of light were proposed\nby <mark>Planck in 1900</mark>"}),
    ],
)  # fmt: skip
def test_marks_are_where_the_words_are(
    find: Find, query: str, entry: int, marks: dict[str, str]
) -> None:
    (hit,) = (hit for hit in find(query)["hits"] if hit["entry_id"] == entry)
    assert hit["highlighted"] == marks


def test_a_long_text_shows_its_best_part(find: Find) -> None:
    for query in ("crispr gene", "crisprs gnene", "CRISPR"):
        (hit,) = find(query)["hits"]
        text = hit["highlighted"]["text"]
        assert "<mark>CRISPR</mark> edits a" in text
        assert ("<mark>gene</mark>" in text) == (query != "CRISPR")
        assert text.startswith("…")
        assert text.endswith("…")
        assert len(text) <= 200 + 2 + 13 * 2
    assert "highlighted" not in find("crispr", with_highlights=False)["hits"][0]


def test_a_misspelled_word_is_marked_in_every_text(tmp_path: Path, find: Find) -> None:
    texts = [f"{LONG}The quantum of light. {LONG}{number}" for number in range(4)]
    papers = [Document(n, (), f"{n}.txt", text=text) for n, text in enumerate(texts, 1)]
    build(tmp_path / "s", [(paper.id, paper) for paper in papers])
    hits = find("qauntum ", segments=[SegmentBinding(str(tmp_path / "s"))])["hits"]
    assert len(hits) == 4
    assert all("<mark>quantum</mark> of light" in hit["highlighted"]["text"] for hit in hits)


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ('"gene therapy" river ', "river general therapy", ["river"]),
        ('"the cat" river ', "river category", ["river"]),
        ('"gene therapy" river ', "river gene, therapy", ["river", "gene, therapy"]),
        ("one two three four five six seven eight nine ten quantum ", "ten quantumx", ["ten"]),
        ("one two three four five six seven eight nine ten quantum ", "ten quantum", ["ten", "quantum"]),
        ("edit edits ", "an edit", ["edit"]),
    ],
)  # fmt: skip
def test_nothing_else_is_marked_than_what_is_found(
    tmp_path: Path, find: Find, query: str, text: str, marked: list[str]
) -> None:
    for number, words in enumerate((text, f"{LONG}{text}"), 1):
        build(tmp_path / str(number), [(1, Document(1, (), "a.bin", description=text, text=words))])
        (hit,) = find(query, segments=[SegmentBinding(str(tmp_path / str(number)))])["hits"]
        for field in ("description", "text"):
            shown = hit["highlighted"][field]
            assert [part.split("</mark>")[0] for part in shown.split("<mark>")[1:]] == marked


def test_a_word_is_marked_behind_many_that_begin_like_it() -> None:
    marker = Marker(read_words("gene ", "english"), "english")
    shown = marker.whole("general " * 1500 + "genes")
    assert shown is not None
    assert shown.endswith("<mark>genes</mark>")


def test_what_other_texts_taught_hides_no_mark() -> None:
    marker = Marker(read_words("protein ", "english"), "english")
    letters = "abcdefghijklmnopqrstuvwxyz"
    spellings = [f"{letter}rotein" for letter in letters] + [
        f"pr{letter}tein" for letter in letters
    ]
    marker.whole(" ".join([*spellings, *(f"pro{letter}ein" for letter in letters)]))
    assert marker.whole("a proteen") == "a <mark>proteen</mark>"


def test_marks_are_whole_words_that_the_search_finds() -> None:
    rng = random.Random(2)
    vocabulary = ["gene", "genes", "general", "genome", "oxygen", "genre", "Généreux", "GENE", "ge"]
    for _ in range(200):
        words = rng.choices(vocabulary, k=rng.choice([5, 2_000]))
        text = rng.choice([" ", ", ", "-"]).join(words)
        marker = Marker(read_words("gene ", "english"), "english")
        shown = marker.open(text, [0]).best_part()
        wanted = {"gene", "genes", "GENE"} & set(words)
        if not wanted:
            assert shown is None
            continue
        assert shown is not None
        marked = {part.split("</mark>")[0] for part in shown.split("<mark>")[1:]}
        assert marked
        assert marked <= wanted
        plain = shown.replace("<mark>", "").replace("</mark>", "").strip("…")
        assert plain in text


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ('"over the line"', "phrase over\nthe line", "phrase [over\nthe line]"),
        ('"sluice gates"', "old sluice,  gate and gates", "old [sluice,  gate] and gates"),
        ('"happy gate"', "happening gate, happy gates", "happening gate, [happy gates]"),
        ('"élan vital"', "un élan vital", "un [élan vital]"),
        ("batteries", "batteries, battery", "[batteries], [battery]"),
        ("battery", "batteries, battery", "[batteries], [battery]"),
        ("水", "水水x", "[水水]x"),
        ('"水位"', "这里水位很高", "这里[水位]很高"),
        ("水 glacier", "这里水位很高", "这里[水]位很高"),
        ("python", "使用Python编程", "使用[Python]编程"),
        ("pyhton", "使用Python编程", "使用[Python]编程"),
        ("python编程", "使用Python编程", "使用[Python编程]"),
        ("ไทย", "ประเทศไทยสวย", "ประเทศ[ไทย]สวย"),
        ("genes glacier", "genes, gene", "[genes], [gene]"),
        ("(a+)+ [", "a+ [ b", "[a]+ [ b"),
        ("किताब", "हिन्दी किताब", "हिन्दी [किताब]"),
    ],
)
def test_phrases_forms_and_characters_are_marked(query: str, text: str, shown: str) -> None:
    marker = Marker(read_words(query, "english"), "english")
    marked = marker.whole(text)
    assert marked is not None
    assert marked.replace("<mark>", "[").replace("</mark>", "]") == shown


def test_marks_in_a_text_that_is_one_word_are_found_in_time() -> None:
    marker = Marker(read_words('"tide of gates" 水', "english"), "english")
    shown = marker.open("tide" * 500_000 + " tide of gates " + "水" * 50_000, [0, 1]).best_part()
    assert shown is not None
    assert "<mark>tide of gates</mark>" in shown
    assert len(shown) < 300


def test_hits_carry_the_columns_of_the_entry(find: Find) -> None:
    (hit,) = find("planck")["hits"]
    assert {**hit, "score": 0, "highlighted": 0} == {
        "entry_id": 5, "dataset_id": 1, "name": "planck.md", "title": None,
        "description": None, "mime_type": None, "tags": [], "metadata": {},
        "created_at": "2026-03-01T12:00:00.500000Z", "score": 0, "highlighted": 0,
    }  # fmt: skip


def brute_chunks(
    live: Sequence[Document], vector: Sequence[float], entry_ids: set[int] | None = None
) -> list[tuple[float, int, int]]:
    """All chunks as (score, entry, index), best first."""
    query = np.array(vector, np.float64)
    rows = []
    for each in live:
        if entry_ids is not None and each.id not in entry_ids:
            continue
        for index, numbers in enumerate(vectors_of(each, len(vector))):
            if numbers is not None:
                other = np.array(numbers, np.float32).astype(np.float64)
                cosine = other @ query / np.linalg.norm(other) / np.linalg.norm(query)
                rows.append((float(np.clip(cosine, 0, 1)), each.id, index))
    return sorted(rows, key=lambda row: (-row[0], row[1], row[2]))


def test_chunks_are_the_nearest_in_one_order(find: Find, tmp_path: Path) -> None:
    rng = random.Random(4)
    live = [
        Document(n, tuple(rng.choices([f"text {k}" for k in range(12)], k=rng.randint(1, 4))),
                 has_gap=n % 5 == 0)
        for n in rng.sample(range(100), 40)
    ]  # fmt: skip
    build(tmp_path / "one", [(n, each) for n, each in enumerate(live[:15], 1)])
    build(tmp_path / "two", [(n, each) for n, each in enumerate(live[15:], 100)])
    segments = [SegmentBinding(str(tmp_path / name)) for name in ("one", "two")]
    for number in range(6):
        vector = vector_of(f"query {number}")
        chosen = None if number % 2 else {each.id for each in live[::3]}
        filters = SearchFilters(entry_ids=None if chosen is None else tuple(chosen))
        every = brute_chunks(live, vector, chosen)
        for offset, limit in ((0, 1), (0, 7), (5, 4), (0, 100), (90, 20)):
            answer = find(
                "", SearchMode.CHUNKS, vector, segments,
                limit=limit, offset=offset, filters=filters,
            )  # fmt: skip
            found = [(hit["entry_id"], hit["chunk_index"]) for hit in answer["hits"]]
            wanted = every[offset : offset + limit]
            positive = [row[1:] for row in wanted if row[0] > 0]
            assert found[: len(positive)] == positive
            assert len(found) == len(wanted) == answer["total"]
            scores = [hit["score"] for hit in answer["hits"]]
            assert scores == pytest.approx([row[0] for row in wanted], abs=1e-6)


def test_pages_of_what_is_far_follow_each_other(find: Find, tmp_path: Path) -> None:
    rng = random.Random(6)
    live = [Document(n, (f"far {n}", f"off {n}")) for n in rng.sample(range(100), 40)]
    build(tmp_path / "one", [(n, each) for n, each in enumerate(live[:15], 1)])
    build(tmp_path / "two", [(n, each) for n, each in enumerate(live[15:], 100)])
    segments = [SegmentBinding(str(tmp_path / name)) for name in ("one", "two")]
    vector = vector_of("query")
    query = np.array(vector)
    cosines = {
        (each.id, index): float(query @ other / np.linalg.norm(query) / np.linalg.norm(other))
        for each in live
        for index, other in enumerate(np.array(vectors_of(each)))
    }
    wanted = sorted(cosines, key=lambda key: -cosines[key])
    assert sum(cosine < 0 for cosine in cosines.values()) > 20
    for limit in (3, 10):
        chunks, entries = [
            [
                hit
                for offset in range(0, 90, limit)
                for hit in find("", mode, vector, segments, limit=limit, offset=offset)["hits"]
            ]
            for mode in (SearchMode.CHUNKS, SearchMode.ENTRIES)
        ]
        assert [(hit["entry_id"], hit["chunk_index"]) for hit in chunks] == wanted
        assert [hit["score"] for hit in chunks] == pytest.approx(
            [max(cosines[key], 0) for key in wanted], abs=1e-6
        )
        assert [hit["entry_id"] for hit in entries] == list(dict.fromkeys(n for n, _ in wanted))


def test_what_is_equally_near_comes_by_entry_and_chunk(find: Find, tmp_path: Path) -> None:
    numbers = random.Random(7).sample(range(100), 30)
    build(
        tmp_path / "one", [(n, Document(each, ("same", "same"))) for n, each in enumerate(numbers)]
    )
    segments = [SegmentBinding(str(tmp_path / "one"))]
    for vector in (np.array(vector_of("same")), -np.array(vector_of("same"))):
        chunks = [
            (hit["entry_id"], hit["chunk_index"])
            for offset in range(0, 60, 7)
            for hit in find("", SearchMode.CHUNKS, vector, segments, limit=7, offset=offset)["hits"]
        ]
        assert chunks == [(n, index) for n in sorted(numbers) for index in (0, 1)]
        entries = [
            entry_id
            for offset in range(0, 30, 2)
            for entry_id in ids(
                find("", SearchMode.ENTRIES, vector, segments, limit=2, offset=offset)
            )
        ]
        assert entries == sorted(numbers)


def test_entries_come_by_their_best_chunk(find: Find, tmp_path: Path) -> None:
    live = [Document(n, tuple(f"{n} text {k}" for k in range(1 + n % 8))) for n in range(40)]
    build(tmp_path / "one", [(n + 1, each) for n, each in enumerate(live)])
    segments = [SegmentBinding(str(tmp_path / "one"))]
    for number in range(4):
        vector = vector_of(f"query {number}")
        every = brute_chunks(live, vector)
        best = list(dict.fromkeys(entry for score, entry, _ in every if score > 0))
        answer = find("", SearchMode.ENTRIES, vector, segments, limit=6, offset=2)
        assert ids(answer) == best[2:8]
        for hit in answer["hits"]:
            its = [row for row in every if row[1] == hit["entry_id"]]
            shown = [chunk["chunk_index"] for chunk in hit["chunks"]]
            assert 1 <= len(shown) <= 5
            assert shown == [row[2] for row in its][: len(shown)]
            assert hit["score"] == pytest.approx(its[0][0], abs=1e-6)
            assert hit["chunks"][0]["chunk_text"] in live[hit["entry_id"]].chunks


def test_a_threshold_leaves_chunks_out(find: Find) -> None:
    vector = vector_of("An ion is charged")
    every = find("", SearchMode.CHUNKS, vector, limit=100)["hits"]
    assert every[0]["score"] == pytest.approx(1)
    least = (every[1]["score"] + every[2]["score"]) / 2
    assert len(find("", SearchMode.CHUNKS, vector, score_min=least)["hits"]) == 2
    assert ids(find("", SearchMode.ENTRIES, vector, score_min=0.99)) == [1]
    assert find("", SearchMode.CHUNKS, vector, offset=100) == {"hits": [], "total": 0}


def test_datasets_are_searched_together_each_by_its_own_model(
    papers: list[SegmentBinding], indexes: OpenIndexes, tmp_path: Path
) -> None:
    wide = Document(50, ("Quantum gravity", "loops"), dataset_id=2, tags=("physics",))
    plain = Document(60, ("Quantum of solace",), dataset_id=3)
    build(tmp_path / "wide", [(70, wide)], width=3)
    build(tmp_path / "plain", [(80, plain)], width=None)
    (vector,) = vectors_of(replace(wide, chunks=("loops",)), 3)
    assert vector is not None
    datasets = (
        SearchedDataset(2, (SegmentBinding(str(tmp_path / "wide")),), tuple(vector)),
        SearchedDataset(1, tuple(papers), tuple(vector_of("An ion is charged"))),
        SearchedDataset(3, (SegmentBinding(str(tmp_path / "plain")),)),
        SearchedDataset(4, (), (1.0, 2.0)),
    )
    task = DocumentSearchTask(SearchMode.CHUNKS, "", datasets, "english", limit=2)
    hits = search_documents(task, indexes.segments)["hits"]
    assert [(hit["dataset_id"], hit["chunk_text"]) for hit in hits] == [
        (1, "An ion is charged"), (2, "loops"),
    ]  # fmt: skip
    task = replace(task, mode=SearchMode.KEYWORD, query="quantum", limit=10)
    answer = search_documents(task, indexes.segments)
    assert set(ids(answer)) == {1, 50, 60}
    assert answer["facets"]["dataset_id"] == {"1": 1, "2": 1, "3": 1}
    assert load_task(dump_task(task)) == task
    task = replace(task, mode=SearchMode.HYBRID, query="solace loops")
    assert ids(search_documents(task, indexes.segments))[0] == 50  # by both


def test_both_ways_together_rank_above_one(find: Find) -> None:
    vector = vector_of("Coffee and cake")
    answer = find("quantum cafe", SearchMode.HYBRID, vector)
    assert ids(answer)[0] == 3
    assert answer["total"] == 5
    assert Counter(ids(answer)) == Counter([1, 2, 3, 4, 5])
    scores = [hit["score"] for hit in answer["hits"]]
    assert 1 >= scores[0] > scores[-1] > 0
    assert scores == sorted(scores, reverse=True)
    paged = [
        ids(find("quantum cafe", SearchMode.HYBRID, vector, limit=2, offset=n)) for n in (0, 2)
    ]
    assert paged[0] + paged[1] == ids(answer)[:4]
    assert ids(find("cafe", SearchMode.HYBRID)) == [3]  # no vectors
    cut = find("quantum cafe", SearchMode.HYBRID, vector, score_min=scores[1])
    assert cut["total"] == len(cut["hits"]) == 2


def test_pages_of_both_ways_follow_each_other(find: Find, tmp_path: Path) -> None:
    rng = random.Random(8)
    live = [
        (n, Document(n, (f"{n} quantum " + "gene " * rng.randint(0, 9),))) for n in range(1, 301)
    ]
    build(tmp_path / "one", live)
    segments = [SegmentBinding(str(tmp_path / "one"))]
    vector = vector_of("query")
    whole = find("quantum", SearchMode.HYBRID, vector, segments, limit=100)
    for limit in (10, 25):
        pages = [
            find("quantum", SearchMode.HYBRID, vector, segments, limit=limit, offset=offset)
            for offset in range(0, 100, limit)
        ]
        assert [each for page in pages for each in ids(page)] == ids(whole)
        assert {page["total"] for page in pages} == {300}
    further = [
        ids(find("quantum", SearchMode.HYBRID, vector, segments, limit=100, offset=offset))
        for offset in (100, 200)
    ]
    assert len({*ids(whole), *further[0], *further[1]}) == 300


@pytest.mark.parametrize("mode", SearchMode)
def test_room_is_made_for_no_more_than_there_is(find: Find, mode: SearchMode) -> None:
    vector = vector_of("query")
    many = 1 << 60  # tantivy would panic
    assert ids(find("quantum", mode, vector, limit=many)) == ids(
        find("quantum", mode, vector, limit=100)
    )
    for offset in (5, many):
        assert ids(find("quantum", mode, vector, limit=many, offset=offset)) == ids(
            find("quantum", mode, vector, limit=100, offset=offset)
        )


def test_nothing_is_found_where_nothing_is(find: Find) -> None:
    empty: dict[str, Any] = {"hits": [], "total": 0}
    counts: dict[str, Any] = {"dataset_id": {}, "mime_type": {}, "tags": {}, "metadata": {}}
    vector = vector_of("x")
    assert find("quantum", segments=[]) == empty | {"facets": counts}
    assert find("quantum", SearchMode.HYBRID, vector, []) == empty | {"facets": counts}
    assert find("", SearchMode.CHUNKS, vector, []) == empty
    assert find("", SearchMode.ENTRIES, vector, []) == empty
    assert find("", SearchMode.CHUNKS, [1.0] * (WIDTH - 3)) == empty  # another model's


def test_what_is_sought_is_read_from_the_text() -> None:
    assert read_words("The Genetics of e-mail geneti", "english") == [
        SoughtWord("genetics", "genet", 1),
        SoughtWord("e", "e"),
        SoughtWord("mail", "mail"),
        SoughtWord("geneti", "geneti", 1, is_beginning=True),
    ]
    assert read_words('gene "The  two words" ', "english") == [
        SoughtWord("gene", "gene"),
        SoughtPhrase("The  two words", ((0, "two"), (1, "word"))),
    ]
    assert read_words("of the", "english") == [
        SoughtWord("of", None), SoughtWord("the", None, is_beginning=True),
    ]  # fmt: skip
    assert len(read_words(" ".join(f"w{n}" for n in range(1000)), "english")) == 128
    assert read_words('"', "english") == []
