"""The options that subcommands share, and the settings that come of them."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.settings import Settings
    from server.client import Client

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data folder of the server. [default: $TIDEMILL_DATA_DIR or ./tidemill-data]"
    ),
]
Url = Annotated[
    str | None,
    typer.Option(help="The server. [default: $TIDEMILL_URL or http://127.0.0.1:8000]"),
]
WorkspaceId = Annotated[
    str | None,
    typer.Option(help="Id of the workspace. [default: $TIDEMILL_WORKSPACE or the token's only]"),
]


def settings_of(
    data_dir: Path | None = None,
    url: str | None = None,
    workspace: str | None = None,
    *,
    pg_port: int | None = None,
    flight_port: int | None = None,
) -> "Settings":
    """Read the settings; an option that was given comes before the environment."""
    from catalog.settings import Settings  # noqa: PLC0415 - help shall be quick

    chosen: dict[str, Any] = {
        "data_dir": data_dir,
        "url": url,
        "workspace": workspace,
        "pg_port": pg_port,
        "flight_port": flight_port,
    }
    return Settings(**{name: value for name, value in chosen.items() if value is not None})


@contextmanager
def client_of(
    data_dir: Path | None = None, url: str | None = None, workspace: str | None = None
) -> "Iterator[Client]":
    """Open a client of the server that the options mean."""
    from server.client import open_client  # noqa: PLC0415 - help shall be quick

    with open_client(settings_of(data_dir, url, workspace)) as client:
        yield client
