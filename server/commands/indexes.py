"""``tidemill indexes``: make, list and delete indexes of a running server.

A table is named as SQL names it; the names lead to the dataset, or to the connection and its table.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from engine.query.search_calls import table_of
from server.client import Client, ClientError
from server.commands.embedding_providers import find_provider
from server.commands.terminal import counted, job_bar, note, print_whole, sql_name

_DATASETS = "datasets"
_MAIN = "main"
_NAME_PARTS = 3


def create_index(
    client: Client, table: str, order: Mapping[str, Any], *, provider: str | None
) -> None:
    """Make an index as a job, with a bar, and say what came of it.

    Args:
        client: of the server.
        table: as SQL names it.
        order: fields of the body of the request; None is what was not said.
        provider: name or id of what embeds texts; None = the system's.

    Raises:
        ClientError: there is no such table or provider, the server refuses, or the index cannot be
            built; then it stays, pending.
    """
    path = _path_of(client, table)
    body = {name: value for name, value in order.items() if value is not None}
    if provider is not None:
        body["embedding_provider_id"] = find_provider(client, provider)
    made = build_index(client, Console(stderr=True), path, body)
    note(
        f"Index '{made['index_name']}' ({made['index_type']}) is built over "
        f"{counted(made['row_count'], 'row')}, {decimal(made['size_bytes'])}."
    )
    if made["source_column"] is not None:
        (column,) = made["columns"]
        note(f"The vectors are the column {sql_name(column)}.")


def build_index(
    client: Client, console: Console, path: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Have an index built, with a bar; return it as the server shows it.

    Args:
        client: of the server.
        console: where the bar goes.
        path: of the indexes of the table.
        body: of the request.
    """
    with job_bar(console) as bar:
        task = bar.add_task("Waiting", total=None, done="")

        def show(progress: Mapping[str, int]) -> None:
            noun, doing = ("row", "Indexing") if "rows" in progress else ("text", "Embedding")
            done, total = progress.get(f"{noun}s"), progress.get(f"{noun}s_total")
            if done is None:
                return
            if total is None:  # the table is synced first
                bar.update(task, description="Syncing", done=counted(done, noun))
                return
            words = f"{done:,} of {counted(total, noun)}"
            bar.update(task, description=doing, completed=done, total=total, done=words)

        return client.create_index(path, body, show)


def list_indexes(client: Client, table: str | None) -> None:
    """Print the indexes of one table, or of all."""
    shown = Table("Table", "Name", "Type", "Columns", "Status", header_style="bold")
    for name in ("Rows", "Size"):
        shown.add_column(name, justify="right")
    problems = []
    for where, index in sorted(_listed(client, table), key=_place_of):
        shown.add_row(
            escape(where),
            escape(index["index_name"]),
            index["index_type"],
            escape(", ".join(index["columns"])),
            index["status"],
            "" if index["row_count"] is None else f"{index['row_count']:,}",
            "" if index["size_bytes"] is None else decimal(index["size_bytes"]),
        )
        if index["error_message"] is not None:
            problems.append(f"{where} {index['index_name']}: {index['error_message']}")
    print_whole(shown)
    for problem in problems:
        note(problem)


def delete_index(client: Client, table: str, name: str) -> None:
    """Delete an index; the rows stay."""
    client.send("DELETE", f"{_path_of(client, table)}/{_segment(name)}")
    note(f"Index '{name}' is deleted.")


def _listed(client: Client, table: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each index with the name that its table has in SQL."""
    if table is not None:
        for index in client.send("GET", _path_of(client, table)).json()["indexes"]:
            yield table, index
        return
    connections = client.send("GET", "/v1/connections").json()["connections"]
    catalogs = {known["id"]: known["name"] for known in connections}
    page: dict[str, Any] = {"next_cursor": None, "has_more": True}
    while page["has_more"]:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = client.send("GET", "/v1/indexes", params={"limit": 1000, **cursor}).json()
        for index in page["indexes"]:
            source = index["connection_id"]
            # A connection may have been made between the two requests.
            catalog = _DATASETS if source is None else catalogs.get(source, source)
            names = (catalog, index["schema_name"], index["table_name"])
            yield ".".join(map(sql_name, names)), index


def _place_of(listed: tuple[str, dict[str, Any]]) -> tuple[str, str]:
    where, index = listed
    return where, index["index_name"]


def _path_of(client: Client, table: str) -> str:
    """Find the indexes of a table."""
    names = table_of(table)
    if names is None or len(names) > _NAME_PARTS:
        raise ClientError(f"'{table}' is not the name of a table.")
    if len(names) < _NAME_PARTS and names[0] != _DATASETS:
        names = (_DATASETS, _MAIN)[: _NAME_PARTS - len(names)] + names
    if names[0] == _DATASETS:
        schema, name = names[-2:] if len(names) == _NAME_PARTS else (_MAIN, names[-1])
        return f"/v1/datasets/{_find_dataset(client, table, schema, name)}/indexes"
    schema, name = map(_segment, names[1:])
    for known in client.send("GET", "/v1/connections").json()["connections"]:
        if known["name"] == names[0]:
            return f"/v1/connections/{known['id']}/tables/{schema}/{name}/indexes"
    raise ClientError(
        f"There is no connection '{names[0]}'; 'tidemill connection list' shows them."
    )


def _segment(name: str) -> str:
    """Write a name as one part of a path; of plain dots a client would go up by them."""
    return quote(name, safe="").replace(".", "%2E")


def _find_dataset(client: Client, table: str, schema: str, name: str) -> str:
    page: dict[str, Any] = {"has_more": True, "offset": 0, "count": 0}
    while page["has_more"]:
        params = {"limit": 1000, "offset": page["offset"] + page["count"]}
        page = client.send("GET", "/v1/datasets", params=params).json()
        for known in page["datasets"]:
            if (known["schema_name"], known["table_name"]) == (schema, name):
                return str(known["id"])
    raise ClientError(f"There is no table '{table}'; a connection's is named catalog.schema.table.")
