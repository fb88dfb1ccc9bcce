"""The arguments of ``tidemill indexes`` and ``tidemill embedding-providers``.

What a command does is imported when it runs, so that help is quick.
"""

from typing import Annotated

import typer

from server.options import DataDir, Url, WorkspaceId, client_of

indexes_app = typer.Typer(
    help="Index tables: to find words, meaning, ranges.", no_args_is_help=True
)
providers_app = typer.Typer(help="Name models that turn texts into vectors.", no_args_is_help=True)

TableArgument = Annotated[
    str, typer.Argument(help="As SQL names it: cars, or shop.public.orders.", metavar="TABLE")
]


@indexes_app.command("create")
def create_index(  # noqa: PLR0913, PLR0917 - one argument per option
    table: TableArgument,
    name: Annotated[str, typer.Argument(help="What to call the index.")],
    columns: Annotated[list[str], typer.Argument(help="What to index, in order.")],
    type: Annotated[str, typer.Option(help="sorted, bm25 or vector.")] = "sorted",  # noqa: A002 - the option
    metric: Annotated[str | None, typer.Option(help="Of vectors: l2, cosine or dot.")] = None,
    storage: Annotated[str | None, typer.Option(help="Of vectors: i8, f16 or f32.")] = None,
    language: Annotated[str | None, typer.Option(help="Of words; english unless told.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Name or id of what embeds texts; local unless told.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Of the vectors it makes.")] = None,
    output_column: Annotated[
        str | None, typer.Option(help="Their column; <column>_embedding unless told.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Make an index, and wait until it is built."""
    from server.commands import indexes  # noqa: PLC0415 - lazy, as the module says

    order = {
        "index_name": name,
        "columns": columns,
        "index_type": type,
        "metric": metric,
        "storage": storage,
        "language": language,
        "dimensions": dimensions,
        "output_column": output_column,
        "description": description,
    }
    with client_of(data_dir, url, workspace) as client:
        indexes.create_index(client, table, order, provider=provider)


@indexes_app.command("list")
def list_indexes(
    table: Annotated[
        str | None, typer.Argument(help="Only of this one, as SQL names it.", metavar="[TABLE]")
    ] = None,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """List the indexes, and whether they are built."""
    from server.commands import indexes  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        indexes.list_indexes(client, table)


@indexes_app.command("delete")
def delete_index(
    table: TableArgument,
    name: Annotated[str, typer.Argument(help="Of the index.")],
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Delete an index; the rows stay."""
    from server.commands import indexes  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        indexes.delete_index(client, table, name)


@providers_app.command("create")
def create_provider(  # noqa: PLR0913, PLR0917 - one argument per option
    name: Annotated[str, typer.Argument(help="What to call it.")],
    type: Annotated[str, typer.Argument(help="service or local.")],  # noqa: A002 - the argument
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="model, base_url, dimensions, …"),
    ] = None,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the key from standard input.")
    ] = False,
    secret_name: Annotated[
        str | None, typer.Option(help="The stored secret that is the key.")
    ] = None,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Name a model that indexes and searches may use."""
    from server.commands import embedding_providers  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        embedding_providers.create_provider(
            client, name, type, options or (), secret_stdin=secret_stdin, secret_name=secret_name
        )


@providers_app.command("list")
def list_providers(
    workspace: WorkspaceId = None, url: Url = None, data_dir: DataDir = None
) -> None:
    """List the system's provider, then your own."""
    from server.commands import embedding_providers  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        embedding_providers.list_providers(client)


@providers_app.command("delete")
def delete_provider(
    name: Annotated[str, typer.Argument(help="Name or id.")],
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Forget a provider with its own key."""
    from server.commands import embedding_providers  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        embedding_providers.delete_provider(client, name)
