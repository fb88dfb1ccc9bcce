"""A fuzzer reads an API document of a server and looks for answers it does not promise."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.server.running import TOKEN, RunningServer

_ROOT = Path(__file__).parents[2]
_CHECKS = (
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
# It runs for one minute; this ends one that hangs.
_TIMEOUT_S = 900
_COUNTED = re.compile(
    r'tidemill_http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"'
)


@dataclass(frozen=True, slots=True)
class FuzzedApi:
    """What is asked for.

    ``base`` is the path that those of its document are below, ``hooks`` the module that tells the fuzzer
    which ids there are, ``environment`` is for the hooks; ``headers`` go beside the token.
    """

    base: str
    hooks: str
    headers: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)


def fuzz(
    server: RunningServer, folder: Path, api: FuzzedApi, *, examples_max: int
) -> set[tuple[str, str]]:
    """Ask for what the document of an API has; see that all answers are as it says.

    Args:
        server: whose answers they are; the fuzzer may delete all it has.
        folder: where the fuzzer leaves its files.
        api: of the server.
        examples_max: requests for each operation and kind of data.

    Returns:
        Method and route of what was reached with success.
    """
    sent = {"Authorization": f"Bearer {TOKEN}", **api.headers}
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{server.url}{api.base}/openapi.json",
        f"--url={server.url}{api.base}",
        *(f"--header={name}: {value}" for name, value in sent.items()),
        f"--checks={','.join(_CHECKS)}",
        f"--max-examples={examples_max}",
        "--seed=1",
        "--no-shrink",
        "--continue-on-failure",
        "--no-color",
    ]
    found = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "SCHEMATHESIS_HOOKS": api.hooks,
            "FUZZED_URL": server.url,
            "FUZZED_TOKEN": TOKEN,
            **api.environment,
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
    with server.client() as client:
        counted = _COUNTED.findall(client.get("/metrics").text)
    return {(method, route) for method, route, status in counted if status.startswith("2")}
