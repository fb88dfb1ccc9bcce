"""Fixtures of every system test: a real server process on a free port of 127.0.0.1.

``server`` is shared by the whole session: tests on it must neither stop it nor need an empty
workspace. ``start_server(query_timeout_s=2, ...)`` starts another one with these settings, over a
new data folder or a given one; it ends with the module. Both end by SIGTERM, and the server must
leave with exit code 0.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.server.running import RunningServer, serving

# Scripts for the SDK's own environments; this one cannot import them.
collect_ignore = ["sdk"]

StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with default settings."""
    with _leaving_cleanly(tmp_path_factory.mktemp("system") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers with settings by their names without the prefix ``TIDEMILL_``."""
    with ExitStack() as servers:

        def start(data_dir: Path | None = None, **settings: object) -> RunningServer:
            folder = data_dir or tmp_path_factory.mktemp("system") / "data"
            return servers.enter_context(_leaving_cleanly(folder, **settings))

        yield start


@contextmanager
def _leaving_cleanly(data_dir: Path, **settings: object) -> Iterator[RunningServer]:
    with serving(data_dir, **settings) as running:
        yield running
        running.terminate()
        assert running.wait() == 0, "".join(running.log)
