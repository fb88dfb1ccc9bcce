"""A snippet shows the part of a text in which a search finds most, and marks what it finds."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.indexes.highlight import highlight
from tests.indexes.plain_bm25 import open_index, rows_found

SEED = 20_261_103
MANY = 300_000
TALE = (
    "The quick brown fox jumps over the lazy dog. Then nothing happens for a long time, until at "
    "last some other foxes come running through the dark forest, and the dog runs after a fox."
)


def shown(text: str, query: str, *, language: str = "english", chars_max: int = 1000) -> str:
    (snippet,) = highlight(
        pa.array([text]), query, language=language, before="[", after="]", chars_max=chars_max
    ).to_pylist()
    assert isinstance(snippet, str)
    return snippet


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("a fox, two foxes", "Fox", "a [fox], two [foxes]"),
        ("the fox", "the", "the fox"),
        ("fox dog cat", "+fox -dog cat", "[fox] dog [cat]"),
        ("fox dog", "fox AND NOT dog", "[fox] dog"),
        ("brown fox, brown dog", '"brown fox"', "[brown] [fox], brown dog"),
        ("fox brown", '"brown fox"', "fox brown"),
        ("brown red fox", '"brown fox"~1', "[brown] red [fox]"),
        ("brown and very red fox", '"brown fox"~1', "brown and very red fox"),
        ("fox brown", '"brown fox"~2', "[fox] [brown]"),
        ("fox brown", '"brown fox"~1', "fox brown"),
        ("a b c a b", '"a b c"', "[a] [b] [c] a b"),
        ("the art of war", '"art of war"', "the [art] of [war]"),
        ("forest fort cat", "for*", "[forest] [fort] cat"),
        ("running runs", "running*", "[running] [runs]"),
        ("jumps bumps lamps", "jumsp~", "[jumps] bumps lamps"),
        ("jumps bumps lamps", "jumps~2", "[jumps] [bumps] [lamps]"),
        ("title fox", "title:fox", "title [fox]"),
        ("e-mail, e mail, mail", "e-mail", "[e]-[mail], [e] [mail], mail"),
        ("é e\u0301 e", "e", "[é] [é] [e]"),
        ("<b>fox</b>", "fox", "<b>[fox]</b>"),
        ("😀fox😀", "fox", "😀[fox]😀"),
        ("", "fox", ""),
        ("fox", "", "fox"),
        ("fox", "a " * 2000, "fox"),
    ],
)
def test_what_is_found_is_marked(text: str, query: str, marked: str) -> None:
    language = "none" if " a " in text or text.startswith("a b") else "english"
    assert shown(text, query, language=language) == marked


def test_the_characters_of_a_word_share_a_mark() -> None:
    assert shown("東京は首都、東京タワー、京東", "東京") == "[東京]は首都、[東京]タワー、京東"


def test_accents_need_not_be_typed() -> None:
    text = "Die Größe der Straßen"
    assert shown(text, "grosse strasse", language="german") == "Die [Größe] der [Straßen]"


def test_the_snippet_has_the_most_different_terms() -> None:
    assert shown(TALE, "fox forest running", chars_max=50) == (
        "…[foxes] come [running] through the dark [forest],…"
    )
    assert shown(TALE, "dog fox", chars_max=30) == "…[fox] jumps over the lazy [dog].…"
    assert shown(TALE, "dog fox", chars_max=25) == "…the [dog] runs after a [fox]."
    assert shown(TALE, "lazy", chars_max=30) == "…over the [lazy] dog. Then…"


def test_the_beginning_is_shown_where_nothing_is_found() -> None:
    assert shown(TALE, "zebra", chars_max=22) == "The quick brown fox…"
    assert shown(TALE, "zebra", chars_max=len(TALE)) == TALE
    assert shown("x" * 50, "zebra", chars_max=10) == "x" * 10 + "…"


def test_a_word_is_shown_even_if_it_is_too_long() -> None:
    assert shown("a incomprehensible b", "incomprehensible", chars_max=3) == "…[incomprehensible]…"
    assert shown("a b", "b", chars_max=-1) == "…[b]"


def test_nulls_stay_null_and_all_types_of_text_are_read() -> None:
    texts = pa.array(["x", "fox", None, "é fox"])
    expected = ["<b>fox</b>", None, "é <b>fox</b>"]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        snippets = highlight(texts.cast(kind).slice(1), "fox")
        assert snippets.type == pa.string()
        assert snippets.to_pylist() == expected
    assert highlight(texts.dictionary_encode().slice(1), "fox").to_pylist() == expected
    assert highlight(texts[:0], "fox").to_pylist() == []


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        highlight(pa.array(["a"]), "a", language="klingon")


def test_a_text_has_marks_exactly_if_the_search_finds_it(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    words = ["salt", "lake", "salts", "lakes", "city", "cities", "late"]
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 9))) for _ in range(200)]
    index = open_index(tmp_path, {"text": texts})
    for number in range(250):
        one, two, three = rng.choices(words, k=3)
        slop = f"~{rng.randint(0, 3)}" if one != two else ""
        ways = [one, f"{one[:3]}*", f"{one}~", f"{one}~2", f'"{one} {two}"{slop}']
        query = " ".join(rng.choices([*ways, f'"{one} {two} {three}"'], k=rng.randint(1, 2)))
        found = set(rows_found(index, query))
        snippets = highlight(pa.array(texts), query).to_pylist()
        marked = {row for row, snippet in enumerate(snippets) if snippet and "<b>" in snippet}
        assert marked == found, f"{number} of seed {SEED}: {query}"


@given(st.lists(st.text() | st.none(), max_size=4), st.text(), st.integers(-5, 200))
def test_the_snippet_is_part_of_the_text(
    texts: list[str | None], query: str, chars_max: int
) -> None:
    array = pa.array(texts, pa.string())
    plain = highlight(array, query, before="", after="", chars_max=chars_max).to_pylist()
    for text, snippet in zip(texts, plain, strict=True):
        assert (text is None) == (snippet is None)
        if text is not None and snippet is not None and text.isascii():
            assert snippet.strip("…") in text


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a " * (MANY // 2), '"' + "a " * 1000 + '"'),
        ("a b " * (MANY // 4), '"b a"~999'),
        (" " * MANY + "a", "a"),
        ("a" * MANY, "a*"),
        ("(" * MANY, "(" * MANY),
        ("東京" * (MANY // 6), "東京"),
        (" ".join(map(str, range(MANY // 7))), "12345~2 1*"),
    ],
    ids=lambda text: repr(text[:6]),
)
def test_long_texts_are_read_in_linear_time(text: str, query: str) -> None:
    assert shown(text, query, language="none", chars_max=40)
