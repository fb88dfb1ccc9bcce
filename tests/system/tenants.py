"""Two workspaces on one server, and something of every kind in each."""

import asyncio
import atexit
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from catalog.settings import Settings
from engine.service import identity
from engine.service.context import Engine
from tests.patience import PATIENCE_S
from tests.server.running import RunningServer, serving

_LISTINGS = (
    "/v1/files",
    "/v1/datasets?limit=1000",
    "/v1/queries?limit=1000",
    "/v1/secrets",
    "/v1/results?limit=1000",
    "/v1/jobs?limit=1000",
    "/v1/connections",
    "/v1/embedding-providers",
    "/v1/indexes?limit=1000",
    "/v1/information_schema?limit=1000",
)
_fresh = count(1)

CSV = "n,note\n1,one\n2,two\n"


def fresh_name(prefix: str = "t") -> str:
    """A name nothing else in this process has; always of the same length."""
    return f"{prefix}_{next(_fresh):08d}"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One workspace and a client that works in it."""

    workspace_id: str
    client: httpx.Client

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed; returns the body."""
        response = self.client.request(method, path, **options)
        assert response.is_success, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def make(self, kind: str) -> str:
        """Make a new thing of this kind and return what a path calls it by."""
        return MAKERS[kind](self)

    def delete(self, kind: str, some_id: str) -> None:
        """Delete one's own thing of this kind."""
        place = place_of(self, OWNERS[kind]) if kind in OWNERS else None
        self.call("DELETE", DELETES[kind].format(some_id, place=place))

    def listings(self) -> dict[str, Any]:
        """Every listing but that of runs, whose texts may name anything."""
        return {path: self.call("GET", path) for path in _LISTINGS}

    def everything(self) -> dict[str, Any]:
        """All that can be seen of this workspace, as a value to compare."""
        listings = self.listings()
        listings["runs"] = self.call("GET", "/v1/query-runs?limit=1000")
        for kind in ("datasets", "queries"):
            for item in listings[f"/v1/{kind}?limit=1000"][kind]:
                for path in (f"/v1/{kind}/{item['id']}", f"/v1/{kind}/{item['id']}/versions"):
                    listings[path] = self.call("GET", path)
        return listings


def make_upload(tenant: Tenant) -> str:
    headers = {"Content-Type": "text/csv"}
    return str(tenant.call("POST", "/v1/files", content=CSV, headers=headers)["id"])


def make_dataset(tenant: Tenant) -> str:
    """Made from a saved query, so that it can be refreshed."""
    name = fresh_name()
    source = {"saved_query_id": make_saved_query(tenant)}
    body = {"label": name, "table_name": name, "source": source}
    return str(tenant.call("POST", "/v1/datasets", json=body)["id"])


def make_table(tenant: Tenant, name: str, content: str = CSV) -> str:
    source = {"inline": {"format": "csv", "content": content}}
    body = {"label": name, "table_name": name, "source": source}
    return str(tenant.call("POST", "/v1/datasets", json=body)["id"])


def make_saved_query(tenant: Tenant) -> str:
    body = {"name": fresh_name("q"), "sql": f"SELECT '{fresh_name()}' AS note"}
    return str(tenant.call("POST", "/v1/queries", json=body)["id"])


def make_secret(tenant: Tenant) -> str:
    body = {"name": fresh_name("s"), "value": "of nobody's business"}
    return str(tenant.call("POST", "/v1/secrets", json=body)["name"])


def make_result(tenant: Tenant) -> str:
    return str(_ask(tenant)["result_id"])


def make_run(tenant: Tenant) -> str:
    return str(_ask(tenant)["query_run_id"])


def _ask(tenant: Tenant) -> Any:
    return tenant.call("POST", "/v1/query", json={"sql": f"SELECT '{fresh_name()}' AS note"})


def make_job(tenant: Tenant) -> str:
    name = fresh_name()
    body = {"label": name, "table_name": name, "source": {"sql": "SELECT 1 AS n"}, "async": True}
    job_id = str(tenant.call("POST", "/v1/datasets", json=body)["id"])
    until = time.monotonic() + PATIENCE_S
    while tenant.call("GET", f"/v1/jobs/{job_id}")["status"] != "succeeded":
        assert time.monotonic() < until
        time.sleep(0.02)
    return job_id


@cache
def _files_folder() -> Path:
    """A folder of this process with one table in it; servers may read what is temporary."""
    folder = Path(tempfile.mkdtemp(prefix="tenant-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "items.csv").write_text(CSV)
    return folder


def make_connection(tenant: Tenant) -> str:
    """With one table, ``main.items``, that is synced."""
    config = {"url": str(_files_folder())}
    body = {"name": fresh_name("c"), "source_type": "files", "config": config}
    made = tenant.call("POST", "/v1/connections", json=body)
    assert made["tables_discovered"] == 1, made
    refresh = {"connection_id": made["id"], "data": True, "include_uncached": True}
    assert tenant.call("POST", "/v1/refresh", json=refresh)["tables_refreshed"] == 1
    return str(made["id"])


def make_embedding_provider(tenant: Tenant) -> str:
    config = {"base_url": "https://api.example.com/v1", "model": "m"}
    body = {"name": fresh_name("e"), "provider_type": "service", "config": config}
    return str(tenant.call("POST", "/v1/embedding-providers", json=body)["id"])


def make_table_index(tenant: Tenant) -> str:
    return make_index(tenant, index_path("/v1/connections", place_of(tenant, "connection")))


def make_dataset_index(tenant: Tenant) -> str:
    return make_index(tenant, index_path("/v1/datasets", place_of(tenant, "dataset")))


def make_index(tenant: Tenant, path: str, name: str | None = None) -> str:
    """Make a sorted index on the column that every table here has."""
    body = {"index_name": name or fresh_name("i"), "columns": ["note"]}
    return str(tenant.call("POST", path, json=body)["index_name"])


def index_path(resource: str, owner_id: str) -> str:
    """The indexes of a dataset, or of the table of a connection."""
    inner = "tables/main/items/" if resource == "/v1/connections" else ""
    return f"{resource}/{owner_id}/{inner}indexes"


@cache
def place_of(tenant: Tenant, kind: str) -> str:
    """The connection or dataset whose indexes are made by themselves."""
    return tenant.make(kind)


MAKERS: dict[str, Callable[[Tenant], str]] = {
    "upload": make_upload,
    "dataset": make_dataset,
    "saved_query": make_saved_query,
    "secret": make_secret,
    "result": make_result,
    "query_run": make_run,
    "job": make_job,
    "connection": make_connection,
    "embedding_provider": make_embedding_provider,
    "table_index": make_table_index,
    "dataset_index": make_dataset_index,
}

# What is asked for to delete a thing; the other kinds are never deleted by a request.
DELETES = {
    "dataset": "/v1/datasets/{}",
    "saved_query": "/v1/queries/{}",
    "secret": "/v1/secrets/{}",
    "connection": "/v1/connections/{}",
    "embedding_provider": "/v1/embedding-providers/{}",
    "table_index": "/v1/connections/{place}/tables/main/items/indexes/{}",
    "dataset_index": "/v1/datasets/{place}/indexes/{}",
}
# What an index belongs to.
OWNERS = {"table_index": "connection", "dataset_index": "dataset"}

# Well formed, never issued.
UNKNOWN = {
    "upload": "upld00000000000000000000000000",
    "dataset": "data00000000000000000000000000",
    "saved_query": "svqr00000000000000000000000000",
    "secret": "s_00000000",
    "result": "rslt00000000000000000000000000",
    "query_run": "qrun00000000000000000000000000",
    "job": "jobx00000000000000000000000000",
    "connection": "conn00000000000000000000000000",
    "connection_type": "unknown",
    "embedding_provider": "embp00000000000000000000000000",
    "table_index": "i_00000000",
    "dataset_index": "i_00000000",
    "organization": "org_00000000000000000000000000",
    "workspace": "ws_00000000000000000000000000",
}


@dataclass(frozen=True, slots=True)
class World:
    """``own`` calls; ``foreign`` must not notice. ``bound_token`` sees ``own`` only."""

    server: RunningServer
    own: Tenant
    foreign: Tenant
    bound_token: str
    revoked_token: str
    foreign_ids: dict[str, str]


@contextmanager
def two_workspaces(data_dir: Path, *, is_bound: bool) -> Iterator[World]:
    """Run a server with two workspaces; ``is_bound``: own calls by the token that sees no other."""
    settings = {"local_files": tempfile.gettempdir()}
    with serving(data_dir, **settings) as server, server.client() as admin:
        made = [
            admin.post("/v1/workspaces", json={"name": name}).json()["workspace"]["public_id"]
            for name in ("own", "foreign")
        ]
        bound, revoked = asyncio.run(_make_tokens(data_dir, made[0]))
        headers = {"Authorization": f"Bearer {bound}"} if is_bound else {"X-Workspace-Id": made[0]}
        with server.client(**headers) as own, server.client(**{"X-Workspace-Id": made[1]}) as other:
            foreign = Tenant(made[1], other)
            foreign_ids = {kind: foreign.make(kind) for kind in MAKERS}
            yield World(server, Tenant(made[0], own), foreign, bound, revoked, foreign_ids)


async def _make_tokens(data_dir: Path, workspace_id: str) -> tuple[str, str]:
    """A token of one workspace, and one that has been revoked, made as the command line does."""
    engine = await Engine.open(Settings(data_dir=data_dir), serve=False)
    try:
        _, bound = await identity.create_token(engine, name="bound", workspace_id=workspace_id)
        token, revoked = await identity.create_token(engine, name="gone", workspace_id=None)
        await identity.revoke_token(engine, token.id)
    finally:
        await engine.close()
    return bound, revoked
