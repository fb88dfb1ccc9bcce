"""API tokens: only the SHA-256 of a secret is kept.

The secrets have 128 bits or more of randomness, so a plain hash cannot be searched backwards.
"""

import hashlib
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, or_, select, update

from catalog.errors import Conflict, NotFound
from catalog.ids import IdKind, new_id
from catalog.model import Token
from catalog.scram import make_verifier
from catalog.store.rows import columns_of, utc_now
from catalog.store.workspaces import get_workspace
from catalog.tables import tokens, workspaces

_COLUMNS = columns_of(tokens, Token)


def create_token(
    conn: Connection, organization_id: str, *, name: str, workspace_id: str | None, secret: str
) -> Token:
    """Register a secret under a name.

    Args:
        conn: where.
        organization_id: who owns it.
        name: unique among the organisation's tokens that are not revoked.
        workspace_id: the only workspace it opens; None = all of the organisation.
        secret: what the client will send.

    Raises:
        Conflict: the name or the secret is already in use.
        NotFound: the organisation has no such workspace.
    """
    if (
        workspace_id is not None
        and get_workspace(conn, workspace_id).organization_id != organization_id
    ):
        raise NotFound.of("Workspace", workspace_id)
    if _find(conn, tokens.c.organization_id == organization_id, _is_live(), tokens.c.name == name):
        raise Conflict(f"Token name '{name}' is already in use")
    if _find(conn, tokens.c.secret_sha256 == _hash(secret)):
        raise Conflict("The token's secret is already in use")
    token = Token(
        id=new_id(IdKind.TOKEN),
        organization_id=organization_id,
        workspace_id=workspace_id,
        name=name,
        created_at=utc_now(),
        revoked_at=None,
    )
    values = {c.name: getattr(token, c.name) for c in _COLUMNS}
    proofs = {"secret_sha256": _hash(secret), "scram_verifier": make_verifier(secret).dump()}
    conn.execute(tokens.insert().values(values | proofs))
    return token


def ensure_token(conn: Connection, organization_id: str, *, name: str, secret: str) -> Token:
    """Make sure that the secret opens the organisation under this name. Idempotent.

    A live token of the same name with another secret is revoked: the secret was changed. A revoked
    secret stays revoked.

    Raises:
        Conflict: the secret belongs to another organisation.
    """
    known = _find(conn, tokens.c.secret_sha256 == _hash(secret))
    if known is not None:
        if known.organization_id != organization_id:
            raise Conflict("The token's secret is already in use")
        _have_verifier(conn, known, secret)
        return known
    old = _find(
        conn, tokens.c.organization_id == organization_id, _is_live(), tokens.c.name == name
    )
    if old is not None:
        _revoke(conn, old)
    return create_token(conn, organization_id, name=name, workspace_id=None, secret=secret)


def find_token(conn: Connection, secret: str) -> Token | None:
    """Return the token of a secret; None when unknown, revoked or of a deleted workspace."""
    row = conn.execute(_live_token(), {"secret_sha256": _hash(secret)}).mappings().first()
    return None if row is None else Token(**row)


def find_verified(conn: Connection, name_or_id: str) -> tuple[Token, str, str] | None:
    """Return the live token of a name or id with its digest and its SCRAM verifier.

    None when there is none, when several organisations have one of this name, and when it was made
    before there were verifiers.
    """
    query = (
        select(*_COLUMNS, tokens.c.secret_sha256, tokens.c.scram_verifier)
        .outerjoin(workspaces, tokens.c.workspace_id == workspaces.c.id)
        .where(
            or_(tokens.c.name == name_or_id, tokens.c.id == name_or_id),
            _is_live(),
            workspaces.c.deleted_at.is_(None),
            tokens.c.scram_verifier.is_not(None),
        )
        .limit(2)
    )
    rows = conn.execute(query).mappings().all()
    if len(rows) != 1:
        return None
    token = Token(**{column.name: rows[0][column.name] for column in _COLUMNS})
    return token, rows[0]["secret_sha256"], rows[0]["scram_verifier"]


def list_tokens(conn: Connection, organization_id: str) -> tuple[Token, ...]:
    """Return every token of the organisation, revoked ones included, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(tokens.c.organization_id == organization_id)
        .order_by(tokens.c.created_at, tokens.c.id)
    )
    return tuple(Token(**row) for row in conn.execute(query).mappings())


def revoke_token(conn: Connection, organization_id: str, token_id_or_name: str) -> Token:
    """Revoke a live token, given by its id or its name.

    Raises:
        NotFound: the organisation has no such live token.
    """
    token = _find(
        conn,
        tokens.c.organization_id == organization_id,
        _is_live(),
        or_(tokens.c.id == token_id_or_name, tokens.c.name == token_id_or_name),
    )
    if token is None:
        raise NotFound.of("Token", token_id_or_name)
    return _revoke(conn, token)


def _have_verifier(conn: Connection, token: Token, secret: str) -> None:
    """Give a token of an older release what proves it: here its secret is known."""
    mine = tokens.c.id == token.id
    if conn.scalar(select(tokens.c.scram_verifier).where(mine)) is None:
        verifier = make_verifier(secret).dump()
        conn.execute(update(tokens).where(mine).values(scram_verifier=verifier))


def _revoke(conn: Connection, token: Token) -> Token:
    conn.execute(update(tokens).where(tokens.c.id == token.id).values(revoked_at=utc_now()))
    row = conn.execute(select(*_COLUMNS).where(tokens.c.id == token.id)).mappings().one()
    return Token(**row)


def _find(conn: Connection, *conditions: ColumnElement[bool]) -> Token | None:
    row = conn.execute(select(*_COLUMNS).where(*conditions).limit(1)).mappings().first()
    return None if row is None else Token(**row)


# On the path of every request: building the statement costs more than running it.
@cache
def _live_token() -> Select[Any]:
    return (
        select(*_COLUMNS)
        .outerjoin(workspaces, tokens.c.workspace_id == workspaces.c.id)
        .where(
            tokens.c.secret_sha256 == bindparam("secret_sha256"),
            _is_live(),
            workspaces.c.deleted_at.is_(None),
        )
    )


def _is_live() -> ColumnElement[bool]:
    return tokens.c.revoked_at.is_(None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
