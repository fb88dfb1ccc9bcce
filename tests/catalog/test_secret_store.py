"""Secrets, their keys, and that no value leaks."""

import copy
import stat
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Connection, select, update

from catalog.database import Database
from catalog.errors import CatalogError, Conflict, InvalidValue, NotFound, Unavailable
from catalog.model import Workspace
from catalog.secret_store import (
    KEY_FILE,
    Keyring,
    create_secret,
    delete_secret,
    get_secret,
    list_secrets,
    normalize_name,
    read_value,
    rotate_all,
    update_secret,
)
from catalog.settings import Settings
from catalog.store.workspaces import ensure_default
from catalog.tables import secrets
from tests.catalog.samples import read_folder

pytestmark = pytest.mark.anyio

CANARY = "canary-93b1-ä"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "secret_keys": None})


@pytest.fixture
def keyring(settings: Settings) -> Keyring:
    return Keyring.open(settings)


async def test_a_secret_is_kept_replaced_and_deleted(
    db: Database, workspace: Workspace, keyring: Keyring
) -> None:
    secret = await db.write(create_secret, keyring, workspace.id, "API_Key-1", CANARY)
    assert secret.name == "api_key-1"
    assert await db.read(get_secret, workspace.id, "api_KEY-1") == secret
    assert await db.read(list_secrets, workspace.id) == (secret,)
    for name_or_id in (secret.id, "Api_Key-1"):
        assert await db.read(read_value, keyring, workspace.id, name_or_id) == CANARY
    changed = await db.write(update_secret, keyring, workspace.id, "api_key-1", "")
    assert (changed.id, changed.created_at) == (secret.id, secret.created_at)
    assert changed.updated_at > secret.updated_at
    assert await db.read(read_value, keyring, workspace.id, secret.id) == ""
    await db.write(delete_secret, workspace.id, "API_KEY-1")
    again = await db.write(create_secret, keyring, workspace.id, "api_key-1", "x")
    assert again.id != secret.id


async def test_a_secret_name_is_taken_once_per_workspace(
    db: Database, workspace: Workspace, other_workspace: Workspace, keyring: Keyring
) -> None:
    mine = await db.write(create_secret, keyring, workspace.id, "a", "1")
    await db.write(create_secret, keyring, other_workspace.id, "a", "2")
    with pytest.raises(Conflict):
        await db.write(create_secret, keyring, workspace.id, "A", CANARY)
    assert await db.read(read_value, keyring, other_workspace.id, "a") == "2"
    with pytest.raises(NotFound):
        await db.read(read_value, keyring, other_workspace.id, mine.id)


async def test_unknown_secrets_are_not_found(
    db: Database, workspace: Workspace, keyring: Keyring
) -> None:
    with pytest.raises(NotFound):
        await db.read(get_secret, workspace.id, "a")
    with pytest.raises(NotFound):
        await db.write(update_secret, keyring, workspace.id, "a", CANARY)
    with pytest.raises(NotFound):
        await db.write(delete_secret, workspace.id, "a")
    with pytest.raises(NotFound):
        await db.read(read_value, keyring, workspace.id, "a")


@pytest.mark.parametrize("name", ["", "a b", "ä", "a" * 129, "a\n", "../a"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="Invalid secret name"):
        normalize_name(name)


async def test_sealed_bytes_moved_to_another_row_do_not_open(
    db: Database, workspace: Workspace, keyring: Keyring
) -> None:
    for name in ("a", "b"):
        await db.write(create_secret, keyring, workspace.id, name, CANARY + name)

    def swap(conn: Connection) -> None:
        sealed = conn.scalar(select(secrets.c.sealed).where(secrets.c.name == "a"))
        conn.execute(update(secrets).where(secrets.c.name == "b").values(sealed=sealed))

    await db.write(swap)
    assert await db.read(read_value, keyring, workspace.id, "a") == CANARY + "a"
    with pytest.raises(Unavailable) as caught:
        await db.read(read_value, keyring, workspace.id, "b")
    assert CANARY not in str(caught.value)


async def test_rotation_seals_everything_with_the_new_key(
    db: Database, workspace: Workspace, other_workspace: Workspace, keyring: Keyring
) -> None:
    for owner in (workspace, other_workspace):
        for number in range(3):
            await db.write(create_secret, keyring, owner.id, f"s{number}", f"{CANARY}{number}")
    larger = keyring.add_key()
    assert await db.write(rotate_all, larger) == 6
    # The ring of a running server notices the new key in the file.
    assert await db.read(read_value, keyring, workspace.id, "s1") == f"{CANARY}1"
    newest_alone = Keyring(larger._keys[:1])
    assert await db.read(read_value, newest_alone, other_workspace.id, "s2") == f"{CANARY}2"


async def test_a_failed_rotation_changes_nothing(
    db: Database, workspace: Workspace, keyring: Keyring
) -> None:
    stranger = Keyring([Fernet.generate_key()])
    await db.write(create_secret, keyring, workspace.id, "a", CANARY)
    await db.write(create_secret, stranger, workspace.id, "b", CANARY)
    with pytest.raises(Unavailable):
        await db.write(rotate_all, keyring.add_key())
    assert await db.read(read_value, keyring, workspace.id, "a") == CANARY
    assert await db.read(read_value, stranger, workspace.id, "b") == CANARY


async def test_no_value_is_on_disk_in_a_repr_or_in_an_error(
    tmp_path: Path, keyring: Keyring
) -> None:
    folder = tmp_path / "catalog"
    db = await Database.open(f"sqlite:///{folder}/catalog.db")
    workspace = await db.write(ensure_default)
    secret = await db.write(create_secret, keyring, workspace.id, "visible", CANARY)
    await db.write(update_secret, keyring, workspace.id, "visible", CANARY * 2)
    stranger = Keyring([Fernet.generate_key()])
    said = [repr(secret), repr(keyring), str(keyring)]
    operations = [
        db.write(create_secret, keyring, workspace.id, "visible", CANARY),
        db.write(update_secret, keyring, workspace.id, CANARY, CANARY),
        db.write(create_secret, keyring, "ws_unknown", "x", CANARY),
        db.read(read_value, stranger, workspace.id, "visible"),
    ]
    for operation in operations:
        with pytest.raises(CatalogError) as caught:
            await operation
        error: BaseException | None = caught.value
        while error is not None:
            said.append(repr(error) + str(error))
            error = error.__cause__ or error.__context__
    on_disk = read_folder(folder)
    assert b"visible" in on_disk
    assert CANARY.encode() not in on_disk
    keys = [key.decode() for key in keyring._keys]
    # The one malformed name is the client's own text.
    assert not [text for text in said if CANARY in text and "Invalid secret name" not in text]
    assert not [text for text in said for key in keys if key in text]
    await db.close()


def test_a_key_file_is_made_once_and_is_private(settings: Settings) -> None:
    rings: list[Keyring] = []
    threads = [
        threading.Thread(target=lambda: rings.append(Keyring.open(settings))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(ring._keys) for ring in rings}) == 1
    assert [path.name for path in settings.data_dir.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((settings.data_dir / KEY_FILE).stat().st_mode) == 0o600
    larger = rings[0].add_key()
    assert larger._keys[1:] == rings[0]._keys
    assert Keyring.open(settings)._keys == larger._keys
    assert stat.S_IMODE((settings.data_dir / KEY_FILE).stat().st_mode) == 0o600


def test_a_key_file_that_others_may_read_is_refused(settings: Settings) -> None:
    Keyring.open(settings)
    (settings.data_dir / KEY_FILE).chmod(0o640)
    with pytest.raises(InvalidValue, match="chmod 600"):
        Keyring.open(settings)


def test_keys_of_the_settings_come_first(settings: Settings) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    given = settings.model_copy(update={"secret_keys": SecretStr(", ".join(keys))})
    ring = Keyring.open(given)
    assert [key.decode() for key in ring._keys] == keys
    assert not settings.data_dir.exists()
    with pytest.raises(InvalidValue):
        ring.add_key()


@pytest.mark.parametrize("keys", ["", ",", "canary-not-a-key", "A" * 42])
def test_a_malformed_key_is_refused_without_repeating_it(settings: Settings, keys: str) -> None:
    given = settings.model_copy(update={"secret_keys": SecretStr(keys)})
    with pytest.raises(InvalidValue) as caught:
        Keyring.open(given)
    assert not keys.strip(",") or keys not in str(caught.value)


def test_a_keyring_is_not_copied_or_serialized(keyring: Keyring) -> None:
    with pytest.raises(TypeError):
        copy.copy(keyring)
