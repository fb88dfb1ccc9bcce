"""Rules that bound no table: what is between and beside them stays text."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import pytest

from tests.documents.open_tables import column_of, line_rule, page, tables_of, text_of
from tests.documents.pdf_files import Paper, paragraph, read, written


def between_rules(paper: Paper, texts: Sequence[str], y: float = 40) -> None:
    """Write lines between two rules, a third rule below the first line."""
    line_rule(paper, 10, 200, y)
    for number, text in enumerate(texts):
        paper.text(10, y + 5 + number * 5, text)
        if not number:
            line_rule(paper, 10, 200, y + 6.5)
    line_rule(paper, 10, 200, y + 2 + len(texts) * 5)


@pytest.mark.parametrize("align", ["J", "L", "C"])
@pytest.mark.parametrize("width", [190, 85, 60, 28])
def test_a_paragraph_between_rules_is_text(tmp_path: Path, align: str, width: float) -> None:
    for seed in range(8):
        paper = page()
        y = 20.0
        for sentences in (1, 2, 8):
            line_rule(paper, 10, 10 + width, y)
            paper.set_xy(10, y + 1)
            paper.multi_cell(width, 5, paragraph(seed, sentences), align=align)
            y = paper.get_y() + 1
            line_rule(paper, 10, 10 + width, y)
            y += 6
        assert tables_of(read(written(paper, tmp_path, f"{seed}.pdf"))) == []


@pytest.mark.parametrize("columns", [2, 3])
def test_columns_of_text_between_the_rules_of_the_page_are_text(
    tmp_path: Path, columns: int
) -> None:
    width = 190 / columns
    for sentences in (4, 12, 30):
        paper = page()
        paper.text(10, 10, "Journal of harbours")
        paper.text(180, 10, "Volume 3")
        line_rule(paper, 10, 200, 12)
        ends = [
            column_of(paper, paragraph(n, sentences), 10 + n * width, 16, width - 8)
            for n in range(columns)
        ]
        line_rule(paper, 10, 200, max(ends) + 3)
        line_rule(paper, 10, 200, max(ends) + 12)
        paper.text(10, max(ends) + 10, "Received in May")
        paper.text(180, max(ends) + 10, "Page 12")
        reading = read(written(paper, tmp_path, f"{sentences}.pdf"))
        assert tables_of(reading) == []
        assert all(paragraph(n, sentences) in reading.text for n in range(columns))


def test_the_abstract_beside_its_keywords_is_text(tmp_path: Path) -> None:
    paper = page()
    for y, x0, x1 in ((20, 10, 200), (28, 10, 60), (28, 70, 200)):
        line_rule(paper, x0, x1, y)
    paper.set_font("Helvetica", size=9)
    paper.text(10, 26, "ARTICLE INFO")
    paper.text(70, 26, "ABSTRACT")
    for number, text in enumerate(("Keywords:", "Harbours", "Tides", "Cargo of ships")):
        paper.text(10, 33 + number * 4.2, text)
    end = column_of(paper, paragraph(1, 9), 70, 30, 130)
    line_rule(paper, 10, 200, end + 2)
    assert tables_of(read(written(paper, tmp_path))) == []


ALGORITHM = (
    "Algorithm 1 Counting ships", "1:    count = 0", "2:    for each ship do",
    "3:         count = count + 1", "4:    end for", "5:    return count",
)  # fmt: skip


MINUTES = (
    "Minutes", "Ships in 2022" + " " * 9 + "Grain, 12 t", "Ships have carried the grain of 2022 to us",
    "Ships in 2023" + " " * 9 + "Grain, 14 t", "Ships have carried the grain of 2023 to us",
    "Ships in 2024" + " " * 9 + "Grain, 17 t",
)  # fmt: skip


@pytest.mark.parametrize(
    "texts",
    [
        ALGORITHM,
        ("A box", *(f"{mark}    The harbour is open in {mark}" for mark in ("(a)", "(b)", "(c)"))),
        ("Highlights", "\x95     Ships were counted.", "\x95     Cargo was weighed.", "\x95     No."),
        ("Proof of the theorem", *wrap(paragraph(5), 90)),
        ("Note", "Signed by the captain"),
        MINUTES,
    ],
)  # fmt: skip
def test_lists_boxes_and_algorithms_are_no_tables(tmp_path: Path, texts: Sequence[str]) -> None:
    paper = page()
    between_rules(paper, texts)
    reading = read(written(paper, tmp_path))
    assert tables_of(reading) == []
    assert all(text.split()[-1] in reading.text for text in texts)


def test_rules_of_heads_feet_footnotes_and_headings_make_no_tables(tmp_path: Path) -> None:
    paper = page()
    paper.text(10, 10, "Journal of harbours")
    paper.text(180, 10, "Volume 3")
    for y in (12, 30, 100, 170):
        line_rule(paper, 10, 200, y)
    for y, heading in ((28, "1. Ships"), (98, "2. Quays"), (168, "3. Tides")):
        paper.text(10, y, heading)
        paper.set_xy(10, y + 5)
        paper.multi_cell(0, 5, paragraph(int(y), 5), new_x="LMARGIN", new_y="NEXT")
    line_rule(paper, 10, 80, 260)
    paper.text(10, 265, "1 As the harbour office says.")
    line_rule(paper, 10, 80, 272)
    paper.text(10, 277, "2 In the year of the flood.")
    line_rule(paper, 10, 200, 284)
    paper.text(10, 290, "12")
    assert tables_of(read(written(paper, tmp_path))) == []


def test_lines_to_sign_on_are_no_table(tmp_path: Path) -> None:
    paper = page()
    paper.say(paragraph(1))
    for y in (80, 110, 140):
        for x, role in ((10, "The captain"), (110, "The pilot")):
            line_rule(paper, x, x + 70, y)
            paper.text(x, y + 5, role)
            paper.text(x, y + 10, "Name and date")
    assert tables_of(read(written(paper, tmp_path))) == []


def test_a_chart_with_level_lines_is_no_table(tmp_path: Path) -> None:
    paper = page()
    for step in range(5):
        line_rule(paper, 20, 150, 40 + step * 20)
        paper.text(12, 41 + step * 20, str(40 - step * 10))
    for number, height in enumerate((52, 71, 64, 97, 85, 45)):
        paper.line(30 + number * 20, height, 50 + number * 20, height + 9)
        paper.text(28 + number * 20, height - 2, str(120 - height))
        paper.text(28 + number * 20, 125, f"Port {number}")
    for number in range(2):
        paper.text(110, 46 + number * 5, f"Ships of year {number}")
    assert tables_of(read(written(paper, tmp_path))) == []


def test_text_that_goes_on_beyond_the_rules_is_not_cut(tmp_path: Path) -> None:
    paper = page()
    paper.say(paragraph(1, 12))
    for y in (12, 22, 40):
        line_rule(paper, 60, 110, y)
    assert text_of(paper, tmp_path) == paragraph(1, 12)
