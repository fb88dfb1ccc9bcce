"""Reads a call with what belongs to it, ``f(DISTINCT x ORDER BY y) FILTER (…) OVER (…)``, and has it written."""

from engine.dialect.call_table import rewritten_aggregate, rewritten_call
from engine.dialect.casts import cast
from engine.dialect.lexer import Kind, Piece, items_of, joined, text_of, written
from engine.dialect.words import is_name
from engine.errors import SqlInvalid


def written_call(level: list[Piece], start: int, at: int, clause: str) -> tuple[Piece, int]:
    """Write a call whose name begins at ``start`` and whose brackets are at ``at``.

    Returns:
        The call, and the place behind it and its WITHIN GROUP, FILTER and OVER.
    """
    name = level[at - 1].name
    group, end = level[at], at + 1
    tail = _Tail()
    while (found := _tail_end(level, end)) > end:
        tail.read(level, end)
        end = found
    whole = joined(level[start:end], name=name)
    schema = [piece.name for piece in level[start : at - 1 : 2]]
    if schema not in ([], ["pg_catalog"]):
        return whole, end
    if name == "cast" and (cast_piece := _cast(group)) is not None:
        cast_piece.gap = whole.gap
        return cast_piece, end
    text = _written(name, group, tail, clause)
    if text is None and schema:
        whole.text, whole.is_changed = text_of(level[at - 1 : end]), True
    if text is not None:
        whole = written(text, whole.gap, name)
    return whole, end


class _Tail:
    """What is behind the brackets of an aggregate.

    Attributes:
        order_by: what is in ``WITHIN GROUP (ORDER BY …)``.
        ordered: the expression that it orders by.
        condition: what is in ``FILTER (WHERE …)``.
        over: ``OVER`` and its window.
    """

    def __init__(self) -> None:
        self.order_by = ""
        self.ordered = ""
        self.condition = ""
        self.over = ""

    def read(self, level: list[Piece], at: int) -> None:
        """Read one of the clauses, which begins at ``at``."""
        group = level[at + 1]
        if level[at].word == "within":
            inner = level[at + 2].inner[2:]
            ends = (place for place, piece in enumerate(inner) if piece.word in _ORDER_ENDS)
            self.order_by, self.ordered = _sql(inner), _sql(inner[: next(ends, len(inner))])
        elif level[at].word == "filter":
            self.condition = _sql(group.inner[1:])
        else:
            _check_window(group)
            self.over = f" OVER {group.text}"


def _tail_end(level: list[Piece], at: int) -> int:
    """Where the clause ends that begins at ``at``; ``at`` where there is none."""
    word, after = level[at].word, level[at + 1]
    if (
        word == "within"
        and after.word == "group"
        and at + 2 < len(level)
        and level[at + 2].is_round
    ):
        return at + 3
    is_named = after.kind in (Kind.WORD, Kind.QUOTED)
    if (word == "filter" and after.is_round) or (word == "over" and (after.is_round or is_named)):
        return at + 2
    return at


def _check_window(group: Piece) -> None:
    """DataFusion forgets what a window has that another one is made of."""
    first = group.inner[0] if group.is_round and group.inner else None
    if first is None:
        return
    if len(group.inner) == 1 and is_name(first, None):
        # In brackets the order of the other window is forgotten as well.
        group.text, group.gap, group.is_changed = first.text, group.gap or " ", True
        return
    if first.kind is Kind.QUOTED or (first.kind is Kind.WORD and first.word not in _WINDOW_WORDS):
        raise SqlInvalid(
            f"OVER ({first.text} …) is not supported: write PARTITION BY and ORDER BY of the window out."
        )


def _written(name: str, group: Piece, tail: _Tail, clause: str) -> str | None:
    """The SQL of a call; None when it stays as it is."""
    if name in _BY_WORDS and (text := _BY_WORDS[name](group)) is not None:
        return text
    items = items_of(group)
    distinct = any(item[:1] and item[0].word == "distinct" for item in items)
    arguments, order_by = _arguments(name, items)
    if arguments is None:
        return None
    aggregate = rewritten_aggregate(
        name,
        [*arguments, tail.ordered] if tail.ordered else arguments,
        order_by=order_by or tail.order_by,
        condition=tail.condition,
        distinct=distinct,
        over=tail.over,
    )
    if aggregate is not None or distinct or order_by or tail.condition or tail.over:
        return aggregate
    if name in _SETS_OF_DATAFUSION and clause != "select":
        return None
    return rewritten_call(name, arguments)


def _arguments(name: str, items: list[list[Piece]]) -> tuple[list[str] | None, str]:
    """The arguments by position, and what the last one is followed by in ORDER BY."""
    arguments: list[str] = []
    named: dict[str, str] = {}
    order_by = ""
    for item in items:
        words = [piece.word for piece in item]
        start, end = int(words[:1] == ["distinct"]), len(item)
        if "order" in words and words[-1] != "order":
            end = words.index("order")
            order_by = _sql(item[end + len(["order", "by"]) :])
        if "=>" in words:
            named[item[0].name] = _sql(item[words.index("=>") + 1 :])
        else:
            arguments.append(_sql(item[start:end]))
    if named:
        parameters = _PARAMETERS.get(name, {})
        if not named.keys() <= parameters.keys():
            return None, ""
        given = {**parameters, **dict(zip(parameters, arguments, strict=False)), **named}
        arguments = [*given.values()]
    return arguments, order_by


def _extract(group: Piece) -> str | None:
    """``EXTRACT(second FROM x)``: DataFusion answers some fields by integers, or by another count."""
    inner = group.inner
    if len(inner) != _EXTRACT_PIECES or inner[1].word != "from":
        return None
    field = inner[0].text.strip("'").lower()
    return f"extract_field('{field}', {inner[2].text})" if field in _OUR_FIELDS else None


def _cast(group: Piece) -> Piece | None:
    """``CAST(x AS type)``."""
    inner = group.inner
    if len(inner) < _EXTRACT_PIECES or inner[1].word != "as":
        return None
    return cast(inner[0], inner[2:])


def _trim(group: Piece) -> str | None:
    """``trim(leading from x)``: DataFusion wants characters too."""
    words = [piece.word for piece in group.inner]
    if len(words) != _EXTRACT_PIECES or words[0] not in _TRIMS or words[1] != "from":
        return None
    return f"{_TRIMS[words[0]]}({group.inner[2].text})"


def _substring(group: Piece) -> str | None:
    """``substring(x from 'pattern')``."""
    inner = group.inner
    if len(inner) != _EXTRACT_PIECES or inner[1].word != "from" or inner[2].kind is not Kind.STRING:
        return None
    return f"substring_by_regexp({inner[0].text}, {inner[2].text})"


def _sql(pieces: list[Piece]) -> str:
    return text_of(pieces).strip()


_ORDER_ENDS = frozenset({"asc", "desc", "nulls", "using", ","})
_WINDOW_WORDS = frozenset({"partition", "order", "rows", "range", "groups"})
_EXTRACT_PIECES = 3
# What DataFusion answers by an integer, by years of 360 days, or not at all.
_OUR_FIELDS = frozenset(
    [
        "second",
        "seconds",
        "epoch",
        "millisecond",
        "milliseconds",
        "microsecond",
        "microseconds",
        "julian",
        "century",
        "millennium",
        "decade",
        "isoyear",
    ]
)
_PARAMETERS = {
    "make_interval": {
        **dict.fromkeys(("years", "months", "weeks", "days", "hours", "mins"), "0"),
        "secs": "0.0",
    }
}
"""Names of the arguments, and what they are when they are not given."""
_SETS_OF_DATAFUSION = frozenset({"generate_series"})
_TRIMS = {"leading": "ltrim", "trailing": "rtrim", "both": "btrim"}
_BY_WORDS = {"extract": _extract, "trim": _trim, "substring": _substring}
