"""Credentials that something uses: a secret that a client names, or one made here for one thing."""

import re

from sqlalchemy import Connection

from catalog import secret_store
from catalog.errors import Conflict as CatalogConflict
from catalog.errors import NotFound as CatalogNotFound
from engine import errors
from engine.service.context import Engine

_NAME_CHARS_MAX = 128
_NAMES_MAX = 1000


async def named_secret(engine: Engine, workspace_id: str, name: str) -> tuple[str, str]:
    """Return the id and the value of the secret a client names, by name or id.

    Raises:
        InvalidRequest: there is none.
    """

    def read(conn: Connection) -> tuple[str, str]:
        value = secret_store.read_value(conn, engine.keyring, workspace_id, name)
        return secret_store.find_id(conn, workspace_id, name), value

    try:
        return await engine.db.read(read)
    except CatalogNotFound as error:
        # The body names it; it is not what the address asked for.
        raise errors.InvalidRequest(error.message) from error


def keep_own(
    conn: Connection, engine: Engine, workspace_id: str, words: tuple[str, str, str], value: str
) -> str:
    """Make a secret for one thing and return its id.

    Args:
        conn: the transaction that stores the thing.
        engine: open for serving.
        workspace_id: whose.
        words: the secret is named after them: kind of the thing, its name, what the value is.
        value: the credential.

    Raises:
        CatalogConflict: there are a thousand secrets of such names.
    """
    stem = _stem(words)
    taken = {secret.name for secret in secret_store.list_secrets(conn, workspace_id)}
    candidates = (stem, *(f"{stem}-{number}" for number in range(1, _NAMES_MAX)))
    free = next((candidate for candidate in candidates if candidate not in taken), None)
    if free is None:
        raise CatalogConflict(f"Every name for the secret of '{words[1]}' is taken")
    return secret_store.create_secret(conn, engine.keyring, workspace_id, free, value).id


def _stem(words: tuple[str, str, str]) -> str:
    """Name a secret, with room for a number.

    >>> _stem(("conn", "My DB!", "password"))
    'conn-my-db_-password'
    """
    kind, name, what = words
    dashed = re.sub(r"\s", "-", name.lower())
    plain = re.sub(r"[^a-z0-9_-]", "_", dashed)
    room = _NAME_CHARS_MAX - len(f"{kind}--{what}-{_NAMES_MAX - 1}")
    return f"{kind}-{plain[:room]}-{what}"
