"""Names of columns: made unique, bounded, and compared with the declared ones."""

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa

from engine.datasets.errors import LoadError

COLUMNS_MAX = 10_000
NAME_LENGTH_MAX = 1_000


def header_names(header: list[str]) -> list[str]:
    """Name the columns of a header row.

    Blanks around names go; an empty one is named by its position from 0.

    >>> header_names(["", " a", "a"])
    ['column0', 'a', 'a_1']
    """
    return unique_names(
        [name.strip() or f"column{position}" for position, name in enumerate(header)]
    )


def unique_names(names: list[str]) -> list[str]:
    """Number the names that are there already.

    Raises:
        LoadError: there are too many names, or one is too long.

    >>> unique_names(["a", "a", "a_1"])
    ['a', 'a_2', 'a_1']
    """
    if len(names) > COLUMNS_MAX:
        raise LoadError(f"Parse error: {len(names)} columns, at most {COLUMNS_MAX} are allowed")
    if any(len(name) > NAME_LENGTH_MAX for name in names):
        raise LoadError(f"Parse error: a column name is longer than {NAME_LENGTH_MAX} characters")
    taken, unique = set(names), dict.fromkeys(names[:0])
    for name in names:
        chosen, number = name, 0
        while chosen in unique or (number and chosen in taken):
            number += 1
            chosen = f"{name}_{number}"
        unique[chosen] = None
    return list(unique)


def refuse_undeclared(found: Iterable[str], declared: Mapping[str, pa.DataType]) -> None:
    """Check that every column of the data was declared.

    Raises:
        LoadError: naming the first that was not.
    """
    for name in found:
        if name not in declared:
            raise LoadError(f"Column '{name}' found in data but not defined in columns")


def refuse_missing(found: Collection[str], declared: Mapping[str, pa.DataType]) -> None:
    """Check that every declared column is in the data.

    Raises:
        LoadError: naming the first that is not.
    """
    for name in declared:
        if name not in found:
            raise LoadError(f"Column '{name}' is defined but not found in data")
