"""Connections are made, looked at, changed and deleted; credentials go in and never come out."""

from pathlib import Path
from typing import Any

import pytest

from catalog import secret_store
from catalog.errors import Conflict as CatalogConflict
from catalog.model import Connection, DiscoveryStatus, ReadMode
from catalog.store import remote_tables
from engine import errors
from engine.service import connections, refresh, secret_values, tables
from engine.service.connections import NewConnection
from engine.service.context import Caller, Engine
from engine.service.source_config import check_config
from engine.service.sync import ensure_synced
from tests.service.remote import (
    connect_duckdb,
    connect_postgres,
    postgres_config,
    rows_of,
    write_duckdb,
)

pytestmark = pytest.mark.anyio

NOWHERE = {"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}


def asked(name: str = "shop", **fields: Any) -> NewConnection:
    given: dict[str, Any] = {"source_type": "postgres", "config": NOWHERE, "skip_discovery": True}
    return NewConnection(name, **(given | fields))


async def secret_names(engine: Engine, caller: Caller) -> list[str]:
    return [secret.name for secret in await secret_values.list_secrets(engine, caller)]


async def value_of(engine: Engine, caller: Caller, name: str) -> str:
    workspace_id = caller.workspace_id
    return await engine.db.read(secret_store.read_value, engine.keyring, workspace_id, name)


async def test_a_connection_finds_its_tables(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    path = tmp_path / "x.duckdb"
    write_duckdb(path, "CREATE TABLE a (n INT)", "CREATE SCHEMA s", "CREATE TABLE s.b (m TEXT)")
    made, added = await connections.create_connection(
        engine, caller, NewConnection("duck", "duckdb", {"path": str(path)})
    )
    assert (made.discovery_status, made.discovery_error, added) == ("success", None, 2)
    detail = await connections.get_connection(engine, caller, made.id)
    assert (detail.table_count, detail.synced_table_count) == (2, 0)
    page = await tables.list_tables(
        engine,
        caller,
        connection_id=made.id,
        schema=None,
        table=None,
        include_columns=True,
        limit=10,
        cursor=None,
    )
    found = [(t.schema, t.table, [c.data_type for c in t.columns or ()]) for t in page.items]
    assert found == [("main", "a", ["Int32"]), ("s", "b", ["Utf8"])]


async def test_a_source_that_cannot_be_reached_is_a_connection_that_says_so(
    engine: Engine, caller: Caller
) -> None:
    made, added = await connections.create_connection(engine, caller, asked(skip_discovery=False))
    assert (made.discovery_status, added) == (DiscoveryStatus.FAILED, 0)
    assert made.discovery_error
    health = await connections.check_health(engine, caller, made.id)
    assert not health.healthy
    assert health.error


async def test_a_skipped_discovery_says_so(engine: Engine, caller: Caller) -> None:
    made, added = await connections.create_connection(engine, caller, asked())
    assert (made.discovery_status, made.discovery_error, added) == ("skipped", None, 0)


async def test_a_source_that_answers_is_healthy(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    made = await connect_postgres(engine, caller, postgres_database)
    health = await connections.check_health(engine, caller, made.id)
    assert (health.healthy, health.error) == (True, None)


@pytest.mark.parametrize("name", ["", "  ", "datasets", "Hotdata", "information_schema", "a\nb"])
async def test_a_name_that_means_something_else_is_refused(
    engine: Engine, caller: Caller, name: str
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await connections.create_connection(engine, caller, asked(name))


@pytest.mark.parametrize(
    ("source_type", "config", "word"),
    [
        ("oracle", {}, "Unknown source type"),
        ("postgres", {}, "host"),
        ("postgres", {**NOWHERE, "port": "x"}, "port"),
        ("postgres", {**NOWHERE, "port": 70_000}, "port"),
        ("postgres", {**NOWHERE, "colour": "blue"}, "colour"),
        ("postgres", {**NOWHERE, "host": "reader:hunter2@127.0.0.1"}, "password stands inside"),
        ("ducklake", {"catalog_url": "postgresql://u:hunter2@h/d"}, "password stands inside"),
    ],
)
async def test_a_configuration_that_is_not_valid_is_refused_and_names_the_field(
    engine: Engine, caller: Caller, source_type: str, config: dict[str, Any], word: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=word):
        await connections.create_connection(
            engine, caller, asked(source_type=source_type, config=config)
        )
    assert await connections.list_connections(engine, caller) == ()


async def test_a_name_is_taken_once_in_a_workspace(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    await connections.create_connection(engine, caller, asked())
    await connections.create_connection(engine, stranger, asked())
    with pytest.raises(errors.Conflict, match="already exists"):
        await connections.create_connection(engine, caller, asked())


async def test_a_credential_in_the_configuration_becomes_a_secret_that_goes_with_it(
    engine: Engine, caller: Caller
) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    made, _ = await connections.create_connection(engine, caller, asked("My Shop", config=config))
    assert "password" not in made.config
    assert "hunter2" not in repr(made)
    assert await secret_names(engine, caller) == ["conn-my-shop-password"]
    assert await value_of(engine, caller, "conn-my-shop-password") == "hunter2"
    await connections.delete_connection(engine, caller, made.id)
    assert await secret_names(engine, caller) == []


async def test_the_secret_of_a_connection_finds_a_free_name(engine: Engine, caller: Caller) -> None:
    await secret_values.create_secret(engine, caller, name="conn-shop-password", value="mine")
    config = {**NOWHERE, "password": "hunter2"}
    await connections.create_connection(engine, caller, asked(config=config))
    assert await value_of(engine, caller, "conn-shop-password") == "mine"
    assert await value_of(engine, caller, "conn-shop-password-1") == "hunter2"


async def test_a_named_secret_is_used_and_stays(engine: Engine, caller: Caller) -> None:
    secret = await secret_values.create_secret(engine, caller, name="mine", value="hunter2")
    config = {**NOWHERE, "password": "ignored", "token": "ignored"}
    for name, given in (("a", {"secret_name": "MINE"}), ("b", {"secret_id": secret.id})):
        made, _ = await connections.create_connection(
            engine, caller, asked(name, config=config, **given)
        )
        assert made.secret_id == secret.id
        assert made.config == NOWHERE
        await connections.delete_connection(engine, caller, made.id)
    assert await secret_names(engine, caller) == ["mine"]


async def change(engine: Engine, caller: Caller, made: Connection, **changes: Any) -> Connection:
    return await connections.update_connection(engine, caller, made.id, changes)


async def test_another_configuration_takes_the_place_of_the_first_and_of_its_credential(
    engine: Engine, caller: Caller
) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    made, _ = await connections.create_connection(engine, caller, asked(config=config))
    elsewhere = {**NOWHERE, "port": 2}
    changed = await change(engine, caller, made, config={**elsewhere, "password": "hunter3"})
    assert (changed.config, changed.owns_secret) == (elsewhere, True)
    assert await secret_names(engine, caller) == ["conn-shop-password"]
    assert await value_of(engine, caller, "conn-shop-password") == "hunter3"
    assert changed.discovery_status is DiscoveryStatus.FAILED  # it was looked at
    # The old password is not sent to a new address.
    changed = await change(engine, caller, made, config=NOWHERE, refresh_interval_s=60)
    assert (changed.config, changed.secret_id) == (NOWHERE, None)
    assert changed.refresh_interval_s == 60
    assert await secret_names(engine, caller) == []


async def test_a_connection_may_be_given_another_secret(engine: Engine, caller: Caller) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    made, _ = await connections.create_connection(engine, caller, asked(config=config))
    mine = await secret_values.create_secret(engine, caller, name="mine", value="hunter3")
    changed = await change(engine, caller, made, secret_name="mine")
    assert (changed.config, changed.secret_id) == (NOWHERE, mine.id)
    assert await secret_names(engine, caller) == ["mine"]
    await change(engine, caller, made, config=NOWHERE)
    assert await secret_names(engine, caller) == ["mine"]


async def test_a_connection_may_keep_its_own_secret_by_naming_it(
    engine: Engine, caller: Caller
) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    made, _ = await connections.create_connection(engine, caller, asked(config=config))
    elsewhere = {**NOWHERE, "port": 2}
    changed = await change(engine, caller, made, config=elsewhere, secret_name="conn-shop-password")
    assert (changed.config, changed.secret_id, changed.owns_secret) == (
        elsewhere,
        made.secret_id,
        True,
    )
    assert await value_of(engine, caller, "conn-shop-password") == "hunter2"
    await connections.delete_connection(engine, caller, made.id)
    assert await secret_names(engine, caller) == []


async def test_a_secret_fills_gaps_of_a_configuration_but_leads_nowhere_else(
    engine: Engine, caller: Caller, postgres_database: str
) -> None:
    value = '{"password": "p", "host": "127.0.0.1", "port": 1, "user": "nobody"}'
    await secret_values.create_secret(engine, caller, name="mine", value=value)
    config = postgres_config(postgres_database)
    given: dict[str, Any] = {"config": config, "secret_name": "mine", "skip_discovery": False}
    made, _ = await connections.create_connection(engine, caller, asked(**given))
    assert made.discovery_error is None
    del config["user"]
    made, _ = await connections.create_connection(engine, caller, asked("gap", **given))
    assert "nobody" in (made.discovery_error or "")


async def test_of_two_changes_of_a_source_at_once_one_is_refused(
    engine: Engine, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = await connections.create_connection(engine, caller, asked())
    await secret_values.create_secret(engine, caller, name="mine", value="hunter3")

    async def check_slowly(*arguments: Any) -> Any:
        monkeypatch.undo()
        checked = await check_config(*arguments)
        await change(engine, caller, made, config={**NOWHERE, "port": 2})
        return checked

    monkeypatch.setattr(connections, "check_config", check_slowly)
    with pytest.raises(errors.Conflict, match="changed by somebody else"):
        await change(engine, caller, made, secret_name="mine")
    detail = await connections.get_connection(engine, caller, made.id)
    assert (detail.connection.config["port"], detail.connection.secret_id) == (2, None)


async def test_what_was_found_at_the_source_before_is_not_written_down(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "old", "CREATE TABLE ghost (n INT)")
    write_duckdb(tmp_path / "new", "CREATE TABLE t (n INT)")
    asked = NewConnection("duck", "duckdb", {"path": str(tmp_path / "old")}, skip_discovery=True)
    old, _ = await connections.create_connection(engine, caller, asked)
    await change(engine, caller, old, config={"path": str(tmp_path / "new")})
    with pytest.raises(CatalogConflict, match="another source"):
        await connections.discover(engine, old)
    detail = await connections.get_connection(engine, caller, old.id)
    assert (detail.table_count, detail.connection.discovery_status) == (1, "success")


async def test_a_sync_does_not_read_the_source_before(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        write_duckdb(tmp_path / name, f"CREATE TABLE t AS SELECT '{name}' AS source")
    made = await connect_duckdb(engine, caller, tmp_path / "old")
    stale = await engine.db.read(remote_tables.get_table, caller.workspace_id, made.id, "main", "t")
    await change(engine, caller, made, config={"path": str(tmp_path / "new")})
    await ensure_synced(engine, stale)
    assert await rows_of(engine, caller, "SELECT * FROM duck.main.t") == [["new"]]


async def test_a_configuration_that_is_not_valid_changes_nothing(
    engine: Engine, caller: Caller
) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    made, _ = await connections.create_connection(engine, caller, asked(config=config))
    for changes in (
        {"config": {**NOWHERE, "port": 0}},
        {"config": {**NOWHERE, "port": True}},
        {"config": NOWHERE, "secret_name": "unknown"},
        {"config": NOWHERE, "secret_name": "a", "secret_id": "b"},
    ):
        with pytest.raises(errors.InvalidRequest):
            await change(engine, caller, made, **changes)
    detail = await connections.get_connection(engine, caller, made.id)
    assert detail.connection == made
    assert await value_of(engine, caller, "conn-shop-password") == "hunter2"


async def test_copies_outlive_a_change_of_the_source_and_are_then_read_whole(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    for name, rows in (("old", "(1), (2), (3)"), ("new", "(2), (7)")):
        write_duckdb(tmp_path / name, "CREATE TABLE t (n INT)", f"INSERT INTO t VALUES {rows}")
    made = await connect_duckdb(engine, caller, tmp_path / "old")
    place = (engine, caller, made.id, "main", "t")
    await connections.update_table(*place, {"cursor_column": "n"})
    count = "SELECT n FROM duck.main.t ORDER BY n"
    assert await rows_of(engine, caller, count) == [[1], [2], [3]]
    await refresh.refresh_table(*place)
    await change(engine, caller, made, config={"path": str(tmp_path / "new")})
    assert await rows_of(engine, caller, count) == [[1], [2], [3]]
    await refresh.refresh_table(*place)
    assert await rows_of(engine, caller, count) == [[2], [7]]
    table = await connections.get_table(*place)
    assert (table.is_synced, table.row_count, table.cursor_column) == (True, 2, "n")


async def test_a_secret_is_named_once_and_must_exist(engine: Engine, caller: Caller) -> None:
    for given in ({"secret_name": "a", "secret_id": "b"}, {"secret_name": "unknown"}):
        with pytest.raises(errors.InvalidRequest):
            await connections.create_connection(engine, caller, asked(**given))
    assert await connections.list_connections(engine, caller) == ()


async def test_a_refused_connection_leaves_no_secret(engine: Engine, caller: Caller) -> None:
    await connections.create_connection(engine, caller, asked())
    config = {**NOWHERE, "password": "hunter2"}
    with pytest.raises(errors.Conflict):
        await connections.create_connection(engine, caller, asked(config=config))
    assert await secret_names(engine, caller) == []


async def test_a_file_outside_the_local_files_is_not_opened(engine: Engine, caller: Caller) -> None:
    made, _ = await connections.create_connection(
        engine, caller, NewConnection("etc", "sqlite", {"path": "/etc/passwd"})
    )
    assert "TIDEMILL_LOCAL_FILES" in (made.discovery_error or "")


@pytest.mark.parametrize("source_type", ["sqlite", "duckdb"])
async def test_a_folder_is_no_database(
    engine: Engine, caller: Caller, tmp_path: Path, source_type: str
) -> None:
    asked = NewConnection("folder", source_type, {"path": str(tmp_path)})
    made, _ = await connections.create_connection(engine, caller, asked)
    assert "folder, not to a file" in (made.discovery_error or "")


async def test_the_data_folder_is_no_source_even_where_local_files_hold_it(
    engine: Engine, caller: Caller
) -> None:
    catalog = engine.settings.data_dir.absolute() / "catalog.db"
    assert catalog.is_relative_to(engine.settings.local_files[0])
    made, _ = await connections.create_connection(
        engine, caller, NewConnection("own", "sqlite", {"path": str(catalog)})
    )
    assert "TIDEMILL_LOCAL_FILES" in (made.discovery_error or "")


async def test_private_hosts_need_permission(engine: Engine, caller: Caller) -> None:
    engine.settings = engine.settings.model_copy(update={"egress_allow_private": False})
    for number, host in enumerate(("127.0.0.1", "10.0.0.1", "169.254.169.254", "/run")):
        made, _ = await connections.create_connection(
            engine,
            caller,
            asked(f"c{number}", config={**NOWHERE, "host": host}, skip_discovery=False),
        )
        assert "may not be reached" in (made.discovery_error or "")


async def test_a_connection_of_another_workspace_does_not_exist(
    engine: Engine, caller: Caller, stranger: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "x.duckdb", "CREATE TABLE a AS SELECT 1 AS n")
    made = await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    for use in (
        connections.get_connection,
        connections.delete_connection,
        connections.purge,
        connections.check_health,
    ):
        with pytest.raises(errors.NotFound, match=f"Connection '{made.id}' not found"):
            await use(engine, stranger, made.id)
    with pytest.raises(errors.SqlInvalid, match="not found"):
        await rows_of(engine, stranger, "SELECT * FROM duck.main.a")
    assert await rows_of(engine, caller, "SELECT * FROM duck.main.a") == [[1]]


async def test_a_deleted_connection_takes_its_tables_along(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    write_duckdb(tmp_path / "x.duckdb", "CREATE TABLE a AS SELECT 1 AS n")
    made = await connect_duckdb(engine, caller, tmp_path / "x.duckdb")
    assert await rows_of(engine, caller, "SELECT * FROM duck.main.a") == [[1]]
    await connections.delete_connection(engine, caller, made.id)
    with pytest.raises(errors.SqlInvalid, match="not found"):
        await rows_of(engine, caller, "SELECT * FROM duck.main.a")
    listing = "SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'duck'"
    assert await rows_of(engine, caller, listing) == [[0]]


async def test_live_mode_needs_a_source_that_takes_sql(
    engine: Engine, caller: Caller, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    made, _ = await connections.create_connection(
        engine, caller, NewConnection("files", "files", {"url": str(tmp_path)})
    )
    with pytest.raises(errors.InvalidRequest, match="takes no SQL"):
        await connections.update_connection(engine, caller, made.id, {"mode": ReadMode.LIVE})
    with pytest.raises(errors.InvalidRequest, match="at least 60"):
        await connections.update_connection(engine, caller, made.id, {"refresh_interval_s": 5})
    with pytest.raises(errors.InvalidRequest, match="Nothing to change"):
        await connections.update_connection(engine, caller, made.id, {})


async def test_when_every_name_for_its_secret_is_taken_a_connection_is_refused(
    engine: Engine, caller: Caller
) -> None:
    stem = "conn-shop-password"
    for name in (stem, *(f"{stem}-{number}" for number in range(1, 1000))):
        await secret_values.create_secret(engine, caller, name=name, value="x")
    with pytest.raises(errors.Conflict, match="Every name"):
        await connections.create_connection(
            engine, caller, asked(config={**NOWHERE, "password": "hunter2"})
        )
    assert await connections.list_connections(engine, caller) == ()


async def test_the_longest_name_has_a_secret_too(engine: Engine, caller: Caller) -> None:
    config = {**NOWHERE, "password": "hunter2"}
    for name in ("é" * 255, "é" * 254 + "x"):
        await connections.create_connection(engine, caller, asked(name, config=config))
    assert len(await secret_names(engine, caller)) == 2


@pytest.mark.parametrize("password", [12345, ["x"], {"a": 1}])
async def test_a_credential_that_is_no_text_is_refused(
    engine: Engine, caller: Caller, password: object
) -> None:
    with pytest.raises(errors.InvalidRequest, match="password"):
        await connections.create_connection(
            engine, caller, asked(config={**NOWHERE, "password": password})
        )


async def test_an_empty_name_of_a_secret_names_none(engine: Engine, caller: Caller) -> None:
    with pytest.raises(errors.InvalidRequest):
        await connections.create_connection(
            engine, caller, asked(secret_name="", config={**NOWHERE, "password": "x"})
        )


async def test_a_new_connection_is_held_to_what_a_change_is_held_to(
    engine: Engine, caller: Caller
) -> None:
    for fields in (
        {"refresh_interval_s": 1},
        {"refresh_interval_s": 10**30},
        {"source_type": "files", "config": {"url": "/x"}, "mode": ReadMode.LIVE},
    ):
        with pytest.raises(errors.InvalidRequest):
            await connections.create_connection(engine, caller, asked(**fields))
