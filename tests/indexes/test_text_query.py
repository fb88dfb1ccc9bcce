"""Any text can be a search; what it means is what the table in the module says."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.indexes.search_text import (
    CLAUSES_MAX,
    DEPTH_MAX,
    LEXEMES_MAX,
    Group,
    Match,
    Term,
    parse,
)
from engine.indexes.text_query import Sought, analyze_terms

COLUMNS = {"title", "my title", ""}
MEGABYTE = 1_000_000


def shown(part: Term | Group) -> str:
    """Write a tree with all its parentheses."""
    if isinstance(part, Group):
        clauses = " ".join(clause.occur.value + shown(clause.part) for clause in part.clauses)
        text = f"({clauses})"
    else:
        column = "" if part.column is None else f"{part.column}:"
        sign = {Match.TEXT: "~", Match.PREFIX: "*", Match.FUZZY: "?"}[part.match]
        text = f"{column}[{part.text}]"
        if part.distance or part.match is not Match.TEXT:
            text += f"{sign}{part.distance or ''}"
    return text if part.weight == 1 else f"{text}^{part.weight:g}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a b", "([a] [b])"),
        ("+a -b c", "(+[a] -[b] [c])"),
        ("a AND b", "(+[a] +[b])"),
        ("a AND b OR c", "((+[a] +[b]) [c])"),
        ("a b AND c", "([a] (+[b] +[c]))"),
        ("a AND NOT b", "(+[a] -[b])"),
        ("a NOT b", "([a] -[b])"),
        ("a OR NOT b", "([a] (-[b]))"),
        ("a AND (b OR c)", "(+[a] +([b] [c]))"),
        ("a AND(b)", "(+[a] +([b]))"),
        ('"a b" c', "([a b] [c])"),
        ('"a b"~2', "([a b]~2)"),
        ('"a b"~2^3', "([a b]~2^3)"),
        ('-"a b" +(c d)', "(-[a b] +([c] [d]))"),
        ("title:a b", "(title:[a] [b])"),
        ('title:"a b"~1', "(title:[a b]~1)"),
        ("title:(a b:c) d", "((title:[a] title:[b:c]) [d])"),
        ('"my title":x "my title":"p q"', "(my title:[x] my title:[p q])"),
        ('"":x', "(:[x])"),
        ("+title:a", "(+title:[a])"),
        ("a*", "([a]*)"),
        ("a~", "([a]?1)"),
        ("a~2", "([a]?2)"),
        ("a~9", "([a]?2)"),
        ("a~0", "([a])"),
        ("a^2 b^0.5 (c d)^3", "([a]^2 [b]^0.5 ([c] [d])^3)"),
        ("a*^2 b~1^2", "([a]*^2 [b]?1^2)"),
        ("\u201ca b\u201d", "([a b])"),
        ("a\N{IDEOGRAPHIC SPACE}b\tc\0d", "([a] [b] [c] [d])"),
    ],
)
def test_the_syntax(text: str, tree: str) -> None:
    assert shown(parse(text, COLUMNS)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", "()"),
        (" \n ", "()"),
        ("+ - * ~ ^ : () [] {} && || ! \\ /", "()"),
        ("😀 🎉", "()"),
        ('"', "()"),
        ('""', "()"),
        ('"a b', "([a] [b])"),
        ('a"b c"d', "([a] [b c] [d])"),
        ("(a (b)) c)", "(([a] ([b])) [c])"),
        ("((a", "([a])"),
        ("a) :-)", "([a])"),
        ("AND", "([AND])"),
        ("a AND", "([a] [AND])"),
        ("OR a", "([OR] [a])"),
        ("a AND OR b", "([a] [AND] [b])"),
        ("NOT", "([NOT])"),
        ("NOT NOT a", "([NOT] -[a])"),
        ("a AND () b", "([a] [b])"),
        ("-()", "()"),
        ("and or not", "([and] [or] [not])"),
        ("http://x note: this 12:30", "([http://x] [note:] [this] [12:30])"),
        ("-http://x", "(-[http://x])"),
        ('note:"a b"', "([note] [a b])"),
        ("note:(a b)", "([note] ([a] [b]))"),
        ('"no":x', "([no] [:x])"),
        ("title:", "([title:])"),
        ("title: a", "([title:] [a])"),
        ("--verbose +-a a-b c++", "([--verbose] [+-a] [a-b] [c++])"),
        ("a*b a?b *a", "([a*b] [a?b] [*a])"),
        ("a^2^3 a^x ^2", "([a^2]^3 [a^x])"),
        ("roam~0.8", "([roam~0.8])"),
        ("lone \ud800 surrogate\udfff", "([lone] [surrogate?])"),
    ],
)
def test_what_breaks_the_syntax_is_plain_text(text: str, tree: str) -> None:
    assert shown(parse(text, COLUMNS)) == tree


@given(st.text(max_size=200), st.text(alphabet='ab "()+-:~^*ANDORT\0\ud800', max_size=100))
def test_every_text_is_a_search(text: str, marks: str) -> None:
    for query in (text, marks, text + marks):
        analyze_terms(parse(query, COLUMNS), "english")


@pytest.mark.parametrize(
    "text",
    [
        *('"' * MEGABYTE, "(" * MEGABYTE, ")" * MEGABYTE, "()" * (MEGABYTE // 2), "+" * MEGABYTE),
        *("+ " * (MEGABYTE // 2), "-a " * (MEGABYTE // 3), "a" * MEGABYTE, "a " * (MEGABYTE // 2)),
        *("*" * MEGABYTE, "~" * MEGABYTE, "a:" * (MEGABYTE // 2), '":' * (MEGABYTE // 2)),
        *('a"' * (MEGABYTE // 2), "a(" * (MEGABYTE // 2), "NOT " * (MEGABYTE // 4)),
        *("東" * (MEGABYTE // 3), "😀" * (MEGABYTE // 4), "\0" * MEGABYTE, " " * MEGABYTE),
        *('"' + "a " * (MEGABYTE // 2) + '"', "^1" * (MEGABYTE // 2), "\ud800" * (MEGABYTE // 3)),
    ],
    ids=lambda text: repr(text[:4]),
)
def test_long_texts_are_read_in_linear_time_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        analyze_terms(parse(text, COLUMNS), "none")


def test_a_search_has_a_limit_of_words() -> None:
    assert len(parse("a " * CLAUSES_MAX, COLUMNS).clauses) == CLAUSES_MAX
    with pytest.raises(InvalidRequest, match="fewer words"):
        parse("a " * (CLAUSES_MAX + 1), COLUMNS)
    half = " AND ".join(["a"] * CLAUSES_MAX)
    assert len(parse(half, COLUMNS).clauses) == CLAUSES_MAX
    with pytest.raises(InvalidRequest, match="signs"):
        parse("() " * LEXEMES_MAX, COLUMNS)


def test_the_words_of_phrases_count() -> None:
    phrase = '"' + "a " * (CLAUSES_MAX // 2) + '" '
    assert len(analyze_terms(parse(phrase * 2, COLUMNS), "none")) == 1
    with pytest.raises(InvalidRequest, match="fewer words"):
        analyze_terms(parse(phrase * 2 + "a", COLUMNS), "none")


def test_parentheses_have_a_limit_of_depth() -> None:
    def nested(depth: int) -> str:
        return "(" * depth + "a" + ")" * depth

    assert shown(parse(nested(DEPTH_MAX), COLUMNS)).count("[a]") == 1
    with pytest.raises(InvalidRequest, match="64 deep"):
        parse(nested(DEPTH_MAX + 1), COLUMNS)
    assert shown(parse("(" * 1000 + "a", COLUMNS)) == "([a])"


def test_words_are_analyzed_like_documents() -> None:
    tree = parse('"The Art of Wars" running* the runing~ the* of', COLUMNS)
    sought = {term.text: each for term, each in analyze_terms(tree, "english").items()}
    assert sought["The Art of Wars"].words == ((0, "art"), (2, "war"))
    assert (sought["running"].words, sought["running"].folded) == (((0, "run"),), "running")
    assert sought["runing"].folded == "runing"
    assert sought["the"].words == ()
    assert sought["the"].folded == "the"
    assert "of" not in sought


def test_a_word_that_is_split_is_a_phrase() -> None:
    tree = parse("e-mail~2 東京", COLUMNS)
    first, second = analyze_terms(tree, "none").values()
    assert first == Sought(Match.TEXT, ((0, "e"), (1, "mail")))
    assert second.words == ((0, "東"), (1, "京"))
