"""The words of SQL that no operand is, and where an operand ends."""

from engine.dialect.lexer import Kind, Piece

# The reserved words of Postgres but for those that are values, and what else is never a column in practice.
STOPS = frozenset(
    [
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "as",
        "asc",
        "asymmetric",
        "between",
        "both",
        "by",
        "collate",
        "create",
        "cross",
        "desc",
        "distinct",
        "do",
        "else",
        "escape",
        "except",
        "fetch",
        "filter",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "ilike",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "materialized",
        "natural",
        "not",
        "notnull",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlaps",
        "partition",
        "placing",
        "qualify",
        "recursive",
        "respect",
        "returning",
        "right",
        "select",
        "similar",
        "some",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "to",
        "trailing",
        "union",
        "unique",
        "using",
        "values",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "within",
    ]
)
# Named like a join, but a function before brackets.
_CALLABLE = frozenset({"left", "right"})
# What ends the list of SELECT, on the same level.
LIST_ENDS = frozenset(
    [
        "from",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "fetch",
        "union",
        "except",
        "intersect",
        "window",
        "qualify",
        "into",
        "for",
    ]
)
_OPERANDS = (Kind.QUOTED, Kind.STRING, Kind.NUMBER, Kind.PARAMETER, Kind.VALUE, Kind.GROUP)


def is_operand(piece: Piece | None) -> bool:
    """Whether a piece is a value, or a name that may stand for one."""
    if piece is None:
        return False
    return piece.kind in _OPERANDS or (piece.kind is Kind.WORD and piece.word not in STOPS)


def is_name(piece: Piece | None, after: Piece | None) -> bool:
    """Whether a piece may begin the name of a column or of a function."""
    if piece is None:
        return False
    if piece.kind is Kind.QUOTED:
        return True
    is_call = after is not None and after.is_round and piece.word in _CALLABLE
    return piece.kind is Kind.WORD and (piece.word not in STOPS or is_call)


def ends_list(pieces: list[Piece], place: int) -> bool:
    """Whether a piece ends the list of SELECT: the FROM of IS DISTINCT FROM does not."""
    word = pieces[place].word
    if word == "from" and place and pieces[place - 1].word == "distinct":
        return False
    return word in LIST_ENDS or pieces[place].text in ("", ";")
