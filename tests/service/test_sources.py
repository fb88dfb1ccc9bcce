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
