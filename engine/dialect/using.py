"""``JOIN … USING (k)``: DataFusion takes a bare ``k`` in a condition for ambiguous, so it is given its table.

Of an inner and of a left join the key is that of the left. RIGHT and FULL are refused before, as DataFusion
answers them wrongly.
"""

from engine.dialect.lexer import Kind, Piece, items_of
from engine.dialect.words import LIST_ENDS, is_name

_CONDITION_ENDS = (LIST_ENDS - {"from", "where"}) | {"join", "using"}
_TABLE_ENDS = frozenset(
    {",", "where", "join", "inner", "left", "right", "full", "cross", "natural"}
)


def write_keys(level: list[Piece]) -> list[Piece]:
    """Give the keys of USING their table in the conditions of one level."""
    words = [piece.word for piece in level]
    if "using" not in words or words.count("from") != 1 or {"where", "on"}.isdisjoint(words):
        return level
    start = words.index("from") + 1
    table = first_table(level, start)
    if not {",", "cross"}.isdisjoint(words[start:]) or "on" in words[: words.index("using")]:
        table = None  # whose key it is, is not known
    keys: set[str] = set()
    is_condition = False
    for place in range(start, len(level)) if table is not None else ():
        word = words[place]
        if word == "using" and place + 1 < len(level):
            keys |= {item[0].name for item in items_of(level[place + 1]) if len(item) == 1}
        if word in ("where", "on"):
            is_condition = True
        elif word in _CONDITION_ENDS:
            is_condition = False
        elif is_condition and table is not None:
            _qualify(level, place, keys, table.text)
    return level


def first_table(level: list[Piece], start: int) -> Piece | None:
    """The name that the first table of FROM is called by."""
    end = start
    while end < len(level) and level[end].word not in _TABLE_ENDS:
        end += 1
    last = level[end - 1]
    return last if is_name(last, None) and end > start else None


def _qualify(level: list[Piece], place: int, keys: set[str], table: str) -> None:
    piece = level[place]
    if piece.kind is Kind.GROUP:
        if piece.inner and piece.inner[0].word in ("select", "with", "values"):
            return  # of a query of its own
        for inner in range(len(piece.inner)):
            _qualify(piece.inner, inner, keys, table)
    elif is_name(piece, None) and piece.name in keys and not _is_part(level, place):
        piece.text, piece.kind, piece.word = f"{table}.{piece.text}", Kind.VALUE, ""


def _is_part(level: list[Piece], place: int) -> bool:
    """Whether a name has a dot at its side, or is that of a call, of a type, or of a field of EXTRACT."""
    before = level[place - 1] if place else None
    after = level[place + 1] if place + 1 < len(level) else None
    if before is not None and (before.word in (".", "::", "as") or before.kind is Kind.STRING):
        return True
    return after is not None and (
        after.word in (".", "from") or after.is_round or after.kind is Kind.STRING
    )
