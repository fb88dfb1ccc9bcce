"""Chunks: nothing is lost or said twice, limits hold, and cuts fall where a reader would make them."""

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.documents.chunks.chunking import chunk_text
from engine.documents.chunks.headings import heading_runs, read_outline
from engine.documents.chunks.parameters import SCHEMA, check_parameters
from engine.documents.chunks.tokens import count_tokens, token_starts
from engine.documents.content import Content, PageSpan
from engine.errors import InvalidRequest

SENTENCE = "The river carries its sand down to the sea and leaves it there. "
# Pieces that make trouble where they meet.
_PIECES = st.one_of(
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", " ", "\t", "\u00a0", "\u2028"]),
    st.sampled_from(["# Title\n", "## Part\r\n", "###\n", "Under\n===\n", "Line\n---\n"]),
    st.sampled_from(["```\n", "~~~~\n", "| a | b |\n|---|---|\n", "| 1 | 2 |\n", "- item\n"]),
    st.sampled_from(["👩‍👩‍👧‍👦", "e\u0301" * 40, "🏳️‍🌈", "नमस्ते", "数据库。", "![x](figure-1.png)"]),
    st.sampled_from([SENTENCE, "word " * 50, "x" * 300, "A" * 40 + ". "]),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
_TEXTS = st.lists(_PIECES, max_size=25).map("".join)


def rows(text: str, **parameters: Any) -> list[dict[str, Any]]:
    return chunk_text(Content(text), parameters).to_pylist()


def texts(text: str, **parameters: Any) -> list[str]:
    return [row["chunk_text"] for row in rows(text, **parameters)]


@given(_TEXTS, st.sampled_from([32, 48, 384]), st.booleans())
def test_every_character_is_in_exactly_one_chunk(text: str, tokens: int, by_headings: bool) -> None:
    chunks = rows(text, tokens_max=tokens, by_headings=by_headings)
    end = 0
    for chunk in chunks:
        assert not text[end : chunk["char_start"]].strip()
        assert chunk["char_start"] >= end
        end = chunk["char_end"]
    assert not text[end:].strip()
    check_chunks(text, chunks, tokens)


@given(_TEXTS, st.sampled_from([32, 64]), st.integers(1, 16))
def test_chunks_with_overlap_ascend_and_keep_the_limits(
    text: str, tokens: int, overlap: int
) -> None:
    chunks = rows(text, tokens_max=tokens, tokens_overlap=overlap)
    covered = {at for row in chunks for at in range(row["char_start"], row["char_end"])}
    assert all(at in covered or character.isspace() for at, character in enumerate(text))
    for before, chunk in pairwise(chunks):
        assert before["char_start"] < chunk["char_start"]
        assert before["char_end"] < chunk["char_end"]
        shared = text[chunk["char_start"] : before["char_end"]]
        assert count_tokens([shared])[0] <= overlap + 2
    check_chunks(text, chunks, tokens)


def check_chunks(text: str, chunks: list[dict[str, Any]], tokens: int) -> None:
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert chunk["chunk_text"] == text[chunk["char_start"] : chunk["char_end"]]
        assert chunk["chunk_text"] == chunk["chunk_text"].strip() != ""
        assert chunk["token_count"] == count_tokens([chunk["chunk_text"]])[0] <= tokens


@given(_TEXTS)
@example("👩‍👩‍👧‍👦Under\n===\n" + "👩‍👩‍👧‍👦" * 2)
def test_no_chunk_ends_with_a_heading_but_the_last(text: str) -> None:
    runs = [(run[0].start, run[-1].end) for run in heading_runs(text, read_outline(text).headings)]
    # What is longer than that is cut, though it be headings.
    short = [run for run in runs if count_tokens([text[slice(*run)]])[0] < 40]
    for by_headings in (True, False):
        for chunk in rows(text, tokens_max=64, by_headings=by_headings)[:-1]:
            end = chunk["char_end"]
            assert not [(first, last) for first, last in short if first < end <= last]


@given(_TEXTS)
def test_tokens_begin_where_the_tokenizer_says(text: str) -> None:
    starts = token_starts(text)
    assert len(starts) >= len(text.encode()) / 16 or not text.strip()
    assert all(first <= second for first, second in pairwise(starts.tolist()))
    assert not len(starts) or 0 <= starts[0] <= starts[-1] < len(text)


@pytest.mark.parametrize("text", ["", " \n\t\r\n ", "\u2028\u00a0"])
def test_a_blank_text_has_no_chunk(text: str) -> None:
    table = chunk_text(Content(text), {})
    assert (table.num_rows, table.schema) == (0, SCHEMA)


@pytest.mark.parametrize(
    "text", ["Neap tide.", "\n\n  Neap 🌊 tide.\r\n", "# Tides", "| a |\n|---|"]
)
def test_a_few_words_are_one_chunk(text: str) -> None:
    [chunk] = rows(text)
    assert chunk["chunk_text"] == text.strip()
    assert (chunk["page_start"], chunk["page_end"]) == (None, None)
    assert chunk_text(Content(text), {}).schema == SCHEMA


def test_a_section_begins_a_chunk_and_has_its_path() -> None:
    body = SENTENCE * 10
    text = f"# Coast\n\n{body}\n\n## Sand\n\n{body}\n\n### Dunes\n\n{body}\n\n## Rock\n\n{body}\n"
    assert [(row["chunk_text"].split("\n")[0], row["heading_path"]) for row in rows(text)] == [
        ("# Coast", ["Coast"]),
        ("## Sand", ["Coast", "Sand"]),
        ("### Dunes", ["Coast", "Sand", "Dunes"]),
        ("## Rock", ["Coast", "Rock"]),
    ]


def test_the_headings_that_a_chunk_begins_with_are_in_its_path() -> None:
    [chunk] = rows("# Coast\n\n## The *sandy* [part](x.html)\n\nDunes move.")
    assert chunk["heading_path"] == ["Coast", "The sandy part"]


def test_a_chunk_inside_a_section_has_the_path_of_the_section() -> None:
    chunks = rows("# Coast\n\n" + "\n\n".join([SENTENCE * 4] * 20), tokens_max=128)
    assert len(chunks) > 5
    assert {tuple(chunk["heading_path"]) for chunk in chunks} == {("Coast",)}


def test_short_sections_stay_together_but_not_with_the_next_chapter() -> None:
    terms = "\n\n".join(f"## Term {number}\n\nIt means {number}." for number in range(6))
    found = texts(f"# Glossary\n\n{terms}\n\n# Index\n\n{SENTENCE}")
    assert [chunk.split("\n")[0] for chunk in found] == ["# Glossary", "## Term 3", "# Index"]
    assert all(count > 40 for count in count_tokens(found)[:-2])


def test_without_headings_a_chunk_is_filled_across_sections() -> None:
    text = "\n\n".join(f"# Part {number}\n\n{SENTENCE * 5}" for number in range(8))
    assert len(texts(text)) == 8
    assert len(texts(text, by_headings=False)) == 2


def test_a_line_of_code_is_no_heading() -> None:
    code = "```sh\n# install it\nrun\n```"
    text = f"# Setup\n\n{code}\n\n{SENTENCE * 20}\n\n~~~\n# also code\n```\n# still\n~~~\n\n# After\n\nEnd."
    assert {tuple(row["heading_path"]) for row in rows(text, tokens_max=64)} == {
        ("Setup",),
        ("After",),
    }


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("# A #\n## B ##\n###### C\n####### no\n#no\n    # code", ["A", "B", "C"]),
        ("Tide\n====\n\nEbb\n---\n\na\nb\n---\n\n---\n", ["Tide", "Ebb"]),
        ("# C#\n#\n", ["C#", ""]),
        ("a | b\n--|--\n", []),
        ("```\n# a\n````\n# b", ["b"]),
        ("````\n# a\n```\n# b", []),
        ("``` a`b\n# c", ["c"]),
    ],
)
def test_headings_are_those_of_markdown(text: str, titles: list[str]) -> None:
    assert [heading.title for heading in read_outline(text).headings] == titles


def test_a_table_is_cut_between_rows_and_its_names_keep_the_first() -> None:
    lines = [f"| station {row} | {row * 7} cm | rising slowly. Falls later |" for row in range(60)]
    table = "\n".join(["| name | level | remark |", "|---|---:|---|", *lines])
    found = texts(f"{SENTENCE}\n\n{table}\n", tokens_max=96)
    assert len(found) > 8
    assert [line for chunk in found for line in chunk.split("\n") if "station" in line] == lines
    assert not any(chunk.endswith(("---|", "remark |")) for chunk in found)


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    wrapped = (SENTENCE * 60).replace("down to ", "down to\n")
    found = texts(wrapped, tokens_max=128)
    assert len(found) > 5
    assert all(chunk.startswith("The river") and chunk.endswith("there.") for chunk in found)


def test_pieces_of_a_section_are_of_about_the_same_size() -> None:
    paragraphs = "\n\n".join([SENTENCE * 2] * 15)
    counts = [row["token_count"] for row in rows(f"# Coast\n\n{paragraphs}", tokens_max=384)]
    assert len(counts) == 2
    assert max(counts) < 1.5 * min(counts)


def test_a_cut_spares_images_and_characters_of_several_points() -> None:
    image = "![Mr. Fox. At sea. On a boat](figure-1.png) "
    assert all(
        chunk.count("![") == chunk.count(".png)") for chunk in texts(image * 40, tokens_max=64)
    )
    family = "👩‍👩‍👧‍👦"
    assert all(chunk.startswith("👩") for chunk in texts(family * 60, tokens_max=64))


def test_overlap_repeats_whole_sentences_and_only_within_a_section() -> None:
    sentences = [f"Sentence number {number} is about water. " for number in range(60)]
    text = f"# One\n\n{''.join(sentences)}\n\n# Two\n\n{SENTENCE * 3}"
    chunks = rows(text, tokens_max=128, tokens_overlap=32)
    for before, chunk in pairwise(chunks[:-1]):
        shared = text[chunk["char_start"] : before["char_end"]]
        assert shared.startswith("Sentence number")
        assert shared.endswith("water.")
    assert chunks[-1]["chunk_text"].startswith("# Two")


def test_a_chunk_has_the_pages_it_touches() -> None:
    one, two, three = SENTENCE * 6, SENTENCE * 12, "Short."
    text = f"{one}\n\n{two}\n\n{three}"
    at = [0, len(one) + 2, len(one) + len(two) + 4]
    spans = ((1, 0, len(one)), (2, at[1], at[1] + len(two)), (3, at[2], len(text)))
    pages = tuple(PageSpan(*span) for span in spans)
    table = chunk_text(Content(text, pages=pages), {"tokens_max": 128}).to_pylist()
    for row in table:
        touched = [p.page for p in pages if p.start < row["char_end"] and p.end > row["char_start"]]
        assert (row["page_start"], row["page_end"]) == (touched[0], touched[-1])
    assert table[0]["page_start"] == 1
    assert table[-1]["page_end"] == 3


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"size": 3}, "no parameter 'size'"),
        ({"tokens_max": 31}, "tokens_max must be a whole number from 32 to 8192"),
        ({"tokens_max": 8193}, "from 32 to 8192"),
        ({"tokens_max": 64.0}, "whole number"),
        ({"tokens_max": True}, "whole number"),
        ({"tokens_max": "64"}, "whole number"),
        (
            {"tokens_max": 64, "tokens_overlap": 33},
            "tokens_overlap must be a whole number from 0 to 32",
        ),
        ({"tokens_overlap": -1}, "from 0 to 192"),
        ({"by_headings": 1}, "true or false"),
        ({"by_headings": None}, "true or false"),
    ],
)
def test_a_wrong_parameter_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        check_parameters(parameters)
    with pytest.raises(InvalidRequest, match=words):
        chunk_text(Content("a"), parameters)


# A fifth of a second; with the square of the length it would be minutes.
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["QWxhZGRpbjpvcGVu", "word ", "# a\n", "| a |\n", "![", "a\n\n", " "]
)
def test_time_grows_with_the_length_whatever_the_text(unit: str) -> None:
    text = "a" + unit * (200_000 // len(unit)) + "b"
    chunk_text(Content(text), {})


def test_columns_are_named_and_typed() -> None:
    assert SCHEMA.field("chunk_text").type == pa.large_string()
    assert SCHEMA.field("heading_path").type == pa.list_(pa.string())
    others = set(SCHEMA.names) - {"chunk_text", "heading_path"}
    assert {SCHEMA.field(name).type for name in others} == {pa.int32()}
