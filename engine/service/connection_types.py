"""Which sources there are, and what each wants to know."""

from dataclasses import dataclass
from typing import Any

from connectors.errors import OptionsInvalid
from connectors.options import auth_schema, config_schema
from connectors.registry import connector_class, source_types
from engine import errors


@dataclass(frozen=True, slots=True)
class ConnectionType:
    """A source type: ``config_schema`` and ``auth`` are JSON Schemas; auth None = no credential."""

    name: str
    label: str
    config_schema: dict[str, Any]
    auth: dict[str, Any] | None


def list_connection_types() -> tuple[tuple[str, str], ...]:
    """Return name and label of every source type, by name."""
    return tuple((name, connector_class(name).label) for name in source_types())


def get_connection_type(name: str) -> ConnectionType:
    """Return one source type.

    Raises:
        NotFound: there is none of this name.
    """
    try:
        connector = connector_class(name)
    except OptionsInvalid:
        raise errors.NotFound(f"Connection type '{name}' not found") from None
    options_type = connector.options_type
    return ConnectionType(
        name, connector.label, config_schema(options_type), auth_schema(options_type)
    )
