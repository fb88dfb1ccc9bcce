"""The catalog on both databases: every test that asks for ``db`` runs on SQLite and on Postgres."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from catalog.database import Database
from catalog.model import Workspace
from catalog.store.workspaces import create_workspace, ensure_default


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def db(catalog_url: str) -> AsyncIterator[Database]:
    database = await Database.open(catalog_url)
    yield database
    await database.close()


@pytest.fixture
async def workspace(db: Database) -> Workspace:
    return await db.write(ensure_default)


@pytest.fixture
async def other_workspace(db: Database, workspace: Workspace) -> Workspace:
    return await db.write(create_workspace, workspace.organization_id, name="other")
