"""``tidemill embedding-providers``: make, list and delete what turns texts into vectors."""

import re
from collections.abc import Iterable
from typing import Any

import orjson
from rich.markup import escape
from rich.table import Table

from server.client import Client, ClientError
from server.commands.terminal import note, print_whole, read_secret

_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?")
_TEXTS = frozenset({"model", "base_url", "model_path"})


def create_provider(
    client: Client,
    name: str,
    provider_type: str,
    options: Iterable[str],
    *,
    secret_stdin: bool,
    secret_name: str | None,
) -> None:
    """Make a provider and print its id.

    Args:
        client: of the server.
        name: of the provider.
        provider_type: ``service`` or ``local``.
        options: ``key=value`` each.
        secret_stdin: the key is read from standard input, or asked for on a terminal.
        secret_name: a stored secret that is the key.

    Raises:
        ClientError: an option is not ``key=value``, or the server refuses.
    """
    body: dict[str, Any] = {
        "name": name,
        "provider_type": provider_type,
        "config": _config_of(options),
    }
    if secret_name is not None:
        body["secret_name"] = secret_name
    if secret_stdin:
        body["api_key"] = read_secret("Key")
    made = client.send("POST", "/v1/embedding-providers", json=body).json()
    print(made["id"])  # noqa: T201 - the answer


def list_providers(client: Client) -> None:
    """Print every provider, the system's first."""
    table = Table("Id", "Name", "Type", "Model", "Metric", "Key", header_style="bold")
    for known in _providers(client):
        table.add_row(
            known["id"],
            escape(known["name"]),
            known["provider_type"],
            escape(known["config"]["model"]),
            known["config"].get("metric", "cosine"),
            "yes" if known["has_secret"] else "no",
        )
    print_whole(table)


def delete_provider(client: Client, name: str) -> None:
    """Forget a provider with its own key."""
    client.send("DELETE", f"/v1/embedding-providers/{find_provider(client, name)}")
    note(f"Embedding provider '{name}' is deleted.")


def find_provider(client: Client, name: str) -> str:
    """Return the id of the provider with this name or id.

    Raises:
        ClientError: there is none.
    """
    for known in _providers(client):
        if name in {known["name"], known["id"]}:
            return str(known["id"])
    raise ClientError(
        f"There is no embedding provider '{name}'; 'tidemill embedding-providers list' shows them."
    )


def _providers(client: Client) -> list[dict[str, Any]]:
    found = client.send("GET", "/v1/embedding-providers").json()
    providers: list[dict[str, Any]] = found["embedding_providers"]
    return providers


def _config_of(options: Iterable[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise ClientError("An option is written as key=value; one of them has no '='.")
        is_number = key not in _TEXTS and _NUMBER.fullmatch(value)
        config[key] = orjson.loads(value) if is_number else value
    return config
