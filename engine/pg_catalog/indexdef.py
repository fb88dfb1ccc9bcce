"""The statements that would make what a snapshot shows, as ``pg_get_indexdef`` writes them."""

import re

from engine.pg_catalog.entries import Index
from engine.pg_catalog.layout import UNRESERVED, keyword_classes
from engine.query.sql_text import quoted_name

# A dollar may be in a bare name, but Postgres quotes it.
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def quote_ident(name: str) -> str:
    """Quote a name only when SQL would not read it as it is.

    >>> quote_ident("cars"), quote_ident("Odd Name"), quote_ident("select"), quote_ident("a$b")
    ('cars', '"Odd Name"', '"select"', '"a$b"')
    """
    is_word = keyword_classes().get(name, UNRESERVED) == UNRESERVED
    return name if _PLAIN.fullmatch(name) and is_word else quoted_name(name)


def qualified(schema: str, name: str) -> str:
    """Write a name with its schema."""
    return f"{quote_ident(schema)}.{quote_ident(name)}"


def index_definition(each: Index, *, bare: bool = False) -> str:
    """Write CREATE INDEX; ``bare`` leaves out the schema of the table."""
    keys = ", ".join(quote_ident(key.name) for key in each.keys)
    table = each.table
    shown = quote_ident(table.name) if bare else qualified(table.schema, table.name)
    return (
        f"CREATE INDEX {quote_ident(each.index.name)} ON {shown} USING {each.index.kind} ({keys})"
    )
