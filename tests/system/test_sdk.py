"""Three generations of the hotdata SDK work against the server, each in its own environment.

The checks are in ``sdk/check_*.py``; one process per version runs all of them on a server of its
own, because the first version cannot say which workspace it means.
"""

import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from tests.server.running import TOKEN
from tests.system.conftest import StartServer

pytestmark = pytest.mark.system

VERSIONS = ("0.0.1", "0.2.0", "0.4.1")
_ROOT = Path(__file__).parents[2]
_SDK = Path(__file__).parent / "sdk"
_RUN_TIMEOUT_S = 120
_INSTALL_TIMEOUT_S = 300

CHECKS = tuple(
    name
    for path in sorted(_SDK.glob("check_*.py"))
    for name in re.findall(r"^def (check_\w+)", path.read_text(), re.MULTILINE)
)


@lru_cache
def sdk_python(version: str) -> Path:
    """The interpreter of an environment with exactly the pinned packages; made when missing."""
    requirements = _SDK / f"requirements-{version}.txt"
    environment = _ROOT / ".venv-sdk" / version
    stamp = environment / "installed.txt"
    python = environment / "bin" / "python"
    wanted = requirements.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(environment)],
            [*uv, "pip", "install", "--python", str(python), "--requirement", str(requirements)],
        ):
            subprocess.run(command, check=True, timeout=_INSTALL_TIMEOUT_S)
        stamp.write_text(wanted)
    return python


@pytest.fixture(scope="module", params=VERSIONS)
def outcomes(request: pytest.FixtureRequest, start_server: StartServer) -> dict[str, str | None]:
    """What came of each check with one version: None, or its traceback."""
    server = start_server()
    python = sdk_python(request.param)
    command = [str(python), "-m", "tests.system.sdk.run_checks", server.url, TOKEN, request.param]
    finished = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=False
    )
    assert finished.returncode == 0, finished.stderr
    lines = map(json.loads, finished.stdout.splitlines())
    return {line["check"]: line["failure"] for line in lines}


@pytest.mark.parametrize("check", CHECKS)
def test_sdk(outcomes: dict[str, str | None], check: str) -> None:
    if failure := outcomes[check]:
        pytest.fail(failure, pytrace=False)
