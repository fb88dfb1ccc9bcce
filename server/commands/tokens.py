"""``tidemill token`` and ``tidemill secrets``: work on the catalog itself, next to a running server.

A server may be running on the same folder: opening with ``serve=False`` takes no lock. It notices
new and revoked tokens within two seconds, and finds new keys in the key file by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.markup import escape
from rich.table import Table

from catalog.settings import Settings
from engine.service import identity
from engine.service.context import Engine
from engine.service.secret_values import rotate_secrets
from server.commands.terminal import note, print_whole
from server.observe import configure_logging

T = TypeVar("T")


def create(settings: Settings, *, name: str, workspace_id: str | None) -> None:
    """Make a token; its secret alone goes to standard output."""
    token, secret = _run(
        settings,
        lambda engine: identity.create_token(engine, name=name, workspace_id=workspace_id),
    )
    note(f"Token {token.id} '{token.name}': keep it, it is shown only this once.")
    print(secret)  # noqa: T201 - the answer


def show(settings: Settings) -> None:
    """Print the tokens without their secrets, revoked ones included."""
    table = Table("Id", "Name", "Workspace", "Created", "Revoked", header_style="bold")
    for token in _run(settings, identity.list_tokens):
        table.add_row(
            token.id,
            escape(token.name),
            token.workspace_id or "all",
            f"{token.created_at:%Y-%m-%d %H:%M}",
            f"{token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else "",
        )
    print_whole(table)


def revoke(settings: Settings, id_or_name: str) -> None:
    """Revoke a token for ever."""
    token = _run(settings, lambda engine: identity.revoke_token(engine, id_or_name))
    note(f"Token {token.id} '{token.name}' is revoked; a running server knows within 2 s.")


def rotate(settings: Settings) -> None:
    """Encrypt every secret again with the newest key."""
    count = _run(settings, rotate_secrets)
    note(f"{count} secret{'' if count == 1 else 's'} encrypted with the newest key.")


def _run(settings: Settings, work: Callable[[Engine], Awaitable[T]]) -> T:
    async def with_engine() -> T:
        configure_logging(settings)
        engine = await Engine.open(settings, serve=False)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(with_engine())
