"""The arguments of ``tidemill documents``.

What a command does is imported when it runs, so that help is quick.
"""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.options import DataDir, Url, WorkspaceId, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.commands.documents_api import Documents

documents_app = typer.Typer(
    help="Upload documents, watch them being processed, search them.", no_args_is_help=True
)


class DocumentSearchMode(StrEnum):
    """How ``tidemill documents search`` finds entries."""

    KEYWORD = "keyword"
    HYBRID = "hybrid"


@documents_app.command("upload")
def upload_documents(  # noqa: PLR0913, PLR0917 - one argument per option
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="All its files, and those below.", exists=True, file_okay=False
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Slug of the dataset.")],
    preset: Annotated[
        str | None,
        typer.Option(help="Pipeline the dataset gets. [default of a new one: general_purpose]"),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the dataset if there is none.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option(help="Files that are sent at once.", min=1, max=64)
    ] = 4,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until all is processed, or only sent.")
    ] = True,
    pattern: Annotated[str, typer.Option(help="Only files like this: *.pdf, or 2026/*.pdf.")] = "*",
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Make the files of a folder entries of a dataset, and show their way through its pipeline."""
    from server.commands import documents_upload  # noqa: PLC0415 - lazy, as the module says

    with _documents_of(data_dir, url, workspace) as documents:
        documents_upload.upload_documents(
            documents,
            folder,
            dataset,
            preset=preset,
            create=create,
            concurrency=concurrency,
            waits=wait,
            pattern=pattern,
        )


@documents_app.command("datasets")
def list_datasets(workspace: WorkspaceId = None, url: Url = None, data_dir: DataDir = None) -> None:
    """List the document datasets, how much is in them, and their pipelines."""
    from server.commands import documents  # noqa: PLC0415 - lazy, as the module says

    with _documents_of(data_dir, url, workspace) as known:
        documents.list_datasets(known)


@documents_app.command("search")
def search_documents(  # noqa: PLR0913, PLR0917 - one argument per option
    text: Annotated[str, typer.Argument(help="Words; typing errors are forgiven.")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Slug; may be given again. [default: all]")
    ] = None,
    mode: Annotated[
        DocumentSearchMode, typer.Option(help="By words, or by words and meaning.")
    ] = DocumentSearchMode.KEYWORD,
    limit: Annotated[int, typer.Option(help="Entries at most.", min=1, max=100)] = 10,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Find entries by what they say."""
    from server.commands import documents  # noqa: PLC0415 - lazy, as the module says

    with _documents_of(data_dir, url, workspace) as known:
        documents.search_documents(known, text, slugs=dataset or [], mode=mode.value, limit=limit)


@contextmanager
def _documents_of(
    data_dir: Path | None, url: str | None, workspace: str | None
) -> "Iterator[Documents]":
    """Open the Data API of the cluster that the options mean."""
    from server.client import open_client  # noqa: PLC0415 - lazy, as the module says
    from server.commands.documents_api import open_documents  # noqa: PLC0415 - the same

    settings = settings_of(data_dir, url, workspace)
    with open_client(settings) as client:
        yield open_documents(client, settings.workspace)
