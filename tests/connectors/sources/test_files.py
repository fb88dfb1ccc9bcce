"""The files connector on real folders, and on the protocol of S3 (moto): tables, and which files."""

import gzip
import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem

from connectors.base import After, Scan
from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import parse_options
from connectors.sources.files import FilesConnector
from connectors.sources.files.options import FilesOptions
from tests.connectors.contract import ConnectorContract, Source, context_for, read
from tests.connectors.sources.files_samples import (
    CsvSource,
    JsonSource,
    ParquetSource,
    S3ParquetSource,
    bucket,
    connected,
    failure,
    found,
    put,
    rows,
    s3_options,
)


class TestLocalParquet(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        return ParquetSource(LocalFileSystem(), str(tmp_path / "root"))


CSV_DECLARED = {
    "id": "BIGINT",
    "whole": "BIGINT",
    "big": "DECIMAL(38)",
    "double": "DOUBLE",
    "flag": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMP",
}


class TestLocalCsv(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        declared = {f"empty.{name}": kind for name, kind in CSV_DECLARED.items()}
        return CsvSource(LocalFileSystem(), str(tmp_path / "root"), column_types=declared)


class TestLocalJson(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        declared = {f"empty.{name}": kind for name, kind in CSV_DECLARED.items()}
        return JsonSource(
            LocalFileSystem(),
            str(tmp_path / "root"),
            column_types={
                **declared,
                "empty.text": "VARCHAR",
                "day": "DATE",
                "moment": "TIMESTAMP",
            },
        )


class TestS3Parquet(ConnectorContract):
    @pytest.fixture
    def source(self, s3_endpoint: str) -> Iterator[Source]:
        with bucket(s3_endpoint) as (files, name):
            yield S3ParquetSource(files, f"s3://{name}/some/prefix", **s3_options(s3_endpoint))

    @pytest.fixture(autouse=True)
    def _keys_are_judged(
        self, source: Source, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if "refused" in request.node.name:
            monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


class TestLayout:
    def test_folders_and_files_in_the_root_are_tables(self, root: Path) -> None:
        put(root / "a" / "x.csv", "n\n1\n")
        put(root / "b" / "deep" / "x.json", '{"n":1}\n')
        put(root / "c.csv.gz", gzip.compress(b"n\n1\n"))
        put(root / "d.parquet", pa.table({"n": [1]}))
        put(root / "README.md", "no data")
        (root / "empty").mkdir()
        assert list(found(root)) == ["a", "b", "c", "d"]
        for table in "abcd":
            assert rows(root, table).to_pydict() == {"n": [1]}

    def test_a_file_whose_stem_is_taken_keeps_its_whole_name(self, root: Path) -> None:
        put(root / "a" / "x.csv", "n\n1\n")
        for name in ("a.csv", "b.csv", "b.json", "c.d.csv"):
            put(root / name, "n\n1\n" if name.endswith("csv") else '{"n":1}')
        assert list(found(root)) == ["a", "a.csv", "b.csv", "b.json", "c.d"]
        assert rows(root, "b.json").num_rows == 1

    def test_hidden_files_and_empty_ones_hold_no_rows(self, root: Path) -> None:
        for name in ("_SUCCESS", ".x.csv", "x.csv.crc", "_temporary/0/x.csv", "zero.csv"):
            put(root / "t" / name, "" if name == "zero.csv" else "other\n5\n")
        put(root / "t" / "x.csv", "n\n1\n")
        put(root / "_hidden" / "x.csv", "n\n1\n")
        put(root / "zero.csv", "")
        assert list(found(root)) == ["t"]
        assert rows(root, "t").to_pydict() == {"n": [1]}

    def test_the_whole_folder_may_be_one_table(self, root: Path) -> None:
        put(root / "a.csv", "n\n1\n")
        put(root / "deep" / "b.csv", "n\n2\n")
        options = {"tables": "single", "schema_name": "lake"}
        (only,) = found(root, **options).values()
        assert (only.schema, only.name) == ("lake", "root")
        assert list(found(root, **options, table_name="x")) == ["x"]

    def test_other_tables_and_schemas_are_gone(self, root: Path) -> None:
        put(root / "a.csv", "n\n1\n")
        (root / "empty").mkdir()
        with connected(root) as connector:
            for schema, name in (("main", "b"), ("other", "a"), ("main", ".."), ("main", "empty")):
                with pytest.raises(TableGone):
                    connector.describe(schema, name)

    def test_two_formats_are_no_table_unless_one_is_chosen(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n\n1\n")
        put(root / "t" / "b.json", '{"n":2}')
        message = failure(root, "t")
        assert "t/a.csv" in message
        assert "t/b.json" in message
        assert rows(root, "t", format="json").to_pydict() == {"n": [2]}

    def test_a_chosen_format_reads_files_of_any_other_ending(self, root: Path) -> None:
        put(root / "t" / "part-0001", "n\n1\n")
        put(root / "x.txt", "n\n2\n")
        assert list(found(root, format="csv")) == ["t", "x"]
        assert rows(root, "x", format="csv").to_pydict() == {"n": [2]}

    def test_a_delta_table_is_not_read_as_files(self, root: Path) -> None:
        put(root / "t" / "a.parquet", pa.table({"n": [1]}))
        put(root / "t" / "_delta_log" / "0.json", "{}")
        put(root / "u.csv", "n\n1\n")
        tables = found(root)
        assert not tables["t"].columns
        assert "delta" in str(tables["t"].comment)
        assert tables["u"].columns
        assert "Delta" in failure(root, "t")
        assert "Delta" in failure(root / "t", "t", tables="single")

    def test_too_many_files_are_refused(self, root: Path) -> None:
        for number in range(5):
            put(root / "t" / f"{number}.csv", "n\n1\n")
        assert rows(root, "t", files_max=5).num_rows == 5
        assert "files_max" in failure(root, "t", files_max=4)
        assert "files_max" in str(found(root, files_max=4)["t"].comment)

    def test_one_bad_table_does_not_hide_the_others(self, root: Path) -> None:
        put(root / "bad.parquet", "not Parquet")
        put(root / "good.csv", "n\n1\n")
        tables = found(root)
        assert tables["good"].columns
        assert tables["bad"].columns == ()
        assert "bad.parquet" in str(tables["bad"].comment)

    def test_unreadable_compression_is_named(self, root: Path) -> None:
        put(root / "a.csv.snappy", "x")
        assert "a.csv.snappy" in failure(root, "a")

    def test_a_missing_folder_is_unreachable(self, root: Path) -> None:
        with pytest.raises(SourceUnreachable), connected(root / "none"):
            pass

    def test_a_folder_that_is_not_allowed_is_refused(self, root: Path) -> None:
        with (
            pytest.raises(EgressRefused),
            connected(root, {"local_files": (root / "sub",)}) as connector,
        ):
            connector.check()

    def test_a_file_url_is_a_folder(self, root: Path) -> None:
        put(root / "a b.csv", "n\n1\n")
        assert rows(root, "a b", url=f"file://{root}").num_rows == 1

    def test_thousands_of_tables_are_listed_once(self, root: Path) -> None:
        for number in range(2000):
            put(root / f"{number:04}.csv", "n\n1\n")
        assert len(found(root)) == 2000


class TestLinks:
    def test_a_link_inside_is_followed(self, root: Path) -> None:
        put(root / "a" / "x.csv", "n\n1\n")
        (root / "b").symlink_to(root / "a")
        (root / "c.csv").symlink_to(root / "a" / "x.csv")
        assert list(found(root)) == ["a", "b", "c"]
        assert rows(root, "b").num_rows == rows(root, "c").num_rows == 1

    def test_a_link_that_leads_out_is_refused(self, root: Path, tmp_path: Path) -> None:
        put(tmp_path / "outside" / "x.csv", "secret\n1\n")
        put(root / "t" / "a.csv", "n\n1\n")
        (root / "t" / "b.csv").symlink_to(tmp_path / "outside" / "x.csv")
        (root / "out").symlink_to(tmp_path / "outside")
        (root / "gone.csv").symlink_to(root / "nothing.csv")
        allowed = {"local_files": (root,)}
        with connected(root, allowed) as connector:
            tables = {table.name: table for table in connector.discover()}
            assert all(not table.columns for table in tables.values())
            for name in ("t", "out"):
                with pytest.raises(EgressRefused, match="link"):
                    connector.describe("main", name)
            with pytest.raises(SourceFailed, match="link"):
                connector.describe("main", "gone")

    def test_a_file_that_became_a_link_out_is_refused(self, root: Path, tmp_path: Path) -> None:
        put(tmp_path / "outside.csv", "n\n7\n")
        put(root / "a.csv", "n\n1\n")
        with connected(root, {"local_files": (root,)}) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "a"), Scan())
            (root / "a.csv").unlink()
            (root / "a.csv").symlink_to(tmp_path / "outside.csv")
            with pytest.raises(EgressRefused):
                list(connector.open(part))

    def test_a_loop_of_links_ends(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n\n1\n")
        (root / "t" / "again").symlink_to(root / "t")
        assert "link" in failure(root, "t")

    def test_a_pipe_is_no_file(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n\n1\n")
        os.mkfifo(root / "t" / "b.csv")
        assert rows(root, "t").num_rows == 1

    def test_a_file_without_permission_is_refused_without_its_path(self, root: Path) -> None:
        # Tests may run as root, who may read everything.
        with connected(root) as connector:
            error = PermissionError(13, "Permission denied", str(root / "a.csv"))
            refused = connector._store.wrapped(error, "a.csv")
        assert isinstance(refused, SourceRefused)
        assert str(root) not in str(refused)

    def test_a_name_that_is_no_text_is_an_error(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n\n1\n")
        (Path(os.fsdecode(os.fsencode(root / "t") + b"/\xff.csv"))).write_text("n\n1\n")
        assert "UTF-8" in failure(root, "t")


class TestSnapshot:
    @pytest.mark.parametrize("change", ["remove", "replace", "append"])
    def test_a_file_changed_after_planning_fails_the_fetch(self, root: Path, change: str) -> None:
        put(root / "a.csv", "n\n1\n")
        with connected(root) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "a"), Scan())
            if change == "append":
                with (root / "a.csv").open("a") as file:
                    file.write("2\n")
            else:
                (root / "a.csv").unlink()
            if change == "replace":
                put(root / "a.csv", "n\n2\n")
            with pytest.raises(SourceFailed, match="'a\\.csv'") as caught:
                list(connector.open(part))
            assert str(root) not in str(caught.value)

    def test_a_file_changed_while_it_is_read_fails_the_fetch(self, root: Path) -> None:
        put(root / "a.csv", "n\n" + "1234567\n" * 500_000)
        with connected(root) as connector:
            (part,) = connector.plan_fetch(connector.describe("main", "a"), Scan())
            stream = connector.open(part)
            next(stream)
            with (root / "a.csv").open("a") as file:
                file.write("2\n")
            with pytest.raises(SourceFailed, match="changed"):
                list(stream)

    def test_a_file_added_after_planning_is_not_read(self, root: Path) -> None:
        put(root / "t" / "a.csv", "n\n1\n")
        with connected(root) as connector:
            parts = connector.plan_fetch(connector.describe("main", "t"), Scan())
            put(root / "t" / "b.csv", "n\n2\n")
            assert sum(batch.num_rows for part in parts for batch in connector.open(part)) == 1

    def test_an_object_changed_after_planning_fails_the_fetch(self, s3_endpoint: str) -> None:
        with bucket(s3_endpoint) as (files, name), tempfile.TemporaryDirectory() as scratch:
            source = S3ParquetSource(files, f"s3://{name}/p", **s3_options(s3_endpoint))
            with FilesConnector(source.options, context_for(Path(scratch))) as connector:
                table = connector.describe("main", "full")
                parts = connector.plan_fetch(table, Scan())
                source.put("full/a.parquet", b"x")
                files.delete_file(f"{name}/p/full/b.parquet")
                for part in parts:
                    with pytest.raises(SourceFailed, match="full/"):
                        list(connector.open(part))


class TestPartitions:
    def test_folders_are_columns_of_one_type_over_all(self, root: Path) -> None:
        put(root / "t" / "year=2023" / "day=2024-01-31" / "k=a" / "x.csv", "n\n1\n")
        put(root / "t" / "year=-4" / "day=2024-02-29" / "k=7" / "x.csv", "n\n2\n")
        hive_null = "__HIVE_DEFAULT_PARTITION__"
        put(
            root / "t" / f"year={hive_null}" / f"day={hive_null}" / f"k={hive_null}/x.csv", "n\n3\n"
        )
        table = rows(root, "t").sort_by("n")
        assert table.schema.types == [pa.int64(), pa.int64(), pa.date32(), pa.string()]
        assert table.to_pydict() == {
            "n": [1, 2, 3],
            "year": [2023, -4, None],
            "day": [date(2024, 1, 31), date(2024, 2, 29), None],
            "k": ["a", "7", None],
        }

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (["1", "2"], pa.int64()),
            (["01", "12"], pa.string()),
            (["9223372036854775808"], pa.string()),
            (["2024-02-30"], pa.string()),
            (["1.5"], pa.string()),
            (["1", "2024-01-01"], pa.string()),
            (["__HIVE_DEFAULT_PARTITION__"], pa.string()),
            (["a%2Fb %3D", ""], pa.string()),
        ],
    )
    def test_types_lose_no_character(self, root: Path, values: list[str], kind: Any) -> None:
        for number, value in enumerate(values):
            put(root / "t" / f"p={value}" / "x.csv", f"n\n{number}\n")
        table = rows(root, "t")
        assert table.schema.field("p").type == kind
        if "a%2Fb %3D" in values:
            assert table.sort_by("p")["p"].to_pylist() == ["", "a/b ="]

    def test_a_declared_type_applies(self, root: Path) -> None:
        put(root / "t" / "month=01" / "x.csv", "n\n1\n")
        assert rows(root, "t", column_types={"month": "BIGINT"})["month"].to_pylist() == [1]
        assert "t/month=01/x.csv" in failure(root, "t", column_types={"t.month": "DATE"})

    def test_the_partition_stands_for_a_column_of_its_name(self, root: Path) -> None:
        put(root / "t" / "p=1" / "x.parquet", pa.table({"p": ["one"], "n": [1]}))
        assert rows(root, "t").to_pydict() == {"n": [1], "p": [1]}

    def test_files_with_other_keys_are_no_table(self, root: Path) -> None:
        put(root / "t" / "p=1" / "x.csv", "n\n1\n")
        put(root / "t" / "q=1" / "x.csv", "n\n1\n")
        message = failure(root, "t")
        assert "t/p=1/x.csv" in message
        assert "t/q=1/x.csv" in message
        put(root / "u" / "p=1" / "p=2" / "x.csv", "n\n1\n")
        assert "twice" in failure(root, "u")

    def test_a_partitioned_root_asks_for_a_single_table(self, root: Path) -> None:
        put(root / "p=1" / "x.csv", "n\n1\n")
        assert "single" in failure(root, "t", OptionsInvalid)
        assert rows(root, "root", tables="single").to_pydict() == {"n": [1], "p": [1]}

    def test_rows_after_a_partition_need_only_its_files(self, root: Path) -> None:
        put(root / "t" / "day=2024-01-02" / "x.parquet", pa.table({"n": [2]}))
        put(root / "t" / "day=__HIVE_DEFAULT_PARTITION__" / "x.parquet", pa.table({"n": [0]}))
        put(root / "t" / "day=2024-01-01" / "x.parquet", pa.table({"n": [1]}))
        with connected(root) as connector:
            table = connector.describe("main", "t")
            (part,) = connector.plan_fetch(table, Scan(after=After("day", "2024-01-01")))
            assert [unit.file.path for unit in part.units] == ["t/day=2024-01-02/x.parquet"]
            (batch,) = connector.open(part)
            assert batch.to_pydict() == {"n": [2], "day": [date(2024, 1, 2)]}
            (nothing,) = connector.plan_fetch(table, Scan(after=After("day", "2025-01-01")))
            assert not list(connector.open(nothing))

    def test_only_partitions_may_be_wanted(self, root: Path) -> None:
        for ending, data in (("csv", "n\n1\n2\n"), ("json", '{"n":1}\n{"n":2}\n')):
            put(root / ending / "p=1" / f"x.{ending}", data)
            assert rows(root, ending, Scan(columns=("p",))).to_pydict() == {"p": [1, 1]}
        put(root / "parquet" / "p=1" / "x.parquet", pa.table({"n": [1, 2]}))
        assert rows(root, "parquet", Scan(columns=("p",))).to_pydict() == {"p": [1, 1]}
        with connected(root) as connector:
            for table in ("csv", "json", "parquet"):
                described = connector.describe("main", table)
                (part,) = connector.plan_fetch(described, Scan(columns=()))
                assert sum(batch.num_rows for batch in connector.open(part)) == 2


class TestOptions:
    def test_a_bare_secret_is_the_s3_key(self) -> None:
        config = {"url": "s3://b/p", "s3_access_key_id": "id"}
        options = parse_options(FilesOptions, config, "the-secret")
        assert options.reveal("s3_secret_access_key") == "the-secret"
        assert options.root == "b/p"
        assert parse_options(FilesOptions, {"url": "/data/"}, None).root == "/data/"

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"url": "relative"},
            {"url": "s3://"},
            {"url": "https://example.com/x"},
            {"url": "file://host/data"},
            {"url": "/d", "format": "xml"},
            {"url": "/d", "column_types": {"a": "INTERVAL"}},
            {"url": "/d", "column_types": {"a": "DECIMAL(39, 0)"}},
            {"url": "/d", "delimiter": ",,"},
            {"url": "/d", "delimiter": "\n"},
            {"url": "/d", "quote": "ab"},
            {"url": "/d", "encoding": "rot13"},
            {"url": "/d", "encoding": "none-such"},
            {"url": "/d", "sample_bytes": 1},
            {"url": "/d", "unknown": 1},
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, config: dict[str, Any]) -> None:
        with pytest.raises(OptionsInvalid):
            parse_options(FilesOptions, config, None)


class TestS3:
    def test_a_missing_bucket_or_prefix_is_refused(self, s3_endpoint: str, tmp_path: Path) -> None:
        with bucket(s3_endpoint) as (_, name):
            for url in (f"s3://{name}/none", "s3://no-such-bucket/x"):
                options = FilesOptions(url=url, **s3_options(s3_endpoint))
                with FilesConnector(options, context_for(tmp_path)) as connector:
                    with pytest.raises(SourceRefused):
                        connector.check()
                    with pytest.raises(SourceRefused):
                        list(connector.discover())

    def test_text_and_partitions_are_read_from_a_bucket(
        self, s3_endpoint: str, tmp_path: Path
    ) -> None:
        with bucket(s3_endpoint) as (files, name):
            source = CsvSource(files, f"s3://{name}", **s3_options(s3_endpoint))
            source.put("t/day=2024-01-01/a.csv.gz", gzip.compress(b"n\n1\n"))
            source.put("t/day=2024-01-02/b.csv", b"n\n2\n")
            source.put("u.json", b'[{"n":3}]')
            source.put("v/_delta_log/0.json", b"{}")
            source.put("v/a.parquet", b"x")
            with FilesConnector(source.options, context_for(tmp_path)) as connector:
                tables = {table.name: table for table in connector.discover()}
                assert tables.keys() >= {"t", "u", "v"}
                assert "Delta" in str(tables["v"].comment)
                assert read(connector, "main", "t").to_pydict() == {
                    "n": [1, 2],
                    "day": [date(2024, 1, 1), date(2024, 1, 2)],
                }
                assert read(connector, "main", "u").to_pydict() == {"n": [3]}

    def test_an_endpoint_that_may_not_be_reached_is_refused(
        self, s3_endpoint: str, tmp_path: Path
    ) -> None:
        options = FilesOptions(url="s3://b/p", **s3_options(s3_endpoint))
        with pytest.raises(EgressRefused):
            FilesConnector(options, context_for(tmp_path, allow_private=False))
