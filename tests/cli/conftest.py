"""Fixtures of the command line's suite: one server, and the command as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.server.running import TOKEN, RunningServer, serving

ROOT = Path(__file__).parents[2]

Finished = subprocess.CompletedProcess[bytes]
Run = Callable[..., Finished]


@pytest.fixture(scope="session")
def cli_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "data"


@pytest.fixture(scope="session")
def cli_server(cli_folder: Path) -> Iterator[RunningServer]:
    with serving(cli_folder) as running:
        yield running


@pytest.fixture
def tidemill() -> Run:
    """Runs the command; keywords are settings. The caller's own settings do not reach it."""

    def run(*arguments: object, stdin: bytes = b"", **settings: object) -> Finished:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TIDEMILL_")}
        plain |= {"TIDEMILL_PG_PORT": "0", "TIDEMILL_FLIGHT_PORT": "0"}  # others may have them
        chosen = {f"TIDEMILL_{name.upper()}": str(value) for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "server.cli", *map(str, arguments)],
            cwd=ROOT,
            env={**plain, **chosen},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture
def online(tidemill: Run, cli_server: RunningServer) -> Run:
    """Runs the command against the suite's server."""

    def run(*arguments: object, **more: object) -> Finished:
        return tidemill(*arguments, **{"url": cli_server.url, "api_key": TOKEN, **more})

    return run
