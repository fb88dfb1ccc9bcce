"""The pieces of a statement as a tree: brackets and CASE … END hold what is between them."""

from collections.abc import Iterator

from engine.dialect.lexer import Kind, Piece, split, text_of

_OPENERS = {"(": ")", "[": "]", "case": "end"}
# More than :mod:`engine.query.parse` lets pass; the passes recurse.
_DEPTH_MAX = 250
_CLOSERS = frozenset(_OPENERS.values())


def read_tree(sql: str) -> list[Piece] | None:
    """Return the outermost level of a statement; None when it nests too deep, or a bracket is never closed."""
    levels: list[list[Piece]] = [[]]
    openers: list[Piece] = []
    for piece in split(sql):
        word = piece.word
        if word in _OPENERS:
            openers.append(piece)
            levels.append([])
            if len(levels) > _DEPTH_MAX:
                return None
        elif word in _CLOSERS and openers and _OPENERS[openers[-1].word] == word:
            opener = openers.pop()
            text = opener.text + text_of([*levels[-1], piece])
            group = Piece(Kind.GROUP, text, opener.gap, inner=levels.pop(), closer=piece)
            levels[-1].append(group)
        else:
            levels[-1].append(piece)
    return None if openers else levels[0]


def rewrite_group(group: Piece, inner: list[Piece]) -> None:
    """Give a group what is between its brackets now."""
    opener = group.text[: 1 if group.text[0] in "([" else len("case")]
    group.inner = inner
    group.text = opener + text_of([*inner, *([group.closer] if group.closer else [])])
    group.is_changed = any(piece.is_changed for piece in inner)
    if opener.lower() == "case":
        group.name = "case"
    elif len(inner) == 1:
        group.name = inner[0].name


def neighbours(level: list[Piece]) -> Iterator[tuple[str, Piece, str]]:
    """Yield every piece of a level and below, with the words at its sides."""
    waiting = [level]
    while waiting:
        pieces = waiting.pop()
        for place, piece in enumerate(pieces):
            before = pieces[place - 1].word if place else ""
            after = pieces[place + 1] if place + 1 < len(pieces) else None
            mark = "" if after is None else "(" if after.is_round else after.word
            yield before, piece, mark
            if piece.inner:
                waiting.append(piece.inner)
