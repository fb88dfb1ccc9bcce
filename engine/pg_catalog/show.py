"""SHOW, as a query of the settings."""

import re
from collections.abc import Mapping

from engine.query.sql_text import quoted_name
from engine.query.tokens import start_of

_SHOW = re.compile(r"SHOW\s+(.+?)\s*;?\s*\Z", re.IGNORECASE | re.DOTALL)
_LONG_NAMES = {
    "transaction isolation level": "transaction_isolation",
    "time zone": "timezone",
    "session authorization": "session_authorization",
}
# These are Tidemill's own, and about tables.
_OTHERS = re.compile(r"(?:TABLES|COLUMNS)\b", re.IGNORECASE)
_ALL = "SELECT name, setting, short_desc AS description FROM pg_catalog.pg_settings ORDER BY name"


def shown_query(sql: str, settings: Mapping[str, str]) -> str | None:
    r"""Return the query that answers SHOW; None for any other statement.

    >>> shown_query("SHOW time zone", {"TimeZone": "UTC"})
    'SELECT current_setting(\'TimeZone\') AS "TimeZone"'
    """
    name = shown_setting(sql)
    if name is None:
        return None
    if name == "all":
        return _ALL
    # The column is called as the setting is, whatever the case it was asked for in.
    name = next((known for known in settings if known.lower() == name.lower()), name)
    quoted = name.replace("'", "''")
    return f"SELECT current_setting('{quoted}') AS {quoted_name(name)}"


def shown_setting(sql: str) -> str | None:
    """Return the setting that SHOW asks for, ``all`` for all of them."""
    found = _SHOW.match(sql, start_of(sql))
    if found is None or _OTHERS.match(found[1]):
        return None
    name = " ".join(found[1].split())
    name = name[1:-1] if name.startswith('"') and name.endswith('"') else name.lower()
    return _LONG_NAMES.get(name, name)
