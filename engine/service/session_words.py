"""What a statement asks of its session, beside tables: its user, its catalog and schema, its settings."""

from collections.abc import Callable

from engine.dialect.session import mentions_session, write_session
from engine.pg_catalog.functions import VERSION
from engine.pg_catalog.snapshot import CatalogSession
from engine.query.parse import SMALL_CHARS_MAX
from engine.service.context import Caller


def with_session(
    sql: str,
    caller: Caller,
    names: tuple[str, str],
    session: Callable[[], CatalogSession] | None,
) -> str:
    """Write what a session knows of itself into a statement, which is mostly returned as it is.

    Args:
        sql: one statement.
        caller: who asks: the user, where no session tells.
        names: the default catalog and schema.
        session: tells of a Postgres client.
    """
    # The server reads it, with everybody waiting.
    if len(sql) > SMALL_CHARS_MAX or not mentions_session(sql):
        return sql
    catalog, schema = names
    told = session() if session is not None else CatalogSession(caller.user_public_id)
    users = ("current_user", "session_user", "current_role", "user")
    facts = {
        **dict.fromkeys(users, told.user),
        **dict.fromkeys(("current_catalog", "current_database"), catalog),
        "current_schema": schema,
        "version": VERSION,
        "pg_backend_pid": str(told.backend_pid),
    }
    return write_session(sql, facts, {name.lower(): v for name, v in told.settings.items()})
