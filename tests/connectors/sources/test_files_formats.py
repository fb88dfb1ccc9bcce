"""The files connector: what the values of Parquet, CSV and JSON become."""

import gzip
import json
import random
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import After, Scan
from connectors.sources.files.json_files import _parse, _parse_exactly
from connectors.sources.files.json_lines import Lines
from connectors.sources.files.json_values import Shape, parse_object
from connectors.sources.files.parquet_files import FOOTERS_MAX
from connectors.sources.files.reader import Wanted, spread
from connectors.sources.files.stores import File
from connectors.sources.files.text_values import convert_inferred, infer_type
from tests.connectors.contract import BATCH_BYTES
from tests.connectors.sources.files_samples import (
    UTC,
    AnyArray,
    connected,
    failure,
    found,
    put,
    rows,
)

DAY = st.dates(date(1, 1, 1), date(9999, 12, 31))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


class TestParquet:
    def test_types_of_two_files_meet_where_both_fit(self, root: Path) -> None:
        one = pa.table({
            "int": pa.array([1], pa.int32()),
            "mixed": pa.array([1], pa.int64()),
            "decimal": pa.array([Decimal("1.5")], pa.decimal128(5, 1)),
            "date": pa.array([date(2024, 1, 1)]),
            "time": pa.array([1], pa.timestamp("ms")),
            "null": pa.nulls(1),
            "struct": pa.array([{"a": 1}], pa.struct([("a", pa.int8())])),
            "first": ["x"],
        })  # fmt: skip
        other = pa.table({
            "struct": pa.array([{"b": "y", "a": 1000}]),
            "null": ["now text"],
            "time": pa.array([1], pa.timestamp("ns")),
            "date": pa.array([1], pa.timestamp("us")),
            "decimal": pa.array([Decimal("12345.678")], pa.decimal128(8, 3)),
            "mixed": [0.5],
            "int": pa.array([1 << 40]),
            "second": ["y"],
        })  # fmt: skip
        put(root / "t" / "a.parquet", one)
        put(root / "t" / "b.parquet", other)
        table = rows(root, "t").sort_by("int")
        assert table.schema.names == [*one.schema.names, "second"]
        assert [str(field.type) for field in table.schema] == [
            "int64",
            "double",
            "decimal128(8, 3)",
            "timestamp[us]",
            "timestamp[ns]",
            "string",
            "struct<a: int64, b: string>",
            "string",
            "string",
        ]
        assert table.to_pylist()[0] | {"time": None, "date": None} == {
            "int": 1,
            "mixed": 1.0,
            "decimal": Decimal("1.500"),
            "date": None,
            "time": None,
            "null": None,
            "struct": {"a": 1, "b": None},
            "first": "x",
            "second": None,
        }
        assert table["date"].cast(pa.int64()).to_pylist() == [1_704_067_200_000_000, 1]
        assert table["time"].cast(pa.int64()).to_pylist() == [1_000_000, 1]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (pa.array(["1"]), pa.array([1])),
            (pa.array(["1"]), pa.array([b"1"])),
            (pa.array([True]), pa.array([1])),
            (pa.array([[1]]), pa.array([1])),
            (pa.array([1], pa.timestamp("us")), pa.array([1], pa.timestamp("us", UTC))),
            (pa.array([Decimal("1.5")]), pa.array([0.1])),
        ],
    )
    def test_a_contradiction_names_both_files_and_the_way_out(
        self, root: Path, one: AnyArray, other: AnyArray
    ) -> None:
        put(root / "t" / "a.parquet", pa.table({"id": [1], "c": one}))
        put(root / "t" / "b.parquet", pa.table({"id": [2], "c": other}))
        message = failure(root, "t")
        for part in ("'c'", "t/a.parquet", "t/b.parquet", "column_types"):
            assert part in message

    def test_a_declared_type_settles_a_contradiction(self, root: Path) -> None:
        put(root / "t" / "a.parquet", pa.table({"c": ["0001", "-2"]}))
        put(root / "t" / "b.parquet", pa.table({"c": [3]}))
        found_types = {"t.c": "BIGINT"}
        table = rows(root, "t", column_types=found_types)
        assert table.sort_by("c")["c"].to_pylist() == [-2, 1, 3]

    def test_a_value_that_does_not_fit_names_row_column_and_file(self, root: Path) -> None:
        put(root / "t" / "a.parquet", pa.table({"c": [0.5]}))
        put(root / "t" / "b.parquet", pa.table({"c": [1, 2, (1 << 53) + 1]}))
        message = failure(root, "t")
        for part in ("t/b.parquet", "'c'", "row 3", "column_types"):
            assert part in message
        put(root / "u.parquet", pa.table({"c": pa.array([0, 1500], pa.timestamp("ms"))}))
        assert "row 2" in failure(root, "u", column_types={"c": "DATE"})

    def test_a_column_that_no_footer_looked_at_has_is_an_error(self, root: Path) -> None:
        late = min(set(range(70)) - set(spread(range(70), FOOTERS_MAX)))
        for number in range(70):
            columns = {"n": [number]} | ({"late": ["x"]} if number == late else {})
            put(root / "t" / f"{number:02}.parquet", pa.table(columns))
        message = failure(root, "t")
        assert f"t/{late:02}.parquet" in message
        assert "'late'" in message
        declared = rows(root, "t", column_types={"t.late": "VARCHAR"})
        assert declared.num_rows == 70
        assert declared["late"].null_count == 69

    def test_parts_split_a_large_file_by_its_row_groups(self, root: Path) -> None:
        table = pa.table({"n": range(100_000)})
        pq.write_table(table, root / "t.parquet", row_group_size=10_000)
        small = {"batch_bytes": 1 << 14, "parts_max": 3}
        with connected(root, small) as connector:
            parts = connector.plan_fetch(connector.describe("main", "t"), Scan())
            counts = [sum(b.num_rows for b in connector.open(part)) for part in parts]
            assert len(counts) == 3
            assert sum(counts) == 100_000
            assert max(counts) <= 50_000
            (one,) = connector.plan_fetch(connector.describe("main", "t"), Scan(limit=7))
            assert sum(b.num_rows for b in connector.open(one)) == 7

    @pytest.mark.parametrize(
        ("values", "after"),
        [
            (pa.array(range(10), pa.int32()), "6"),
            (pa.array(range(10), pa.uint64()), "6"),
            (pa.array([f"{i}" for i in range(10)]), "6"),
            (pa.array([date(2024, 1, 1 + i) for i in range(10)]), "2024-01-07"),
            (pa.array(range(-5, 5), pa.timestamp("us", UTC)), "1970-01-01 00:00:00.000001Z"),
            (pa.array([Decimal(i) for i in range(10)], pa.decimal128(5, 2)), "6.00"),
            (pa.array([i / 10 for i in range(10)]), "0.6"),
            (pa.array(range(10), pa.time64("us")), "00:00:00.000006"),
            (pa.array([bytes([i + 65]) for i in range(10)]), "G"),
        ],
    )
    def test_rows_after_a_value_of_every_kind(
        self, root: Path, values: AnyArray, after: str
    ) -> None:
        pq.write_table(
            pa.table({"n": range(10), "v": values}), root / "t.parquet", row_group_size=3
        )
        table = rows(root, "t", Scan(columns=("n",), after=After("v", after)))
        assert table.to_pydict() == {"n": [7, 8, 9]}

    def test_row_groups_without_greater_values_are_not_decoded(self, root: Path) -> None:
        pq.write_table(pa.table({"n": range(30)}), root / "t.parquet", row_group_size=10)
        meta = pq.ParquetFile(root / "t.parquet").metadata
        # The first row group is damaged; whoever reads it fails.
        start = meta.row_group(0).column(0).dictionary_page_offset or 0
        data = bytearray((root / "t.parquet").read_bytes())
        data[start : start + 8] = b"\xff" * 8
        (root / "t.parquet").write_bytes(data)
        assert rows(root, "t", Scan(after=After("n", "19")))["n"].to_pylist() == list(range(20, 30))
        assert "t.parquet" in failure(root, "t")

    def test_a_cut_or_empty_or_foreign_file_is_named(self, root: Path) -> None:
        put(root / "t.parquet", pa.table({"n": range(1000)}))
        data = (root / "t.parquet").read_bytes()
        for damaged in (data[:-10], data[:100], b"PAR1", b"x" * 100, data[:-200] + data[-100:]):
            (root / "t.parquet").write_bytes(damaged)
            assert "'t.parquet'" in failure(root, "t")

    def test_two_columns_of_one_name_are_refused(self, root: Path) -> None:
        put(root / "t.parquet", pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["n", "n"]))
        assert "'n'" in failure(root, "t")

    def test_names_with_dots_are_columns(self, root: Path) -> None:
        table = pa.table({"a": [{"b": 1}], "a.b": [2], "a.b.c": [3], "😀": [4]})
        put(root / "t.parquet", table)
        assert rows(root, "t").equals(table)
        assert rows(root, "t", Scan(columns=("a",))).equals(table.select(["a"]))
        assert rows(root, "t", Scan(columns=("a.b",))).equals(table.select(["a.b"]))

    def test_nested_values_of_several_batches_stay_whole(self, root: Path) -> None:
        values = [[{"k": str(i), "v": list(range(i % 5))}] * (i % 3) for i in range(5000)]
        kind = pa.large_list(pa.struct([("k", pa.large_string()), ("v", pa.list_(pa.int8()))]))
        put(root / "t.parquet", pa.table({"n": range(5000), "x": pa.array(values, kind)}))
        with connected(root, {"batch_bytes": 1 << 13}) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "t"), Scan(limit=4999))
            batches = list(connector.open(part))
        assert len(batches) > 10
        assert pa.Table.from_batches(batches)["x"].to_pylist() == values[:4999]

    def test_files_of_another_writer_are_read(self, root: Path) -> None:
        duckdb.sql(
            "COPY (SELECT INTERVAL '1 month 2 days' i, '4f1e0000-0000-4000-8000-00000000000a'::UUID u,"
            " 'b'::ENUM('a', 'b') e, {'x': [1]} s, '{}'::JSON j, TIMESTAMP_S '2024-01-01' t)"
            f" TO '{root}/t.parquet'"
        )
        assert rows(root, "t").to_pylist() == [
            {
                "i": b"\x01\0\0\0\x02\0\0\0\0\0\0\0",
                "u": "4f1e0000-0000-4000-8000-00000000000a",
                "e": "b",
                "s": {"x": [1]},
                "j": "{}",
                "t": datetime.fromisoformat("2024-01-01"),
            }
        ]

    def test_int96_timestamps_are_nanoseconds_without_statistics(self, root: Path) -> None:
        moments = pa.array([0, 1, 1 << 60], pa.timestamp("ns"))
        table = pa.table({"n": [1, 2, 3], "t": moments})
        pq.write_table(table, root / "t.parquet", use_deprecated_int96_timestamps=True)
        assert rows(root, "t").equals(table)
        after = Scan(after=After("t", "1970-01-01 00:00:00.000000001"))
        assert rows(root, "t", after)["n"].to_pylist() == [3]

    def test_row_counts_come_from_footers(self, root: Path) -> None:
        put(root / "t" / "a.parquet", pa.table({"n": [1, 2]}))
        put(root / "t" / "b.parquet", pa.table({"n": [3]}))
        assert found(root)["t"].row_estimate == 3


class TestCsv:
    def csv(self, root: Path, text: str | bytes, scan: Scan = Scan(), **options: Any) -> pa.Table:  # noqa: B008 - frozen
        put(root / "t.csv", text)
        return rows(root, "t", scan, **options)

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (["1", "-9223372036854775808"], pa.int64()),
            (["9223372036854775808"], pa.decimal128(38, 0)),
            (["1" * 39], pa.string()),
            (["1", "0.5", "1e300", "nan", "inf"], pa.float64()),
            (["0.30000000000000004"], pa.float64()),
            (["0.1234567890123456789"], pa.string()),
            (["0.5", "9007199254740993"], pa.string()),
            (["0.5", "9007199254740992"], pa.float64()),
            (["1e400"], pa.string()),
            (["1e-400"], pa.string()),
            (["5e-324"], pa.float64()),
            (["00123"], pa.string()),
            (["+49"], pa.string()),
            (["0x1F"], pa.string()),
            (["1,5"], pa.string()),
            (["true", "False"], pa.bool_()),
            (["yes"], pa.string()),
            (["2024-02-29"], pa.date32()),
            (["2023-02-29"], pa.string()),
            (["2024-01-01T00:00:00.000001"], pa.timestamp("us")),
            (["2024-01-01 00:00:00.000000001"], pa.timestamp("ns")),
            (["2024-01-01", "2024-01-01 00:00:01"], pa.timestamp("us")),
            (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00"], pa.timestamp("us", UTC)),
            (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], pa.string()),
            (["12:30:00"], pa.string()),
            (["a", "", "b"], pa.string()),
            (["", ""], pa.string()),
        ],
    )
    def test_a_column_has_the_narrowest_type_that_loses_nothing(
        self, root: Path, values: list[str], kind: Any
    ) -> None:
        table = self.csv(root, "id;v\n" + "".join(f"{i};{v}\n" for i, v in enumerate(values)))
        assert table.schema.field("v").type == kind
        if pa.types.is_string(kind):
            assert table["v"].to_pylist() == [value or None for value in values]

    @pytest.mark.parametrize(
        ("declared", "text", "value"),
        [
            ("VARCHAR", "1", "1"),
            ("TINYINT", "007", 7),
            ("UBIGINT", "18446744073709551615", (1 << 64) - 1),
            ("DECIMAL(10, 2)", "1.5000", Decimal("1.50")),
            ("DECIMAL(10, 2)", "-3", Decimal("-3.00")),
            ("REAL", "0.1", pa.scalar(0.1, pa.float32()).as_py()),
            ("DOUBLE", "0.1234567890123456789", 0.12345678901234568),
            ("BOOLEAN", "1", True),
            ("DATE", "2024-01-02", date(2024, 1, 2)),
            ("TIMESTAMP", "2024-01-02", datetime.fromisoformat("2024-01-02")),
            ("TIME", "12:30", pa.scalar(45_000_000_000, pa.time64("us")).as_py()),
            ("BLOB", "\\xff00", b"\xff\x00"),
        ],
    )
    def test_a_declared_type_reads_what_is_clear(
        self, root: Path, declared: str, text: str, value: Any
    ) -> None:
        table = self.csv(root, f"id,v\n1,{text}\n", column_types={"v": declared})
        assert table["v"].to_pylist() == [value]

    @pytest.mark.parametrize(
        ("declared", "text"),
        [
            ("TINYINT", "128"),
            ("BIGINT", "1.0"),
            ("DECIMAL(10, 2)", "1.005"),
            ("DECIMAL(3, 2)", "10"),
            ("DECIMAL(38, 0)", "9" * 40),
            ("DECIMAL", "NaN"),
            ("DOUBLE", "1e400"),
            ("REAL", "1e300"),
            ("DATE", "2024-01-02 10:00:00"),
            ("TIMESTAMP", "2024-01-02T00:00:00.0000001"),
            ("TIMESTAMP", "2024-01-02T00:00:00Z"),
            ("TIMESTAMPTZ", "2024-01-02T00:00:00"),
            ("TIME", "25:00"),
            ("BLOB", "xyz"),
            ("BOOLEAN", "maybe"),
        ],
    )
    def test_a_declared_type_drops_nothing(self, root: Path, declared: str, text: str) -> None:
        put(root / "t.csv", f"id,v\n1,\n2,{text}\n")
        message = failure(root, "t", column_types={"v": declared})
        for part in ("'t.csv'", "'v'", "row 2", "column_types"):
            assert part in message
        assert text not in message

    def test_a_later_value_of_another_type_names_its_row(self, root: Path) -> None:
        put(root / "t.csv", "n\n" + "1\n" * 10_000 + "x\n" + "1\n" * 10)
        for wrong in ("x", "1.5", "007", "9223372036854775808"):
            put(root / "t.csv", "n\n" + "1\n" * 10_000 + f"{wrong}\n" + "1\n" * 10)
            message = failure(root, "t", sample_bytes=4096)
            for part in ("'t.csv'", "'n'", "row 10001", "column_types"):
                assert part in message
        assert rows(root, "t", sample_bytes=1 << 20).schema.field("n").type == BIG
        assert rows(root, "t", sample_bytes=4096, column_types={"n": "VARCHAR"}).num_rows == 10_011

    def test_types_hold_for_all_sampled_files(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n,m\n1,1\n")
        put(root / "t" / "b.csv", "m,n\n9007199254740993,0.5\n")
        table = rows(root, "t").sort_by("n")
        assert table.to_pydict() == {"n": [0.5, 1.0], "m": [9007199254740993, 1]}

    def test_a_missing_column_is_null_and_a_new_one_an_error(self, root: Path) -> None:
        for number in range(20):
            put(root / "t" / f"{number:02}.csv", "n,late\n1,2\n" if number == 10 else "n\n1\n")
        put(root / "t" / "20.csv", "n,m\n1,2\n")
        table = rows(root, "t", column_types={"t.late": "BIGINT"})
        assert table["late"].null_count == 20
        assert table["m"].null_count == 20

    def test_empty_fields_are_null_and_quoted_ones_are_not(self, root: Path) -> None:
        table = self.csv(root, 'id,text,number\n1,,\n2,"",""\n3,x, 5 \n4," ",\n')
        assert table["text"].to_pylist() == [None, "", "x", " "]
        assert table["number"].to_pylist() == [None, None, 5, None]

    def test_null_texts_are_null_unless_quoted(self, root: Path) -> None:
        text = 'id,text\n1,NA\n2,"NA"\n3,\n4,-\n'
        assert self.csv(root, text)["text"].to_pylist() == ["NA", "NA", None, "-"]
        table = self.csv(root, text, null_texts=["NA", "-"])
        assert table["text"].to_pylist() == [None, "NA", None, None]

    def test_quotes_hold_separators_breaks_and_quotes(self, root: Path) -> None:
        text = 'id,"a,\nb"\n1,"x,""y""\r\nz"\n2,"😀"\n'
        assert self.csv(root, text).to_pydict() == {
            "id": [1, 2],
            "a,\nb": ['x,"y"\r\nz', "😀"],
        }
        assert self.csv(root, "a|b\n'x|y'|1\n", quote="'")["a"].to_pylist() == ["x|y"]
        assert self.csv(root, 'a,b\n"x,1\n', quote="")["a"].to_pylist() == ['"x']

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_the_separator_is_found_or_given(self, root: Path, mark: str) -> None:
        assert self.csv(root, f"a{mark}b\n1{mark}2\n").to_pydict() == {"a": [1], "b": [2]}
        text = "a:b,c\n1:2,3\n"
        assert self.csv(root, text, delimiter=":").schema.names == ["a", "b,c"]

    def test_without_a_header_columns_have_numbers(self, root: Path) -> None:
        table = self.csv(root, "1,x\n2,y\n", header=False)
        assert table.to_pydict() == {"column0": [1, 2], "column1": ["x", "y"]}

    def test_names_are_made_unique(self, root: Path) -> None:
        table = self.csv(root, "a, a ,,a_1\n1,2,3,4\n")
        assert table.schema.names == ["a", "a_2", "column2", "a_1"]

    def test_a_header_alone_is_an_empty_table_of_text(self, root: Path) -> None:
        for text in ("a,b\n", "a,b", "\n\na,b\n\n"):
            table = self.csv(root, text)
            assert table.num_rows == 0
            assert table.schema.types == [pa.string(), pa.string()]
        assert "no names" in failure_of_blank(root)

    def test_empty_lines_count_only_in_one_column(self, root: Path) -> None:
        assert self.csv(root, "a,b\n\n1,2\n\n").num_rows == 1
        assert self.csv(root, "\na\n1\n\n3\n")["a"].to_pylist() == [1, None, 3]

    @pytest.mark.parametrize("codec", ["gzip", "zstd", "bz2", "lz4"])
    def test_compression_is_found_by_the_first_bytes(self, root: Path, codec: str) -> None:
        sink = pa.BufferOutputStream()
        compressed: Any = pa.CompressedOutputStream
        with compressed(sink, codec) as stream:
            stream.write(b"n\n1\n")
        data = sink.getvalue().to_pybytes()
        ending = {"gzip": "gz", "zstd": "zst"}.get(codec, codec)
        put(root / f"x.csv.{ending}", data)
        put(root / "y.csv", data)
        assert rows(root, "x").to_pydict() == rows(root, "y").to_pydict() == {"n": [1]}

    def test_several_streams_in_one_file_are_one_text(self, root: Path) -> None:
        data = gzip.compress(b"n\n1\n") + gzip.compress(b"2\n")
        put(root / "t.csv.gz", data)
        assert rows(root, "t")["n"].to_pylist() == [1, 2]

    def test_damaged_compression_is_named(self, root: Path) -> None:
        text = random.Random(5).randbytes(100_000).hex().encode()
        whole = gzip.compress(b"n\n" + text + b"\n")
        zstd = pa.compress(b"n\n" + text + b"\n", "zstd", asbytes=True)
        for data in (whole[:-2000], whole[:1000] + b"x" * 1000 + whole[2000:], zstd[:-2000]):
            put(root / "t.csv.gz", data)
            assert "'t.csv.gz'" in failure(root, "t")

    def test_encodings_are_decoded(self, root: Path) -> None:
        for encoding in ("latin-1", "utf-16", "cp1252", "utf-8-sig", "shift_jis"):
            word = "日本" if encoding == "shift_jis" else "é"
            data = f"n,{word}\n1,{word}\n".encode(encoding)
            table = self.csv(root, data, encoding=encoding)
            assert table.to_pydict() == {"n": [1], word: [word]}

    def test_text_of_another_encoding_is_an_error(self, root: Path) -> None:
        put(root / "t.csv", "n,m\n1,é\n".encode("latin-1"))
        assert "encoding" in failure(root, "t")
        put(root / "t.csv", "é,m\n1,é\n".encode("latin-1"))
        assert "t.csv" in failure(root, "t")
        # A row of too few fields, too, is not handed to Arrow when it is no text.
        put(root / "t.csv", b"n,m\n1,2\n\xff\n")
        assert "encoding" in failure(root, "t")
        put(root / "t.csv", "n\né\n".encode())
        assert "t.csv" in failure(root, "t", encoding="ascii")

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("a,b\n1,2\n3\n", "row 2"),
            ("a,b\n1,2\n3,4,5\n", "row 2"),
            ('a,b\n1,"x\ny\n', "quote"),
            ("a,b\n1\n", "row 1"),
        ],
    )
    def test_ragged_rows_and_open_quotes_are_named(self, root: Path, text: str, part: str) -> None:
        put(root / "t.csv", text)
        message = failure(root, "t")
        assert "'t.csv'" in message
        assert part in message

    def test_a_row_longer_than_a_block_is_read(self, root: Path) -> None:
        long = "x" * (6 << 20)
        text = "n,t\n" + "1,a\n" * 1000 + f"2,{long}\n" + "3,b\n" * 1000
        table = self.csv(root, text)
        assert table["n"].to_pylist() == [1] * 1000 + [2] + [3] * 1000
        assert table["t"][1000].as_py() == long

    def test_numbers_with_many_rows_arrive_in_bounded_batches(self, root: Path) -> None:
        put(root / "t.csv", "a,b,c\n" + ",,\n" * 1_000_000)
        with connected(root, column_types={"a": "DOUBLE", "b": "BIGINT"}) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "t"), Scan())
            batches = list(connector.open(part))
        assert sum(batch.num_rows for batch in batches) == 1_000_000
        assert max(batch.nbytes for batch in batches) <= BATCH_BYTES


BIG = pa.decimal128(38, 0)


def failure_of_blank(root: Path) -> str:
    put(root / "t.csv", "\n \n")
    return failure(root, "t")


class TestJson:
    def json(self, root: Path, text: str | bytes, scan: Scan = Scan(), **options: Any) -> pa.Table:  # noqa: B008 - frozen
        put(root / "t.json", text)
        return rows(root, "t", scan, **options)

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":1,"b":"x\\ny"}\n{"a":2,"b":"]},{"}\n',
            '{"a":1,"b":"x\\ny"}\r\n{"a":2,"b":"]},{"}',
            '\ufeff{"a":1,"b":"x\\ny"}\n\n{"a":2,"b":"]},{"}\n\n',
            '[{"a":1,"b":"x\\ny"},{"a":2,"b":"]},{"}]',
            ' [ \n {"a": 1,\n "b":"x\\ny"}\n ,\n {"a":2, "b":"]},{"}\n]\n ',
            '{\n"a":1,\n"b":"x\\ny"}{"a":2,"b":"]},{"}',
        ],
    )
    def test_objects_may_be_printed_in_any_way(self, root: Path, text: str) -> None:
        expected = {"a": [1, 2], "b": ["x\ny", "]},{"]}
        assert self.json(root, text).to_pydict() == expected
        assert self.json(root, gzip.compress(text.encode())).to_pydict() == expected

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ("1 -9223372036854775808", "int64"),
            ("1 9223372036854775808", "decimal128(38, 0)"),
            (f"-1{'0' * 38}", "string"),
            ("1 0.5", "double"),
            ("0.5 9007199254740993", "string"),
            ("0.12345678901234567890", "string"),
            ("1e-400", "string"),
            ("1e400", "string"),
            ("true false null", "bool"),
            ("true 1", "string"),
            ('"2024-01-01"', "string"),
            ("null", "string"),
            ("[] [1]", "list<item: int64>"),
            ("[] [null]", "list<item: string>"),
            ('[1] ["a"]', "list<item: string>"),
            ('{"x":1} {"y":[true]}', "struct<x: int64, y: list<item: bool>>"),
            ("{}", "string"),
            ('{"x":1} [1] 1.50', "string"),
        ],
    )
    def test_a_key_has_the_narrowest_type_that_loses_nothing(
        self, root: Path, values: str, kind: str
    ) -> None:
        texts = values.split(" ")
        table = self.json(root, "".join(f'{{"v":{text}}}\n' for text in texts))
        assert str(table.schema.field("v").type) == kind
        if kind == "string" and '"2024-01-01"' not in texts:
            assert table["v"].to_pylist() == [None if t == "null" else t for t in texts]

    def test_nested_values_arrive(self, root: Path) -> None:
        value = {"x": [{"y": [[1], []], "z": None}, None], "w": {"q": "é"}}
        table = self.json(root, json.dumps({"v": value}) + "\n" + '{"v":null}\n{}')
        assert table["v"].to_pylist() == [value, None, None]

    @pytest.mark.parametrize(
        "late", ['"x"', "1.5", "[1]", '{"a":1}', "true", "9223372036854775808", "1e2"]
    )
    def test_a_later_value_of_another_kind_names_its_row(self, root: Path, late: str) -> None:
        put(root / "t.json", '{"v":1}\n' * 1000 + f'{{"v":{late}}}\n')
        message = failure(root, "t", sample_bytes=4096)
        for part in ("'t.json'", "'v'", "row 1001", "column_types"):
            assert part in message
        table = rows(root, "t", sample_bytes=4096, column_types={"v": "VARCHAR"})
        assert table["v"].to_pylist()[998:] == [
            "1",
            "1",
            json.loads(late) if late == '"x"' else late,
        ]

    def test_a_later_number_that_would_be_rounded_is_an_error(self, root: Path) -> None:
        for late in ("9007199254740993", "0.12345678901234567890", "1e-400", "1e400"):
            put(root / "t.json", '{"v":0.5}\n' * 1000 + f'{{"v":{late}}}\n')
            assert "row 1001" in failure(root, "t", sample_bytes=4096)
        fine = self.json(root, '{"v":0.5}\n' * 1000 + '{"v":0.30000000000000004}\n{"v":1e22}\n')
        assert fine["v"].to_pylist()[-2:] == [0.30000000000000004, 1e22]

    def test_a_later_key_is_an_error_and_may_be_declared(self, root: Path) -> None:
        put(root / "t.json", '{"v":1}\n' * 1000 + '{"v":1,"late":{"x":1.50}}\n')
        message = failure(root, "t", sample_bytes=4096)
        assert "'late'" in message
        table = rows(root, "t", sample_bytes=4096, column_types={"t.late": "JSON"})
        assert table["late"].to_pylist()[-2:] == [None, '{"x":1.50}']
        put(root / "t.json", '{"v":{"a":1}}\n' * 1000 + '{"v":{"late":1}}\n')
        message = failure(root, "t", sample_bytes=4096)
        assert "'late'" in message
        assert "row 1001" in message

    @pytest.mark.parametrize(
        ("declared", "text", "value"),
        [
            ("BIGINT", '"5"', 5),
            ("BIGINT", "5", 5),
            ("DECIMAL(30, 20)", "0.12345678901234567890", Decimal("0.12345678901234567890")),
            ("DOUBLE", "9007199254740993", 9007199254740992.0),
            ("DATE", '"2024-01-02"', date(2024, 1, 2)),
            ("TIMESTAMP", '"2024-01-02T00:00:00"', datetime.fromisoformat("2024-01-02")),
            ("BOOLEAN", '"true"', True),
            ("VARCHAR", '{"a": [1.0, "é"]}', '{"a":[1.0,"é"]}'),
            ("SMALLINT", "null", None),
        ],
    )
    def test_a_declared_type_reads_what_is_clear(
        self, root: Path, declared: str, text: str, value: Any
    ) -> None:
        table = self.json(root, f'{{"v":{text}}}\n', column_types={"v": declared})
        assert table["v"].to_pylist() == [value]

    @pytest.mark.parametrize(
        ("declared", "text"),
        [
            ("TINYINT", "128"),
            ("BIGINT", "1.5"),
            ("DECIMAL(10, 2)", "1.005"),
            ("REAL", "1e300"),
            ("DATE", '"x"'),
            ("BIGINT", "[1]"),
        ],
    )
    def test_a_declared_type_drops_nothing(self, root: Path, declared: str, text: str) -> None:
        put(root / "t.json", f'{{"v":null}}\n{{"v":{text}}}\n')
        assert "row 2" in failure(root, "t", column_types={"v": declared})

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":1}\n{"a":}\n',
            '{"a":1}\n{"a":1\n',
            '{"a":1}\n[1]\n',
            '{"a":1}\n5\n',
            '{"a":1}\ngarbage\n',
            '{"a":1}\n{"a":1,"a":2}\n',
            '{"a":1}\n{"a":NaN}\n',
            '[{"a":1},{"a":1}',
            '[{"a":1},5]',
            '[{"a":1}] x',
            '[{"a":1},{"a"',
            "[1,2]",
            '"text"',
            "garbage",
            '{"a":"\\ud800"}\n',
            '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
            "[" * 100_000,
        ],
    )
    def test_what_is_not_json_objects_is_named(self, root: Path, text: str) -> None:
        put(root / "t.json", text)
        assert "t.json'" in failure(root, "t")

    def test_text_that_is_not_utf8_is_named(self, root: Path) -> None:
        put(root / "t.json", b'{"a":"\xff"}\n')
        assert "t.json'" in failure(root, "t")

    def test_nothing_tells_no_columns(self, root: Path) -> None:
        for text in ("[]", "{}", "\n\n"):
            put(root / "t.json", text)
            assert "'t'" in failure(root, "t")

    def test_an_object_over_several_blocks_is_read(self, root: Path) -> None:
        long = "😀" * (1 << 20)
        rows_ = [{"n": 1, "t": "a"}, {"n": 2, "t": long}, {"n": 3, "t": "b"}]
        for text in (json.dumps(rows_, ensure_ascii=False), "\n".join(map(json.dumps, rows_))):
            assert self.json(root, text)["t"].to_pylist() == ["a", long, "b"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=8,
)


class TestExactness:
    @given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON_VALUES), min_size=1, max_size=5))
    @settings(max_examples=200)
    def test_both_json_readers_agree(self, objects: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in objects).encode()
        shape = Shape()
        for line in text.splitlines():
            shape.add(parse_object(line))
        schema = pa.schema([pa.field(key, inner.type()) for key, inner in shape.fields.items()])
        names = tuple(schema.names)
        wanted = Wanted(schema, frozenset(), names, frozenset(), None)
        fast = _parse(text, wanted)
        exact = _parse_exactly(Lines(text, 1), wanted, File("x"))
        exact.validate(full=True)
        if not names:
            return
        if fast is not None:
            assert fast.to_pylist() == exact.to_pylist()
        for found_row, row in zip(exact.to_pylist(), objects, strict=True):
            for key, value in row.items():
                if pa.types.is_integer(schema.field(key).type):
                    assert found_row[key] == value

    @given(
        st.lists(
            st.decimals(allow_nan=False, allow_infinity=False).map(str)
            | st.integers().map(str)
            | st.floats(allow_nan=False).map(repr)
            | st.sampled_from(["00", "-0", "1e5", "", " 7 ", "0x1", "1_0"])
            | DAY.map(str),
            min_size=1,
            max_size=4,
        )
    )
    @settings(max_examples=500)
    def test_an_inferred_value_says_what_its_text_said(self, texts: list[str]) -> None:
        values = pa.array(texts)
        kind = infer_type(values)
        for text, value in zip(texts, convert_inferred(values, kind).to_pylist(), strict=True):
            if isinstance(value, float):
                assert Decimal(text.strip()) == Decimal(repr(value))
            elif isinstance(value, int | Decimal):
                assert Decimal(text.strip()) == value
            elif value is None:
                assert not text.strip()
            else:
                assert str(value) == text or isinstance(value, datetime)
