"""What a full-text index finds and how it scores is what the formula and a plain reading say."""

import os
import random
import shutil
import string
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.indexes.bm25 import Bm25Builder, Bm25Index, Bm25Spec
from tests.indexes.plain_bm25 import PlainBm25, build_index, open_index, rows_found

ROOT = Path(__file__).parents[2]
SEED = 20_261_103
CLOSE = 1e-4

Row = Mapping[str, list[str]]
Finds = Callable[[Row], bool]


def random_word(rng: random.Random, letters: str, length: int) -> str:
    return "".join(rng.choices(letters, k=length))


@cache
def repeated_texts() -> dict[str, list[str | None]]:
    """Two columns: repeated words in texts of all lengths, and words that fill segments."""
    rng = random.Random(SEED)
    words = [random_word(rng, string.ascii_lowercase, rng.randint(2, 9)) for _ in range(400)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    titles: list[str | None] = []
    bodies: list[str | None] = []
    for _ in range(3000):
        title = rng.choices(words, weights, k=int(rng.expovariate(1 / 20)))
        filler = [rng.randbytes(15).hex() for _ in range(130)]
        body = filler + rng.choices(words, weights, k=rng.randint(0, 20))
        titles.append(None if rng.random() < 0.05 else ", ".join(title))
        bodies.append(" ".join(body))
    return {"title": titles, "a body": bodies}


@pytest.fixture(scope="module")
def several_segments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the repeated texts."""
    folder = tmp_path_factory.mktemp("scores") / "index"
    build_index(folder, repeated_texts())
    assert len(list(folder.glob("*.term"))) > 1
    return folder


@pytest.mark.parametrize("columns", [["title"], ["a body"], ["title", "a body"]])
def test_scores_equal_the_formula(
    several_segments: Path, tmp_path: Path, columns: list[str]
) -> None:
    texts = repeated_texts()
    index = Bm25Index.open(several_segments, Bm25Spec(tuple(texts)), tmp_path)
    plain = [PlainBm25(texts[column], "english") for column in columns]
    words = sorted(word for word in plain[0].postings if len(word) < 30)
    rng = random.Random(SEED)
    for number in range(1000):
        query = rng.sample(words, rng.randint(1, 4))
        message = f"query {number} of seed {SEED}: {query}"
        expected: dict[int, float] = {}
        for each in plain:
            for row, score in each.score([*chain(*each.analyze(query))]).items():
                expected[row] = expected.get(row, 0) + score
        hits = index.search(" ".join(query), columns=columns, limit=3000)
        assert set(hits.rows.tolist()) == set(expected), message
        scores = np.array([expected[row] for row in hits.rows.tolist()])
        assert np.abs(scores - hits.values).max(initial=0) < CLOSE, message
        assert (np.diff(hits.values) <= 0).all(), message
        best = index.search(" ".join(query), columns=columns, limit=10)
        assert np.abs(best.values - hits.values[:10]).max(initial=0) < CLOSE, message


ALPHABET = "abc"
WORDS = ["a", "ab", "abc", "acb", "b", "bca", "ca", "cab", "aabb", "bbaa", "cc", "abcabc"]


@cache
def edits(word: str, other: str) -> int:
    """How many letters must be put in, taken out, changed or swapped with the next."""
    if not word or not other:
        return len(word) + len(other)
    fewest = min(
        edits(word[1:], other) + 1,
        edits(word, other[1:]) + 1,
        edits(word[1:], other[1:]) + (word[0] != other[0]),
    )
    if len(word) > 1 and len(other) > 1 and word[:2] == other[1::-1]:
        fewest = min(fewest, edits(word[2:], other[2:]) + 1)
    return fewest


def has_phrase(words: list[str], phrase: list[str], slop: int) -> bool:
    """Say whether the words stand together; with slop, the second of two is off by no more."""
    if slop == 0:
        size = len(phrase)
        return any(words[at : at + size] == phrase for at in range(len(words)))
    return any(
        abs(second - first - 1) <= slop
        for first, word in enumerate(words)
        for second, other in enumerate(words)
        if first != second and [word, other] == phrase
    )


class Searches:
    """Makes searches, each with what it finds read off the words of a row."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def part(self, depth: int) -> tuple[str, Finds]:
        """Make a search that may stand anywhere."""
        if depth == 0 or self.rng.random() < 0.3:
            return self.leaf()
        return self.rng.choice([self.either, self.both, self.but, self.signed])(depth - 1)

    def leaf(self) -> tuple[str, Finds]:
        text, has = self.rng.choice([self.word, self.phrase, self.prefix, self.fuzzy])()
        if self.rng.random() < 0.3:
            column = self.rng.choice(["x", "y z"])
            named = column if column.isalpha() else f'"{column}"'
            return f"{named}:{text}", lambda row: has(row[column])
        return text, lambda row: any(has(words) for words in row.values())

    def word(self) -> tuple[str, Callable[[list[str]], bool]]:
        word = self.rng.choice(WORDS)
        return word, lambda words: word in words

    def phrase(self) -> tuple[str, Callable[[list[str]], bool]]:
        phrase = self.rng.choices(WORDS, k=self.rng.randint(1, 3))
        slop = self.rng.randint(0, 3) if len(set(phrase)) == 2 == len(phrase) else 0
        text = f'"{" ".join(phrase)}"' + (f"~{slop}" if slop else "")
        return text, lambda words: has_phrase(words, phrase, slop)

    def prefix(self) -> tuple[str, Callable[[list[str]], bool]]:
        prefix = random_word(self.rng, ALPHABET, self.rng.randint(1, 3))
        return f"{prefix}*", lambda words: any(word.startswith(prefix) for word in words)

    def fuzzy(self) -> tuple[str, Callable[[list[str]], bool]]:
        sought = random_word(self.rng, ALPHABET, self.rng.randint(1, 6))
        limit = self.rng.randint(1, 2)
        return f"{sought}~{limit}", lambda words: any(edits(sought, w) <= limit for w in words)

    def either(self, depth: int) -> tuple[str, Finds]:
        (one, finds_one), (two, finds_two) = self.part(depth), self.part(depth)
        joiner = self.rng.choice([" ", " OR "])
        return f"({one}{joiner}{two})", lambda row: finds_one(row) or finds_two(row)

    def both(self, depth: int) -> tuple[str, Finds]:
        (one, finds_one), (two, finds_two) = self.part(depth), self.part(depth)
        return f"({one} AND {two})", lambda row: finds_one(row) and finds_two(row)

    def but(self, depth: int) -> tuple[str, Finds]:
        (one, finds_one), (two, finds_two) = self.part(depth), self.part(depth)
        joiner = self.rng.choice([" AND NOT ", " NOT ", " AND (NOT ", " -"])
        end = ")" if "(" in joiner else ""
        return f"({one}{joiner}{two}{end})", lambda row: finds_one(row) and not finds_two(row)

    def signed(self, depth: int) -> tuple[str, Finds]:
        (one, finds_one), (two, _), (three, finds_three) = (self.part(depth) for _ in range(3))
        return (
            f"(+{one} {two} -{three})",
            lambda row: finds_one(row) and not finds_three(row),
        )


def test_matches_equal_a_plain_reading(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    rows = [
        {column: rng.choices(WORDS, k=rng.randint(0, 8)) for column in ("x", "y z")}
        for _ in range(300)
    ]
    columns = {name: [" ".join(row[name]) for row in rows] for name in ("x", "y z")}
    index = open_index(tmp_path, columns, "none")
    for number in range(1500):
        query, finds = Searches(rng).part(depth=3)
        expected = [number for number, row in enumerate(rows) if finds(row)]
        assert sorted(rows_found(index, query)) == expected, f"{number} of seed {SEED}: {query}"


NASTY = [
    *('"', '""', '"a', "(", ")", "()", "(()", "a AND", "AND", "OR OR", "NOT", "NOT a", "-a", "--a"),
    *("+", "-", "*", "~", "^", ":", "::", "a:", ":a", "a:b:c", "*:*", "a*", "*a", "**", "a**", "?"),
    *("a~", "a~~", "a~99", '"a"~', '"a b"~999', "a^", "a^^2", "a^9999.9999", "a^0", "^2", "a^-1"),
    *("\0", "a\0b", "\x1f", "\x7f", "\ud800", "a\udfffb", "\ufeff", "\u202eabc", "\u200d"),
    *(
        "😀",
        "👩‍👩‍👧",
        "é",
        "e\u0301",
        "\u0301",
        "ß*",
        "⑴*",
        "⑴~",
        "(1)*",
        "ﬁ~",
        "東*",
        "東京~2",
        "٣",
        "שלום",
    ),
    *(
        "http://x",
        "note: this",
        "C:\\x",
        "/a.*b/",
        "[a TO b]",
        "{a TO b}",
        "a && b || !c",
        "<a>",
        "a\\",
    ),
    *(
        "the",
        "the*",
        "the~",
        '"the of"',
        "+the",
        "-the",
        "title:the",
        "_",
        "a_b",
        "''",
        "`",
        "%",
        "\\",
    ),
    *("x" * 300, "x" * 300 + "*", "x" * 300 + "~2", "a " * 900, '"' + "a " * 900 + '"', "é" * 5000),
    *(
        "title:*",
        'title:""',
        "title:()",
        "title:(a",
        "title:title:a",
        "+title:a -title:b",
        "c0:a",
        "row:1",
    ),
]
PIECES = [
    "a",
    " ",
    '"',
    "(",
    ")",
    "+",
    "-",
    "*",
    "~2",
    "^3",
    ":",
    "title",
    "AND",
    "NOT",
    "東",
    "\0",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bm25Index:
    """An index of a few rows with everything in them."""
    columns = {
        "title": ["The Art of War", "running foxes", None, "", "東京タワーへ行く", "a b a"],
        "c0": ["a", "Größe der Straße", "note this http://x", None, "naïve café", "😀"],
    }
    return open_index(tmp_path_factory.mktemp("small"), columns)


def test_nasty_texts_are_searches(small: Bm25Index) -> None:
    rng = random.Random(SEED)
    mixed = ["".join(rng.choices(PIECES, k=rng.randint(1, 20))) for _ in range(2000)]
    for query in NASTY + mixed:
        hits = small.search(query, limit=10)
        assert len(hits.rows) == len(hits.values) <= small.row_count
        assert np.isfinite(hits.values).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_is_a_search(small: Bm25Index, text: str) -> None:
    assert len(small.search(text, limit=10).rows) <= small.row_count


@pytest.mark.parametrize(
    "query", ["", "  ", "the of", "-war", "NOT war", "(-war)", "+the -war", "😀"]
)
def test_what_seeks_nothing_finds_nothing(small: Bm25Index, query: str) -> None:
    assert rows_found(small, query) == []


def test_the_rest_can_be_asked_for_inside_a_search(small: Bm25Index) -> None:
    assert rows_found(small, "war OR (NOT war)")[0] == 0
    assert sorted(rows_found(small, "war OR (NOT war)")) == [0, 1, 2, 3, 4, 5]
    assert rows_found(small, "art AND (NOT war)") == []


def test_words_that_say_nothing_are_left_out(small: Bm25Index) -> None:
    assert rows_found(small, "+the +war") == [0]
    assert rows_found(small, "the AND war") == [0]
    assert rows_found(small, '"art of war"') == [0]
    assert rows_found(small, '"art war"') == []


def test_other_forms_of_a_word_are_found(small: Bm25Index) -> None:
    assert rows_found(small, "FOX runs") == [1]
    assert rows_found(small, "foxing~") == [1]


def test_a_prefix_is_that_of_a_stem_or_the_word_itself(small: Bm25Index, tmp_path: Path) -> None:
    assert rows_found(small, "run*") == rows_found(small, "running*") == [1]
    assert rows_found(small, "runn*") == []
    plain = open_index(tmp_path, {"title": ["running"]}, "none")
    assert rows_found(plain, "runn*") == [0]
    assert rows_found(plain, "runs*") == []


def test_prefix_and_fuzzy_words_score_one_for_each_column(tmp_path: Path) -> None:
    columns = {"x": ["salt", "salt", "lake"], "y": ["salted", "lake", "lake"]}
    index = open_index(tmp_path, columns, "none")
    for query in ("sal*", "sult~"):
        assert dict(zip(*hits_of(index, query), strict=True))[1] == 1.0
    assert hits_of(index, "sal*") == ([0, 1], [2.0, 1.0])
    assert hits_of(index, "salt*^3") == ([0, 1], [6.0, 3.0])


def hits_of(index: Bm25Index, query: str) -> tuple[list[int], list[float]]:
    hits = index.search(query, limit=100)
    return hits.rows.tolist(), hits.values.tolist()


def test_weights_multiply(small: Bm25Index) -> None:
    once, thrice, none = (hits_of(small, query) for query in ("war", "war^3", "war^0"))
    assert once[0] == thrice[0] == none[0] == [0]
    assert thrice[1] == pytest.approx([3 * once[1][0]])
    assert none[1] == [0.0]


def test_characters_of_chinese_and_japanese_are_found_together(small: Bm25Index) -> None:
    assert rows_found(small, "東京") == rows_found(small, "タワー") == [4]
    assert rows_found(small, "京東") == []
    assert rows_found(small, "東 行") == [4]


def test_accents_need_not_be_typed(small: Bm25Index) -> None:
    for query in ("größe", "grosse", "GROSSE", "strasse", "gro\u0308\u00dfe"):
        assert rows_found(small, query) == [1], query
    assert rows_found(small, "cafe") == rows_found(small, "CAFÉ") == [4]
    assert rows_found(small, "naiv*") == rows_found(small, "naïve~") == [4]


def test_german_words_are_stemmed(tmp_path: Path) -> None:
    index = open_index(tmp_path, {"text": ["Die Häuser am See", "ein Haus", "Hausen"]}, "german")
    assert sorted(rows_found(index, "hauser")) == sorted(rows_found(index, "HÄUSER")) == [0, 1, 2]
    assert rows_found(index, "die am ein") == []


def test_columns_have_any_names(tmp_path: Path) -> None:
    names = ["", "my title", "a.b", 'q"', "c1", "row", "名前", "x:y"]
    columns = {name: ["same", f"only{place}"] for place, name in enumerate(names)}
    index = open_index(tmp_path, columns, "none")
    for place, name in enumerate(names):
        assert rows_found(index, f"only{place}", [name]) == [1]
        assert rows_found(index, f"only{place}", [names[place - 1]]) == []
    assert rows_found(index, 'a.b:only2 "my title":only2') == [1]
    assert rows_found(index, "名前:only2") == []
    assert rows_found(index, '"":only0') == [1]
    assert rows_found(index, "same", []) == []
    with pytest.raises(InvalidRequest, match="'other'"):
        index.search("same", columns=["other"], limit=1)


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.string(), pa.large_string(), pa.string_view()),
        *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())),
    ],
    ids=str,
)
def test_all_types_of_text_are_indexed(tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array(["salt", None, "", "lake é"], pa.string()).cast(kind)
    batch = pa.record_batch({"other": pa.array([1, 2, 3, 4]), "text": texts})
    folder = tmp_path / "index"
    folder.mkdir()
    builder = Bm25Builder(Bm25Spec(("text",)), folder, memory_bytes=0)
    builder.add(batch, 100)
    builder.add(pa.Table.from_batches([batch.slice(2), batch.slice(0, 1)]), 200)
    builder.add(batch.slice(0, 0), 300)
    builder.finish()
    index = Bm25Index.open(folder, Bm25Spec(("text",)), tmp_path)
    assert index.row_count == 7
    assert rows_found(index, "salt") == [100, 202]
    assert rows_found(index, "lake") == [103, 201]


def test_an_index_of_no_rows_finds_nothing(tmp_path: Path) -> None:
    index = open_index(tmp_path, {"text": []})
    assert index.row_count == 0
    assert rows_found(index, "salt") == []


def test_equal_scores_are_in_the_order_of_rows(tmp_path: Path) -> None:
    index = open_index(tmp_path, {"text": ["salt lake", "salt", "lake"] * 50})
    rows, scores = hits_of(index, "salt lake")
    assert rows[:50] == list(range(0, 150, 3))
    assert scores[:50] == [scores[0]] * 50


def test_the_limit_is_one_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.indexes.bm25._PAGE_ROWS", 700)
    index = open_index(tmp_path, {"text": ["salt " * (row % 7) for row in range(3000)]})
    everything = index.search("salt", limit=10_000_000)
    assert sorted(everything.rows.tolist()) == [row for row in range(3000) if row % 7]
    assert everything.rows.dtype == np.int64
    assert everything.values.dtype == np.float32
    for limit in (0, 1, 10, 699, 701, 1500):
        some = index.search("salt", limit=limit)
        assert some.values.tolist() == everything.values.tolist()[:limit]


def test_a_finished_folder_is_whole_wherever_it_is_copied(tmp_path: Path) -> None:
    spec = build_index(tmp_path / "built", {"text": ["salt", "lake"]})
    assert not [file.name for file in (tmp_path / "built").iterdir() if file.name.startswith(".")]
    shutil.copytree(tmp_path / "built", tmp_path / "copy")
    shutil.rmtree(tmp_path / "built")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    index = Bm25Index.open(tmp_path / "copy", spec, scratch)
    assert not list(scratch.iterdir())
    assert rows_found(index, "lake") == [1]


def test_a_confined_process_opens_a_folder_it_may_only_read(tmp_path: Path) -> None:
    build_index(tmp_path / "index", {"text": ["salt", "salt lake"]})
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "index").iterdir()}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    script = """
import sys
from pathlib import Path

import tantivy

from engine.indexes.bm25 import Bm25Index, Bm25Spec
from engine.workers.sandbox import confine

folder, scratch = map(Path, sys.argv[1:])
readable = [folder, *map(Path, (sys.prefix, sys.base_prefix, "."))]
walls = confine(readable=readable, writable=[scratch])
if "landlock" in walls:
    try:
        tantivy.Index.open(str(folder))
    except ValueError as refused:
        assert "Permission denied" in str(refused)
    else:
        raise AssertionError("the wall does not stand")
index = Bm25Index.open(folder, Bm25Spec(("text",)), scratch)
print(index.search("salt la*", limit=5).rows.tolist())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "index", scratch],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[1, 0]\n", done.stderr
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "index").iterdir()} == files
    assert not list(scratch.iterdir())
