"""One server with two organisations; the first has two workspaces."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection

from catalog.ids import IdKind, new_id
from catalog.settings import Settings
from catalog.store.rows import utc_now
from catalog.store.tokens import create_token
from catalog.store.workspaces import create_workspace
from catalog.tables import organizations
from engine.service import identity
from engine.service.context import Engine
from tests.api_v1.library import Library
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving

OTHER_NUMBER = 2
REVOKED, OTHER = "tm_revoked_token_of_a_test", "tm_token_of_the_other_organization"
NEIGHBOUR = "tm_token_of_the_neighbour_workspace"
# Above every other number of an answer, so that it can be told apart in a text.
_ID_MIN = 61
WORD = "narwhal"


@dataclass(frozen=True, slots=True)
class World:
    """``owner`` has everything; ``stranger`` is of another organisation, ``neighbour`` a workspace beside."""

    server: RunningServer
    owner: Library
    stranger: Library
    neighbour: Library
    cluster: int
    stranger_cluster: int
    neighbour_cluster: int
    ids: dict[str, Any]

    def bare(self) -> httpx.Client:
        """A client without a token."""
        return httpx.Client(base_url=self.server.url, timeout=PATIENCE_S)


@contextmanager
def two_organizations(data_dir: Path) -> Iterator[World]:
    """Run the server, with a document of the owner's and one of each other's."""
    with serving(data_dir) as server, server.client() as admin:
        made = admin.post("/v1/workspaces", json={"name": "beside"}).json()["workspace"]
        beside, other = asyncio.run(_furnish(data_dir, made["public_id"]))
        clients = (
            server.client(**{"x-organization-id": "1", "x-cluster-id": "1", **_workspace(admin)}),
            server.client(Authorization=f"Bearer {OTHER}", **{"x-organization-id": "2"}),
            server.client(Authorization=f"Bearer {NEIGHBOUR}", **{"x-organization-id": "1"}),
        )
        with clients[0], clients[1], clients[2]:
            owner, stranger, neighbour = (Library(client) for client in clients)
            for library, word in ((stranger, "ocelot"), (neighbour, "tapir")):
                _document(library, f"{word}_papers", word)
            ids = _owned(owner)
            yield World(server, owner, stranger, neighbour, 1, other, beside, ids)


def _workspace(admin: httpx.Client) -> dict[str, str]:
    first = admin.get("/v1/workspaces").json()["workspaces"][0]
    return {"X-Workspace-Id": first["public_id"]}


def _owned(owner: Library) -> dict[str, Any]:
    dataset_id = 0
    while dataset_id < _ID_MIN:
        dataset_id = owner.dataset()["id"]
        entry_id = 0
    while entry_id < _ID_MIN + 1:
        entry_id = owner.entry(dataset_id)["id"]
    return _document(owner, f"{WORD}_papers", WORD)


def _document(library: Library, slug: str, word: str) -> dict[str, Any]:
    dataset = library.dataset(preset="general_purpose", slug=slug)
    text = f"The {word} swims under the ice.".encode()
    entry = library.document(dataset["id"], f"{word}.txt", text, name=f"About the {word}")
    return {"dataset_id": dataset["id"], "entry_id": entry["id"], "slug": slug}


async def _furnish(data_dir: Path, beside: str) -> tuple[int, int]:
    """Make the other organisation and tokens; returns the numbers of the two new workspaces."""
    engine = await Engine.open(Settings(data_dir=data_dir), serve=False)
    try:
        own = (await engine.db.write(_beside, beside)), await engine.db.write(_other)
        await identity.revoke_token(engine, "revoked")
        return own
    finally:
        await engine.close()


def _beside(conn: Connection, workspace_id: str) -> int:
    from catalog.store.workspaces import get_workspace

    workspace = get_workspace(conn, workspace_id)
    organization_id = workspace.organization_id
    create_token(conn, organization_id, name="n", workspace_id=workspace_id, secret=NEIGHBOUR)
    create_token(conn, organization_id, name="revoked", workspace_id=None, secret=REVOKED)
    return workspace.number


def _other(conn: Connection) -> int:
    organization_id = new_id(IdKind.ORGANIZATION)
    values = {"id": organization_id, "number": OTHER_NUMBER, "name": "other"}
    conn.execute(organizations.insert().values(**values, created_at=utc_now()))
    workspace = create_workspace(conn, organization_id, name="theirs")
    create_token(conn, organization_id, name="other", workspace_id=None, secret=OTHER)
    return workspace.number
