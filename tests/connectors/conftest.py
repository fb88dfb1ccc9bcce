"""Fixtures of the connector tests."""

import threading
from collections.abc import Iterator

import pytest

from tests.connectors.http_site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hang.set()
    server.shutdown()
    thread.join()
    server.server_close()
