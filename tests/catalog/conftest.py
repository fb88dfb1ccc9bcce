"""The catalog on both databases: every test that asks for ``db`` runs on SQLite and on Postgres."""

import pytest

from catalog.database import Database
from catalog.model import Workspace
from catalog.store.workspaces import create_workspace


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def other_workspace(db: Database, workspace: Workspace) -> Workspace:
    return await db.write(create_workspace, workspace.organization_id, name="other")
