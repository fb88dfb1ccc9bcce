"""Markdown and plain text, kept as they are."""

from pathlib import Path

import pytest

from engine.documents.content import PageSpan
from engine.documents.markup.plain import extract_markdown, extract_text
from engine.errors import DocumentInvalid
from tests.documents.markup_files import read

TEXT = "# Shore\n\nÆrø, 3 mm \u2013 \u2018a year\u2019.\n"


def test_markdown_is_kept_as_it_is(tmp_path: Path) -> None:
    text = "Intro\n\n```\n# not this\n```\n\n## The shore ##\n\n| a | b |\n|--|--|\n\n![x](y.png)\n"
    content = read(extract_markdown, tmp_path, text, "a.md")
    assert content.text == text
    assert content.title == "The shore"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Shore\n=====\n\na", "Shore"),
        ("a\n\n# B\n", "B"),
        ("a\n\n-\n", None),
        ("#  C # ##", "C #"),
        ("# " + "# " * 100_000 + "x", "# " * 100_000 + "x"),
    ],
)
def test_the_title_is_the_first_heading(tmp_path: Path, text: str, title: str | None) -> None:
    assert read(extract_markdown, tmp_path, text, "a.md").title == title


def test_front_matter_goes_to_the_metadata(tmp_path: Path) -> None:
    text = (
        "---\ntitle: 'Shore: a study'\nauthors:\n  - Ada\n  - Bo\nkeywords: [tide, \"sea\"]\n"
        "empty:\n---\n\n# Another\n"
    )
    content = read(extract_markdown, tmp_path, text, "a.md")
    assert content.text == "# Another\n"
    assert content.title == "Shore: a study"
    assert content.metadata == {
        "title": "Shore: a study",
        "authors": ["Ada", "Bo"],
        "keywords": ["tide", "sea"],
    }


def test_a_rule_is_no_front_matter(tmp_path: Path) -> None:
    text = "---\n\nwords\n\n---\n\nmore\n"
    content = read(extract_markdown, tmp_path, text, "a.md")
    assert (content.text, content.metadata) == (text, {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded(tmp_path: Path, encoding: str) -> None:
    data = TEXT.replace("\n", "\r\n").encode(encoding)
    assert read(extract_text, tmp_path, data, "a.txt").text == TEXT


def test_form_feeds_end_pages(tmp_path: Path) -> None:
    content = read(extract_text, tmp_path, "one\n\ftwo\f\f😀four\f", "a.txt")
    assert content.page_count == 4
    assert [(span.page, content.text[span.start : span.end]) for span in content.pages] == [
        (1, "one\n"),
        (2, "two"),
        (3, ""),
        (4, "😀four"),
    ]
    assert content.pages[1] == PageSpan(2, 5, 8)
    assert "\f" not in content.text


def test_plain_text_keeps_what_looks_like_a_heading(tmp_path: Path) -> None:
    assert read(extract_text, tmp_path, TEXT, "a.txt").text == TEXT


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\f\f"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DocumentInvalid, match="no text"):
        read(extract_text, tmp_path, data, "a.txt")
    with pytest.raises(DocumentInvalid, match="no text"):
        read(extract_markdown, tmp_path, data, "a.md")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentInvalid, match="NUL"):
        read(extract_text, tmp_path, b"a\0b", "a.txt")
