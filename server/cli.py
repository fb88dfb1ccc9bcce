"""The command ``tidemill``: the arguments of every subcommand, and how failures look.

A failure is one sentence on standard error and exit code 1, a wrong usage exit code 2; a traceback
never shows. What a command does is imported when it runs, so that help is quick.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from server.documents_cli import documents_app
from server.options import DataDir, Url, WorkspaceId, client_of, settings_of
from server.search_cli import indexes_app, providers_app

app = typer.Typer(
    name="tidemill",
    help="SQL-first analytics: upload data, ask SQL over HTTP, keep the answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
token_app = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True)
secrets_app = typer.Typer(help="Work on the stored secrets.", no_args_is_help=True)
connection_app = typer.Typer(
    help="Connect databases, lakes and files, and refresh their copies.", no_args_is_help=True
)
app.add_typer(connection_app, name="connection")
app.add_typer(documents_app, name="documents")
app.add_typer(indexes_app, name="indexes")
app.add_typer(providers_app, name="embedding-providers")
app.add_typer(token_app, name="token")
app.add_typer(secrets_app, name="secrets")


class AnswerFormat(StrEnum):
    """How ``tidemill query`` prints rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


class FileFormat(StrEnum):
    """What an uploaded file holds."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def main() -> None:
    """Run the command line; the entry point of the package."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the outermost frame: every failure is a sentence
        sys.stderr.write(f"Error: {_sentence(error)}\n")
        sys.exit(1)


def _print_version(asked: bool) -> None:
    if asked:
        from server.release import release  # noqa: PLC0415 - lazy, as the module says

        typer.echo(f"tidemill {release()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """SQL-first analytics: upload data, ask SQL over HTTP, keep the answers."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 = any free one.", min=0, max=65535)] = 8000,
    pg_port: Annotated[
        int | None,
        typer.Option(
            help="Port for Postgres clients; 0 = none. [default: $TIDEMILL_PG_PORT or 5433]",
            min=0,
            max=65535,
        ),
    ] = None,
    flight_port: Annotated[
        int | None,
        typer.Option(
            help="Port for Flight SQL clients; 0 = none. [default: $TIDEMILL_FLIGHT_PORT or 31338]",
            min=0,
            max=65535,
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve HTTP, Postgres and Flight SQL clients until SIGTERM or Ctrl-C."""
    settings = settings_of(data_dir, pg_port=pg_port, flight_port=flight_port)
    from server.commands.serving import serve_here  # noqa: PLC0415 - lazy, as the module says

    serve_here(settings, host, port)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One read-only statement; - reads standard input.")],
    format: Annotated[AnswerFormat, typer.Option(help="How to print.")] = AnswerFormat.TABLE,  # noqa: A002 - the option
    rows: Annotated[int, typer.Option(help="Rows a table shows.", min=0)] = 100,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Ask a running server."""
    from server.commands.rows import print_query  # noqa: PLC0415 - lazy, as the module says

    text = sys.stdin.read() if sql == "-" else sql
    with client_of(data_dir, url, workspace) as client:
        print_query(client, text, encoding=format.value, rows_max=rows)


@app.command()
def upload(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON or Parquet.", exists=True, dir_okay=False)
    ],
    table: Annotated[str | None, typer.Option(help="Name in SQL. [default: the file's]")] = None,
    format: Annotated[FileFormat | None, typer.Option(help="[default: guessed]")] = None,  # noqa: A002 - the option
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Make a file a table of a running server."""
    from server.commands.upload import upload_file  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        upload_file(client, file, table=table, format=format.value if format else None)


@connection_app.command("create")
def create_connection(  # noqa: PLR0913, PLR0917 - one argument per option
    name: Annotated[str, typer.Argument(help="What SQL calls it.")],
    type: Annotated[str, typer.Argument(help="postgres, mysql, duckdb, snowflake, …")],  # noqa: A002 - the argument
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Options of the type.")
    ] = None,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the password or token from standard input.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Read the source for every query; copy nothing.")
    ] = False,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Make a remote source a catalog of a running server."""
    from server.commands import connections  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        connections.create_connection(
            client, name, type, options or (), secret_stdin=secret_stdin, live=live
        )


@connection_app.command("list")
def list_connections(
    workspace: WorkspaceId = None, url: Url = None, data_dir: DataDir = None
) -> None:
    """List the connections, their tables and copies."""
    from server.commands import connections  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        connections.list_connections(client)


@connection_app.command("refresh")
def refresh_connection(
    name: Annotated[str, typer.Argument(help="Name or id.")],
    table: Annotated[str | None, typer.Option(help="Only this one, as schema.table.")] = None,
    all_tables: Annotated[
        bool, typer.Option("--all", help="Also the tables that have no copy yet.")
    ] = False,
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Look for tables again, and renew their copies."""
    from server.commands import connections  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        connections.refresh_connection(client, name, table=table, all_tables=all_tables)


@connection_app.command("delete")
def delete_connection(
    name: Annotated[str, typer.Argument(help="Name or id.")],
    workspace: WorkspaceId = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Forget a connection with its copies; the source is not touched."""
    from server.commands import connections  # noqa: PLC0415 - lazy, as the module says

    with client_of(data_dir, url, workspace) as client:
        connections.delete_connection(client, name)


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    workspace: Annotated[str | None, typer.Option(help="The only workspace it may see.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API token and print its secret, this once."""
    settings = settings_of(data_dir)
    from server.commands import tokens  # noqa: PLC0415 - lazy, as the module says

    tokens.create(settings, name=name, workspace_id=workspace)


@token_app.command("list")
def list_tokens(data_dir: DataDir = None) -> None:
    """List the API tokens, without secrets."""
    settings = settings_of(data_dir)
    from server.commands import tokens  # noqa: PLC0415 - lazy, as the module says

    tokens.show(settings)


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="Id or name.")], data_dir: DataDir = None
) -> None:
    """Revoke an API token for ever."""
    settings = settings_of(data_dir)
    from server.commands import tokens  # noqa: PLC0415 - lazy, as the module says

    tokens.revoke(settings, token)


@secrets_app.command("rotate")
def rotate_secrets(data_dir: DataDir = None) -> None:
    """Encrypt every stored secret again with the newest key."""
    settings = settings_of(data_dir)
    from server.commands import tokens  # noqa: PLC0415 - lazy, as the module says

    tokens.rotate(settings)


@app.command("settings")
def show_settings(
    markdown: Annotated[
        bool, typer.Option(help="Print the table of docs/settings.md instead.")
    ] = False,
) -> None:
    """Print every setting as this machine has it, secrets masked."""
    settings = settings_of()
    from server.commands import settings_text  # noqa: PLC0415 - lazy, as the module says

    lines = (
        settings_text.markdown_lines() if markdown else settings_text.environment_lines(settings)
    )
    for line in lines:
        typer.echo(line)


@app.command()
def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the data here. [default: a temporary folder]")
    ] = None,
) -> None:
    """Show everything in a minute: a server, real data, SQL, kept answers."""
    from server.demo import run_demo  # noqa: PLC0415 - lazy, as the module says

    run_demo(data_dir)


def _sentence(error: Exception) -> str:
    from pydantic import ValidationError  # noqa: PLC0415 - only when something failed

    from catalog.errors import CatalogError  # noqa: PLC0415 - only when something failed
    from engine.errors import EngineError  # noqa: PLC0415 - only when something failed
    from server.client import ClientError  # noqa: PLC0415 - only when something failed

    match error:
        case ValidationError():  # without the values: one of them may be a secret
            return "; ".join(
                f"TIDEMILL_{str(problem['loc'][0]).upper()}: {problem['msg']}"
                for problem in error.errors()
            )
        case EngineError() | CatalogError() | ClientError():
            return str(error)
        case OSError():
            return f"{error.filename or 'The system'}: {error.strerror or error}"
        case _:
            return f"{type(error).__name__}: {error}. This is a bug; please report it."


if __name__ == "__main__":
    main()
