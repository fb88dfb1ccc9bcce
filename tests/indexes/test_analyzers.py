"""Text becomes the same tokens whether it is indexed, sought or marked."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.indexes.analyzers import (
    LANGUAGES,
    TOKEN_BYTES_MAX,
    analyze,
    composed,
    open_analyzer,
    separate_words,
)
from tests.indexes.plain_bm25 import tokens


def words(text: str, language: str = "none") -> list[str]:
    return [word for _, word in tokens(text, language)]


def test_words_are_runs_of_letters_digits_and_marks() -> None:
    assert words("Ab-12 foo_bar, don't (x)") == ["ab", "12", "foo", "bar", "don", "t", "x"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("a\0b\tc\N{NO-BREAK SPACE}d\N{EM DASH}e😀f") == ["a", "b", "c", "d", "e", "f"]


def test_characters_of_scripts_without_spaces_stand_alone() -> None:
    assert words("東京タワーabc") == ["東", "京", "タ", "ワ", "ー", "abc"]
    assert words("한국어를") == ["한", "국", "어", "를"]
    assert words("𠮷野") == ["𠮷", "野"]
    assert words("ที่นี่") == ["ที่", "นี่"]  # marks stay with the letter that bears them
    assert words("x東y") == ["x", "東", "y"]


def test_stop_words_leave_gaps() -> None:
    assert tokens("The art of war", "english") == [(1, "art"), (3, "war")]


def test_accents_and_case_are_folded() -> None:
    folded = ["creme", "brulee", "strasse", "ore", "fin", "istanbul", "agir"]
    assert words("Crème BRÛLÉE Straße Øre ﬁn İstanbul ağır") == folded  # noqa: RUF001 - Turkish
    assert words("ΟΔΌΣ οδός") == ["οδοσ", "οδοσ"]
    assert words("e\u0301cole") == words("\u00e9cole") == ["ecole"]


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("english", ["running", "runs", "Run"]),
        ("german", ["Häuser", "Hauser", "HAUS", "Hauses"]),
        ("french", ["écoles", "ecole", "École"]),
        ("spanish", ["información", "informacion", "informaciones"]),
        ("russian", ["ёлка", "елки"]),
        ("greek", ["οδός", "ΟΔΟΣ"]),
    ],
)
def test_forms_of_a_word_share_a_stem(language: str, forms: list[str]) -> None:
    assert len({tuple(words(form, language)) for form in forms}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_without_its_accents_has_the_same_tokens(language: str) -> None:
    text = "Über größere Straßen, déjà vu, información, coração, hålla på, řeka, çağ"
    folded = words(text, "none")
    assert words(text, language) == words(" ".join(folded), language)


def test_long_words_are_left_out_and_keep_their_place() -> None:
    long, longer = "x" * TOKEN_BYTES_MAX, "x" * (TOKEN_BYTES_MAX + 1)
    assert tokens(f"a {longer} {long} b", "none") == [(0, "a"), (2, long), (3, "b")]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="klingon"):
        open_analyzer("klingon")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_all_types_of_text_are_separated(kind: pa.DataType) -> None:
    texts = pa.array(["dropped", "a.b", None, "", "é東"], kind).slice(1)
    expected = ["a b", None, "", "é\f東"]
    assert separate_words(texts) == expected
    assert separate_words(texts.slice(0, 3)) == expected[:3]
    assert separate_words(texts.slice(0, 0)) == []


def test_dictionaries_of_text_are_separated() -> None:
    texts = pa.array(["a-b", None, "a-b"]).dictionary_encode()
    assert separate_words(texts) == ["a b", None, "a b"]


@given(st.lists(st.text(), max_size=5))
def test_tokens_lie_where_they_say(texts: list[str]) -> None:
    normal = composed(pa.array(texts, pa.string())).to_pylist()
    for text, separated in zip(normal, separate_words(pa.array(texts, pa.string())), strict=True):
        assert separated is not None
        assert len(separated.replace("\f", "")) == len(text)
        for token in analyze(open_analyzer("none"), separated):
            found = text[token.start : token.end]
            assert words(found)[-1] == token.text
            assert all(unicodedata.category(letter)[0] in "LMN" for letter in found)


@given(st.lists(st.text(), max_size=5))
def test_neighbours_do_not_change_a_text(texts: list[str]) -> None:
    together = separate_words(pa.array(texts, pa.string()))
    for text, separated in zip(texts, together, strict=True):
        (alone,) = separate_words(pa.array([text], pa.string()))
        assert alone is not None
        assert separated is not None
        assert separated.split() == alone.split()
