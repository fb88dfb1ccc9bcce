"""Both spellings of a source, and what is kept of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.datasets.sources import (
    InlineSource,
    SavedQuerySource,
    SqlSource,
    UploadSource,
    UrlSource,
    parse_source,
    stored_source,
)
from engine.errors import InvalidRequest

CASES: list[tuple[dict[str, Any], Any]] = [
    ({"upload_id": "u"}, UploadSource("u", None, None)),
    (
        {"upload_id": "u", "format": "CSV", "columns": {"a": "INT"}},
        UploadSource("u", "CSV", {"a": "INT"}),
    ),
    ({"inline": {"format": "csv", "content": "a"}}, InlineSource("csv", "a", None)),
    ({"url": "https://x.test/a", "format": None}, UrlSource("https://x.test/a", None, None)),
    ({"sql": "SELECT 1", "name": "n"}, SqlSource("SELECT 1", "n", None)),
    ({"saved_query_id": "s", "version": 3}, SavedQuerySource("s", 3)),
]
TYPES = ["upload", "upload", "inline", "url", "sql_query", "saved_query"]


@pytest.mark.parametrize(("fields", "expected"), CASES)
def test_the_distinguishing_key_decides_without_a_type(
    fields: dict[str, Any], expected: Any
) -> None:
    assert parse_source(fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected", "tag"), [(*c, t) for c, t in zip(CASES, TYPES, strict=True)]
)
def test_the_type_decides_when_it_is_there(fields: dict[str, Any], expected: Any, tag: str) -> None:
    misleading = {"upload_id": "other"} if tag != "upload" else {"url": "https://other.test"}
    assert parse_source({**misleading, **fields, "type": tag}) == expected


INLINE = {"format": "csv", "content": "a"}


@pytest.mark.parametrize(
    "fields",
    [
        {"inline": {**INLINE, "columns": {"a": "TEXT"}}},
        {"inline": INLINE, "columns": {"a": "TEXT"}},
        {"inline": {**INLINE, "columns": None}, "columns": {"a": "TEXT"}, "name": None},
    ],
)
def test_columns_may_stand_in_inline_or_beside_it(fields: dict[str, Any]) -> None:
    assert parse_source(fields) == InlineSource("csv", "a", {"a": "TEXT"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"upload_id": "u", "colums": {}}, "source.colums for a source of type 'upload'"),
        ({"url": "https://x.test/a", "name": "n"}, "source.name"),
        ({"sql": "SELECT 1", "columns": {"a": "INT"}}, "source.columns"),
        ({"saved_query_id": "s", "columns": {"a": "INT"}}, "source.columns"),
        ({"inline": INLINE, "format": "csv"}, "source.format"),
        ({"inline": {**INLINE, "header": True}}, "source.inline.header"),
        ({"inline": {**INLINE, "columns": {}}, "columns": {}}, "cannot both be given"),
    ],
)
def test_a_key_without_a_meaning_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_source(fields)


def test_inline_content_is_not_kept() -> None:
    kept = stored_source(parse_source({"inline": {"format": "csv", "content": "secret"}}))
    assert "secret" not in str(kept)


@pytest.mark.parametrize("fields", [case for case, _ in CASES if "inline" not in case])
def test_what_is_kept_reads_back_the_same(fields: dict[str, Any]) -> None:
    source = parse_source(fields)
    assert parse_source(stored_source(source)) == source


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["type", "upload_id", "inline", "url", "sql", "saved_query_id", "version", "format", "columns"]
)


@given(st.dictionaries(KEYS, JSON | st.sampled_from(TYPES)))
def test_any_object_is_a_source_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        source = parse_source(fields)
    except InvalidRequest:
        return
    assert stored_source(source)["type"] in TYPES
