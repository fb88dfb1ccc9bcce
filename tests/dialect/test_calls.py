"""Calls as Postgres writes them answer the same, and what stands behind them refuses what cannot be."""

import pytest

from tests.golden.answers import is_same
from tests.golden.engines import Engines, Refused

# The call, and where its rows come from.
CALLS: list[tuple[str, list[str], str]] = [
    ("format", ["'Hello %s, %I is %L %%'", "name", "city", "name"], "people WHERE city <> ''"),
    ("format", ["'%2$s %1$s|%-6s|%1$6s|%1$L'", "name", "id"], "people"),
    ("format", ["'plain 100%%'"], "people"),
    ("format", ["'%s|%L'", "city", "city"], "people"),
    ("quote_ident", ["word"], "words"),
    ("quote_literal", ["word"], "words"),
    ("quote_nullable", ["word"], "words"),
    ("quote_literal", ["salary"], "people"),
    ("regexp_matches", ["word", "'([a-z])([a-z])'", "'g'"], "words WHERE id = 1"),
    ("regexp_matches", ["word", "'p+'"], "words WHERE id = 1"),
    ("regexp_split_to_array", ["word", r"'\s+'"], "words"),
    ("regexp_split_to_array", ["word", "''"], "words"),
    ("regexp_split_to_array", ["word", "'A'", "'i'"], "words"),
    ("regexp_substr", ["word", "'[aeiou].'"], "words"),
    ("parse_ident", ["""'a."B c".d'"""], "people"),
    ("json_extract_path", ["payload", "'y'", "'z'"], "events"),
    ("json_extract_path", ["payload", "'1'"], "events"),
    ("json_extract_path_text", ["payload", "'y'", "'z'", "'-1'"], "events"),
    ("json_extract_path_text", ["payload", "'s'"], "events"),
    ("json_extract_path_text", ["payload", "'x'"], "events"),
    ("json_array_length", ["'[1, [2, 3], {\"a\": []}]'"], "people"),
    ("json_typeof", ["payload"], "events"),
    ("json_object_keys", ["payload"], "events WHERE id = 100"),
    ("json_array_elements", ["payload"], "events WHERE id = 101"),
    ("json_array_elements_text", ["payload"], "events WHERE id = 101"),
    ("json_strip_nulls", ["payload"], "events"),
    ("to_json", ["name"], "people"),
    ("to_json", ["born"], "people"),
    ("to_json", ["salary"], "people"),
    ("to_json", ["active"], "people"),
    ("to_json", ["ordered_at"], "orders"),
    ("to_json", ["at"], "events"),
    ("to_json", ["score"], "events"),
    ("to_json", ["d"], "numbers"),
    ("to_json", ["r"], "numbers"),
    ("to_json", ["until"], "spans"),
    ("to_json", ["span"], "spans"),
    ("to_json", [r"E'a\nb\t\"c\"\\\x01'::text"], "people"),
    ("to_jsonb", ["salary"], "people"),
    ("array_to_json", ["tags"], "orders"),
    ("array_to_json", ["ARRAY[1, 2, NULL]"], "people"),
    ("json_build_object", ["'id'", "id", "'n'", "name", "'b'", "born", "'x'", "NULL"], "people"),
    ("json_build_object", [], "people"),
    ("json_build_array", ["id", "name", "NULL", "true", "1.5"], "people"),
    ("json_build_array", [], "people"),
    ("jsonb_build_object", ["'bb'", "id", "'c'", "name", "'a'", "active"], "people"),
    ("jsonb_build_array", ["id", "salary"], "people"),
    ("json_object", ["ARRAY['a', 'b']", "ARRAY['1', NULL]"], "people"),
    ("jsonb_pretty", ["""'{"b": [1, 2, {}], "a": {"c": []}}'"""], "people"),
    ("jsonb_set", ["""'{"a": {"b": 1}}'""", "ARRAY['a', 'c']", "'[2]'"], "people"),
    ("jsonb_set", ["""'[1, 2]'""", "ARRAY['-1']", "'\"x\"'"], "people"),
    ("jsonb_typeof", ["'[1.50]'"], "people"),
    ("jsonb_extract_path_text", ["""'{"a": {"b": 1.50}}'""", "'a'", "'b'"], "people"),
    ("jsonb_contains", ["""'{"a": [1, 2], "b": 3}'""", """'{"a": [2]}'"""], "people"),
    ("jsonb_contains", ["'[1, 2]'", "'1'"], "people"),
    ("jsonb_exists", ["""'{"a": 1}'""", "'a'"], "people"),
    ("jsonb_exists_any", ["""'{"a": 1}'""", "ARRAY['z', 'a']"], "people"),
    ("jsonb_exists_all", ["""'{"a": 1}'""", "ARRAY['z', 'a']"], "people"),
    ("jsonb_delete", ["""'{"a": 1, "b": 2}'""", "'a'::text"], "people"),
    ("jsonb_concat", ["""'{"a": 1}'""", """'{"b": [2]}'"""], "people"),
    ("pg_typeof", ["name"], "people"),
    ("pg_typeof", ["born"], "people"),
    ("pg_typeof", ["salary"], "people"),
    ("pg_typeof", ["tags"], "orders"),
    ("pg_typeof", ["ordered_at"], "orders"),
    ("pg_typeof", ["at"], "events"),
    ("pg_typeof", ["s"], "numbers"),
    ("pg_typeof", ["d"], "numbers"),
    ("pg_typeof", ["r"], "numbers"),
    ("pg_typeof", ["until"], "spans"),
    ("pg_typeof", ["span"], "spans"),
    ("pg_typeof", ["NULL"], "people"),
    ("array_remove", ["tags", "'home'"], "orders"),
    ("array_remove", ["ARRAY[1, 2, 1]", "1"], "people"),
    ("array_replace", ["ARRAY[1, 2, 1]", "1", "9"], "people"),
    ("trim_array", ["ARRAY[1, 2, 3, 4]", "2"], "people"),
    ("array_length", ["tags", "1"], "orders"),
    ("array_length", ["ARRAY[[1, 2], [3, 4]]", "2"], "people"),
    ("date_part", ["'second'", "ordered_at"], "orders"),
    ("date_part", ["'epoch'", "span"], "spans"),
    ("array_upper", ["tags", "1"], "orders"),
    ("array_lower", ["tags", "1"], "orders"),
    ("array_dims", ["tags"], "orders"),
    ("array_upper", ["tags", "2"], "orders"),
    ("num_nulls", ["name", "city", "age"], "people"),
    ("num_nonnulls", ["name", "city", "age"], "people"),
    ("mod", ["n", "3"], "numbers"),
    ("mod", ["-7.5", "2"], "people"),
    ("sign", ["m"], "numbers"),
    ("ceiling", ["m"], "numbers"),
    ("div", ["n", "4"], "numbers"),
    ("div", ["-7.5", "2"], "people"),
    ("scale", ["m"], "numbers"),
    ("min_scale", ["m"], "numbers"),
    ("width_bucket", ["d", "0", "10", "4"], "numbers"),
    ("width_bucket", ["d", "10", "0", "4"], "numbers"),
    ("width_bucket", ["n", "ARRAY[1, 3, 50]"], "numbers"),
    ("make_interval", ["1", "2"], "people"),
    ("make_interval", ["n", "n", "0", "1", "2", "3", "-4.5"], "numbers WHERE n < 50"),
    ("make_timestamptz", ["2024", "7", "15", "8", "15", "23.5"], "people"),
    ("make_timestamptz", ["2024", "id", "15", "8", "15", "0", "'Europe/Paris'"], "people"),
    ("make_timestamp", ["2024", "id", "28", "8", "15", "59.999999"], "people"),
    ("to_timestamp", ["to_char(shipped, 'DD.MM.YY')", "'DD.MM.YY'"], "orders"),
    ("age", ["ordered_at", "born"], "orders, people"),
    ("age", ["born", "ordered_at"], "orders, people"),
    ("age", ["shipped", "ordered_at"], "orders"),
    ("justify_interval", ["span"], "spans"),
    ("justify_hours", ["span"], "spans"),
    ("justify_days", ["span"], "spans"),
    ("isfinite", ["born"], "people"),
]
AGGREGATES: list[tuple[str, list[str], str, str]] = [
    ("json_agg", ["id"], "id DESC", "people"),
    ("json_agg", ["name"], "id", "people"),
    ("json_agg", ["born"], "id", "people WHERE false"),
    ("jsonb_agg", ["salary"], "id", "people"),
    ("json_object_agg", ["name", "age"], "id", "people"),
    ("jsonb_object_agg", ["id", "name"], "id", "people"),
    ("every", ["active"], "", "people"),
]


def answers(engines: Engines, theirs: str, ours: str) -> None:
    expected = engines.ask_postgres(theirs)
    found = engines.ask_ours(ours)
    assert is_same(expected, found, ordered=False), f"{ours}\n{expected}\n{found}"


def is_the_same(engines: Engines, sql: str) -> None:
    answers(engines, sql, sql)


@pytest.mark.parametrize(
    ("name", "arguments", "source"), CALLS, ids=[f"{c[0]}-{n}" for n, c in enumerate(CALLS)]
)
def test_call_answers_as_postgres(
    engines: Engines, name: str, arguments: list[str], source: str
) -> None:
    call = f"{name}({', '.join(arguments)})"
    is_the_same(engines, f"SELECT {call} AS r FROM {source}")


@pytest.mark.parametrize("name", ["json_array_elements_list", "jsonb_text", "json_checked"])
@pytest.mark.parametrize("text", ["'{bad'", "'[1,]'", "'1 2'", "'[NaN]'", "''"])
def test_text_that_is_no_json_is_refused(engines: Engines, name: str, text: str) -> None:
    with pytest.raises(Refused, match="json"):
        engines.ask_ours(f"SELECT {name}({text})")


@pytest.mark.parametrize(
    ("name", "arguments", "order", "source"),
    AGGREGATES,
    ids=[f"{a[0]}-{n}" for n, a in enumerate(AGGREGATES)],
)
def test_aggregate_answers_as_postgres(
    engines: Engines, name: str, arguments: list[str], order: str, source: str
) -> None:
    condition = "id <> 3"
    ordered = f" ORDER BY {order}" if order else ""
    theirs = f"{name}({', '.join(arguments)}{ordered}) FILTER (WHERE {condition})"
    is_the_same(engines, f"SELECT {theirs} FROM {source}")


def test_grouped_aggregate(engines: Engines) -> None:
    is_the_same(engines, "SELECT city, json_agg(age ORDER BY id) FROM people GROUP BY city")


def test_distinct_aggregate_is_refused(engines: Engines) -> None:
    with pytest.raises(Refused, match="SELECT DISTINCT in a subquery"):
        engines.ask_ours("SELECT json_agg(DISTINCT city) FROM people")


def test_aggregate_over_a_window(engines: Engines) -> None:
    window = "OVER (PARTITION BY city ORDER BY id)"
    is_the_same(engines, f"SELECT id, json_agg(age) {window} FROM people WHERE city <> ''")


@pytest.mark.parametrize(
    ("column", "table"),
    [
        *[("d", "numbers"), ("r", "numbers"), ("m", "numbers"), ("n", "numbers")],
        *[("score", "events"), ("at", "events"), ("ordered_at", "orders"), ("born", "people")],
        *[("until", "spans"), ("span", "spans"), ("active", "people"), ("word", "words")],
    ],
)
def test_value_text_is_the_cast_of_postgres(engines: Engines, column: str, table: str) -> None:
    is_the_same(engines, f"SELECT {column}::text FROM {table}")
    is_the_same(engines, f"SELECT CAST({column} AS varchar) FROM {table}")


def test_array_text_is_the_cast_of_postgres(engines: Engines) -> None:
    answers(
        engines,
        "SELECT tags::text, ARRAY[1.5, NULL]::text FROM orders",
        "SELECT array_text(tags, arrow_typeof(tags)), array_text(ARRAY[1.5, NULL], "
        "'List(Float64)') FROM orders",
    )


@pytest.mark.parametrize(
    "text", ["{}", "{a,b}", '{"a b",NULL,"NULL"}', r'{"q\"x",b\,c}', '{ a , "" }', "{1,{2}}", "x"]
)
def test_array_of_text_reads_as_postgres(engines: Engines, text: str) -> None:
    literal = text.replace("'", "''")
    ours = f"SELECT array_of_text('{literal}')"
    try:
        expected = engines.ask_postgres(f"SELECT '{literal}'::text[]")
    except Refused:
        with pytest.raises(Refused, match="malformed array literal"):
            engines.ask_ours(ours)
        return
    assert is_same(expected, engines.ask_ours(ours), ordered=True)


@pytest.mark.parametrize(
    ("value", "table"),
    [
        ("title", "staff"),
        ("pay", "staff"),
        ("level", "staff"),
        ("age", "people"),
    ],
)
@pytest.mark.parametrize("direction", ["", " DESC"])
def test_mode_is_the_first_of_the_most_frequent(
    engines: Engines, value: str, table: str, direction: str
) -> None:
    order = f"{value}{direction}"
    call = f"mode() WITHIN GROUP (ORDER BY {order}) FILTER (WHERE id > 1)"
    is_the_same(engines, f"SELECT {call} FROM {table}")


@pytest.mark.parametrize("share", ["0", "0.5", "0.3", "1"])
@pytest.mark.parametrize(
    ("value", "table"), [("pay", "staff"), ("age", "people"), ("d", "numbers")]
)
def test_percentile_disc(engines: Engines, value: str, table: str, share: str) -> None:
    call = f"percentile_disc({share}) WITHIN GROUP (ORDER BY {value} DESC)"
    is_the_same(engines, f"SELECT {call} FROM {table}")


@pytest.mark.parametrize(
    "pattern", ["%(b|d)%", "a", "a_c", "abc", "a.c", "%b%", "(ab|x)c", "[a-c]+", "a{1}%", r"\%"]
)
def test_similar_to(engines: Engines, pattern: str) -> None:
    texts = "(VALUES ('abc'), ('a.c'), ('xabcx'), (''), ('%'), (NULL)) AS t(x)"
    is_the_same(
        engines, f"SELECT x SIMILAR TO '{pattern}', x NOT SIMILAR TO '{pattern}' FROM {texts}"
    )


@pytest.mark.parametrize(
    ("value", "source"),
    [
        *[
            ("d", "numbers WHERE d < 1000"),
            ("m", "numbers"),
            ("n", "numbers"),
            ("active", "people"),
        ],
        *[("r", "numbers WHERE n < 50"), ("salary", "people"), ("' 42 '::text", "people")],
        *[("x", "(VALUES (2.5::float8), (3.5), (-2.5), (0.5), (-0.4999)) AS t(x)")],
        *[("x", "(VALUES (2.5::numeric(3, 1)), (3.5), (-2.5), (0.4)) AS t(x)")],
    ],
)
def test_cast_to_integer_rounds_as_postgres(engines: Engines, value: str, source: str) -> None:
    answers(
        engines,
        f"SELECT {value}::int FROM {source}",
        f"SELECT CAST(integer_of({value}, arrow_typeof({value})) AS INTEGER) FROM {source}",
    )


@pytest.mark.parametrize(
    "call",
    [
        "make_interval(1, 1, 1, 1, 1, 1, 1e30)",
        "make_interval(1, 1, 1, 1, 9999999999, 1, 0.0)",
        "make_timestamp(2024, 1, 1, 1, 1, 'NaN'::double precision)",
        "interval_times(span, 1e20)",
        "interval_times(span, 'NaN'::double precision)",
        "interval_divided(span, 0.0)",
        "width_bucket('NaN'::double precision, 0, 1, 2)",
        "width_bucket(1, 0, 0, 2)",
        "format('%2000000s', 'a')",
        f"format('%{'9' * 5000}s', 'a')",
        "format('%s')",
        "format('%y', 'a')",
        "jsonb_set('[1]', '{x}', '2')",
        "width_bucket(2.0, ARRAY[1, NULL])",
        "json_object(ARRAY['a', 'b'], ARRAY['1'])",
        "json_object(ARRAY['a', NULL], ARRAY['1', '2'])",
        "div(1, 0)",
        "to_number('x', '999')",
        "to_char('neither', '999')",
        "integer_of('1e30', 'Float64')",
        "value_text('[1]', 'List(Int64)')",
        "make_timestamptz(2024, 1, 1, 1, 1, 1.0, 'Nowhere/City')",
    ],
)
def test_what_cannot_be_is_refused(engines: Engines, call: str) -> None:
    with pytest.raises(Refused, match="SqlInvalid"):
        engines.ask_ours(f"SELECT {call} FROM spans")
