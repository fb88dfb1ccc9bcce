"""Secrets at rest: encrypted values, and the ring of keys that opens them.

The sealed bytes hold the workspace and the id beside the value, so bytes copied to another row do
not open there. Neither keys nor values appear in a repr, a message or a log. The trap is rotation
while servers run: a ring that came from a file looks into the file again before it gives up.
"""

import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NoReturn

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, Row, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from typing_extensions import override

from catalog.durable_files import sync_file
from catalog.errors import Conflict, InvalidValue, NotFound, Unavailable
from catalog.ids import IdKind, new_id
from catalog.model import Secret
from catalog.settings import Settings
from catalog.store.rows import columns_of, utc_now
from catalog.tables import secrets

KEY_FILE = "secret-keys"

_COLUMNS = columns_of(secrets, Secret)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OTHERS = 0o077


class Keyring:
    """The Fernet keys of this catalog, newest first: the newest seals, all of them open."""

    def __init__(self, keys: list[bytes], *, path: Path | None = None) -> None:
        self._path = path
        self._keys = keys
        self._fernet = _make_fernet(keys)

    @classmethod
    def open(cls, settings: Settings) -> "Keyring":
        """Read the keys from the setting ``secret_keys``, else from ``<data-dir>/secret-keys``.

        A missing file is made with one new key, readable by its owner only.

        Raises:
            InvalidValue: a key is malformed, or others than the owner may read the file.
        """
        if settings.secret_keys is not None:
            return cls(settings.secret_keys.get_secret_value().replace(",", " ").encode().split())
        path = settings.data_dir / KEY_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new_file(path, [Fernet.generate_key()])
        return cls(_read_key_file(path), path=path)

    def add_key(self) -> "Keyring":
        """Put a new key in front of the key file and return the larger ring.

        Call ``rotate_all`` next; running servers find the new key by themselves.

        Raises:
            InvalidValue: the keys come from the setting, which only its owner can change.
        """
        if self._path is None:
            raise InvalidValue("The secret keys come from the settings: add the new key there")
        keys = [Fernet.generate_key(), *_read_key_file(self._path)]
        _replace_file(self._path, keys)
        return Keyring(keys, path=self._path)

    def seal(self, secret_id: str, workspace_id: str, value: str) -> bytes:
        """Encrypt a value for one row."""
        return self._fernet.encrypt(orjson.dumps([workspace_id, secret_id, value]))

    def unseal(self, secret_id: str, workspace_id: str, sealed: bytes) -> str:
        """Decrypt the value of one row.

        Raises:
            Unavailable: no key opens it, or it was sealed for another row.
        """
        try:
            opened = self._decrypt(sealed)
        except InvalidToken:
            raise Unavailable("A secret cannot be opened with the present keys") from None
        owner_id, sealed_id, value = orjson.loads(opened)
        if (owner_id, sealed_id) != (workspace_id, secret_id):
            raise Unavailable("A secret cannot be opened: it was sealed for another one")
        return str(value)

    def _decrypt(self, sealed: bytes) -> bytes:
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            if self._path is None or (keys := _read_key_file(self._path)) == self._keys:
                raise
            self._fernet, self._keys = _make_fernet(keys), keys
            return self._fernet.decrypt(sealed)

    @override
    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)} keys>"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError("A keyring never leaves its process")


def normalize_name(name: str) -> str:
    """Return the form under which a name is kept.

    Raises:
        InvalidValue: it has another form than 1 to 128 letters, digits, ``_`` and ``-``.

    >>> normalize_name("API_Key-1")
    'api_key-1'
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidValue(
            f"Invalid secret name '{name[:128]}': must be 1-128 characters, alphanumeric with"
            " _ and - only"
        )
    return name.lower()


def create_secret(
    conn: Connection, keyring: Keyring, workspace_id: str, name: str, value: str
) -> Secret:
    """Keep a new secret; the name is normalised.

    Raises:
        Conflict: the name is taken.
        InvalidValue: the name is malformed.
    """
    now = utc_now()
    secret = Secret(new_id(IdKind.SECRET), workspace_id, normalize_name(name), now, now)
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    values = {column.name: getattr(secret, column.name) for column in _COLUMNS}
    inserted = conn.execute(
        insert(secrets)
        .values(values | {"sealed": keyring.seal(secret.id, workspace_id, value)})
        .on_conflict_do_nothing(index_elements=["workspace_id", "name"])
        .returning(secrets.c.id)
    )
    if inserted.first() is None:
        raise Conflict(f"Secret '{secret.name}' already exists")
    return secret


def get_secret(conn: Connection, workspace_id: str, name: str) -> Secret:
    """Return name and times of a secret.

    Raises:
        NotFound: the workspace has no secret of this name.
        InvalidValue: the name is malformed.
    """
    query = select(*_COLUMNS).where(
        secrets.c.workspace_id == workspace_id, secrets.c.name == normalize_name(name)
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Secret", name)
    return Secret(**row)


def list_secrets(conn: Connection, workspace_id: str) -> tuple[Secret, ...]:
    """Return names and times of all secrets, by name."""
    query = select(*_COLUMNS).where(secrets.c.workspace_id == workspace_id).order_by(secrets.c.name)
    return tuple(Secret(**row) for row in conn.execute(query).mappings())


def update_secret(
    conn: Connection, keyring: Keyring, workspace_id: str, name: str, value: str
) -> Secret:
    """Replace the value; the id stays, so whoever refers to it gets the new value.

    Raises:
        NotFound: the workspace has no secret of this name.
        InvalidValue: the name is malformed.
    """
    secret = get_secret(conn, workspace_id, name)
    replace_value(conn, keyring, workspace_id, secret.id, value)
    return get_secret(conn, workspace_id, name)


def replace_value(
    conn: Connection, keyring: Keyring, workspace_id: str, secret_id: str, value: str
) -> bool:
    """Replace the value of a secret that is known by its id; False when it is gone."""
    changed = conn.execute(
        update(secrets)
        .where(secrets.c.id == secret_id, secrets.c.workspace_id == workspace_id)
        .values(sealed=keyring.seal(secret_id, workspace_id, value), updated_at=utc_now())
    )
    return changed.rowcount == 1


def delete_secret(conn: Connection, workspace_id: str, name: str) -> None:
    """Delete a secret; a new one of the same name gets a new id.

    Raises:
        NotFound: the workspace has no secret of this name.
        InvalidValue: the name is malformed.
    """
    secret = get_secret(conn, workspace_id, name)
    conn.execute(delete(secrets).where(secrets.c.id == secret.id))


def read_value(conn: Connection, keyring: Keyring, workspace_id: str, name_or_id: str) -> str:
    """Return the value, for the one use that needs it.

    Raises:
        NotFound: the workspace has no such secret.
        Unavailable: the present keys do not open it.
    """
    row = _find_sealed(conn, workspace_id, name_or_id)
    return keyring.unseal(row.id, workspace_id, row.sealed)


def find_id(conn: Connection, workspace_id: str, name_or_id: str) -> str:
    """Return the id of a secret that is named by either.

    Raises:
        NotFound: the workspace has no such secret.
    """
    return str(_find_sealed(conn, workspace_id, name_or_id).id)


def _find_sealed(conn: Connection, workspace_id: str, name_or_id: str) -> Row[Any, Any]:
    # An id has 30 characters of the alphabet of names: a secret called like one is found as well.
    query = (
        select(secrets.c.id, secrets.c.sealed)
        .where(
            secrets.c.workspace_id == workspace_id,
            or_(secrets.c.id == name_or_id, secrets.c.name == name_or_id.lower()),
        )
        .order_by((secrets.c.id == name_or_id).desc())
    )
    row = conn.execute(query).first()
    if row is None:
        raise NotFound.of("Secret", name_or_id)
    return row


def rotate_all(conn: Connection, keyring: Keyring) -> int:
    """Seal every secret of every workspace again with the newest key; return how many.

    Raises:
        Unavailable: one of them cannot be opened; then none is changed.
    """
    query = select(secrets.c.id, secrets.c.workspace_id, secrets.c.sealed).with_for_update()
    rows = conn.execute(query).all()
    for row in rows:
        value = keyring.unseal(row.id, row.workspace_id, row.sealed)
        sealed = keyring.seal(row.id, row.workspace_id, value)
        conn.execute(update(secrets).where(secrets.c.id == row.id).values(sealed=sealed))
    return len(rows)


def _make_fernet(keys: list[bytes]) -> MultiFernet:
    if not keys:
        raise InvalidValue("There is no secret key")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        # The text of the error may repeat a part of the key.
        raise InvalidValue("A secret key is not 32 bytes in URL-safe base64") from None


def _read_key_file(path: Path) -> list[bytes]:
    if path.stat().st_mode & _OTHERS:
        raise InvalidValue(f"Others may read {KEY_FILE}: run chmod 600 on it")
    return path.read_bytes().split()


def _write_new_file(path: Path, keys: list[bytes]) -> None:
    """Create the file whole, or leave the one another server has just created."""
    temporary = _write_beside(path, keys)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
        sync_file(path.parent)


def _replace_file(path: Path, keys: list[bytes]) -> None:
    _write_beside(path, keys).replace(path)
    sync_file(path.parent)


def _write_beside(path: Path, keys: list[bytes]) -> Path:
    # NamedTemporaryFile gives mode 0600.
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(b"".join(key + b"\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)
