"""What is rewritten between operands: words of clauses, and the names of output columns."""

from engine.dialect.lexer import UNNAMED, Kind, Piece
from engine.dialect.words import ends_list, is_operand
from engine.errors import SqlInvalid
from engine.query.sql_text import quoted_name

_ROWS = frozenset({"row", "rows"})
_BEFORE_LIST = frozenset({"distinct", "all", "on"})


def write_clauses(pieces: list[Piece]) -> list[Piece]:
    """Rewrite a level whose operands are folded.

    Raises:
        SqlInvalid: something of Postgres that would be answered wrongly.
    """
    out: list[Piece] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        words = [each.word for each in pieces[at : at + 2]]
        if words in (["except", "all"], ["intersect", "all"]):
            raise SqlInvalid(
                f"{' '.join(words).upper()} is not supported: duplicates would not be counted."
            )
        if words in (["fetch", "first"], ["fetch", "next"]):
            limit, at = _fetch(pieces, at)
            out.append(limit)
            continue
        if piece.word in _ROWS and len(out) > 1 and out[-2].word == "offset":
            at += 1
            continue
        out.append(piece)
        at += 1
    name_columns(out)
    return out


def _fetch(pieces: list[Piece], start: int) -> tuple[Piece, int]:
    """``FETCH FIRST n ROWS ONLY`` is ``LIMIT n``."""
    at = start + 2
    count = "1"
    if at < len(pieces) and pieces[at].word not in _ROWS:
        count = pieces[at].text
        at += 1
    if at < len(pieces) and pieces[at].word in _ROWS:
        at += 1
    word = pieces[at].word if at < len(pieces) else ""
    if word == "with":
        raise SqlInvalid("FETCH … WITH TIES is not supported. Use rank() in a subquery instead.")
    limit = Piece(Kind.MARK, f"LIMIT {count}", pieces[start].gap, word="limit")
    return limit, at + (word == "only")


def name_columns(pieces: list[Piece]) -> None:
    """Name what is rewritten in the list of SELECT and has no name, as Postgres does."""
    item: list[Piece] | None = None
    for place, piece in enumerate(pieces):
        before = pieces[place - 1].word if place else ""
        if piece.word == "select":
            item = []
        elif item is not None and (piece.word == "," or ends_list(pieces, place)):
            _name_column(item)
            item = [] if piece.word == "," else None
        elif item == [] and (piece.word in _BEFORE_LIST or before == "on"):
            continue  # DISTINCT ON (…)
        elif item is not None:
            item.append(piece)
    if item is not None:
        _name_column(item)


def _name_column(item: list[Piece]) -> None:
    if not any(piece.is_changed for piece in item):
        return
    last, before = item[-1], item[-2] if len(item) > 1 else None
    is_named = before is not None and (
        before.word == "as" or is_operand(before) or before.text.endswith("NULL")
    )
    if is_named and last.kind in (Kind.WORD, Kind.QUOTED):
        return
    name = last.name if len(item) == 1 else UNNAMED
    last.text = f"{last.text} AS {quoted_name(name)}"
