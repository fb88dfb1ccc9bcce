"""Delta tables on disk and on S3: which there are, and which files may be read."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import parse_options
from connectors.sources.delta import DeltaConnector, DeltaOptions
from tests.connectors.contract import (
    ConnectorContract,
    Source,
    assert_same_rows,
    context_for,
    read,
)
from tests.connectors.sources.delta_samples import (
    FULL,
    Lake,
    LocalTables,
    S3Tables,
    add,
    log_lines,
    write,
)


class TestDelta(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        folder = tmp_path / "tables"
        folder.mkdir()
        return LocalTables(str(folder))


@pytest.fixture(scope="module")
def s3_tables(s3_endpoint: str) -> S3Tables:
    return S3Tables(s3_endpoint)


class TestDeltaOnS3(ConnectorContract):
    @pytest.fixture
    def source(self, s3_tables: S3Tables) -> Source:
        return s3_tables

    def test_a_log_on_s3_that_names_a_file_of_this_machine_is_refused(
        self, source: S3Tables, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside.parquet"
        pq.write_table(pa.table({"id": [666]}), outside)
        log = log_lines([add(f"file://{outside}", outside)])
        path = "lake/tables/evil/_delta_log/00000000000000000000.json"
        with source.filesystem.open_output_stream(path) as stream:
            stream.write(log.encode())
        with (
            DeltaConnector(source.options, context_for(tmp_path)) as connector,
            pytest.raises(EgressRefused),
        ):
            read(connector, "main", "evil")
        source.filesystem.delete_dir("lake/tables/evil")

    def test_names_of_folders_are_taken_as_they_are(self, source: S3Tables, tmp_path: Path) -> None:
        name = "odd #é?'&=+ "
        write(f"{source.url}/{quote(name)}", FULL, source.storage, partitioned=True)
        with DeltaConnector(source.options, context_for(tmp_path)) as connector:
            assert name in {table.name for table in connector.discover()}
            assert_same_rows(read(connector, "main", name), FULL)
        source.filesystem.delete_dir(f"lake/tables/{name}")

    def test_a_bucket_that_is_not_there_is_refused(self, source: S3Tables, tmp_path: Path) -> None:
        options = source.options.model_copy(update={"url": "s3://no-such-bucket/x"})
        with (
            DeltaConnector(options, context_for(tmp_path)) as connector,
            pytest.raises(SourceRefused),
        ):
            connector.check()

    def test_an_endpoint_that_may_not_be_reached_is_refused(
        self, source: S3Tables, tmp_path: Path
    ) -> None:
        context = context_for(tmp_path, allow_private=False)
        with DeltaConnector(source.options, context) as connector, pytest.raises(EgressRefused):
            connector.check()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "lake"
    root.mkdir()
    return Lake(root, tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.parquet",
        "x/../../outside.parquet",
        "%2E%2E/outside.parquet",
        "%2e./outside.parquet",
        "%252E%252E/outside.parquet",
        "..%2Foutside.parquet",
        "%2Foutside.parquet",
        "..\\outside.parquet",
        ".\t./outside.parquet",
        "{outside}",
        "//{outside}",
        "file://{outside}",
        "FILE:{outside}",
        "s3://bucket/outside.parquet",
        "http://127.0.0.1/outside.parquet",
    ],
)
def test_a_log_that_leads_out_of_its_table_is_refused(lake: Lake, path: str) -> None:
    outside = lake.root / "outside.parquet"
    rows = pa.table({"id": [666]})
    pq.write_table(rows, outside)
    lake.table("t", rows, path=path.format(outside=outside))
    with pytest.raises(EgressRefused) as caught:
        lake.read("t")
    assert str(lake.root) not in str(caught.value)


def test_links_that_lead_out_of_the_allowed_folder_are_not_followed(
    lake: Lake, tmp_path: Path
) -> None:
    elsewhere = Lake(tmp_path / "elsewhere", tmp_path)
    secret = elsewhere.table("secret", pa.table({"id": [666]}))
    linked = lake.table("file", pa.table({"id": [1]}))
    (linked / "a.parquet").unlink()
    (linked / "a.parquet").symlink_to(secret / "a.parquet")
    with pytest.raises(EgressRefused):
        lake.read("file")
    log = lake.table("log", pa.table({"id": [1]})) / "_delta_log" / "00000000000000000000.json"
    log.unlink()
    log.symlink_to(secret / "_delta_log" / log.name)
    with pytest.raises(EgressRefused):
        lake.read("log")
    (lake.root / "folder").symlink_to(secret)
    with pytest.raises(TableGone):
        lake.read("folder")
    assert lake.names() == {("main", "file")}


def test_a_file_that_is_missing_is_an_error_and_not_rows_less(lake: Lake) -> None:
    folder = lake.table("t", pa.table({"id": [1]}))
    (folder / "a.parquet").unlink()
    with pytest.raises(SourceFailed, match="is missing"):
        lake.read("t")


def test_tables_are_found_at_each_level(lake: Lake) -> None:
    rows = pa.table({"id": [1]})
    for name in ("near", "sales/orders", "main/near", "a/b/too_deep", "_hidden", ".hidden"):
        lake.table(name, rows)
    assert lake.names() == {("main", "near"), ("sales", "orders")}
    assert lake.names(schema_name="top") == {("top", "near"), ("sales", "orders"), ("main", "near")}
    assert lake.names(url=str(lake.root / "near")) == {("main", "near")}
    assert lake.names(url=f"file://{lake.root}/sales") == {("main", "orders")}
    with lake.connector() as connector:
        for schema, name in (("main", "../lake/near"), ("..", "lake"), ("main", "a/b"), ("a", "b")):
            with pytest.raises(TableGone):
                connector.describe(schema, name)


def test_names_of_folders_are_taken_as_they_are(lake: Lake) -> None:
    name = "odd #é?'&=+ "
    lake.table(name, pa.table({"id": [1]}))
    assert lake.names() == {("main", name)}
    assert lake.read(name)["id"].to_pylist() == [1]


def test_a_folder_that_deltalake_would_take_for_another_is_left_out(lake: Lake) -> None:
    lake.table("odd %41", pa.table({"id": [1]}))
    lake.table("odd A", pa.table({"id": [666]}))
    assert lake.names() == {("main", "odd A")}
    with pytest.raises(TableGone):
        lake.read("odd %41")
    with lake.connector(url=f"{lake.root}/odd %41") as connector, pytest.raises(OptionsInvalid):
        connector.check()


def test_a_broken_table_is_left_out_unless_all_are(lake: Lake) -> None:
    lake.table("broken", pa.table({"id": [1]}), features=["unheardOf"])
    with pytest.raises(SourceFailed):
        lake.names()
    with lake.connector() as connector:
        connector.check()
    with lake.connector(url=f"{lake.root}/broken") as connector, pytest.raises(SourceFailed):
        connector.check()
    lake.table("good", pa.table({"id": [1]}))
    assert lake.names() == {("main", "good")}


def test_folders_outside_of_the_allowed_ones_are_refused(lake: Lake, tmp_path: Path) -> None:
    with lake.connector(url=str(tmp_path)) as connector, pytest.raises(EgressRefused):
        connector.check()
    with lake.connector(url=f"{lake.root}/none") as connector, pytest.raises(SourceUnreachable):
        connector.check()
    shutil.rmtree(lake.root)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "relative/path"},
        {"url": "gs://bucket/x"},
        {"url": "/x", "version": 1, "timestamp": "2024-01-01T00:00:00Z"},
        {"url": "/x", "version": -1},
        {"url": "/x", "timestamp": "2024-01-01T00:00:00"},
        {"url": "/x", "password": "x"},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionsInvalid):
        parse_options(DeltaOptions, options, None)


def test_a_bare_secret_is_the_secret_of_the_s3_key() -> None:
    config = {"url": "s3://bucket/x", "s3_access_key_id": "key"}
    assert parse_options(DeltaOptions, config, "hush").secrets() == ("hush",)


@pytest.fixture(autouse=True)
def _quiet_server(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep the S3 server's lines out of the reports of failures."""
    with caplog.at_level("ERROR", "werkzeug"):
        yield
