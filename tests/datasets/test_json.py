"""JSON files: every way to print objects, kinds that meet, and hostile ones."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.datasets import json_blocks
from engine.datasets.json_blocks import DEPTH_MAX, StructureScanner
from engine.datasets.load import LoadError
from tests.datasets.loading import load

MANY = "".join(f'{{"a":{i},"b":{{"c":{i}}}}}\n' for i in range(300_000))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":"x"}\n{"a":2}\n',
        '{"a":1,"b":"x"}\n{"a":2}',
        '\ufeff{"a":1,"b":"x"}\r\n{"a":2}\r\n',
        '\n \n{"a":1,"b":"x"}\n\n{"a":2}\n\n',
        '{"a":1,"b":"x"} {"a":2}',
        '[{"a":1,"b":"x"},{"a":2}]',
        '  [\n  {\n    "a": 1,\n    "b": "x"\n  },\n  {\n    "a": 2\n  }\n]\n',
        '{\n"a":1,\n"b":"x"}\n{\n"a":2\n}\n',
        '[{"a":1,"b":"x"},\n{"a":2,"b":null}]',
    ],
)
def test_ways_to_print_the_same_objects(text: str) -> None:
    assert load(text, "json").rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    ("text", "dtype", "values"),
    [
        ('{"a":1}\n{"a":2.5}', "double", [1.0, 2.5]),
        (
            '{"a":12345678901234567890}\n{"a":1}',
            "decimal128(38, 0)",
            [Decimal(12345678901234567890), Decimal(1)],
        ),
        ('{"a":12345678901234567890}\n{"a":1.5}', "double", [12345678901234567890.0, 1.5]),
        ('{"a":"2024-01-01"}', "string", ["2024-01-01"]),
        ('{"a":true}\n{"a":null}', "bool", [True, None]),
        ('{"a":null}', "string", [None]),
        (
            '{"a":1}\n{"a":"x"}\n{"a":[1,{"z":1.5}]}\n{"a":true}',
            "string",
            ["1", "x", '[1,{"z":1.5}]', "true"],
        ),
        ('{"a":12345678901234567890123}\n{"a":"x"}', "string", ["12345678901234567890123", "x"]),
        ('{"a":{}}', "string", ["{}"]),
        ('{"a":[]}', "list<element: string>", [[]]),
        (
            '{"a":[null,null]}\n{"a":null}\n{"a":[null]}',
            "list<element: string>",
            [[None, None], None, [None]],
        ),
        (
            '{"a":{"b":[[null]]}}',
            "struct<b: list<element: list<element: string>>>",
            [{"b": [[None]]}],
        ),
        ('{"a":[1,"x"]}', "list<element: string>", [["1", "x"]]),
        (
            '{"a":{"b":1}}\n{"a":{"c":"x"}}',
            "struct<b: int64, c: string>",
            [{"b": 1, "c": None}, {"b": None, "c": "x"}],
        ),
        ('{"a":{"b":1}}\n{"a":{"b":"x"}}', "struct<b: string>", [{"b": "1"}, {"b": "x"}]),
        ('{"a":{"b":1}}\n{"a":5}', "string", ['{"b":1}', "5"]),
        (
            '{"a":[{"b":1},{"b":[]}]}',
            "list<element: struct<b: string>>",
            [[{"b": "1"}, {"b": "[]"}]],
        ),
        ('{"a":"é\\u0000\\ud83d\\ude00"}', "string", ["é\x00😀"]),
    ],
)
def test_the_type_of_a_key_is_inferred(text: str, dtype: str, values: list[Any]) -> None:
    loaded = load(text, "json")
    assert loaded.types == {"a": dtype}
    assert loaded.table["a"].to_pylist() == values


def test_keys_may_hold_any_character() -> None:
    text = json.dumps({'a"b': 1, "a/b": "x", "": 2}) + "\n" + json.dumps({"a/b": 3})
    assert load(text, "json").rows == [
        {'a"b': 1, "a/b": "x", "": 2},
        {'a"b': None, "a/b": "3", "": None},
    ]


@pytest.mark.parametrize(
    ("late", "types"),
    [
        ('{"a":1.5}', {"a": "double", "b": "struct<c: int64>"}),
        ('{"a":"x","b":{"c":"y"}}', {"a": "string", "b": "struct<c: string>"}),
        ('{"z":[1]}', {"a": "int64", "b": "struct<c: int64>", "z": "list<element: int64>"}),
        ('{"a":123456789012345678901}', {"a": "decimal128(38, 0)", "b": "struct<c: int64>"}),
        ('{"b":{"d":true}}', {"a": "int64", "b": "struct<c: int64, d: bool>"}),
        ('{"b":5}', {"a": "int64", "b": "string"}),
    ],
)
def test_a_late_value_widens_and_loses_nothing(late: str, types: dict[str, str]) -> None:
    loaded = load(MANY + late, "json")
    assert loaded.types == types
    assert loaded.report.row_count == 300_001
    last = loaded.table.slice(300_000).to_pylist()[0]
    for key, value in json.loads(late).items():
        kept = last[key]
        if isinstance(value, dict):
            kept = {name: kept[name] for name in value}
        assert kept == (str(value) if types[key] == "string" else value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^No data found in the input$"),
        (b"\n\n", "^No data found in the input$"),
        (b"[]", "^No data found in the input$"),
        (b"{}\n{}\n", "^No data found in the input$"),
        (b"1\n2\n", "expected JSON objects"),
        (b"[1]", "expected JSON objects"),
        (b"[[1],[2]]", "expected JSON objects"),
        (b"hello", "expected JSON objects"),
        (b'[{"a":1},2]', "expected JSON objects"),
        (b'{"a":1}\n{"a":', "not valid JSON near line 2"),
        (b'{"a":1}\n{"a":1}}\n', "not valid JSON near line"),
        (b'[{"a":1},{"a":2', "ends before its last object or array is closed"),
        (b'[{"a":1}]]', "closing bracket without"),
        (b'[{"a":1}] x', "not valid JSON"),
        (b"{'a':1}\n", "not valid JSON"),
        (b'{"a":1,"a":2}\n', "the key 'a' is twice in one object"),
        (b'{"a":"\\ud800"}\n', "not valid JSON"),
        (b'{"a":"x\n{"a":"y"}\n', "ends before its last object"),
        (b'{"a":"\xff"}\n', "not UTF-8"),
        (b'{"\xff":1}\n', "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        (b'{"a":1}\n\x00\x00\n', "not valid JSON"),
        (b'{"a":1}\n{"a":1e400}\n', "a number near line 2 is out of the range of numbers"),
        (b'{"a":[{"b":-1e400}]}\n', "out of the range of numbers"),
        (b'{"a":' + b"9" * 400 + b"}\n", "out of the range of numbers"),
        (b'{"a":[{"b":' + b"9" * 400 + b"}]}\n", "out of the range of numbers"),
        (b'{"a":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}\n", "nested deeper than"),
        (b'{"a":' + b"[" * 1_900 + b"]" * 1_900 + b"}\n", "nested deeper than"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "nested deeper than"),
        (b'{"a":' * 100_000, "nested deeper than"),
        (b"[" * 100_000, "nested deeper than"),
    ],
)
def test_bad_files_are_explained(content: bytes, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load(content, "json")


def test_the_deepest_nesting_allowed_is_read_back() -> None:
    depth = DEPTH_MAX - 1
    value = load('{"a":' + "[" * depth + "1" + "]" * depth + "}", "json").rows[0]["a"]
    for _ in range(depth):
        (value,) = value
    assert value == 1


@pytest.mark.parametrize("number", ["1e400", "9" * 400])
def test_a_number_out_of_range_after_many_good_ones_is_an_error(number: str) -> None:
    with pytest.raises(LoadError, match="out of the range of numbers"):
        load('{"a":0.5}\n' * 300_000 + f'{{"a":{number}}}\n', "json")
    with pytest.raises(LoadError, match="out of the range of numbers"):
        load(f'{{"a":{number}}}\n', "json", {"a": "DOUBLE"})


def test_a_bad_line_after_many_good_ones_is_an_error() -> None:
    with pytest.raises(LoadError, match="not valid JSON"):
        load(MANY + '{"b":5\n', "json")


def test_an_object_longer_than_a_block_is_read() -> None:
    text = "x" * (json_blocks.BLOCK_BYTES + 7)
    for printed in (f'{{"a":"{text}"}}\n{{"a":"y"}}', f'[\n{{"a":"{text}"}},\n{{"a":"y"}}]'):
        assert [len(row["a"]) for row in load(printed, "json").rows] == [len(text), 1]


def test_an_object_longer_than_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_blocks, "OBJECT_BYTES_MAX", 1 << 20)
    with pytest.raises(LoadError, match="one object is longer than 1 MiB"):
        load('{"a":"' + "x" * (2 * json_blocks.BLOCK_BYTES), "json")


def test_declared_types_are_used_and_names_sorted() -> None:
    columns = {"d": "date", "b": "decimal(10,1)", "c": "text", "e": "int", "a": "json", "f": "blob"}
    loaded = load(
        '{"d":"2024-01-01","b":1.25,"c":"x","e":5,"f":"00ff"}\n'
        '{"d":null,"c":7,"e":"6","b":"2","a":{"k":[1, 2]}}\n',
        "json",
        columns,
    )
    assert list(loaded.types) == sorted(columns)
    assert loaded.rows == [
        {"a": None, "b": Decimal("1.3"), "c": "x", "d": date(2024, 1, 1), "e": 5, "f": b"\x00\xff"},
        {"a": '{"k":[1,2]}', "b": Decimal("2.0"), "c": "7", "d": None, "e": 6, "f": None},
    ]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ('{"a":1,"b":2}', {"a": "int"}, "Column 'b' found in data but not defined in columns"),
        ('{"a":1}', {"a": "int", "b": "int"}, "Column 'b' is defined but not found in data"),
        ('{"a":1}\n{"a":"zz"}', {"a": "int"}, "column 'a', row 2: 'zz' is not a valid int32"),
        ('{"a":1.5}', {"a": "int"}, "column 'a', row 1: '1.5' is not a valid int32"),
        (
            MANY + '{"a":1,"zz":1}',
            {"a": "int", "b": "json"},
            "Column 'zz' found in data but not defined",
        ),
    ],
)
def test_declared_columns_must_fit_the_data(
    text: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        load(text, "json", columns)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
objects = st.lists(st.dictionaries(st.text(max_size=5), values, max_size=4), min_size=1, max_size=5)


@settings(max_examples=150)
@given(objects, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_objects_load_alike_in_every_print(
    rows: list[dict[str, Any]], indent: Any, ascii_only: bool
) -> None:
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    printed = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    if not any(rows):
        with pytest.raises(LoadError):
            load(lines, "json")
        return
    from_lines = load(lines, "json")
    assert from_lines.report.row_count == len(rows)
    assert load(printed, "json").table.equals(from_lines.table)


@given(objects, st.integers(1, 7))
def test_the_scanner_finds_the_objects_wherever_chunks_end(
    rows: list[dict[str, Any]], size: int
) -> None:
    text = json.dumps(rows, indent=1).encode()
    scanner = StructureScanner(in_array=True)
    lines = b"".join(scanner.feed(text[at : at + size]) for at in range(0, len(text), size))
    lines += scanner.finish()
    assert [json.loads(line) for line in lines.splitlines() if line.strip()] == rows
