"""Fixtures of every system test: a real server process on a free port of 127.0.0.1.

``server`` is shared by the whole session: tests on it must neither stop it nor need an empty
workspace. ``start_server(query_timeout_s=2, ...)`` starts another one with these settings for one
module; it ends with the module. Both end by SIGTERM, and the server must leave with exit code 0.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.server.running import RunningServer, serving

# Scripts for the SDK's own environments; this one cannot import them.
collect_ignore = ["sdk"]

StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with default settings."""
    with _leaving_cleanly(tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers with settings by their names without the prefix ``TIDEMILL_``."""
    with ExitStack() as servers:
        yield lambda **settings: servers.enter_context(
            _leaving_cleanly(tmp_path_factory, **settings)
        )


@contextmanager
def _leaving_cleanly(
    tmp_path_factory: pytest.TempPathFactory, **settings: object
) -> Iterator[RunningServer]:
    data_dir = tmp_path_factory.mktemp("system") / "data"
    with serving(data_dir, **settings) as running:
        yield running
        running.terminate()
        assert running.wait() == 0
