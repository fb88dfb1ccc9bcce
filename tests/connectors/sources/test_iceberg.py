"""Iceberg tables of a SQLite, Postgres, REST and Glue catalog, on disk and on S3."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import S3FileSystem
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from typing_extensions import override

from connectors.errors import (
    EgressRefused,
    OptionsInvalid,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
)
from connectors.options import config_schema, parse_options
from connectors.sources.iceberg import IcebergConnector, IcebergOptions
from connectors.sources.iceberg.file_io import storage_properties
from tests.connectors.contract import (
    ConnectorContract,
    Source,
    assert_same_rows,
    context_for,
    read,
)
from tests.connectors.http_site import serving
from tests.connectors.sources.iceberg_samples import (
    FULL,
    ID,
    KEY_ID,
    TOKEN,
    Shelf,
    SqlTables,
    Tables,
    add_delete_file,
    add_rows,
    commit,
    data_file,
    ids,
    stored,
)
from tests.connectors.sources.iceberg_server import CatalogServer


class TestIcebergOfSqlite(ConnectorContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Iterator[Source]:
        tables = SqlTables(tmp_path)
        with closing(tables.catalog):
            yield tables


@pytest.fixture(scope="module")
def bucket(s3_endpoint: str) -> str:
    filesystem = S3FileSystem(
        endpoint_override=s3_endpoint.removeprefix("http://"),
        scheme="http",
        access_key=KEY_ID,
        secret_key=TOKEN,
        region="eu-west-1",
        allow_bucket_creation=True,
    )
    filesystem.create_dir("icebergs")
    return "s3://icebergs"


def s3_properties(endpoint: str) -> dict[str, str]:
    return {
        "s3.endpoint": endpoint,
        "s3.region": "eu-west-1",
        "s3.access-key-id": KEY_ID,
        "s3.secret-access-key": TOKEN,
    }


def closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


class GlueTables(Tables):
    def __init__(self, endpoint: str, warehouse: str) -> None:
        self.endpoint = endpoint
        self.warehouse = warehouse
        properties = {
            "glue.endpoint": endpoint,
            "glue.region": "eu-west-1",
            "glue.access-key-id": KEY_ID,
            "glue.secret-access-key": TOKEN,
            "warehouse": warehouse,
        }
        super().__init__(GlueCatalog("glue", **properties, **s3_properties(endpoint)))

    @property
    @override
    def options(self) -> IcebergOptions:
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> IcebergOptions:
        config = {
            "warehouse": self.warehouse,
            "catalog_type": {"type": "glue", "region": "eu-west-1", "endpoint": endpoint},
            "s3_endpoint": self.endpoint,
        }
        secret = json.dumps({"access_key_id": KEY_ID, "secret_access_key": TOKEN})
        return parse_options(IcebergOptions, config, secret)

    @override
    def unreachable(self) -> IcebergOptions:
        return self.options_at(f"http://127.0.0.1:{closed_port()}")


@pytest.fixture(scope="module")
def glue_tables(s3_endpoint: str, bucket: str) -> GlueTables:
    return GlueTables(s3_endpoint, f"{bucket}/glue")


class TestIcebergOfGlue(ConnectorContract):
    @pytest.fixture
    def source(self, glue_tables: GlueTables) -> Source:
        return glue_tables


class RestTables(Tables):
    def __init__(self, server: CatalogServer, catalog: Catalog) -> None:
        self.server = server
        super().__init__(catalog)

    @property
    @override
    def options(self) -> IcebergOptions:
        return self.options_with(TOKEN)

    def options_with(
        self, credential: str | None = None, uri: str | None = None, **changes: Any
    ) -> IcebergOptions:
        catalog = {"type": "rest", "uri": uri or self.server.url}
        config = {"warehouse": "shop-house", "catalog_type": catalog}
        return parse_options(IcebergOptions, config | changes, credential)

    @override
    def unreachable(self) -> IcebergOptions:
        return self.options_with(TOKEN, uri=f"http://127.0.0.1:{closed_port()}")

    @override
    def refused(self) -> IcebergOptions:
        return self.options_with("wrong-token")


@pytest.fixture(scope="module")
def rest_tables(
    s3_endpoint: str, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestTables]:
    """A server that gives the key for S3 with each table."""
    folder = tmp_path_factory.mktemp("rest")
    catalog = SqlCatalog(
        "rest",
        uri=f"sqlite:///{folder}/catalog.db",
        warehouse=f"{bucket}/rest",
        **s3_properties(s3_endpoint),
    )
    with closing(catalog), serving(CatalogServer(catalog, TOKEN)) as server:
        server.config = s3_properties(s3_endpoint)
        yield RestTables(server, catalog)


class TestIcebergOfRest(ConnectorContract):
    @pytest.fixture
    def source(self, rest_tables: RestTables) -> Source:
        return rest_tables

    def test_an_oauth2_client_gets_its_token(self, source: RestTables, tmp_path: Path) -> None:
        options = source.options_with(json.dumps({"credential": "an-id:a-secret"}))
        with IcebergConnector(options, context_for(tmp_path)) as connector:
            assert_same_rows(read(connector, "shop", "full"), FULL)

    def test_a_wrong_oauth2_client_is_refused_and_not_repeated(
        self, source: RestTables, tmp_path: Path
    ) -> None:
        options = source.options_with(json.dumps({"credential": "an-id:wrong-secret"}))
        with (
            pytest.raises(SourceRefused) as caught,
            IcebergConnector(options, context_for(tmp_path)) as connector,
        ):
            connector.check()
        assert "wrong-secret" not in str(caught.value)

    def test_configuration_of_the_server_names_no_classes_and_no_keys(
        self, source: RestTables, tmp_path: Path
    ) -> None:
        source.server.overrides = {
            "py-io-impl": "no.such.Class",
            "rest.sigv4-enabled": "true",
            "scan-planning-mode": "server",
            "snapshot-loading-mode": "nonsense",
        }
        try:
            with IcebergConnector(source.options, context_for(tmp_path)) as connector:
                assert_same_rows(read(connector, "shop", "full"), FULL)
        finally:
            source.server.overrides = {}

    def test_storage_that_the_server_names_is_judged(
        self, source: RestTables, tmp_path: Path
    ) -> None:
        source.server.overrides = {"uri": "http://169.254.169.254"}
        try:
            with (
                pytest.raises(EgressRefused),
                IcebergConnector(source.options, context_for(tmp_path)) as connector,
            ):
                connector.check()
        finally:
            source.server.overrides = {}
        kept = dict(source.server.config)
        source.server.config["s3.endpoint"] = "http://169.254.169.254"
        try:
            with (
                IcebergConnector(source.options, context_for(tmp_path)) as connector,
                pytest.raises(EgressRefused),
            ):
                connector.describe("shop", "full")
        finally:
            source.server.config = kept


def test_without_a_credential_no_token_is_sent(tmp_path: Path) -> None:
    tables = SqlTables(tmp_path)
    with closing(tables.catalog), serving(CatalogServer(tables.catalog)) as server:
        config = {"warehouse": "w", "catalog_type": {"type": "rest", "uri": server.url}}
        options = parse_options(IcebergOptions, config, None)
        with IcebergConnector(options, context_for(tmp_path)) as connector:
            assert_same_rows(read(connector, "shop", "full"), FULL)
        assert {token for _, token in server.seen} == {None}


def test_a_missing_or_odd_token_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    tables = SqlTables(tmp_path)
    with closing(tables.catalog), serving(CatalogServer(tables.catalog, TOKEN)) as server:
        config = {"warehouse": "w", "catalog_type": {"type": "rest", "uri": server.url}}
        for token, failure in ((None, SourceRefused), ("not-\r\na-word", OptionsInvalid)):
            options = parse_options(IcebergOptions, config, token)
            with (
                IcebergConnector(options, context_for(tmp_path)) as connector,
                pytest.raises(failure) as caught,
            ):
                connector.check()
            assert "a-word" not in str(caught.value)


def test_a_rest_catalog_that_may_not_be_reached_is_refused(tmp_path: Path) -> None:
    config = {"warehouse": "w", "catalog_type": {"type": "rest", "uri": "http://127.0.0.1:1"}}
    options = parse_options(IcebergOptions, config, TOKEN)
    context = context_for(tmp_path, allow_private=False)
    with IcebergConnector(options, context) as connector, pytest.raises(EgressRefused):
        connector.check()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    root = tmp_path / "root"
    root.mkdir()
    shelf = Shelf(root, tmp_path)
    with closing(shelf.catalog):
        yield shelf


def outside_of(shelf: Shelf) -> Path:
    return shelf.root.parent / "outside"


def test_metadata_outside_of_the_allowed_folders_is_refused(shelf: Shelf) -> None:
    elsewhere = Shelf(_made(outside_of(shelf)), shelf.scratch)
    secret = elsewhere.make(ID)
    elsewhere.catalog.close()
    link = shelf.root / "link.metadata.json"
    link.symlink_to(secret.metadata_location.removeprefix("file://"))
    shelf.point("direct", secret.metadata_location)
    shelf.point("bare", secret.metadata_location.removeprefix("file://"))
    shelf.point("java", secret.metadata_location.replace("file:///", "file:/"))
    shelf.point("linked", f"file://{link}")
    shelf.point("up", f"file://{shelf.root}/../outside/{secret.metadata_location.split('e/')[-1]}")
    shelf.point("absent", f"file://{outside_of(shelf)}/absent")
    for name in ("direct", "bare", "java", "linked", "up", "absent"):
        with pytest.raises(EgressRefused) as caught:
            shelf.read(name=name)
        assert str(shelf.root.parent) not in str(caught.value)
    for name, place in (("gs", "gs://bucket/x"), ("host", "file://host/x"), ("no", "file")):
        shelf.point(name, place)
        with pytest.raises(SourceFailed, match="cannot be read"):
            shelf.read(name=name)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_manifests_and_data_outside_of_the_allowed_folders_are_refused(shelf: Shelf) -> None:
    table = shelf.make(ID)
    path = add_rows(table, ids(1))
    outside = _made(outside_of(shelf))
    moved = outside / "x.parquet"
    shutil.copy(path.removeprefix("file://"), moved)
    named = shelf.make(ID, name="named")
    file = data_file(named, stored(named.schema(), ids(1)))
    file[1] = f"file://{moved}"
    commit(named, file)
    with pytest.raises(EgressRefused):
        shelf.read(name="named")
    deleting = shelf.make(ID, name="deleting")
    add_rows(deleting, ids(1))
    add_delete_file(deleting, f"file://{moved}", 1)
    with pytest.raises(EgressRefused):
        shelf.read(name="deleting")

    def lead_out(document: dict[str, Any]) -> None:
        document["snapshots"][-1]["manifest-list"] = f"file://{outside}/list.avro"

    shelf.edit_metadata(table, lead_out)
    with pytest.raises(EgressRefused):
        shelf.read()


def test_tables_of_nested_namespaces_are_found(shelf: Shelf) -> None:
    for namespace in ("n.deeper", "other", "gap.below"):
        shelf.catalog.create_namespace(namespace)
        shelf.catalog.create_table(f"{namespace}.x", Schema(ID))
    shelf.make(ID)
    every = {("n", "t"), ("n.deeper", "x"), ("other", "x"), ("gap.below", "x")}
    assert shelf.names() == every
    assert shelf.names(namespace="n.deeper") == {("n.deeper", "x")}
    with shelf.connector(namespace="n") as connector:
        connector.check()
        with pytest.raises(TableGone):
            connector.describe("other", "x")
    with shelf.connector(namespace="none") as connector:
        with pytest.raises(TableGone):
            connector.check()
        with pytest.raises(TableGone):
            list(connector.discover())


def test_a_broken_table_is_left_out_unless_all_are(shelf: Shelf) -> None:
    shelf.point("broken", f"file://{shelf.root}/absent.metadata.json")
    with pytest.raises(SourceFailed, match="is missing"):
        shelf.names()
    shelf.make(ID)
    assert shelf.names() == {("n", "t")}


def test_metadata_that_is_none_is_an_error_without_paths(shelf: Shelf) -> None:
    broken = shelf.root / "broken.metadata.json"
    shelf.point("t", f"file://{broken}")
    for text in ("{}", "no json", '{"format-version": 2}', "[]", "\x00"):
        broken.write_text(text)
        with pytest.raises(SourceFailed) as caught:
            shelf.read()
        assert str(shelf.root) not in str(caught.value)


def test_the_catalog_is_never_written(shelf: Shelf) -> None:
    shelf.make(ID)
    database = shelf.root / "catalog.db"
    shelf.catalog.close()
    before = database.read_bytes()
    assert shelf.read().num_rows == 0
    assert database.read_bytes() == before
    (shelf.root / "empty.db").touch()
    with (
        pytest.raises(SourceFailed),
        shelf.connector(
            catalog_type={"type": "sql", "uri": f"sqlite:///{shelf.root}/empty.db"}
        ) as connector,
    ):
        connector.check()
    assert (shelf.root / "empty.db").stat().st_size == 0


def test_one_of_several_catalogs_in_a_database_must_be_named(shelf: Shelf) -> None:
    shelf.make(ID)
    warehouse = f"file://{shelf.root}/other"
    with closing(SqlCatalog("other", uri=shelf.uri, warehouse=warehouse)) as other:
        other.create_namespace("n")
        other.create_table("n.u", Schema(ID))
    with pytest.raises(OptionsInvalid, match="default, other"):
        shelf.names()
    named = {"type": "sql", "uri": shelf.uri, "catalog_name": "other"}
    assert shelf.names(catalog_type=named) == {("n", "u")}


def test_a_catalog_in_postgres_is_read(
    shelf: Shelf, postgres_database: str, tmp_path: Path
) -> None:
    warehouse = f"file://{shelf.root}/warehouse"
    with closing(SqlCatalog("pg", uri=postgres_database, warehouse=warehouse)) as catalog:
        catalog.create_namespace("n")
        add_rows(catalog.create_table("n.t", Schema(ID)), ids(1, 2))
    public = postgres_database.replace("postgres:@", "postgres@")
    config = {"warehouse": warehouse, "catalog_type": {"type": "sql", "uri": public}}
    options = parse_options(IcebergOptions, config, "a-password")
    context = replace(context_for(tmp_path), local_files=(shelf.root,))
    with IcebergConnector(options, context) as connector:
        connector.check()
        assert read(connector, "n", "t")["id"].to_pylist() == [1, 2]
    gone = config | {"catalog_type": {"type": "sql", "uri": public.replace("/test_", "/none_")}}
    options_gone = parse_options(IcebergOptions, gone, None)
    with IcebergConnector(options_gone, context) as connector, pytest.raises(SourceRefused):
        connector.check()
    refused = replace(context, allow_private=False)
    with IcebergConnector(options, refused) as connector, pytest.raises(EgressRefused):
        connector.check()


def sql(uri: str, **more: Any) -> dict[str, Any]:
    return {"warehouse": "w", "catalog_type": {"type": "sql", "uri": uri}} | more


REST = {"type": "rest", "uri": "http://127.0.0.1"}


GLUE = {"type": "glue", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("config", "credential"),
    [
        ({"warehouse": "w"}, None),
        ({"catalog_type": REST}, None),
        ({"warehouse": "w", "catalog_type": {"type": "hive", "uri": "thrift://x"}}, None),
        ({"warehouse": "w", "catalog_type": {"type": "rest"}}, None),
        ({"warehouse": "w", "catalog_type": REST | {"uri": "http://bob:pw@host"}}, None),
        ({"warehouse": "w", "catalog_type": REST | {"uri": "file:///x"}}, None),
        ({"warehouse": "w", "catalog_type": REST, "credential": "a", "token": "b"}, None),
        ({"warehouse": "w", "catalog_type": REST, "password": "a"}, None),
        ({"warehouse": "w", "catalog_type": GLUE, "bearer_token": "inline"}, None),
        ({"warehouse": "w", "catalog_type": GLUE, "token": "inline"}, None),
        ({"warehouse": "w", "catalog_type": GLUE}, "a bare token"),
        ({"warehouse": "w", "catalog_type": GLUE | {"region": "x/../y"}}, None),
        ({"warehouse": "w", "catalog_type": REST, "snapshot_id": 1, "as_of": "2024-01-01Z"}, None),
        ({"warehouse": "w", "catalog_type": REST, "as_of": "2024-01-01T00:00:00"}, None),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    config: dict[str, Any], credential: str | None
) -> None:
    with pytest.raises(OptionsInvalid) as caught:
        parse_options(IcebergOptions, config, credential)
    assert "inline" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "failure"),
    [
        (sql("sqlite://"), OptionsInvalid),
        (sql("sqlite:///relative.db"), EgressRefused),
        (sql("sqlite:////etc/passwd"), EgressRefused),
        (sql("sqlite:///file:/etc/passwd?uri=true"), OptionsInvalid),
        (sql("sqlite:///{root}/none.db"), SourceUnreachable),
        (sql("postgresql://bob@/db"), OptionsInvalid),
        (sql("postgresql://bob@127.0.0.1/db?sslrootcert=/etc/passwd"), OptionsInvalid),
        (sql("postgresql://bob@127.0.0.1/db?service=x"), OptionsInvalid),
        (sql("postgresql://bob@169.254.169.254/db"), EgressRefused),
        (sql("postgresql://bob@127.0.0.1:{port}/db"), SourceUnreachable),
        (sql("sqlite:///{root}/catalog.db", warehouse="/etc"), EgressRefused),
        (sql("sqlite:///{root}/catalog.db", warehouse="file:///etc"), EgressRefused),
        ({"warehouse": "w", "catalog_type": GLUE}, OptionsInvalid),
    ],
)
def test_catalogs_that_may_not_be_opened(
    shelf: Shelf, config: dict[str, Any], failure: type[Exception]
) -> None:
    uri = config["catalog_type"].get("uri", "")
    filled = uri.replace("{root}", str(shelf.root)).replace("{port}", str(closed_port()))
    if uri:
        config = config | {"catalog_type": config["catalog_type"] | {"uri": filled}}
    with shelf.connector(**config) as connector, pytest.raises(failure) as caught:
        connector.check()
    assert str(shelf.root) not in str(caught.value)


def test_a_wrong_glue_endpoint_is_judged(tmp_path: Path) -> None:
    config = {"warehouse": "w", "catalog_type": GLUE | {"endpoint": "http://169.254.169.254"}}
    secret = json.dumps({"access_key_id": "a", "secret_access_key": "b", "session_token": "c"})
    options = parse_options(IcebergOptions, config, secret)
    assert set(options.secrets()) == {"a", "b", "c"}
    with (
        IcebergConnector(options, context_for(tmp_path)) as connector,
        pytest.raises(EgressRefused),
    ):
        connector.check()


def test_own_keys_go_before_those_that_a_catalog_gives(tmp_path: Path) -> None:
    offered = s3_properties("http://127.0.0.1:1") | {"s3.session-token": "theirs", "s3.signer": "x"}
    base = {"warehouse": "w", "catalog_type": REST}
    context = context_for(tmp_path)
    without = storage_properties(parse_options(IcebergOptions, base, None), context, offered)
    assert {name: without.get(name) for name in offered} == offered | {"s3.signer": None}
    assert "s3.anonymous" not in without
    own = base | {"s3_access_key_id": "mine", "s3_secret_access_key": "hush"}
    with_own = storage_properties(parse_options(IcebergOptions, own, None), context, offered)
    assert (with_own["s3.access-key-id"], with_own["s3.secret-access-key"]) == ("mine", "hush")
    assert "s3.session-token" not in with_own
    nothing = storage_properties(parse_options(IcebergOptions, base, None), context, {})
    assert nothing["s3.anonymous"] == "true"
    with pytest.raises(OptionsInvalid, match="region"):
        storage_properties(
            parse_options(IcebergOptions, base, None), context, {"s3.region": "x@169.254.169.254/"}
        )


def test_kinds_of_catalogs_have_titles_and_discriminators() -> None:
    kinds = config_schema(IcebergOptions)["properties"]["catalog_type"]["oneOf"]
    assert [kind["title"] for kind in kinds] == ["REST", "AWS Glue", "SQL database"]
    assert [kind["properties"]["type"]["const"] for kind in kinds] == ["rest", "glue", "sql"]
    assert [kind["required"] for kind in kinds] == [
        ["type", "uri"],
        ["type", "region"],
        ["type", "uri"],
    ]


@pytest.fixture(autouse=True)
def _quiet_server(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep the S3 server's lines out of the reports of failures."""
    with caplog.at_level("ERROR", "werkzeug"):
        yield
