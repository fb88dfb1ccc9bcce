"""Loads as a whole: bombs, progress, formats, and agreement with an independent reader."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.datasets import compression
from engine.datasets.load import LoadError, LoadSpec, guess_format, load_file
from tests.datasets.loading import load


@pytest.mark.parametrize(
    ("content_type", "name", "head", "expected"),
    [
        ("text/csv; charset=utf-8", "x.json", b"", "csv"),
        ("application/x-ndjson", None, b"", "json"),
        ("application/vnd.apache.parquet", None, b"", "parquet"),
        ("application/octet-stream", "Data.PARQUET", b"", "parquet"),
        (None, "a/b.ndjson.gz", b"", "json"),
        (None, "x.tsv", b"", "csv"),
        (None, "x.jsonl.zst", b"", "json"),
        (None, "download", b"PAR1\x15", "parquet"),
        (None, "download", b' \n[{"a":1}', "json"),
        ("text/plain", "", b"a,b", "csv"),
        (None, None, b"", "csv"),
        ("application/octet-stream", "notes.txt", b"a", "csv"),
    ],
)
def test_a_format_is_guessed(
    content_type: str | None, name: str | None, head: bytes, expected: str
) -> None:
    assert guess_format(content_type, name, head) == expected


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


PACK = {"gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("format_name", ["csv", "json", "parquet"])
def test_a_compression_bomb_stops(
    monkeypatch: pytest.MonkeyPatch, codec: str, format_name: str
) -> None:
    monkeypatch.setattr(compression, "EXPANDED_FREE_BYTES", 1 << 20)
    monkeypatch.setattr(compression, "EXPANSION_RATIO_MAX", 10)
    data = b'{"a":1}\n' * (4 << 20) if format_name == "json" else b"a\n" + b"1\n" * (8 << 20)
    with pytest.raises(LoadError, match="expands beyond the allowed size"):
        load(PACK[codec](data), format_name)


def test_an_archive_within_an_archive_is_not_opened() -> None:
    inner = gzip.compress(b"a,b\n1,2\n", mtime=0)
    with pytest.raises(LoadError):
        load(gzip.compress(inner, mtime=0), "parquet")


@pytest.mark.parametrize("format_name", ["csv", "json", "parquet"])
def test_progress_grows_to_the_whole_file(tmp_path: Path, format_name: str) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    output.mkdir()
    rows = 400_000
    if format_name == "csv":
        source.write_text("a,b\n" + "".join(f"{i},some text {i}\n" for i in range(rows)))
    elif format_name == "json":
        source.write_text("".join(f'{{"a":{i},"b":"some text {i}"}}\n' for i in range(rows)))
    else:
        pq.write_table(pa.table({"a": range(rows)}), source, row_group_size=50_000)
    told: list[tuple[int, int, int]] = []
    spec = LoadSpec(str(source), format_name, None, str(output), 1 << 30)
    load_file(spec, on_progress=lambda *values: told.append(values))
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (rows, source.stat().st_size, source.stat().st_size)


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
cells = st.one_of(
    texts,
    st.integers(-(10**25), 10**25).map(str),
    st.floats().map(repr),
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from(
        ["", "true", "0", "007", "+1", " 1", "1e5", "-0", "NaN", "2024-01-01", "x,y", '"', "a\nb"]
    ),
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(2, 4))
    kinds = [
        draw(st.sampled_from([cells, texts, st.integers().map(str), st.dates().map(str)]))
        for _ in range(width)
    ]
    return draw(st.lists(st.tuples(*kinds).map(list), min_size=1, max_size=8))


def as_csv(rows: list[list[str]], terminator: str = "\n") -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator=terminator)
    writer.writerow([f"c{i}" for i in range(len(rows[0]))])
    writer.writerows(rows)
    return sink.getvalue()


@settings(max_examples=200)
@given(tables(), st.sampled_from(["\n", "\r\n"]))
def test_any_table_of_texts_comes_back(rows: list[list[str]], terminator: str) -> None:
    loaded = load(as_csv(rows, terminator), "csv")
    assert loaded.report.row_count == len(rows)
    for position, (name, dtype) in enumerate(loaded.types.items()):
        for text, value in zip(
            (row[position] for row in rows), loaded.table[name].to_pylist(), strict=True
        ):
            if text == "" or (dtype in NUMBERS and not text.strip()):
                assert value is None
            elif dtype == "string":
                assert value == text
            elif dtype in NUMBERS:
                assert float(str(value)) == float(text) or text.strip().lower().lstrip("-") == "nan"
                assert dtype == "double" or value == int(text)
            elif dtype == "date32[day]":
                assert str(value) == text
            else:
                assert str(value)[:10].lower() == text.strip()[:10].lower()


NUMBERS = {"int64", "double", "decimal128(38, 0)"}


@settings(max_examples=100)
@given(tables())
def test_declared_as_text_every_value_comes_back_unchanged(rows: list[list[str]]) -> None:
    columns = {f"c{i}": "varchar" for i in range(len(rows[0]))}
    loaded = load(as_csv(rows), "csv", columns)
    assert [list(row.values()) for row in loaded.rows] == [
        [text or None for text in row] for row in rows
    ]


ORDINARY = [
    "id,name,price,day,at\n1,apple,1.5,2024-01-01,2024-01-01 10:00:00\n"
    "2,,2,2024-12-31,2024-01-02 00:00:01.5\n",
    'a,b\n1,"x, y"\n2,"two\nlines"\n3,""""\n',
    "x,y,z\n-1,-0.5,true\n0,1e10,false\n",
    "city,pop\nZürich,421878\n東京,13960000\n",
    "n\n1\n2\n3\n",
    "only,nulls\n1,\n2,\n",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_csv_gives_what_duckdb_reads(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text(text)
    theirs = duckdb.execute(f"SELECT * FROM read_csv('{file}', header = true)").fetchall()
    assert [tuple(row.values()) for row in load(text, "csv").rows] == theirs


NDJSON = [
    [
        {"a": 1, "b": "x", "c": [1, 2], "d": {"e": 1.5}},
        {"a": 2, "c": []},
        {"b": None, "d": {"f": True}},
    ],
    [{"n": 2**62}, {"n": -5}],
    [{"t": "line\nbreak", "u": "é"}],
]


@pytest.mark.parametrize("rows", NDJSON)
def test_ordinary_json_gives_what_duckdb_reads(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    file = tmp_path / "x.json"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    theirs = duckdb.execute(
        f"SELECT * FROM read_json('{file}', format = 'newline_delimited')"
    ).fetchall()
    assert [tuple(row.values()) for row in load(file.read_bytes(), "json").rows] == theirs
