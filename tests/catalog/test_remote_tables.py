"""Connections, their tables, the leases of syncs, copies and profiles, on both databases."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection as DbConnection
from sqlalchemy import select

from catalog import secret_store
from catalog.database import Database
from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.ids import IdKind, new_id
from catalog.model import (
    Connection,
    DiscoveryStatus,
    ReadMode,
    RemoteTable,
    StoredFile,
    TableVersion,
    Workspace,
)
from catalog.secret_store import Keyring
from catalog.settings import Settings
from catalog.store import connections as connection_store
from catalog.store import datasets as dataset_store
from catalog.store import profiles as profile_store
from catalog.store import remote_tables as table_store
from catalog.store import table_syncs as sync_store
from catalog.store.discovery import Discovery, store_discovered
from catalog.store.remote_tables import FoundTable
from catalog.tables import (
    connections,
    dropped_blobs,
    profiles,
    remote_table_files,
    remote_tables,
    secrets,
)
from tests.catalog.samples import NOON, make_version
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

LEASE_S = 60.0
PROFILE = [{"name": "n", "null_count": 0}]


@pytest.fixture
async def second(db: Database, catalog_url: str) -> AsyncIterator[Database]:
    """The same catalog as another server has it open."""
    database = await Database.open(catalog_url)
    yield database
    await database.close()


@pytest.fixture
async def shop(db: Database, workspace: Workspace) -> Connection:
    return await connect(db, workspace, "shop")


@pytest.fixture
async def orders(db: Database, shop: Connection) -> RemoteTable:
    await discover(db, shop, "orders")
    return (await table(db, shop, "orders")).table


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open(Settings.model_validate({"data_dir": tmp_path, "secret_keys": None}))


async def connect(db: Database, workspace: Workspace, name: str, **changes: Any) -> Connection:
    values: dict[str, Any] = {
        "id": new_id(IdKind.CONNECTION),
        "workspace_id": workspace.id,
        "name": name,
        "source_type": "postgres",
        "config": {"host": "db.example.com"},
        "secret_id": None,
        "owns_secret": False,
        "mode": ReadMode.CACHED,
        "refresh_interval_s": None,
        "next_refresh_at": None,
        "discovery_status": DiscoveryStatus.SKIPPED,
        "discovery_error": None,
        "discovered_at": None,
        "created_at": NOON,
        "updated_at": NOON,
    }
    connection = Connection(**(values | changes))
    await db.write(connection_store.insert_connection, connection)
    return connection


async def discover(
    db: Database, connection: Connection, *names: str, schema_ipc: bytes = b"columns"
) -> Discovery:
    found = [("main", name, schema_ipc) for name in names]
    return await db.write(store_discovered, connection.workspace_id, connection.id, found)


async def table(db: Database, connection: Connection, name: str) -> FoundTable:
    return await db.read(
        table_store.get_table, connection.workspace_id, connection.id, "main", name
    )


def version_of(table: RemoteTable, **changes: Any) -> TableVersion:
    version_id = new_id(IdKind.TABLE_VERSION)
    prefix = f"tables/{table.connection_id}/{table.id}/{version_id}"
    values: dict[str, Any] = {
        "id": version_id,
        "files": (StoredFile(f"{prefix}/part-0", 70, 7), StoredFile(f"{prefix}/part-1", 30, 3)),
        "schema_ipc": b"columns",
        "row_count": 10,
        "warnings": ("price: 1 value",),
        "cursor_value": None,
        "synced_at": NOON,
    }
    return TableVersion(**(values | changes))


async def claim(
    db: Database, table: RemoteTable, *, owner: str = "server-1", lease_s: float = LEASE_S
) -> str:
    token = await db.write(sync_store.claim_sync, table, owner=owner, lease_s=lease_s)
    assert token is not None
    return token


async def sync(db: Database, table: RemoteTable, **changes: Any) -> TableVersion:
    """Copy a table, and profile the copy."""
    version = version_of(table, **changes)
    token = await claim(db, table)
    await db.write(sync_store.publish_copy, table, token, version)
    await db.write(profile_store.keep_profile, table.workspace_id, version.id, PROFILE)
    return version


async def is_free(db: Database, table: RemoteTable) -> bool:
    return not await db.read(sync_store.is_syncing, table.id)


async def column(db: Database, of: Any) -> set[Any]:
    """All values of one column of the catalog."""
    return set(await db.read(lambda conn: conn.scalars(select(of)).all()))


async def file_keys(db: Database) -> set[str]:
    return await column(db, remote_table_files.c.key)


def keys_of(*versions: TableVersion) -> set[str]:
    return {file.key for version in versions for file in version.files}


async def while_uncommitted(
    first: Database,
    write: Callable[[DbConnection], object],
    second: Database,
    then: Callable[[DbConnection], object],
) -> None:
    """One server writes and has not committed yet when another one starts to write."""
    has_written, may_commit = threading.Event(), threading.Event()

    def hold(conn: DbConnection) -> None:
        write(conn)
        has_written.set()
        assert may_commit.wait(PATIENCE_S)

    holding = asyncio.ensure_future(first.write(hold))
    assert await asyncio.to_thread(has_written.wait, PATIENCE_S)
    following = asyncio.ensure_future(second.write(then))
    # Long enough to come to the lock, or past where one is missing.
    await asyncio.sleep(0.2)
    may_commit.set()
    await asyncio.gather(holding, following)


async def test_one_sync_at_a_time_has_the_lease(
    db: Database, second: Database, orders: RemoteTable
) -> None:
    assert await is_free(db, orders)
    claims = await asyncio.gather(
        *(
            server.write(sync_store.claim_sync, orders, owner="server", lease_s=LEASE_S)
            for server in (db, second) * 8
        )
    )
    (token,) = [claimed for claimed in claims if claimed is not None]
    assert not await is_free(db, orders)
    assert await second.write(sync_store.renew_sync, orders.id, token, lease_s=LEASE_S)
    assert not await db.write(sync_store.renew_sync, orders.id, "forged", lease_s=LEASE_S)
    await db.write(sync_store.release_sync, orders.id, "forged")
    assert not await is_free(db, orders)
    await db.write(sync_store.release_sync, orders.id, token)
    assert await is_free(db, orders)
    assert not await db.write(sync_store.renew_sync, orders.id, token, lease_s=LEASE_S)
    assert await claim(db, orders) != token


async def test_a_lease_lasts_as_long_as_it_is_renewed(db: Database, orders: RemoteTable) -> None:
    token = await claim(db, orders, lease_s=-1)
    assert await is_free(db, orders)
    # Nobody has taken it over, so it is still this server's.
    assert await db.write(sync_store.renew_sync, orders.id, token, lease_s=LEASE_S)
    assert not await is_free(db, orders)
    assert await db.write(sync_store.claim_sync, orders, owner="o", lease_s=1) is None


async def test_who_lost_the_lease_publishes_nothing(db: Database, orders: RemoteTable) -> None:
    lost = await claim(db, orders, lease_s=-1)
    held = await claim(db, orders, owner="server-2")
    late, right = version_of(orders), version_of(orders)
    for _ in range(2):
        with pytest.raises(Conflict):
            await db.write(sync_store.publish_copy, orders, lost, late)
        assert not await db.write(sync_store.renew_sync, orders.id, lost, lease_s=LEASE_S)
        await db.write(sync_store.release_sync, orders.id, lost)
        if await file_keys(db) == set():
            await db.write(sync_store.publish_copy, orders, held, right)
    assert await file_keys(db) == keys_of(right)
    assert await column(db, remote_tables.c.version_id) == {right.id}
    # A lease ends with its copy.
    with pytest.raises(Conflict):
        await db.write(sync_store.publish_copy, orders, held, version_of(orders))


async def test_a_claim_of_what_has_changed_since_it_was_read_fails(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    await sync(db, orders)
    synced = (await table(db, shop, "orders")).table
    for stale in (orders, replace(synced, version_id="another")):
        assert await db.write(sync_store.claim_sync, stale, owner="o", lease_s=1) is None
    await sync(db, synced)
    assert await db.write(sync_store.claim_sync, synced, owner="o", lease_s=1) is None
    await db.write(table_store.drop_copies, shop.workspace_id, shop.id)
    assert await db.write(sync_store.claim_sync, synced, owner="o", lease_s=1) is None
    await claim(db, orders)
    await db.write(connection_store.delete_connection, shop.workspace_id, shop.id)
    assert await db.write(sync_store.claim_sync, orders, owner="o", lease_s=1) is None


async def test_leases_of_a_server_that_died_are_given_back(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    await discover(db, shop, "other", "free")
    dead = await claim(db, orders, owner="server-1")
    other = (await table(db, shop, "other")).table
    alive = await claim(db, other, owner="server-2")
    assert await db.write(sync_store.release_owned, "server-1") == 1
    assert await db.write(sync_store.release_owned, "server-1") == 0
    assert await is_free(db, orders)
    assert not await is_free(db, other)
    with pytest.raises(Conflict):
        await db.write(sync_store.publish_copy, orders, dead, version_of(orders))
    await db.write(sync_store.publish_copy, other, alive, version_of(other))


async def test_a_copy_replaces_the_one_before(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    first = await sync(db, orders)
    found = await table(db, shop, "orders")
    assert (found.files, found.table.version_id) == (first.files, first.id)
    assert (found.table.row_count, found.table.size_bytes) == (10, 100)
    assert (found.table.warnings, found.table.last_sync) == (first.warnings, NOON)
    token = await claim(db, found.table)
    wider = version_of(orders, schema_ipc=b"more columns", row_count=3)
    published = await db.write(sync_store.publish_copy, found.table, token, wider)
    found = await table(db, shop, "orders")
    assert published == found.table
    assert (found.files, found.table.read_schema_ipc) == (wider.files, b"more columns")
    assert await db.read(
        table_store.find_table, shop.workspace_id, "shop", "main", "orders"
    ) == await table(db, shop, "orders")
    assert await column(db, dropped_blobs.c.key) == keys_of(first)
    assert await column(db, profiles.c.version_id) == set()
    assert await db.read(connection_store.count_tables, shop.id) == (1, 1)


async def test_a_cursor_that_was_changed_during_a_sync_starts_anew(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    own = (orders.workspace_id, orders.id)
    by_n = await db.write(table_store.update_table, *own, {"cursor_column": "n"})
    await sync(db, by_n, cursor_value="7")
    assert (await table(db, shop, "orders")).table.cursor_value == "7"
    read = (await table(db, shop, "orders")).table
    token = await claim(db, read)
    await db.write(table_store.update_table, *own, {"cursor_column": "at"})
    # 9 is the greatest n, and says nothing of the column at.
    version = version_of(orders, cursor_value="9")
    published = await db.write(sync_store.publish_copy, read, token, version)
    assert (published.cursor_column, published.cursor_value) == ("at", None)


async def test_settings_of_a_table_are_changed_apart(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    own = (orders.workspace_id, orders.id)
    await db.write(table_store.update_table, *own, {"cursor_column": "n"})
    await sync(db, (await table(db, shop, "orders")).table, cursor_value="7")
    live = await db.write(table_store.update_table, *own, {"mode": ReadMode.LIVE})
    assert (live.mode, live.cursor_column, live.cursor_value) == (ReadMode.LIVE, "n", "7")
    assert (await table(db, shop, "orders")).is_live
    reset = await db.write(table_store.update_table, *own, {"cursor_column": None, "mode": None})
    assert (reset.mode, reset.cursor_column, reset.cursor_value) == (None, None, None)
    with pytest.raises(InvalidValue):
        await db.write(table_store.update_table, *own, {"version_id": "x"})


async def test_purging_drops_copies_and_profiles_and_voids_leases(
    db: Database, shop: Connection, orders: RemoteTable
) -> None:
    await discover(db, shop, "kept", "never")
    first = await sync(db, orders)
    kept = (await table(db, shop, "kept")).table
    second = await sync(db, kept)
    read = (await table(db, shop, "orders")).table
    token = await claim(db, read)
    await db.write(table_store.drop_copies, shop.workspace_id, shop.id, orders.id)
    assert await is_free(db, orders)
    assert not await db.write(sync_store.renew_sync, orders.id, token, lease_s=LEASE_S)
    with pytest.raises(Conflict):
        await db.write(sync_store.publish_copy, read, token, version_of(orders))
    assert await table(db, shop, "orders") == FoundTable(shop, orders, (), ())
    assert await column(db, dropped_blobs.c.key) == keys_of(first)
    assert (await file_keys(db), await column(db, profiles.c.version_id)) == (
        keys_of(second),
        {second.id},
    )
    # A first sync, of a table without a copy, is void as well.
    token = await claim(db, orders)
    await db.write(table_store.drop_copies, shop.workspace_id, shop.id)
    with pytest.raises(Conflict):
        await db.write(sync_store.publish_copy, orders, token, version_of(orders))
    assert await file_keys(db) == await column(db, profiles.c.version_id) == set()
    assert await column(db, dropped_blobs.c.key) == keys_of(first, second)
    assert await db.read(connection_store.count_tables, shop.id) == (3, 0)


async def test_a_purge_beside_the_end_of_a_first_sync_leaves_no_files_behind(
    db: Database, second: Database, shop: Connection, orders: RemoteTable
) -> None:
    token = await claim(db, orders)
    version = version_of(orders)
    await while_uncommitted(
        db,
        lambda conn: sync_store.publish_copy(conn, orders, token, version),
        second,
        lambda conn: table_store.drop_copies(conn, shop.workspace_id, shop.id),
    )
    assert await file_keys(db) == set()
    assert await column(db, dropped_blobs.c.key) == keys_of(version)
    assert await table(db, shop, "orders") == FoundTable(shop, orders, (), ())


async def test_a_profile_made_beside_a_purge_is_not_kept(
    db: Database, second: Database, shop: Connection, orders: RemoteTable
) -> None:
    version = await sync(db, orders)
    await db.write(profile_store.drop_profiles, [version.id])
    await while_uncommitted(
        db,
        lambda conn: table_store.drop_copies(conn, shop.workspace_id, shop.id),
        second,
        lambda conn: profile_store.keep_profile(conn, shop.workspace_id, version.id, PROFILE),
    )
    assert await column(db, profiles.c.version_id) == set()


async def test_a_profile_belongs_to_a_version_that_exists(
    db: Database, second: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    version = make_version(workspace.id)
    key = (workspace.id, version.id)
    await db.write(profile_store.keep_profile, *key, PROFILE)
    assert await db.read(profile_store.find_profile, *key) is None
    names: dict[str, Any] = {"label": "d", "table_name": "d", "source": {}}
    await db.write(dataset_store.create_dataset, workspace.id, version=version, **names)
    await db.write(profile_store.keep_profile, *key, PROFILE)
    await db.write(profile_store.keep_profile, *key, [{"name": "later"}])
    assert await db.read(profile_store.find_profile, *key) == PROFILE
    assert await db.read(profile_store.find_profile, other_workspace.id, version.id) is None
    await db.write(profile_store.drop_profiles, [])
    await db.write(profile_store.drop_profiles, [version.id])
    await while_uncommitted(
        db,
        lambda conn: profile_store.keep_profile(conn, *key, PROFILE),
        second,
        lambda conn: dataset_store.delete_dataset(conn, workspace.id, version.dataset_id),
    )
    assert await column(db, profiles.c.version_id) == set()


async def test_discovery_counts_what_is_new_and_changed_and_keeps_what_vanished(
    db: Database, shop: Connection
) -> None:
    assert await discover(db, shop) == Discovery(0, 0, 0)
    assert await discover(db, shop, "a", "b") == Discovery(2, 2, 0)
    assert await discover(db, shop, "a", "b") == Discovery(2, 0, 0)
    first = await table(db, shop, "a")
    await sync(db, first.table)
    assert await discover(db, shop, "b", "c") == Discovery(3, 1, 0)
    assert await discover(db, shop, "a", "d", schema_ipc=b"other") == Discovery(4, 1, 1)
    again = await table(db, shop, "a")
    # SQL sees the columns of the copy until the next one.
    assert (again.table.id, again.table.schema_ipc) == (first.table.id, b"other")
    assert (again.table.read_schema_ipc, len(again.files)) == (b"columns", 2)
    listed = await db.read(table_store.list_tables, shop.workspace_id, shop.id, only_synced=False)
    assert [each.table_name for each in listed] == ["a", "b", "c", "d"]
    listed = await db.read(table_store.list_tables, shop.workspace_id, shop.id, only_synced=True)
    assert [each.table_name for each in listed] == ["a"]
    await db.write(connection_store.delete_connection, shop.workspace_id, shop.id)
    with pytest.raises(NotFound):
        await discover(db, shop, "a")


async def test_what_is_not_there_is_not_found(
    db: Database, workspace: Workspace, shop: Connection
) -> None:
    with pytest.raises(NotFound, match=r"Table 'main\.x'"):
        await table(db, shop, "x")
    with pytest.raises(NotFound, match="Connection 'conn_none'"):
        await db.read(table_store.get_table, workspace.id, "conn_none", "main", "x")
    for names in (("shop", "main", "x"), ("Shop", "main", "orders"), ("x", "main", "orders")):
        assert await db.read(table_store.find_table, workspace.id, *names) is None
    assert await db.read(connection_store.find_connection, workspace.id, "SHOP") is None
    with pytest.raises(Conflict):
        await connect(db, workspace, "shop")
    await connect(db, workspace, "SHOP")
    listed = await db.read(connection_store.list_connections, workspace.id)
    assert [each.name for each in listed] == ["SHOP", "shop"]


async def test_pages_hold_every_table_once_also_of_equal_names(
    db: Database, workspace: Workspace, shop: Connection
) -> None:
    for connection in (shop, *[await connect(db, workspace, name) for name in ("a", "Z")]):
        found = [(schema, name, b"") for schema in ("b", "B", "ä") for name in ("t", "T")]
        await db.write(store_discovered, workspace.id, connection.id, found)
    choices: tuple[dict[str, Any], ...] = (
        {},
        {"table_like": "t"},
        {"schema_like": "b%"},
        {"connection_id": shop.id},
    )
    for filters in choices:
        whole = await db.read(table_store.list_page, workspace.id, limit=100, **filters)
        keys = [key_of(each.table) for each in whole]
        # By code point, whatever the locale of the server.
        assert keys == sorted(keys)
        paged: list[tuple[str, str, str]] = []
        while page := await db.read(
            table_store.list_page,
            workspace.id,
            after=paged[-1] if paged else None,
            limit=4,
            **filters,
        ):
            paged += [key_of(each.table) for each in page]
        assert paged == keys
    assert len(await db.read(table_store.list_named, workspace.id)) == 18


def key_of(table: RemoteTable) -> tuple[str, str, str]:
    return table.schema_name, table.table_name, table.connection_id


NAMES = (
    "orders", "Orders", "or_ers", "orxers", "or%ers", "a*b", "aXb", "a?b", "a[b", "a[x]b", "axb",
    "a]b", "a^b", "back\\slash", "sl/ash", "é", "É", "",
)  # fmt: skip


PATTERNS = (
    "%", "%%", "or%", "Or%", "or_%", "%_%", "%d%s", "orders", "ORDERS", "or%ers", "or_ers%", "a*%",
    "%*%", "a?%", "a[%", "%[x]%", "a]%", "%^%", "%\\%", "\\%", "%/%", "/%", "é%", "%É", "none%",
    "", "%'; --",
)  # fmt: skip


async def test_a_pattern_has_one_wildcard_and_minds_case(
    db: Database, workspace: Workspace, shop: Connection
) -> None:
    await discover(db, shop, *NAMES)
    for pattern in PATTERNS:
        listed = await db.read(table_store.list_page, workspace.id, table_like=pattern, limit=100)
        expression = ".*".join(map(re.escape, pattern.split("%")))
        expected = {name for name in NAMES if re.fullmatch(expression, name)}
        assert {each.table.table_name for each in listed} == expected, pattern


async def test_the_revision_changes_when_names_or_columns_do_and_only_then(
    db: Database, workspace: Workspace, shop: Connection, orders: RemoteTable
) -> None:
    seen = [await db.read(connection_store.read_revision, workspace.id)]

    async def changes() -> bool:
        seen.append(await db.read(connection_store.read_revision, workspace.id))
        assert seen[-1] not in seen[:-2]
        return seen[-1] != seen[-2]

    async def look(*names: str, schema_ipc: bytes = b"columns") -> None:
        await discover(db, shop, *names, schema_ipc=schema_ipc)
        status = (DiscoveryStatus.SUCCESS, None)
        await db.write(connection_store.record_discovery, shop, *status)

    token = await claim(db, orders)
    await db.write(sync_store.renew_sync, orders.id, token, lease_s=LEASE_S)
    await db.write(sync_store.release_sync, orders.id, token)
    await sync(db, orders)
    copied = (await table(db, shop, "orders")).table
    await sync(db, copied)
    own = (workspace.id, orders.id)
    await db.write(table_store.update_table, *own, {"cursor_column": "n"})
    await db.write(
        connection_store.update_connection, workspace.id, shop.id, {"refresh_interval_s": 60}
    )
    await db.write(table_store.drop_copies, workspace.id, shop.id)
    assert not await changes()
    await look("orders", "more")
    assert await changes()
    await sync(db, (await table(db, shop, "orders")).table, schema_ipc=b"wider")
    assert await changes()
    await look("orders", schema_ipc=b"changed")
    assert await changes()
    # The copy's columns gave way to those the source has now.
    await db.write(table_store.drop_copies, workspace.id, shop.id, orders.id)
    assert await changes()
    other = await connect(db, workspace, "other", created_at=NOON - timedelta(days=1))
    assert await changes()
    await db.write(connection_store.delete_connection, workspace.id, other.id)
    third = await connect(db, workspace, "third", created_at=NOON - timedelta(days=2))
    assert await changes()
    await db.write(connection_store.delete_connection, workspace.id, third.id)
    await db.write(connection_store.delete_connection, workspace.id, shop.id)
    assert await changes()


async def test_the_revision_notices_a_change_by_a_server_whose_clock_is_slow(
    db: Database, workspace: Workspace, shop: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([NOON, NOON - timedelta(hours=1), NOON - timedelta(hours=1, minutes=-1)])
    monkeypatch.setattr(connection_store, "utc_now", lambda: next(moments))
    other = await connect(db, workspace, "other")
    seen = set()
    for connection in (shop, other, other):
        status = (DiscoveryStatus.SUCCESS, None)
        await db.write(connection_store.record_discovery, connection, *status)
        seen.add(await db.read(connection_store.read_revision, workspace.id))
    assert len(seen) == 3


async def test_deleting_a_connection_takes_everything_of_it_along(
    db: Database, workspace: Workspace, keyring: Keyring
) -> None:
    kept, own, shared = [
        (await db.write(secret_store.create_secret, keyring, workspace.id, name, "x")).id
        for name in ("kept", "own", "shared")
    ]
    made = [
        await connect(db, workspace, name, secret_id=secret_id, owns_secret=owns)
        for name, secret_id, owns in (
            ("names-one", kept, False),
            ("has-its-own", own, True),
            ("has-one-that", shared, True),
            ("another-uses", shared, False),
        )
    ]
    versions = []
    for connection in made:
        await discover(db, connection, "t", "not-synced")
        versions.append(await sync(db, (await table(db, connection, "t")).table))
    left = {kept, own, shared}
    for number, (connection, gone) in enumerate(zip(made, ("", own, "", ""), strict=True)):
        with pytest.raises(InvalidValue):
            await db.write(
                connection_store.update_connection, workspace.id, connection.id, {"name": "x"}
            )
        await db.write(connection_store.delete_connection, workspace.id, connection.id)
        left -= {gone}
        assert await column(db, secrets.c.id) == left
        assert await file_keys(db) == keys_of(*versions[number + 1 :])
        assert await column(db, dropped_blobs.c.key) == keys_of(*versions[: number + 1])
        assert await column(db, profiles.c.version_id) == {v.id for v in versions[number + 1 :]}
        with pytest.raises(NotFound):
            await db.write(connection_store.delete_connection, workspace.id, connection.id)
    assert await column(db, remote_tables.c.id) == set()


async def test_another_workspace_neither_sees_nor_changes_anything(
    db: Database, workspace: Workspace, other_workspace: Workspace, shop: Connection
) -> None:
    await discover(db, shop, "orders")
    version = await sync(db, (await table(db, shop, "orders")).table)
    orders = (await table(db, shop, "orders")).table
    token = await claim(db, orders)
    before = await everything(db)
    strange = other_workspace.id
    refused: Sequence[tuple[Callable[..., object], tuple[Any, ...]]] = (
        (connection_store.get_connection, (strange, shop.id)),
        (connection_store.update_connection, (strange, shop.id, {"mode": ReadMode.LIVE})),
        (connection_store.delete_connection, (strange, shop.id)),
        (store_discovered, (strange, shop.id, [("main", "x", b"")])),
        (table_store.get_table, (strange, shop.id, "main", "orders")),
        (table_store.update_table, (strange, orders.id, {"mode": ReadMode.LIVE})),
        (table_store.drop_copies, (strange, shop.id)),
        (table_store.drop_copies, (strange, shop.id, orders.id)),
        (connection_store.release_source, (replace(shop, workspace_id=strange),)),
    )
    for write, arguments in refused:
        with pytest.raises(NotFound):
            await db.write(write, *arguments)
    assert await db.read(connection_store.find_connection, strange, "shop") is None
    assert await db.read(connection_store.list_connections, strange) == ()
    assert await db.read(table_store.find_table, strange, "shop", "main", "orders") is None
    assert await db.read(table_store.list_tables, strange, shop.id, only_synced=False) == ()
    assert await db.read(table_store.list_page, strange, limit=9) == ()
    assert await db.read(table_store.list_page, strange, connection_id=shop.id, limit=9) == ()
    assert await db.read(table_store.list_named, strange) == ()
    assert await db.read(profile_store.find_profile, strange, version.id) is None
    # The name is free there, and a revision of one does not move the other's.
    mine = await db.read(connection_store.read_revision, workspace.id)
    theirs = await connect(db, other_workspace, "shop")
    await discover(db, theirs, "orders")
    assert await db.read(connection_store.read_revision, workspace.id) == mine
    await db.write(connection_store.delete_connection, strange, theirs.id)
    assert await everything(db) == before
    await db.write(sync_store.publish_copy, orders, token, version_of(orders))


async def everything(db: Database) -> list[list[str]]:
    """All rows of what connections have."""

    def read(conn: DbConnection) -> list[list[str]]:
        tables = (connections, remote_tables, remote_table_files, profiles)
        return [sorted(map(repr, conn.execute(select(each)).all())) for each in tables]

    return await db.read(read)


async def test_of_two_servers_one_moves_a_schedule(
    db: Database, second: Database, workspace: Workspace
) -> None:
    every_minute = {"refresh_interval_s": 60}
    due = await connect(db, workspace, "due", next_refresh_at=NOON, **every_minute)
    now = NOON + timedelta(seconds=5)
    later = await connect(
        db, workspace, "later", next_refresh_at=now + timedelta(microseconds=1), **every_minute
    )
    await connect(db, workspace, "never")
    assert await db.read(connection_store.list_due, NOON - timedelta(microseconds=1)) == ()
    assert await second.read(connection_store.list_due, now) == (due,)
    moves = await asyncio.gather(
        *(server.write(connection_store.move_schedule, due, now) for server in (db, second))
    )
    assert sorted(moves) == [False, True]
    moved = await db.read(connection_store.get_connection, workspace.id, due.id)
    assert moved.next_refresh_at == now + timedelta(seconds=60)
    # Its owner was faster, and it is not due any more.
    for interval_s in (None, 60):
        changes = {"refresh_interval_s": interval_s}
        changed = await db.write(
            connection_store.update_connection, workspace.id, later.id, changes
        )
        assert (changed.next_refresh_at is None) == (interval_s is None)
        assert not await second.write(connection_store.move_schedule, later, now)


async def test_a_secret_is_found_by_id_or_name_its_id_first(
    db: Database, workspace: Workspace, other_workspace: Workspace, keyring: Keyring
) -> None:
    mine = await db.write(secret_store.create_secret, keyring, workspace.id, "API_Key", "x")
    # Names may look like ids, also like those of other secrets.
    twin = await db.write(secret_store.create_secret, keyring, workspace.id, mine.id, "y")
    elsewhere = await db.write(
        secret_store.create_secret, keyring, other_workspace.id, mine.id, "z"
    )
    find = secret_store.find_id
    for name_or_id in (mine.id, "api_key", "API_KEY"):
        assert await db.read(find, workspace.id, name_or_id) == mine.id
    assert await db.read(find, workspace.id, twin.id) == twin.id
    assert await db.read(find, workspace.id, mine.id.upper()) == twin.id
    assert await db.read(find, other_workspace.id, mine.id) == elsewhere.id
    for unknown in ("api_key", twin.id, "", "%"):
        with pytest.raises(NotFound):
            await db.read(find, other_workspace.id, unknown)
