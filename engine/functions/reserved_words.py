"""The words of Postgres that are no bare identifiers: quote_ident quotes them.

The functions are those of Postgres 18, the system catalogs those of 15, so a few words are newer than these.
Source: the manual of Postgres, appendix "SQL Key Words": all but the non-reserved ones.
"""

from engine.pg_catalog.layout import UNRESERVED, keyword_classes

_SINCE_15 = frozenset(
    [
        "json",
        "json_array",
        "json_arrayagg",
        "json_exists",
        "json_object",
        "json_objectagg",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_table",
        "json_value",
        "merge_action",
        "system_user",
    ]
)
RESERVED_WORDS = _SINCE_15.union(
    word for word, kind in keyword_classes().items() if kind != UNRESERVED
)
