"""The configuration of a connection: checked, parted from its credential, and the credential kept.

What is stored as configuration holds no credential: that is a secret, either one that a client names or
one made here, which goes with the connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection as DbConnection

from catalog import secret_store
from connectors.options import join_credentials, parse_options, split_credentials
from connectors.registry import check_driver, connector_class
from engine import errors
from engine.service.context import Caller, Engine
from engine.service.own_secrets import keep_own, named_secret

# Removed from a configuration whatever the source, as clients send them out of habit.
_CREDENTIAL_KEYS = ("password", "token", "bearer_token", "credentials_json")


@dataclass(frozen=True, slots=True)
class GivenConfig:
    """What a client gives; ``config`` may hold credentials, which count unless a secret is named."""

    config: Mapping[str, Any] = field(repr=False)
    secret_name: str | None = None
    secret_id: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A configuration that may be stored, and where its credential comes from.

    Attributes:
        config: without credentials.
        secret_id: of the secret that the client named.
        credential: what is to be kept as a secret of the connection's own.
        credential_field: the option that names it.
    """

    config: dict[str, Any]
    secret_id: str | None
    credential: str | None = field(repr=False)
    credential_field: str = ""


async def check_config(
    engine: Engine, caller: Caller, source_type: str, given: GivenConfig
) -> CheckedConfig:
    """Check a configuration with its credential; the source is not asked.

    Raises:
        InvalidRequest: an unknown source type, a missing driver or secret, an option that is missing,
            unknown or wrong.
    """
    options_type = connector_class(source_type).options_type
    check_driver(source_type)
    if given.secret_name is not None and given.secret_id is not None:
        raise errors.InvalidRequest("Give secret_name or secret_id, not both")
    public, inline = split_credentials(options_type, given.config)
    name = given.secret_id if given.secret_name is None else given.secret_name
    if name is not None:
        public = {key: value for key, value in public.items() if key not in _CREDENTIAL_KEYS}
        secret_id, value = await named_secret(engine, caller.workspace_id, name)
        parse_options(options_type, public, value)
        return CheckedConfig(public, secret_id, None)
    credential = join_credentials(options_type, inline) if inline else None
    parse_options(options_type, public, credential)
    return CheckedConfig(public, None, credential, next(iter(inline), ""))


def keep_credential(
    conn: DbConnection, engine: Engine, caller: Caller, name: str, checked: CheckedConfig
) -> tuple[str | None, bool]:
    """Make a secret of a credential that is not one yet.

    Args:
        conn: the transaction that stores the configuration.
        engine: open for serving.
        caller: whose.
        name: of the connection: the secret is named after it.
        checked: what is stored.

    Returns:
        The id of the connection's secret, and whether it goes with the connection.

    Raises:
        CatalogNotFound: the secret that the client named was deleted meanwhile.
        CatalogConflict: there are a thousand secrets of such names.
    """
    if checked.credential is None:
        if checked.secret_id is not None:  # it may have been deleted since it was read
            secret_store.find_id(conn, caller.workspace_id, checked.secret_id)
        return checked.secret_id, False
    words = ("conn", name, checked.credential_field)
    return keep_own(conn, engine, caller.workspace_id, words, checked.credential), True
