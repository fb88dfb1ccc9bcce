"""Table names: given ones are checked, missing ones are derived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.datasets.table_names import RESERVED_WORDS, check_table_name, derive_table_name


@pytest.mark.parametrize("name", ["a", "_", "Cars_2024", "x" * 128, "_1", "selects"])
def test_a_good_name_is_kept_as_it_is(name: str) -> None:
    assert check_table_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "a b", "a-b", "ä", "a.b", 'a"', "x" * 129, "a\n", "select", "Table", "SOME"]
)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="able name"):
        check_table_name(name)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Sales 2024", "sales_2024"),
        ("Sales -  2024", "sales_2024"),
        ("2024 Sales", "_2024_sales"),
        ("under_score", "underscore"),
        ("Größe!", "gre"),
        ("trailing - ", "trailing"),
        ("!!!", "_unnamed"),
        ("日本", "_unnamed"),
        ("x" * 300, "x" * 128),
        ("9" * 300, "_" + "9" * 127),
    ],
)
def test_a_label_becomes_a_name(label: str, name: str) -> None:
    assert derive_table_name(label) == name


@pytest.mark.parametrize("label", ["", " ", "\t\n"])
def test_a_blank_label_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"^Dataset label cannot be empty$"):
        derive_table_name(label)


def test_a_label_that_is_a_reserved_word_is_refused() -> None:
    with pytest.raises(ValueError, match="Cannot create valid table name from label 'select'"):
        derive_table_name("select")


@given(st.text(min_size=1))
def test_whatever_is_derived_is_a_good_name(label: str) -> None:
    try:
        name = derive_table_name(label)
    except ValueError:
        kept = "".join(c for c in label.lower() if c.isascii() and c.isalnum())
        assert not label.strip() or kept in RESERVED_WORDS
    else:
        assert check_table_name(name) == name
