"""A fuzzer reads the API document and looks for answers it does not promise."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.server.running import TOKEN
from tests.system.api_document import OPERATIONS
from tests.system.conftest import StartServer

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)
EXAMPLES_MAX = 20
# It succeeds only while the query runs: tests/system/test_limits.py.
CANCEL = ("POST", "/v1/query-runs/{id}/cancel")
_TIMEOUT_S = 400
_COUNTED = re.compile(
    r'tidemill_http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"'
)


def test_no_answer_is_undocumented(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(query_timeout_s=5, local_files=tempfile.gettempdir())
    with server.client() as client:
        workspace_id = client.get("/v1/workspaces").json()["workspaces"][0]["public_id"]
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        f"--header=Authorization: Bearer {TOKEN}",
        f"--header=X-Workspace-Id: {workspace_id}",
        f"--checks={','.join(CHECKS)}",
        f"--max-examples={EXAMPLES_MAX}",
        "--seed=1",
        "--no-shrink",
        "--continue-on-failure",
        "--no-color",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.system.openapi_hooks",
        "FUZZED_URL": server.url,
        "FUZZED_TOKEN": TOKEN,
        "FUZZED_WORKSPACE": workspace_id,
    }
    found = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
    with server.client() as client:
        counted = _COUNTED.findall(client.get("/metrics").text)
    succeeded = {(method, route) for method, route, status in counted if status.startswith("2")}
    expected = {(op.method, op.path) for op in OPERATIONS} - {CANCEL}
    assert expected <= succeeded, f"never reached with success: {expected - succeeded}"
