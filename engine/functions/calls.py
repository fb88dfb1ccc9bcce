"""How a call as Postgres writes it becomes one of a registered function: texts of SQL in, text out.

A user function of DataFusion has one exact signature. So what is variadic takes an array, what has optional
arguments takes all of them, what must know the type of a value is given ``arrow_typeof`` of it, and an
aggregate is a function over ``array_agg``. Whoever has the calls of a statement (a rewrite pass, from the
innermost to the outermost) asks here what to write for each.
"""

import re
from collections.abc import Callable, Sequence

_JSON_CALL = re.compile(r"^(?:jsonb?_\w+|to_json|row_to_json|array_to_json)\(", re.IGNORECASE)
# What answers a number, a boolean or a text, although it is named like JSON.
_NOT_JSON = re.compile(
    r"^jsonb?_(?:array_length|typeof|\w+_text|exists\w*|contains|pretty|object_keys)\(",
    re.IGNORECASE,
)
_Arguments = Sequence[str]
_Write = Callable[[_Arguments], str]


def rewritten_call(name: str, arguments: Sequence[str]) -> str | None:
    """Write a call of Postgres for the functions that are registered.

    Args:
        name: of the function, in lower case, without a schema.
        arguments: by position, as SQL, each already rewritten.

    Returns:
        SQL of an expression; None when the call stays as it is.

    >>> rewritten_call("format", ["'%s-%s'", "a", "b"])
    "format('%s-%s', make_array(CAST(a AS VARCHAR), CAST(b AS VARCHAR)))"
    >>> rewritten_call("upper", ["a"]) is None
    True
    """
    write = _BY_ARITY.get((name, len(arguments))) or _CALLS.get(name)
    return write(arguments) if write else None


def rewritten_aggregate(
    name: str, arguments: Sequence[str], *, order_by: str = "", condition: str = ""
) -> str | None:
    """Write an aggregate of Postgres.

    Args:
        name: of the aggregate, in lower case.
        arguments: as SQL, each already rewritten; of an aggregate WITHIN GROUP followed by the expression
            that it orders by, without ASC or DESC.
        order_by: what is behind ORDER BY in its parentheses or in those of WITHIN GROUP.
        condition: what is in FILTER (WHERE …).

    Returns:
        SQL of an expression; None when the call stays as it is.

    >>> rewritten_aggregate("json_agg", ["x"], order_by="y")
    'json_build_array(array_agg(to_json(x, arrow_typeof(x)) ORDER BY y))'
    """

    def gather(value: str) -> str:
        order = f" ORDER BY {order_by}" if order_by else ""
        filtered = f" FILTER (WHERE {condition})" if condition else ""
        return f"array_agg({value}{order}){filtered}"

    if name in ("mode", "percentile_disc"):
        there = f"{arguments[-1]} IS NOT NULL"
        condition = f"({condition}) AND {there}" if condition else there
        return _ordered_set(name, arguments, gather, condition)
    kind, _, rest = name.partition("_")
    if rest == "agg" and kind in ("json", "jsonb"):
        text = f"json_build_array({gather(json_value(arguments[0]))})"
    elif rest == "object_agg" and kind in ("json", "jsonb"):
        keys = gather(f"CAST({arguments[0]} AS VARCHAR)")
        text = f"json_object_of_groups({keys}, {gather(json_value(arguments[1]))})"
    elif name == "every":
        return f"bool_and({arguments[0]})" + (f" FILTER (WHERE {condition})" if condition else "")
    else:
        return None
    return f"jsonb_text({text})" if kind == "jsonb" else text


def _ordered_set(
    name: str, arguments: Sequence[str], gather: Callable[[str], str], condition: str
) -> str:
    """The item at a place of what is gathered in order."""
    ordered = arguments[-1]
    items = gather(ordered)
    if name == "mode":
        return f"array_element({items}, mode_position({items}))"
    count = f"count({ordered}) FILTER (WHERE {condition})"
    place = f"greatest(1, CAST(ceil(({arguments[0]}) * {count}) AS BIGINT))"
    return f"array_element({items}, {place})"


def _null_count(test: str) -> _Write:
    def write(arguments: _Arguments) -> str:
        cases = [f"CASE WHEN {each} {test} THEN 1 ELSE 0 END" for each in arguments]
        return f"({' + '.join(cases)})"

    return write


def json_value(value: str) -> str:
    """Write a value as JSON: what answers JSON already stays.

    >>> json_value("x"), json_value("json_build_array(make_array())")
    ('to_json(x, arrow_typeof(x))', 'json_build_array(make_array())')
    """
    if _JSON_CALL.match(value) and not _NOT_JSON.match(value):
        return value
    return f"to_json({value}, arrow_typeof({value}))"


def integer_cast(value: str, type_name: str) -> str:
    """Write a cast to an integer type, which rounds in Postgres.

    >>> integer_cast("x", "INTEGER")
    'CAST(integer_of(x, arrow_typeof(x)) AS INTEGER)'
    """
    return f"CAST(integer_of({value}, arrow_typeof({value})) AS {type_name})"


def _array(items: Sequence[str]) -> str:
    return f"make_array({', '.join(items)})" if items else "make_array(NULL)[2:1]"


def _gathered(name: str, kept: int) -> _Write:
    def write(arguments: _Arguments) -> str:
        texts = [f"CAST({argument} AS VARCHAR)" for argument in arguments[kept:]]
        return f"{name}({', '.join([*arguments[:kept], _array(texts)])})"

    return write


def _renamed(name: str) -> _Write:
    return lambda arguments: f"{name}({', '.join(arguments)})"


def _padded(name: str, *defaults: str) -> _Write:
    """Give the last arguments that are missing; ``defaults`` are those of all."""

    def write(arguments: _Arguments) -> str:
        return f"{name}({', '.join([*arguments, *defaults[len(arguments) :]])})"

    return write


def _typed(name: str) -> _Write:
    return lambda arguments: f"{name}({arguments[0]}, arrow_typeof({arguments[0]}))"


def _unnested(write: _Write) -> _Write:
    return lambda arguments: f"unnest({write(arguments)})"


def _binary(write: _Write) -> _Write:
    return lambda arguments: f"jsonb_text({write(arguments)})"


def _build_array(arguments: _Arguments) -> str:
    return f"json_build_array({_array([json_value(argument) for argument in arguments])})"


def _build_object(arguments: _Arguments) -> str:
    keys = _array([f"CAST({key} AS VARCHAR)" for key in arguments[::2]])
    values = _array([json_value(value) for value in arguments[1::2]])
    return f"json_build_object({keys}, {values})"


_SRF = ("array_elements", "array_elements_text", "object_keys", "each", "each_text")
_CALLS: dict[str, _Write] = {
    **{
        f"{kind}_{name}": _unnested(_renamed(f"{kind}_{name}_list"))
        for kind in ("json", "jsonb")
        for name in _SRF
    },
    **{
        f"{kind}_extract_path{suffix}": _gathered(f"{kind}_extract_path{suffix}", 1)
        for kind in ("json", "jsonb")
        for suffix in ("", "_text")
    },
    **dict.fromkeys(
        ("statement_timestamp", "transaction_timestamp", "clock_timestamp"), _renamed("now")
    ),
    "array_remove": _renamed("array_remove_all"),
    "array_replace": _renamed("array_replace_all"),
    "array_to_json": _typed("array_to_json"),
    "ceiling": _renamed("ceil"),
    "date_part": lambda arguments: f"CAST(extract_field({', '.join(arguments)}) AS DOUBLE)",
    "format": _gathered("format", 1),
    "gen_random_uuid": _renamed("uuid"),
    "json_build_array": _build_array,
    "json_build_object": _build_object,
    "jsonb_build_array": _binary(_build_array),
    "jsonb_build_object": _binary(_build_object),
    "make_interval": _padded("make_interval", *["0"] * 6, "0.0"),
    "mod": lambda arguments: f"(({arguments[0]}) % ({arguments[1]}))",
    "num_nonnulls": _null_count("IS NOT NULL"),
    "num_nulls": _null_count("IS NULL"),
    "pg_typeof": lambda arguments: f"type_name(arrow_typeof({arguments[0]}))",
    "regexp_matches": _unnested(_padded("regexp_matches_list", "", "", "''")),
    "regexp_split_to_array": _padded("regexp_split_to_array", "", "", "''"),
    "regexp_split_to_table": _unnested(_padded("regexp_split_to_array", "", "", "''")),
    "sign": _renamed("signum"),
    "string_to_table": _unnested(_renamed("string_to_array")),
    "to_json": lambda arguments: json_value(arguments[0]),
    "to_jsonb": _binary(lambda arguments: json_value(arguments[0])),
    "trim_array": lambda arguments: (
        f"array_slice({arguments[0]}, 1, CAST(cardinality({arguments[0]}) AS BIGINT) - ({arguments[1]}))"
    ),
    "variance": _renamed("var_samp"),
}
_BY_ARITY: dict[tuple[str, int], _Write] = {
    ("age", 1): lambda arguments: f"age(current_date, {arguments[0]})",
    ("array_length", 2): lambda arguments: f"nullif(array_length({', '.join(arguments)}), 0)",
    ("make_timestamptz", 6): _padded("make_timestamptz", *[""] * 6, "'UTC'"),
    ("to_timestamp", 2): _renamed("to_timestamp_by_pattern"),
    ("width_bucket", 2): _renamed("width_bucket_of"),
}
