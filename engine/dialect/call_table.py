"""What each call of Postgres is written as, for the functions that are registered: texts of SQL in, text out.

A user function of DataFusion has one exact signature. So what is variadic takes an array, what has optional
arguments takes all of them, what must know the type of a value is given ``arrow_typeof`` of it, and an aggregate is
a function over ``array_agg``.
"""

import re
from collections.abc import Callable, Sequence

from engine.dialect.json_values import json_kind, json_value
from engine.errors import SqlInvalid

_Arguments = Sequence[str]
_Write = Callable[[_Arguments], str | None]


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
    try:
        return write(arguments) if write else None
    except IndexError:  # too few: DataFusion says how many it takes
        return None


def rewritten_aggregate(
    name: str,
    arguments: Sequence[str],
    *,
    order_by: str = "",
    condition: str = "",
    distinct: bool = False,
    over: str = "",
) -> str | None:
    """Write an aggregate of Postgres.

    Args:
        name: of the aggregate, in lower case.
        arguments: as SQL, each already rewritten; of an aggregate WITHIN GROUP followed by the expression
            that it orders by, without ASC or DESC.
        order_by: what is behind ORDER BY in its parentheses or in those of WITHIN GROUP.
        condition: what is in FILTER (WHERE …).
        distinct: whether only distinct values count.
        over: OVER and its window, with a blank before it.

    Returns:
        SQL of an expression; None when the call stays as it is.

    Raises:
        SqlInvalid: one that DataFusion would give in no order.

    >>> rewritten_aggregate("json_agg", ["x"], order_by="y")
    'json_build_array(array_agg(to_json(CAST(x AS VARCHAR), arrow_typeof(x)) ORDER BY y))'
    """

    def gather(value: str) -> str:
        order = f" ORDER BY {order_by}" if order_by else ""
        filtered = f" FILTER (WHERE {condition})" if condition else ""
        return f"array_agg({value}{order}){filtered}{over}"

    if AGGREGATES.get(name) != len(arguments):
        return None
    if name in ("mode", "percentile_disc"):
        there = f"{arguments[-1]} IS NOT NULL"
        condition = f"({condition}) AND {there}" if condition else there
        return _ordered_set(name, arguments, gather, condition)
    kind, _, rest = name.partition("_")
    if distinct and name not in _RENAMED:
        raise SqlInvalid(f"{name}(DISTINCT …) is not supported. Use SELECT DISTINCT in a subquery.")
    if rest == "agg" and kind in ("json", "jsonb"):
        text = f"json_build_array({gather(json_value(arguments[0]))})"
    elif rest == "object_agg" and kind in ("json", "jsonb"):
        keys = gather(f"CAST({arguments[0]} AS VARCHAR)")
        text = f"json_object_of_groups({keys}, {gather(json_value(arguments[1]))})"
    else:
        filtered = f" FILTER (WHERE {condition})" if condition else ""
        return f"{_RENAMED[name]}({arguments[0]}){filtered}{over}"
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


def _of_filled(write: Callable[[str], str]) -> _Write:
    """What is NULL of an empty array."""
    return lambda arguments: (
        f"CASE WHEN cardinality({arguments[0]}) > 0 THEN {write(arguments[0])} END"
    )


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


def _path_set(arguments: _Arguments) -> str:
    """``jsonb_set``, whose path is mostly a literal of an array."""
    path = arguments[1]
    path = f"array_of_text({path})" if path.startswith("'") else path
    if len(arguments) > len(["target", "path", "value"]) and arguments[3].lower() != "true":
        raise SqlInvalid("jsonb_set is supported with create_if_missing true only.")
    return f"jsonb_set({arguments[0]}, {path}, {arguments[2]})"


def _regexp_replace(arguments: _Arguments) -> str | None:
    r"""The replacement of Postgres has ``\&`` for the whole match, and no ``$``."""
    text = arguments[2] if len(arguments) > len(["text", "pattern"]) else ""
    if not text.startswith("'") or not ("$" in text or "\\&" in text):
        return None
    given = [*arguments]
    given[2] = text.replace("$", "$$").replace("\\&", "${0}")
    return f"regexp_replace({', '.join(given)})"


def _date_trunc(arguments: _Arguments) -> str | None:
    unit = _PLURALS.get(arguments[0].lower())
    return f"date_trunc({unit}, {arguments[1]})" if unit else None


def _array_to_json(arguments: _Arguments) -> str:
    if _JSON_ITEMS.match(arguments[0]):
        raise SqlInvalid("array_to_json of values of JSON is not supported. Use json_agg.")
    return f"array_to_json({arguments[0]}, arrow_typeof({arguments[0]}))"


def _array_remove(arguments: _Arguments) -> str:
    if arguments[1].upper() == "NULL":
        raise SqlInvalid("array_remove of NULL is not supported.")
    return f"array_remove_all({', '.join(arguments)})"


def _unnest(arguments: _Arguments) -> str | None:
    """An array of arrays gives the items of all of them."""
    is_nested = len(arguments) == 1 and _NESTED.match(arguments[0])
    return f"unnest(flatten({arguments[0]}))" if is_nested else None


def _exact(name: str) -> _Write:
    """A function that wants the digits of a literal."""
    return lambda arguments: (
        f"{name}('{arguments[0]}')" if _DIGITS.fullmatch(arguments[0]) else None
    )


def _typeof(arguments: _Arguments) -> str:
    kind = json_kind(arguments[0])
    if _DIGITS.fullmatch(arguments[0]):
        kind = "numeric" if "." in arguments[0] else "integer"
    return f"'{kind}'" if kind else f"type_name(arrow_typeof({arguments[0]}))"


_JSON_ITEMS = re.compile(
    r"(?:array_agg\(|ARRAY\[)\s*(?:to_json|jsonb?_(?:build|agg|object|text|checked)\w*)\(",
    re.IGNORECASE,
)
_NESTED = re.compile(r"ARRAY\[\s*(?:ARRAY\s*)?\[", re.IGNORECASE)
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_PLURALS = {
    f"'{unit}s'": f"'{unit}'"
    for unit in (
        *("microsecond", "millisecond", "second", "minute", "hour"),
        *("day", "week", "month", "quarter", "year"),
    )
}
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
    "array_dims": _of_filled(
        lambda array: f"'[1:' || array_to_string(array_dims({array}), '][1:') || ']'"
    ),
    "array_ndims": _of_filled(lambda array: f"array_ndims({array})"),
    "array_remove": _array_remove,
    "unnest": _unnest,
    "array_replace": _renamed("array_replace_all"),
    "array_to_json": _array_to_json,
    "generate_series": _unnested(_renamed("generate_series")),
    "date_trunc": _date_trunc,
    "regexp_replace": _regexp_replace,
    "scale": _exact("scale"),
    "min_scale": _exact("min_scale"),
    "ceiling": _renamed("ceil"),
    "date_part": lambda arguments: f"CAST(extract_field({', '.join(arguments)}) AS DOUBLE)",
    "format": _gathered("format", 1),
    "gen_random_uuid": _renamed("uuid"),
    "jsonb_set": _path_set,
    "json_build_array": _build_array,
    "json_build_object": _build_object,
    "jsonb_build_array": _binary(_build_array),
    "jsonb_build_object": _binary(_build_object),
    "make_interval": _padded("make_interval", *["0"] * 6, "0.0"),
    "mod": lambda arguments: f"(({arguments[0]}) % ({arguments[1]}))",
    "num_nonnulls": _null_count("IS NOT NULL"),
    "num_nulls": _null_count("IS NULL"),
    "pg_typeof": _typeof,
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
}
_BY_ARITY: dict[tuple[str, int], _Write] = {
    ("age", 1): lambda arguments: f"age(current_date, {arguments[0]})",
    ("array_length", 2): lambda arguments: f"nullif(array_length({', '.join(arguments)}), 0)",
    ("make_timestamptz", 6): _padded("make_timestamptz", *[""] * 6, "'UTC'"),
    ("date_trunc", 3): lambda arguments: (
        f"CAST(date_trunc({arguments[0]}, {arguments[1]} AT TIME ZONE {arguments[2]}) AS TIMESTAMPTZ)"
    ),
    ("to_date", 2): _renamed("to_date_by_pattern"),
    ("to_timestamp", 2): _renamed("to_timestamp_by_pattern"),
    ("width_bucket", 2): _renamed("width_bucket_of"),
}
SETS = frozenset(
    [
        *(f"{kind}_{name}" for kind in ("json", "jsonb") for name in _SRF),
        *("generate_series", "regexp_matches", "regexp_split_to_table", "string_to_table"),
    ]
)
SET_COLUMNS = {
    f"{kind}_{name}": columns
    for kind in ("json", "jsonb")
    for name, columns in {
        "array_elements": ("value",),
        "array_elements_text": ("value",),
        "each": ("key", "value"),
        "each_text": ("key", "value"),
    }.items()
}
"""The columns of functions that give rows, where they are not called like the function."""
_RENAMED = {"every": "bool_and", "variance": "var_samp"}
AGGREGATES = {
    **dict.fromkeys(("json_agg", "jsonb_agg", "mode", *_RENAMED), 1),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg", "percentile_disc"), 2),
}
"""Arguments by name of the aggregate, with what WITHIN GROUP orders by."""
CALLS = frozenset([*_CALLS, *(name for name, _ in _BY_ARITY), *AGGREGATES])
"""What :func:`rewritten_call` and :func:`rewritten_aggregate` know."""
