"""Fixtures of the HTTP suite: one server for all tests that do not stop it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.server.running import RunningServer, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("http") / "data") as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """The token's only workspace at first; do not make others in it."""
    with server.client() as client:
        yield client
