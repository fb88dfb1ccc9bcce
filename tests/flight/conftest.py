"""Fixtures of the Flight suite: one server for all tests that do not stop it."""

from collections.abc import Iterator

import pytest
from adbc_driver_flightsql import dbapi

from engine.service.context import Caller
from tests.flight.running import Running, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("flight") / "data") as started:
        yield started


@pytest.fixture
def caller(server: Running) -> Caller:
    """A caller in a workspace that is this test's own."""
    return server.caller()


@pytest.fixture
def connection(server: Running, caller: Caller) -> Iterator[dbapi.Connection]:
    with server.connect(caller.workspace_id) as opened:
        yield opened
