"""What a PDF looks like becomes what it says: headings, columns, lists, tables, figures."""

from pathlib import Path

import pytest
from PIL import Image

from tests.documents.pdf_files import Paper, Scan, likeness, paragraph, raw_pdf, read, written


def page_of(*texts: str) -> str:
    return "\n\n".join(texts)


def test_twenty_pages_are_read_without_their_heads_and_numbers(tmp_path: Path) -> None:
    paper = Paper("The harbour yearbook", "Page {} of 20")
    for page in range(20):
        paper.add_page()
        for part in range(5):
            paper.say(paragraph(page * 5 + part))
    reading = read(written(paper, tmp_path))
    wanted = page_of(*[paragraph(number) for number in range(100)])
    assert likeness(reading.text, wanted) >= 0.999
    assert "yearbook" not in reading.text
    assert reading.text.split("\n\n") == wanted.split("\n\n")
    assert reading.reports == [(page, 20) for page in range(1, 21)]


def test_what_begins_every_page_and_counts_them_is_text_where_text_follows_closely(
    tmp_path: Path,
) -> None:
    paper = Paper()
    for page in range(4):
        paper.add_page()
        paper.say(f"{page + 1}. Ledger of year {page + 1}", 16, "B")
        paper.say(f"Entry {page + 1} of the ledger is about harbour dues.")
        paper.say(paragraph(page))
    reading = read(written(paper, tmp_path))
    assert reading.headings == [f"# {page}. Ledger of year {page}" for page in range(1, 5)]
    for page in range(1, 5):
        assert f"Entry {page} of the ledger is about harbour dues." in reading.text


def test_headings_have_the_levels_of_their_numbers_below_the_title(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say("On harbours", 16, "B")
    paper.say("1. Introduction", 16, "B")
    paper.say(paragraph(1))
    paper.say("1.1 Earlier work", 12, "B")
    paper.say(paragraph(2))
    paper.say("2. Methods", 16, "B")
    paper.say("2.1 Counting", 12, "B")
    paper.say("2.1.1 By hand", 11, "B")
    paper.say(paragraph(3))
    paper.say("Acknowledgements", 16, "B")
    paper.say(paragraph(4))
    reading = read(written(paper, tmp_path))
    assert reading.headings == [
        "# On harbours",
        "## 1. Introduction",
        "### 1.1 Earlier work",
        "## 2. Methods",
        "### 2.1 Counting",
        "#### 2.1.1 By hand",
        "## Acknowledgements",
    ]
    assert reading.content.title == "On harbours"


def test_headings_without_numbers_are_ranked_by_size(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    for size, text in ((24, "Yearbook"), (18, "Ships"), (14, "Small ships"), (18, "Quays")):
        paper.say(text, size)
        paper.say(paragraph(size))
    assert read(written(paper, tmp_path)).headings == [
        "# Yearbook", "## Ships", "### Small ships", "## Quays",
    ]  # fmt: skip


def test_the_outline_makes_headings_of_lines_like_any_other(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    for level, text in enumerate(("Harbours of the north", "The tide there", "Low water")):
        paper.start_section(text, level)
        paper.say(text)
        paper.say(paragraph(level))
    assert read(written(paper, tmp_path)).headings == [
        "# Harbours of the north", "## The tide there", "### Low water",
    ]  # fmt: skip


def test_the_title_of_the_file_is_taken_if_a_person_wrote_it(tmp_path: Path) -> None:
    for title, wanted in (("The tides", "The tides"), ("Microsoft Word - a.doc", "Quays")):
        paper = Paper()
        paper.set_title(title)
        paper.add_page()
        paper.say("Quays", 20)
        paper.say(paragraph(1))
        assert read(written(paper, tmp_path)).content.title == wanted


def test_a_line_that_would_be_a_heading_in_markdown_is_escaped(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say("# is the sign for numbers. " + paragraph(1))
    assert read(written(paper, tmp_path)).text.startswith("\\# is the sign")


@pytest.mark.parametrize("columns", [2, 3])
def test_columns_are_read_one_after_another(tmp_path: Path, columns: int) -> None:
    paper = Paper()
    paper.add_page()
    paper.say("A title over all columns of the page", 20, align="C")
    texts = [paragraph(number, 9) for number in range(7)]
    with paper.text_columns(ncols=columns, gutter=8, text_align="J", line_height=1.2) as flow:
        flow.write("\n\n".join(texts))
    reading = read(written(paper, tmp_path))
    wanted = page_of("# A title over all columns of the page", *texts)
    assert likeness(reading.text, wanted) >= 0.999


def test_columns_written_row_by_row_are_read_one_after_another(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    left, right = (paragraph(number, 12).split() for number in (1, 2))
    while left or right:
        cells = []
        for words in (left, right):
            line = ""
            while words and paper.get_string_width(f"{line} {words[0]}") < 82:
                line = f"{line} {words.pop(0)}".strip()
            cells.append(line)
        paper.cell(92, 5, cells[0])
        paper.cell(0, 5, cells[1], new_x="LMARGIN", new_y="NEXT")
    reading = read(written(paper, tmp_path))
    assert likeness(reading.text, page_of(paragraph(1, 12), paragraph(2, 12))) >= 0.999


def test_labels_beside_values_are_not_columns(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    for number in range(8):
        paper.cell(120, 7, f"Ship {number}")
        paper.cell(0, 7, f"{number * 100} t", new_x="LMARGIN", new_y="NEXT")
    text = read(written(paper, tmp_path)).text
    for number in range(8):
        assert f"Ship {number} {number * 100} t" in text


def test_hyphens_at_line_ends_go_but_those_of_compounds_stay(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.lines(
        "The north-east wind is strong, and a compre-",
        "hensive count of ships is hard in the north-",
        "east of the harbour, where pilots wait.",
    )
    assert read(written(paper, tmp_path)).text == (
        "The north-east wind is strong, and a comprehensive count of ships is hard in the"
        " north-east of the harbour, where pilots wait."
    )


def test_a_paragraph_over_a_page_break_is_one_on_the_page_where_it_begins(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.lines("The count begins on this page and goes on, as the harbour", "does, until")
    paper.add_page()
    paper.lines("the next page. It ends here.")
    paper.say("Another paragraph.")
    reading = read(written(paper, tmp_path))
    first, second = reading.content.pages
    assert reading.text[first.start : first.end].endswith("until the next page. It ends here.")
    assert reading.text[second.start : second.end] == "Another paragraph."


def test_each_page_is_where_its_span_says(tmp_path: Path) -> None:
    paper = Paper()
    for number in range(4):
        paper.add_page()
        if number != 2:
            paper.say(f"Page {number}. {paragraph(number)}")
    reading = read(written(paper, tmp_path))
    pages = [reading.text[span.start : span.end] for span in reading.content.pages]
    assert [span.page for span in reading.content.pages] == [1, 2, 3, 4]
    assert pages == [f"Page {n}. {paragraph(n)}" if n != 2 else "" for n in range(4)]


def test_lists_are_lists(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.lines("There are questions:")
    paper.lines("1. How many ships come to us in a year?", f"2. {paragraph(3, 3)}", "3. And when?")
    paper.lines("\x95 grain", "\x95 ore", "- coal")
    paper.say("In all there are 12 of them.")
    assert read(written(paper, tmp_path)).text == page_of(
        "There are questions:",
        f"1. How many ships come to us in a year?\n2. {paragraph(3, 3)}\n3. And when?",
        "- grain\n- ore\n- coal",
        "In all there are 12 of them.",
    )


def test_a_number_at_the_start_of_a_line_is_no_list(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.lines(
        "The pilots of the harbour have seen many storms, and the worst of them was in",
        "1990. That was the year of the flood, and nobody has forgotten it since then.",
    )
    assert read(written(paper, tmp_path)).text.count("\n") == 0


TABLE = (
    ("Port", "Ships", "Income in 2023"),
    ("Alpha", "1,204", "48.2"),
    ("Beta | west", "87", ""),
    ("Gamma, whose name is so long that it goes over two lines", "12", "0.4"),
)


def test_a_table_is_exact_in_its_place_and_its_words_are_not_repeated(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    paper.grid(TABLE)
    paper.say(paragraph(2))
    table = "\n".join(
        [
            "| Port | Ships | Income in 2023 |",
            "| --- | --- | --- |",
            "| Alpha | 1,204 | 48.2 |",
            "| Beta \\| west | 87 |  |",
            f"| {TABLE[3][0]} | 12 | 0.4 |",
        ]
    )
    assert read(written(paper, tmp_path)).text == page_of(paragraph(1), table, paragraph(2))


def test_a_box_around_a_paragraph_is_no_table(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.multi_cell(0, 6, paragraph(1), border=1)
    assert read(written(paper, tmp_path)).text == paragraph(1)


@pytest.mark.parametrize("label", ["", "Low water"])
def test_the_lines_behind_a_chart_are_no_table(tmp_path: Path, label: str) -> None:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    top = paper.get_y() + 4
    for step in range(11):
        paper.line(20 + 12 * step, top, 20 + 12 * step, top + 80)
        paper.line(20, top + 8 * step, 140, top + 8 * step)
    paper.text(45, top + 30, label)
    paper.set_y(top + 90)
    paper.say(paragraph(2))
    texts = [paragraph(1), *([label] if label else []), paragraph(2)]
    assert read(written(paper, tmp_path)).text == page_of(*texts)


def test_a_form_to_be_filled_in_is_a_table(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.grid((("Name", "Company", "Arrived", "Left"), *[("",) * 4] * 24))
    lines = read(written(paper, tmp_path)).text.splitlines()
    assert lines[0] == "| Name | Company | Arrived | Left |"
    assert len(lines) == 26


def test_a_turned_page_is_read_as_it_is_shown(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    paper.grid(TABLE)
    upright = written(paper, tmp_path, "upright.pdf")
    wanted = read(upright).text
    # Turned by 90 degrees in the page and back by its content.
    stream = b"q 0 1 -1 0 595 0 cm BT /F 12 Tf 50 400 Td (Turned and readable) Tj 0 -60 Td (Below it) Tj ET Q"
    font = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    turned = tmp_path / "turned.pdf"
    turned.write_bytes(raw_pdf(stream, resources=font, page="/Rotate 90"))
    assert read(turned).text == "Turned and readable\n\nBelow it"
    assert "| Alpha | 1,204 | 48.2 |" in wanted


def test_ligatures_and_letters_of_other_scripts_are_read(tmp_path: Path) -> None:
    differences = "/Differences [1 /fi /fl /eacute /germandbls /Omega /ffi]"
    font = (
        "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding"
        f" << /Type /Encoding {differences} >> >> >>"
    )
    stream = (
        b"BT /F 12 Tf 50 700 Td (o\\006ce, \\001ne, \\002oor, caf\\003, Stra\\004e, 5 \\005) Tj ET"
    )
    file = tmp_path / "letters.pdf"
    file.write_bytes(raw_pdf(stream, resources=font))
    # Omega is U+03A9, or the sign of the ohm, which looks the same.
    assert read(file).text.replace("\u2126", "Ω") == "office, fine, floor, café, Straße, 5 Ω"


def drawing(colour: str = "steelblue") -> Image.Image:
    image = Image.new("RGB", (300, 200), colour)
    image.paste("white", (40, 40, 120, 160))
    return image


def test_images_stand_in_their_place_with_their_caption(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    paper.image(drawing(), w=80)
    caption = "Figure 1: Ships by month [all ports]"
    paper.say(caption, 9)
    paper.say(paragraph(2))
    paper.image(drawing("darkred"), w=80)
    paper.say(paragraph(3))
    reading = read(written(paper, tmp_path))
    assert reading.text == page_of(
        paragraph(1),
        "![Figure 1: Ships by month (all ports)](page-1-image-1.png)",
        caption,
        paragraph(2),
        "![](page-1-image-2.png)",
        paragraph(3),
    )
    first, second = reading.content.figures
    assert (first.caption, first.label, first.page) == (caption, "Figure 1", 1)
    assert (second.caption, second.label, second.page) == (None, None, 1)
    with Image.open(reading.folder / first.name) as kept:
        assert kept.size == (300, 200)
        assert kept.convert("RGB").tobytes() == drawing().tobytes()


def test_a_logo_on_every_page_is_neither_text_nor_file(tmp_path: Path) -> None:
    paper = Paper()
    for number in range(4):
        paper.add_page()
        paper.image(drawing(), w=40)
        paper.say(paragraph(number))
    reading = read(written(paper, tmp_path))
    assert reading.text == page_of(*map(paragraph, range(4)))
    assert list(reading.folder.iterdir()) == []


def test_dots_of_a_table_of_contents_go_and_its_lines_are_no_headings(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.lines(f"1 Ships {'. ' * 40}3", f"2 Quays {'. ' * 40}9")
    paper.say("1 Ships", 16, "B")
    paper.say(paragraph(1))
    reading = read(written(paper, tmp_path))
    assert reading.text.startswith("1 Ships … 3\n\n2 Quays … 9\n\n")
    assert len(reading.headings) == 1


def test_a_page_of_text_beside_a_page_of_scan(tmp_path: Path) -> None:
    paper = Paper()
    paper.add_page()
    paper.say(paragraph(1))
    paper.add_page()
    paper.image(Scan().say(paragraph(2)).sheet, x=0, y=0, w=210)
    paper.add_page()
    paper.say(paragraph(3))
    path = written(paper, tmp_path)
    reading = read(path)
    assert likeness(reading.text, page_of(*map(paragraph, (1, 2, 3)))) >= 0.99
    assert reading.content.figures == ()
    without = read(path, ocr="never")
    assert without.text == page_of(paragraph(1), "![](page-2-image-1.png)", paragraph(3))
