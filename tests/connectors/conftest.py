"""Fixtures of the connector tests."""

from collections.abc import Iterator

import pytest

from tests.connectors.http_site import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as server:
        yield server
        server.hang.set()
