"""A fuzzer reads the API document and looks for answers it does not promise."""

import tempfile
from pathlib import Path

import pytest

from tests.server.fuzzing import FuzzedApi, fuzz
from tests.system.api_document import OPERATIONS
from tests.system.conftest import StartServer

pytestmark = pytest.mark.system

# It succeeds only while the query runs: tests/system/test_limits.py.
CANCEL = ("POST", "/v1/query-runs/{id}/cancel")


def test_no_answer_is_undocumented(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(query_timeout_s=5, local_files=tempfile.gettempdir())
    with server.client() as client:
        workspace_id = client.get("/v1/workspaces").json()["workspaces"][0]["public_id"]
    api = FuzzedApi(
        base="",
        hooks="tests.system.openapi_hooks",
        headers={"X-Workspace-Id": workspace_id},
        environment={"FUZZED_WORKSPACE": workspace_id},
    )
    succeeded = fuzz(server, tmp_path, api, examples_max=20)
    expected = {(op.method, op.path) for op in OPERATIONS} - {CANCEL}
    assert expected <= succeeded, f"never reached with success: {expected - succeeded}"
