"""``tidemill connection``: make, list, refresh and delete connections of a running server.

A configuration is text: what the source's schema calls an array or object is read as JSON, everything
else goes as it is, and the server knows what is a number.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from server.client import Client, ClientError
from server.commands.terminal import counted, job_bar, note, read_secret, sql_name

_TEXT_TYPES = frozenset({"string", "integer", "number", "boolean"})


def create_connection(
    client: Client,
    name: str,
    source_type: str,
    options: Iterable[str],
    *,
    secret_stdin: bool,
    live: bool,
) -> None:
    """Connect a source and print the name it has in SQL.

    Args:
        client: of the server.
        name: of the connection.
        source_type: one of the connection types.
        options: ``key=value`` each.
        secret_stdin: the credential is read from standard input, or asked for on a terminal.
        live: tables are read for every query instead of copied.

    Raises:
        ClientError: an option is not ``key=value``, the server refuses, or the connection is made
            but its tables could not be listed.
    """
    described = client.send("GET", f"/v1/connection-types/{source_type}").json()
    config = _config_of(options, described["config_schema"] or {})
    if secret_stdin:
        config[_credential_field(described["auth"], source_type)] = read_secret("Credential")
    body = {"name": name, "source_type": source_type, "config": config}
    if live:
        body["mode"] = "live"
    made = client.send("POST", "/v1/connections", json=body).json()
    if made["discovery_error"] is not None:
        raise ClientError(
            f"Connection '{made['name']}' is made, but its tables could not be listed: "
            f"{made['discovery_error']}"
        )
    note(f"{counted(made['tables_discovered'], 'table')} found.")
    print(sql_name(made["name"]))  # noqa: T201 - the answer


def list_connections(client: Client) -> None:
    """Print every connection with its tables, and how many of them have a copy."""
    table = Table("Name", "Type", "Read", header_style="bold")
    table.add_column("Tables", justify="right")
    table.add_column("Copies", justify="right")
    for known in client.send("GET", "/v1/connections").json()["connections"]:
        detail = client.send("GET", f"/v1/connections/{known['id']}").json()
        table.add_row(
            escape(detail["name"]),
            detail["source_type"],
            "live" if detail["mode"] == "live" else "by copies",
            str(detail["table_count"]),
            str(detail["synced_table_count"]),
        )
    Console().print(table)


def refresh_connection(client: Client, name: str, *, table: str | None, all_tables: bool) -> None:
    """Look for tables again and renew the copies, or renew the copy of one table.

    Args:
        client: of the server.
        name: of the connection, or its id.
        table: ``schema.table``; None = every table with a copy.
        all_tables: also tables that have none.

    Raises:
        ClientError: there is no such connection or table, or a table failed.
    """
    connection_id = _find(client, name)
    console = Console(stderr=True)
    if table is not None:
        schema, dot, table_name = table.rpartition(".")
        if not dot:
            raise ClientError(f"Name the table with its schema, as in 'public.{table}'.")
        refresh_copies(client, console, connection_id, schema_name=schema, table_name=table_name)
        return
    look = {"connection_id": connection_id}
    found = client.send("POST", "/v1/refresh", json=look).json()
    note(
        f"{counted(found['tables_discovered'], 'table')}: {found['tables_added']} new, "
        f"{found['tables_modified']} changed."
    )
    done = refresh_copies(client, console, connection_id, include_uncached=all_tables)
    if not done["tables_refreshed"] and not all_tables:
        note("No table has a copy yet: --all copies every table, --table one.")


def delete_connection(client: Client, name: str) -> None:
    """Forget a connection with its tables and copies."""
    client.send("DELETE", f"/v1/connections/{_find(client, name)}")
    note(f"Connection '{name}' is deleted.")


def refresh_copies(  # the demo shows the same bar
    client: Client,
    console: Console,
    connection_id: str,
    **fields: Any,  # noqa: ANN401 - JSON values
) -> dict[str, Any]:
    """Make new copies, with a bar; print what came of it.

    Args:
        client: of the server.
        console: where the bar and the sentences go.
        connection_id: of the connection.
        fields: further fields of the body of ``/v1/refresh``.

    Returns:
        What the server says of the refresh.

    Raises:
        ClientError: a table could not be read; its old copy stays.
    """
    with job_bar(console) as bar:
        task = bar.add_task("Copying", total=None, done="")

        def show(progress: Mapping[str, int]) -> None:
            tables, total = progress.get("tables", 0), progress.get("tables_total", 0)
            bar.update(
                task,
                completed=tables,
                total=total if total > 1 else None,  # of one table nobody knows how much is left
                done=f"{tables} of {counted(total, 'table')}, "
                f"{counted(progress.get('rows', 0), 'row')}, {decimal(progress.get('bytes', 0))}",
            )

        done = client.refresh(show, connection_id=connection_id, **fields)
    is_one = "rows_synced" in done
    tables, rows = (
        (1, done["rows_synced"]) if is_one else (done["tables_refreshed"], done["total_rows"])
    )
    console.print(
        f"{counted(tables, 'table')} copied, {counted(rows, 'row')}, {done['duration_ms']} ms",
        highlight=False,
    )
    for warning in done["warnings"]:
        place = f"{warning['schema_name']}.{warning['table_name']}"
        console.print(f"{place}: {warning['message']}", markup=False, highlight=False)
    if failures := done.get("errors"):
        raise ClientError(
            f"{counted(len(failures), 'table')} could not be copied: "
            + "; ".join(failure["error"] for failure in failures)
        )
    return done


def _config_of(options: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    config: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise ClientError("An option is written as key=value; one of them has no '='.")
        # A credential is not among the properties: it is text whatever it looks like.
        is_text = properties.get(key, {"type": "string"}).get("type") in _TEXT_TYPES
        config[key] = value if is_text else _read_json(key, value)
    return config


def _read_json(key: str, value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ClientError(f"The value of '{key}' must be JSON, as in {key}='[\"a\"]'.") from None


def _credential_field(auth: Mapping[str, Any] | None, source_type: str) -> str:
    """Name the field that a single credential is for: the first of the first way to log in."""
    form = (auth or {}).get("oneOf", [auth])[0]
    if not form or not form["properties"]:
        raise ClientError(f"A {source_type} connection takes no credential.")
    return str(next(iter(form["properties"])))


def _find(client: Client, name: str) -> str:
    for known in client.send("GET", "/v1/connections").json()["connections"]:
        if name in {known["name"], known["id"]}:
            return str(known["id"])
    raise ClientError(f"There is no connection '{name}'; 'tidemill connection list' shows them.")
