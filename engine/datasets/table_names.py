"""The name a dataset has in SQL: checked when given, derived from the label when not.

Case is kept, so a mixed-case name needs quotes in SQL. A derived name passes the same check as a
given one.
"""

import re

NAME_LENGTH_MAX = 128

RESERVED_WORDS = frozenset(
    [
        "select",
        "from",
        "where",
        "insert",
        "update",
        "delete",
        "create",
        "drop",
        "alter",
        "table",
        "index",
        "view",
        "and",
        "or",
        "not",
        "null",
        "true",
        "false",
        "in",
        "is",
        "like",
        "between",
        "join",
        "on",
        "as",
        "order",
        "by",
        "group",
        "having",
        "limit",
        "offset",
        "union",
        "all",
        "distinct",
        "case",
        "when",
        "then",
        "else",
        "end",
        "exists",
        "any",
        "some",
    ]
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_table_name(name: str) -> str:
    """Return ``name`` when it can be a table name.

    Raises:
        ValueError: the name breaks a rule; the message says which.

    >>> check_table_name("Cars_2024")
    'Cars_2024'
    """
    if not name:
        raise ValueError("Table name cannot be empty")
    if len(name) > NAME_LENGTH_MAX:
        raise ValueError(f"Table name cannot be longer than {NAME_LENGTH_MAX} characters")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"Invalid table name '{name}': it must start with a letter or underscore "
            "and hold only letters, digits and underscores"
        )
    if name.lower() in RESERVED_WORDS:
        raise ValueError(f"Table name '{name}' is a reserved word")
    return name


def derive_table_name(label: str) -> str:
    """Derive a table name from a dataset's label.

    ASCII letters and digits are kept in lower case, white space and ``-`` become one ``_``, and
    everything else goes, underscores included.

    Raises:
        ValueError: the label is blank, or what is left of it is a reserved word.

    >>> derive_table_name("2024 Sales - Europe")
    '_2024_sales_europe'
    """
    if not label.strip():
        raise ValueError("Dataset label cannot be empty")
    kept = re.sub(r"[^A-Za-z0-9\s-]", "", label).lower()
    name = re.sub(r"[\s-]+", "_", kept).rstrip("_") or "_unnamed"
    if name[0].isdigit():
        name = f"_{name}"
    try:
        return check_table_name(name[:NAME_LENGTH_MAX])
    except ValueError as exc:
        raise ValueError(f"Cannot create valid table name from label '{label}': {exc}") from exc
