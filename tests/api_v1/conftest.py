"""Fixtures of the Data API's suite: a server with default settings, and one with narrow limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_v1.library import Library
from tests.server.running import RunningServer, serving

FILE_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 32 * 1024
CONTENT_BYTES_MAX = 64 * 1024


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Tests on it neither stop it nor make workspaces."""
    with serving(tmp_path_factory.mktemp("documents") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def library(server: RunningServer) -> Iterator[Library]:
    """The token's organisation, called directly."""
    with server.client(**{"x-organization-id": "1"}) as client:
        yield Library(client)


@pytest.fixture(scope="session")
def narrow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server with narrow limits has its data."""
    return tmp_path_factory.mktemp("narrow") / "data"


@pytest.fixture(scope="session")
def narrow_server(narrow_folder: Path) -> Iterator[RunningServer]:
    """Little of everything, garbage that goes soon, and the other word for a failed entry."""
    with serving(
        narrow_folder,
        document_size_max_bytes=FILE_BYTES_MAX,
        document_body_max_bytes=BODY_BYTES_MAX,
        document_content_max_bytes=CONTENT_BYTES_MAX,
        document_failed_status="error",
        blob_grace_s=4,
        blob_gc_interval_s=1,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def narrow(narrow_server: RunningServer) -> Iterator[Library]:
    """The organisation of the server with narrow limits."""
    with narrow_server.client(**{"x-organization-id": "1"}) as client:
        yield Library(client)
