"""The operators of Postgres that DataFusion lacks or reads otherwise, as calls of functions.

Texts of SQL in, text out: what is on the left and on the right of an operator is already rewritten.
"""

import re
from collections.abc import Callable

import orjson

from engine.dialect.json_values import json_kind
from engine.dialect.lexer import Kind, Piece, written
from engine.dialect.literals import digits, is_exact, is_plain_string, quoted
from engine.errors import SqlInvalid

_INTERVAL = re.compile(
    r"(?:interval\s*'[^']*'(?:\s+\w+)*|(?:interval_of_text|make_interval|interval_times|interval_divided)\(.*\))$",
    re.IGNORECASE | re.DOTALL,
)
_COLUMN = re.compile(r'(?:\w+|"[^"]+")(?:\.(?:\w+|"[^"]+"))*')
_CLOCK = re.compile(r"hour|minute|\bmin|second|\bsec|:|interval_", re.IGNORECASE)
_DATE = re.compile(r"date\s*'[^']*'$|CAST\('[^']*' AS date\)$", re.IGNORECASE)
# Of Postgres: look-around, back references, the edges of words.
_FOREIGN_REGEX = re.compile(r"\(\?<?[=!]|\\[1-9mMyYAZ]|\[\[:[<>]:")
_BITWISE = re.compile(r"[&|]")
_INTEGER = r"(?:int|integer|bigint|smallint|int[248])"
_INDEX = re.compile(
    rf"\(*-?\s*\d+\)*|.*(?:::\s*{_INTEGER}|\bAS\s+{_INTEGER}\))", re.IGNORECASE | re.DOTALL
)
_TEXT = re.compile(
    r"^(?:value_text|left|right|substr|lower|upper|concat|json\w*_text)\(.*\)$|"
    r"(?:::\s*|\bAS\s+)(?:TEXT|VARCHAR)\)?$",
    re.IGNORECASE | re.DOTALL,
)
_Write = Callable[[Piece, Piece], str | None]
PRECEDENCE: tuple[frozenset[str] | None, ...] = (
    frozenset("^"),
    frozenset("*/%"),
    frozenset("+-"),
    None,  # all others
)
"""Operators by how tightly they bind, tightest first; those of Postgres that are below are never folded."""
SIGNS = frozenset("+-")
UNFOLDED = frozenset({"<", ">", "=", "<=", ">=", "<>", "!=", "=>", ":="})


def binary(left: Piece, operator: Piece, right: Piece) -> Piece | None:
    """Write an operator between two operands; None when it stays as it is.

    Raises:
        SqlInvalid: what it stands for depends on a type nobody knows yet.
    """
    write = _BINARY.get(operator.text)
    text = write(left, right) if write else None
    return None if text is None else written(text, left.gap)


def prefix(operator: Piece, operand: Piece) -> Piece | None:
    """Write an operator before an operand; None when it stays as it is."""
    if operator.text == "-" and operand.is_round and _BITWISE.search(operand.text):
        # DataFusion makes of -(a & b) what it would of the complement.
        return written(f"(0 - {operand.text})", operator.gap)
    write = _PREFIX.get(operator.text)
    return None if write is None else written(write(operand.text), operator.gap)


def _call(name: str, *, is_swapped: bool = False) -> _Write:
    def write(left: Piece, right: Piece) -> str:
        first, second = (right, left) if is_swapped else (left, right)
        return f"{name}({first.text}, {second.text})"

    return write


def _kind(value: Piece) -> str:
    """Which functions read a value: what is no ``jsonb`` is text, which they read as it is."""
    return json_kind(value.text) or "json"


def _member(suffix: str) -> _Write:
    """``->`` and ``->>``: by key with a text on the right, by place with an integer."""

    def write(left: Piece, right: Piece) -> str:
        kind = _kind(left)
        if right.kind is Kind.PARAMETER:  # bound, it is a literal
            return f"{kind}_object_field{suffix}({left.text}, CAST({right.text} AS TEXT))"
        if right.kind is Kind.STRING or _TEXT.search(right.text):
            return f"{kind}_object_field{suffix}({left.text}, {right.text})"
        if _INDEX.fullmatch(right.text):
            return f"{kind}_array_element{suffix}({left.text}, {right.text})"
        arrow = "->>" if suffix else "->"
        raise SqlInvalid(
            f"What is on the right of {arrow} must be a literal, or a cast to text or integer. Write "
            f"json_object_field{suffix}(…) or json_array_element{suffix}(…) instead."
        )

    return write


def _path(suffix: str) -> _Write:
    def write(left: Piece, right: Piece) -> str:
        return f"{_kind(left)}_extract_path{suffix}({left.text}, {text_array(right)})"

    return write


def text_array(value: Piece) -> str:
    """Write an array of texts: a literal is one of Postgres, ``'{a,b}'``."""
    return f"array_of_text({value.text})" if value.kind is Kind.STRING else value.text


def _contains(*, is_swapped: bool) -> _Write:
    def write(left: Piece, right: Piece) -> str | None:
        if not (_is_document(left) or _is_document(right)):
            return None  # arrays have the operator too
        return _call("jsonb_contains", is_swapped=is_swapped)(left, right)

    return write


def _is_document(value: Piece) -> bool:
    """Whether a value is JSON for certain: of its type, or a literal that no array of Postgres is."""
    if json_kind(value.text):
        return True
    if value.kind is not Kind.STRING or value.text == "'{}'":
        return False
    try:
        orjson.loads(value.text[1:-1].replace("''", "'"))
    except orjson.JSONDecodeError:
        return False
    return True


def _of_jsonb(name: str) -> _Write:
    def write(left: Piece, right: Piece) -> str | None:
        kinds = (json_kind(left.text), json_kind(right.text))
        return f"{name}({left.text}, {right.text})" if "jsonb" in kinds else None

    return write


def _delete(left: Piece, right: Piece) -> str | None:
    is_key = right.kind in (Kind.STRING, Kind.PARAMETER)
    return _of_jsonb("jsonb_delete")(left, right) if is_key else None


def _concat(left: Piece, right: Piece) -> str | None:
    """``||``: of jsonb, or with a decimal, whose digits DataFusion does not keep."""
    text = _of_jsonb("jsonb_concat")(left, right)
    if text is None and (_is_decimal(left) or _is_decimal(right)):
        sides = [
            quoted(digits(side.text)) if _is_decimal(side) else side.text for side in (left, right)
        ]
        text = " || ".join(sides)
    return text


def _is_decimal(value: Piece) -> bool:
    return is_exact(value) and "." in value.text


def _times(left: Piece, right: Piece) -> str | None:
    """An interval and a number, in any order."""
    if is_interval(left) == is_interval(right):
        return None
    span, factor = (left, right) if is_interval(left) else (right, left)
    return f"interval_times({span.text}, CAST({factor.text} AS DOUBLE))"


def _divided(left: Piece, right: Piece) -> str | None:
    if not is_interval(left) or is_interval(right):
        return None
    return f"interval_divided({left.text}, CAST({right.text} AS DOUBLE))"


def is_interval(value: Piece) -> bool:
    """Whether a value is an interval for certain: a literal, or a call that answers one."""
    return bool(_INTERVAL.match(value.text))


def _moved(sign: str) -> _Write:
    """A moment and an interval with a clock: DataFusion would leave a date a date, and lose the hours."""

    def write(left: Piece, right: Piece) -> str | None:
        if is_interval(left) == is_interval(right):
            return None
        span, moment = (left, right) if is_interval(left) else (right, left)
        if span is left and sign == "-":
            return None
        is_date = _DATE.match(moment.text) or moment.name == "current_date"
        if not is_date and not (_COLUMN.fullmatch(moment.text) and _CLOCK.search(span.text)):
            return None
        stamp = f"CAST({moment.text} AS TIMESTAMP)" if is_date else None
        stamp = stamp or f"date_trunc('microsecond', {moment.text})"
        return f"({stamp} {sign} {span.text})"

    return write


def _minus(left: Piece, right: Piece) -> str | None:
    return _delete(left, right) or _moved("-")(left, right)


def _regex(operator: str) -> _Write:
    """A pattern whose point is a new line as well, or that Rust's expressions lack."""
    flags = "i" if operator.endswith("*") else ""

    def write(left: Piece, right: Piece) -> str | None:
        if right.kind is not Kind.STRING:
            return None
        if _FOREIGN_REGEX.search(right.text):
            test = f"regexp_test({left.text}, {right.text}, '{flags}')"
            return f"(NOT {test})" if operator.startswith("!") else test
        if "." not in right.text or not is_plain_string(right):
            return None
        return f"{left.text} {operator} '(?s){right.text[1:]}"

    return write


def _power(left: Piece, right: Piece) -> str | None:
    """A sign binds closer than ``^``."""
    return f"power({left.text}, {right.text})" if left.is_prefixed else None


def _distance(name: str) -> _Write:
    """The distances of pgvector; a literal is one of its vectors, ``'[1,2]'``."""

    def write(left: Piece, right: Piece) -> str:
        return f"{name}({_vector(left)}, {_vector(right)})"

    return write


def _vector(value: Piece) -> str:
    inside = re.fullmatch(r"'\s*\[([-+\d.eE,\s]*)\]\s*'", value.text)
    return f"ARRAY[{inside[1]}]" if inside else value.text


_BINARY: dict[str, _Write] = {
    "->": _member(""),
    "->>": _member("_text"),
    "#>": _path(""),
    "#>>": _path("_text"),
    "@>": _contains(is_swapped=False),
    "<@": _contains(is_swapped=True),
    "?": _call("jsonb_exists"),
    "?|": lambda left, right: f"jsonb_exists_any({left.text}, {text_array(right)})",
    "?&": lambda left, right: f"jsonb_exists_all({left.text}, {text_array(right)})",
    "-": _minus,
    "+": _moved("+"),
    "*": _times,
    "/": _divided,
    "||": _concat,
    **{operator: _regex(operator) for operator in ("~", "~*", "!~", "!~*")},
    "&&": _call("array_has_any"),
    "^@": _call("starts_with"),
    "^": _power,
    "<->": _distance("l2_distance"),
    "<=>": _distance("cosine_distance"),
    "<#>": _distance("negative_dot_product"),
}
_PREFIX: dict[str, Callable[[str], str]] = {
    "@": lambda value: f"abs({value})",
    "|/": lambda value: f"sqrt({value})",
    "||/": lambda value: f"cbrt({value})",
    "~": lambda value: f"(-({value}) - 1)",
}
PREFIXES = frozenset(_PREFIX)
"""Operators before an operand; SIGNS bind closer than they."""
