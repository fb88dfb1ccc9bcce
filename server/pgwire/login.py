"""Who logs in, and where to: a token by its name, and the catalog a database name means."""

from dataclasses import dataclass

from catalog.scram import ScramVerifier
from engine.errors import InvalidRequest, NotFound
from engine.query.resolve import DATASETS, MAIN
from engine.service import connections, identity
from engine.service.context import Caller, Engine
from engine.service.documents.tables import DOCUMENTS
from engine.service.identity import Credential
from server.pgwire.errors import FatalPgError


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who says to have a token; ``verifier`` proves it."""

    credential: Credential
    verifier: ScramVerifier


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace, and the catalog and schema in which bare names are looked for."""

    caller: Caller
    catalog: str
    schema: str


async def find_login(engine: Engine, user: str) -> Login | None:
    """Find the token of a name; None when there is none, or it cannot be proved yet."""
    found = await identity.find_verifier(engine, user)
    return None if found is None else Login(*found)


async def open_workspace(engine: Engine, login: Login, database: str, user: str) -> Place:
    """Say where a session begins.

    Args:
        engine: open for serving.
        login: who.
        database: a catalog, a workspace's id, or both with a slash between.
        user: its name; a client that names no database names this one.

    Raises:
        FatalPgError: there is no such workspace or catalog, or the workspace must be named.
    """
    first, slash, rest = database.partition("/")
    for workspace_id, catalog in (
        [(first, rest or DATASETS)] if slash else [(None, database), (database, DATASETS)]
    ):
        try:
            caller = await identity.choose_workspace(engine, login.credential, workspace_id)
        except (NotFound, InvalidRequest):
            continue
        schema = await _schema_of(engine, caller, catalog)
        if schema is not None:
            return Place(caller, catalog, schema)
        if database == user:
            return Place(caller, DATASETS, MAIN)
    raise FatalPgError(f'database "{database[:64]}" does not exist', "3D000")


async def _schema_of(engine: Engine, caller: Caller, catalog: str) -> str | None:
    """Return the schema that ``public`` means in a catalog; None when there is no such catalog."""
    if catalog in (DATASETS, DOCUMENTS):
        return MAIN
    schemas = await connections.schemas_of(engine, caller, catalog)
    if schemas is None:
        return None
    return next((name for name in ("public", MAIN) if name in schemas), min(schemas, default=MAIN))
