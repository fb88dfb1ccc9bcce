"""Both engines with the tables of the golden corpus, for the tests of our functions."""

from collections.abc import Iterator

import pytest

from tests.golden.engines import Engines, open_engines


@pytest.fixture(scope="session")
def engines(postgres_url: str) -> Iterator[Engines]:
    with open_engines(postgres_url) as both:
        yield both
