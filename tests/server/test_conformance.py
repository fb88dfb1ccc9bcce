"""A fuzzer reads the API document and looks for answers it does not promise."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import TOKEN, RunningServer

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "use_after_free",
    "ignored_auth",
)
_TIMEOUT_S = 600


@pytest.mark.system
def test_no_answer_is_undocumented(server: RunningServer, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{server.url}/openapi.json",
        f"--header=Authorization: Bearer {TOKEN}",
        f"--checks={','.join(CHECKS)}",
        "--max-examples=15",
        # Workspaces made by the fuzzer would take the one-workspace default from the other tests.
        "--exclude-path-regex=^/v1/workspaces",
        "--no-color",
    ]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    assert found.returncode == 0, found.stdout[-20_000:]
