"""Which calls of search functions are found in a statement, and which texts are too long for them."""

import pytest

from engine.errors import SqlInvalid
from engine.query.search_calls import SEARCH_CHARS_MAX, SearchCall, search_calls
from engine.query.tokens import tokenize

LONGEST = "x" * SEARCH_CHARS_MAX
CALLS = (
    "SELECT * FROM bm25_search('t', 'c', '{}')",
    "SELECT * FROM BM25_Search('t', 'c', '{}', 3)",
    "SELECT * FROM vector_search('t', 'c', '{}')",
    "SELECT * FROM hybrid_search('t', 'c', 'c', '{}')",
    "SELECT vector_distance(t.c, '{}') FROM t",
    "SELECT bm25_highlight(upper(c), '{}') FROM t",
)


def calls_of(sql: str) -> tuple[SearchCall, ...]:
    return search_calls(tokenize(sql))


@pytest.mark.parametrize("sql", CALLS)
def test_a_text_is_searched_for_up_to_a_length(sql: str) -> None:
    calls_of(sql.format(LONGEST))
    with pytest.raises(SqlInvalid, match="at most 32,768 characters, not 32,769"):
        calls_of(sql.format(LONGEST + "x"))


def test_a_text_to_be_shown_may_be_longer() -> None:
    calls_of(f"SELECT bm25_highlight('{LONGEST}x', 'word')")
    calls_of(f"SELECT '{LONGEST}x', bm25_search")


def test_texts_to_embed_are_known_before_planning() -> None:
    assert calls_of("SELECT * FROM vector_search('A.\"B\".c', 'Body', 'it''s', 3)") == (
        SearchCall(("a", "B", "c"), "Body", "it's"),
    )
    assert calls_of("SELECT vector_distance(t.Body, 'x'), vector_distance(\"Body\", 'y')") == (
        SearchCall(None, "body", "x"),
        SearchCall(None, "Body", "y"),
    )
    assert calls_of("SELECT * FROM vector_search('t', 'c', ARRAY[1, 2])") == (
        SearchCall(("t",), "c", None),
    )
