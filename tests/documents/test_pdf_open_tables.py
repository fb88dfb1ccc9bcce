"""Tables with level rules only are read cell by cell, as those who drew them meant them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from fpdf import FPDF

from tests.documents.open_tables import (
    Ruled,
    column_of,
    line_rule,
    markdown,
    page,
    pieces_rule,
    rectangle_rule,
    tables_of,
    text_of,
)
from tests.documents.pdf_files import paragraph, read, written

HEAD = ("Port", "Ships", "Income", "Open")
ROWS = (
    ("Alpha", "1,204", "48.25", "yes"),
    ("Beta | west", "87", "", "no"),
    ("Gamma", "12", "0.4", "in summer"),
    ("Delta", "", "112.375", ""),
)
WIDTHS = (40, 25, 25, 30)


def ports(paper: FPDF, y: float = 20, x: float = 10, aligns: str = "LRDC") -> Ruled:
    return Ruled(paper, x, y, WIDTHS, aligns).line().row(*HEAD).line().rows(ROWS).line()


@pytest.mark.parametrize("rule", [line_rule, rectangle_rule, pieces_rule])
def test_a_table_is_exact_between_its_caption_and_the_text(
    tmp_path: Path, rule: Callable[[FPDF, float, float, float], None]
) -> None:
    paper = page()
    paper.say(paragraph(1))
    paper.say("Table 1: Ships by port", 9)
    table = Ruled(paper, 10, paper.get_y(), WIDTHS, "LRDC", rule=rule)
    table.line().row(*HEAD).line().rows(ROWS).line()
    paper.set_y(table.y + 3)
    paper.say("Income in thousands. Closed ports have none.", 8)
    paper.say(paragraph(2))
    assert text_of(paper, tmp_path).split("\n\n") == [
        paragraph(1),
        "Table 1: Ships by port",
        markdown(HEAD, *ROWS),
        "Income in thousands. Closed ports have none.",
        paragraph(2),
    ]


@pytest.mark.parametrize("aligns", ["LLLL", "LRRR", "LCCC", "LDDD", "RRRR", "CCCC"])
def test_cells_may_stand_left_right_in_the_middle_or_at_their_point(
    tmp_path: Path, aligns: str
) -> None:
    paper = page()
    ports(paper, aligns=aligns)
    assert text_of(paper, tmp_path) == markdown(HEAD, *ROWS)


def test_heads_may_stand_otherwise_than_what_is_below_them(tmp_path: Path) -> None:
    paper = page()
    heads = ("Port", "Ships in the whole year", "Income", "Open")
    table = Ruled(paper, 10, 20, (40, 50, 40, 30), "LLCR").line().row(*heads).line()
    table.aligns = "LRRL"
    table.rows(ROWS).line()
    assert text_of(paper, tmp_path) == markdown(heads, *ROWS)


def test_a_table_in_a_column_leaves_the_other_column_alone(tmp_path: Path) -> None:
    paper = page()
    left, right = paragraph(3, 30), paragraph(4, 8)
    column_of(paper, left, 10, 20)
    y = column_of(paper, right, 110, 20)
    table = Ruled(paper, 110, y + 2, (32, 18, 22, 18), "LRDC", padding=1)
    table.line().row(*HEAD).line().rows(ROWS).line()
    column_of(paper, paragraph(5, 8), 110, table.y + 4)
    wanted = [left, right, markdown(HEAD, *ROWS), paragraph(5, 8)]
    assert text_of(paper, tmp_path).split("\n\n") == wanted


def test_a_table_over_both_columns_and_one_in_a_column(tmp_path: Path) -> None:
    paper = page()
    line_rule(paper, 10, 200, 12)
    wide = Ruled(paper, 10, 20, (70, 40, 40, 40), "LRDC")
    wide.line().row(*HEAD).line().rows(ROWS).line()
    left = column_of(paper, paragraph(6, 14), 10, wide.y + 6)
    column_of(paper, paragraph(7, 22), 110, wide.y + 6)
    narrow = Ruled(paper, 10, left + 2, (32, 18, 22, 18), "LRDC", padding=1)
    narrow.line().row(*HEAD).line().rows(ROWS).line()
    line_rule(paper, 10, 200, 285)
    assert text_of(paper, tmp_path).split("\n\n") == [
        markdown(HEAD, *ROWS), paragraph(6, 14), markdown(HEAD, *ROWS), paragraph(7, 22),
    ]  # fmt: skip


def test_two_tables_beside_each_other_are_two(tmp_path: Path) -> None:
    paper = page()
    for x in (10, 110):
        Ruled(paper, x, 20, (32, 18, 22, 18), "LRDC", padding=1).line().row(*HEAD).line().rows(
            ROWS
        ).line()
    assert tables_of(read(written(paper, tmp_path))) == [markdown(HEAD, *ROWS)] * 2


def test_two_tables_of_one_width_below_each_other_are_two(tmp_path: Path) -> None:
    paper = page()
    first = ports(paper)
    paper.set_y(first.y + 3)
    paper.say("Table 2: The same again", 9)
    ports(paper, paper.get_y())
    wanted = [markdown(HEAD, *ROWS), "Table 2: The same again", markdown(HEAD, *ROWS)]
    assert text_of(paper, tmp_path).split("\n\n") == wanted


def test_a_head_over_columns_names_each_of_them(tmp_path: Path) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, (40, 25, 25, 25, 25), "LRRRR")
    table.line().spanning((1, 3, "Ships"), (3, 5, "Income of the port"))
    y = table.y
    table.line(1, 3).y = y
    table.line(3, 5).row("Port", "in", "out", "2022", "2023").line()
    rows = [("Alpha", "1", "2", "3", "4"), ("Beta", "10", "20", "30", "40")]
    table.rows(rows).line().row("Mean", "5", "11", "16", "22").line()
    assert text_of(paper, tmp_path) == markdown(
        ("Port", "Ships in", "Ships out", "Income of the port 2022", "Income of the port 2023"),
        *rows,
        ("Mean", "5", "11", "16", "22"),
    )


def test_one_partial_rule_may_stand_under_two_heads(tmp_path: Path) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, (40, 25, 25, 25, 25), "LRRRR")
    table.line().spanning((1, 3, "Ships"), (3, 5, "Income")).line(1, 5)
    table.row("Port", "in", "out", "2022", "2023").line()
    rows = [("Alpha", "1", "2", "3", "4"), ("Beta", "10", "20", "30", "40")]
    table.rows(rows).line()
    heads = ("Port", "Ships in", "Ships out", "Income 2022", "Income 2023")
    assert text_of(paper, tmp_path) == markdown(heads, *rows)


def test_a_head_of_several_lines_is_one_row(tmp_path: Path) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, (40, 30, 30), "LCC").line()
    table.row("Port", "Ships in\nthe year", "Income\n(thousands)").line()
    table.rows([("Alpha", "12", "3"), ("Beta", "4", "17")]).line()
    assert text_of(paper, tmp_path) == markdown(
        ("Port", "Ships in the year", "Income (thousands)"), ("Alpha", "12", "3"), ("Beta", "4", "17")
    )  # fmt: skip


WRAPPED = (
    ("Counting", "counts all ships that come to\nthe harbour in a year", "12.5"),
    ("Weighing", "weighs cargo", "3"),
    ("Asking", "asks pilots how they have\nfound their way into the\nharbour", "1"),
    ("Looking from\nthe tower", "sees ships", "0.5"),
)


@pytest.mark.parametrize("space", [0, 2])
def test_a_wrapped_cell_is_one_cell(tmp_path: Path, space: float) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, (35, 60, 25), "LLR").line().row("Method", "It", "Score").line()
    for row in WRAPPED:
        table.row(*row).space(space)
    table.line()
    rows = [[cell.replace("\n", " ") for cell in row] for row in WRAPPED]
    assert text_of(paper, tmp_path) == markdown(("Method", "It", "Score"), *rows)


def test_near_lines_are_one_row_whatever_letter_they_begin_with(tmp_path: Path) -> None:
    paper = page()
    rows = (("First", "the harbour on the western\nNorth Sea", "1"), ("Second", "the Elbe", "2"),
            ("Third", "the quiet harbours of the\nBaltic", "3"))  # fmt: skip
    table = Ruled(paper, 10, 20, (35, 60, 25), "LLR").line().row("No.", "Where", "Count").line()
    for row in rows:
        table.row(*row).space(2)
    table.line()
    wanted = [[cell.replace("\n", " ") for cell in row] for row in rows]
    assert text_of(paper, tmp_path) == markdown(("No.", "Where", "Count"), *wanted)


def test_rows_of_a_group_without_a_first_cell_stay_rows(tmp_path: Path) -> None:
    paper = page()
    rows = [
        ("fruit", "apple", "red", "0.5"),
        ("", "pear", "green", ""),
        ("", "pineapple", "yellow", "(0.12)"),
        ("root", "carrot", "orange", "7"),
        ("", "beet", "red", ""),
    ]
    table = Ruled(paper, 10, 20, (30, 30, 30, 30), "LLLR").line()
    table.row("Kind", "Name", "Colour", "Weight").line().rows(rows[:3]).space(2)
    table.rows(rows[3:]).line()
    assert text_of(paper, tmp_path) == markdown(("Kind", "Name", "Colour", "Weight"), *rows)


def test_a_cell_in_the_middle_of_two_rows_is_in_the_upper(tmp_path: Path) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, (30, 30, 30), "LLR").line().row("Set", "Model", "Score").line()
    table.rows([("", "large", "81"), ("", "small", "78")]).between(0, "Harbours").line()
    table.rows([("", "large", "64"), ("", "small", "59")]).between(0, "Ships").line()
    assert text_of(paper, tmp_path) == markdown(
        ("Set", "Model", "Score"), ("Harbours", "large", "81"), ("", "small", "78"),
        ("Ships", "large", "64"), ("", "small", "59"),
    )  # fmt: skip


def test_a_line_over_all_columns_is_a_row_within_and_no_part_of_the_table_at_its_ends(
    tmp_path: Path,
) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, WIDTHS, "LRDC").line()
    table.spanning((0, 4, "All the ships of all the ports of the western coast")).line()
    table.row(*HEAD).line().rows(ROWS[:3]).line()
    table.spanning((0, 4, "Ports of the east, where nothing is counted")).line()
    table.rows(ROWS).line()
    table.spanning((0, 4, "Income in thousands, as the harbour offices say")).line()
    assert text_of(paper, tmp_path).split("\n\n") == [
        "All the ships of all the ports of the western coast",
        markdown(HEAD, *ROWS[:3], ("Ports of the east, where nothing is counted", "", "", ""), *ROWS),
        "Income in thousands, as the harbour offices say",
    ]  # fmt: skip


def test_numbers_below_each_other_are_two_cells_where_nothing_is_between(tmp_path: Path) -> None:
    paper = page()
    rows = [("Alpha", "1", "4668"), ("", "", "5"), ("", "2", "(0.03)"), ("Beta", "4", "69.31")]
    Ruled(paper, 10, 20, (30, 30, 30), "LRR").line().row("Port", "N", "Sum").line().rows(
        rows
    ).line()
    assert text_of(paper, tmp_path) == markdown(("Port", "N", "Sum"), *rows)


def test_a_column_without_values_keeps_its_head(tmp_path: Path) -> None:
    paper = page()
    rows = [(row[0], "", row[2], row[3]) for row in ROWS]
    Ruled(paper, 10, 20, WIDTHS, "LRDC").line().row(*HEAD).line().rows(rows).line()
    assert text_of(paper, tmp_path) == markdown(HEAD, *rows)


def test_a_table_without_a_middle_rule_has_its_first_row_as_head(tmp_path: Path) -> None:
    paper = page()
    Ruled(paper, 10, 20, WIDTHS, "LRDC").line().row(*HEAD).rows(ROWS).line()
    assert text_of(paper, tmp_path) == markdown(HEAD, *ROWS)


def test_a_table_with_a_rule_below_each_row(tmp_path: Path) -> None:
    paper = page()
    table = Ruled(paper, 10, 20, WIDTHS, "LRDC").line().row(*HEAD).line()
    for row in ROWS:
        table.row(*row).line()
    assert text_of(paper, tmp_path) == markdown(HEAD, *ROWS)


def test_rows_of_numbers_above_the_only_inner_rule_are_no_head(tmp_path: Path) -> None:
    paper = page()
    rows = [("Alpha", "12", "3"), ("Beta", "4", "17"), ("Gamma", "8", "1")]
    table = Ruled(paper, 10, 20, (40, 30, 30), "LRR").line().rows(rows).line()
    table.row("Mean", "8", "7").line()
    assert text_of(paper, tmp_path) == markdown(*rows, ("Mean", "8", "7"))


def test_tables_of_any_shape_are_exact(tmp_path: Path) -> None:
    random = Random(11)
    for number in range(40):
        paper = page()
        columns, count = random.randint(2, 7), random.randint(3, 14)
        rows = [
            [f"Port {random.choice('ABCDEFG')}{row}"]
            + [random.choice(["", "7", "12.5", "1,204", "0.031", "no"]) for _ in range(columns - 2)]
            + [f"{random.uniform(0, 999):.{random.randint(0, 3)}f}"]
            for row in range(count)
        ]
        head = [f"Head {column}" for column in range(columns)]
        widths = [30, *(random.uniform(18, 25) for _ in range(columns - 1))]
        aligns = "L" + "".join(random.choice("LRC") for _ in range(columns - 1))
        rule = random.choice([line_rule, rectangle_rule, pieces_rule])
        size = random.choice([7, 8, 9, 10])
        table = Ruled(paper, 10, 20, widths, aligns, size, size * 0.42, 4 * 25.4 / 72, rule)
        table.line().row(*head).line().rows(rows).line()
        reading = read(written(paper, tmp_path, f"{number}.pdf"))
        assert reading.text == markdown(head, *rows), number
