"""A Postgres that holds the same tables as the snapshot."""

from collections.abc import Iterator

import pytest

from tests.pg_catalog.catalogs import Shop, running_shop


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running
