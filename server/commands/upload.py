"""``tidemill upload``: a file becomes a table, with a progress bar for each half of the way."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from server.client import Client


def upload_file(client: Client, path: Path, *, table: str | None, format: str | None) -> None:  # noqa: A002 - the name of the option
    """Send a file, make it a dataset, and print the name it has in SQL.

    Args:
        client: of the server.
        path: CSV, JSON or Parquet; text may be compressed with gzip or zstd.
        table: name in SQL; None = made from the file's name.
        format: ``csv``, ``json`` or ``parquet``; None = the server decides.
    """
    made = load_file(client, path, table=table, format=format, console=Console(stderr=True))
    print(f"datasets.{made['schema_name']}.{sql_name(made['table_name'])}")  # noqa: T201 - the answer


def sql_name(name: str) -> str:
    """Quote the name of a table where SQL would change its case.

    >>> sql_name("cars_2024"), sql_name("Cars")
    ('cars_2024', '"Cars"')
    """
    return name if name == name.lower() else f'"{name}"'


def load_file(  # the demo shows the same bars
    client: Client,
    path: Path,
    *,
    table: str | None,
    format: str | None = None,  # noqa: A002 - the name of the option
    console: Console,
) -> dict[str, Any]:
    """Send a file and make it a dataset; bars go to the console."""
    label = path.name.partition(".")[0] or path.name
    with _bars(console) as progress:
        sending = progress.add_task("Sending", total=path.stat().st_size)
        upload = client.upload(
            path, lambda sent, total: progress.update(sending, completed=sent, total=total)
        )
        loading = progress.add_task("Loading", total=None)
        made = client.create_dataset(
            label=label,
            table_name=table,
            source={"type": "upload", "upload_id": upload["id"], "format": format},
            on_progress=lambda done, total: progress.update(loading, completed=done, total=total),
        )
        size_bytes = upload["size_bytes"]
        progress.update(loading, completed=size_bytes, total=size_bytes)
    return made


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
