"""Settings as text: ``tidemill settings``, and the table in ``docs/settings.md``.

A secret is never shown, not even its length; the catalog's URL counts as one, since it may hold a
password.
"""

from collections.abc import Iterator
from types import MappingProxyType

from pydantic import SecretStr

from catalog.settings import Settings

_MASK = "********"
# Defaults that depend on the machine are described in the document instead of computed.
_OF_THE_MACHINE = MappingProxyType(
    {
        "workers": "one per core",
        "workers_max": "four per core",
        "source_processes_max": "two per core",
    }
)
_SEPARATORS = MappingProxyType({"cors_origins": ",", "local_files": ":"})


def environment_lines(settings: Settings) -> Iterator[str]:
    """Yield every setting as a line of an environment file, its description above it.

    A masked line is commented out, so that the text can be kept and used as such a file.
    """
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        is_secret = isinstance(value, SecretStr)
        yield f"# {field.description}"
        mark = "# " if is_secret or value is None else ""
        yield f"{mark}{variable_of(name)}={_text(name, value)}"


def markdown_lines() -> Iterator[str]:
    """Yield the table of every setting with its default."""
    yield "| Variable | Default | Meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = _OF_THE_MACHINE.get(name) or _text(name, field.default)
        shown = f"`{default}`" if default and name not in _OF_THE_MACHINE else default
        meaning = (field.description or "").replace("<", "&lt;")
        yield f"| `{variable_of(name)}` | {shown} | {meaning} |"


def variable_of(name: str) -> str:
    """Name the environment variable of a setting.

    >>> variable_of("query_timeout_s")
    'TIDEMILL_QUERY_TIMEOUT_S'
    """
    return f"TIDEMILL_{name.upper()}"


def _text(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return _MASK
        case bool():
            return str(value).lower()
        case tuple():
            return _SEPARATORS[name].join(map(str, value))
        case _:
            return str(value)
