"""Saved queries: named SQL whose texts are versioned and described by their plan.

SQL need not parse to be saved: what does not plan has no classification. Texts are trimmed here,
so equal texts are equal in the catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from catalog.model import Classification, Page, SavedQuery, SavedQueryVersion
from catalog.store import saved_queries as saved_query_store
from engine import errors
from engine.service.context import Caller, Engine
from engine.service.paging import clamp_page
from engine.service.plain_text import check_text
from engine.service.plan_facts import plan_facts
from engine.translate import translated

NAME_CHARS_MAX = 255
SQL_CHARS_MAX = 1_000_000
RAW_BYTES_MAX = 2_000_000
DESCRIPTION_CHARS_MAX = 10_000
TAGS_MAX = 50
TAG_CHARS_MAX = 100
TABLE_SIZE_CHARS_MAX = 100
CATEGORIES = (
    "join",
    "aggregation",
    "point_lookup",
    "filtered_scan",
    "projection",
    "full_scan",
)
_CHANGEABLE = (
    "name",
    "sql",
    "tags",
    "description",
    "category_override",
    "table_size_override",
)
_CLEARABLE = frozenset({"category_override", "table_size_override"})


@dataclass(frozen=True, slots=True)
class SavedQueryFields:
    """What a client gives, trimmed and within the limits."""

    name: str
    sql: str
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewSavedQuery:
    """A saved query ready to be written."""

    fields: SavedQueryFields
    classification: Classification


@translated
async def create_saved_query(
    engine: Engine,
    caller: Caller,
    *,
    name: str,
    sql: str,
    description: str | None,
    tags: Sequence[str] | None,
) -> SavedQuery:
    """Save a query with version 1; names need not be unique.

    Raises:
        InvalidRequest: a field is over its limit.
    """
    fields = check_saved_query(name=name, sql=sql, description=description, tags=tags)
    query = NewSavedQuery(fields, await classify(engine, caller, fields.sql))
    return await engine.db.write(insert_saved_query, caller.workspace_id, query)


@translated
async def get_saved_query(engine: Engine, caller: Caller, saved_query_id: str) -> SavedQuery:
    """Return a saved query with its latest version."""
    return await engine.db.read(
        saved_query_store.get_saved_query, caller.workspace_id, saved_query_id
    )


@translated
async def list_saved_queries(
    engine: Engine, caller: Caller, *, limit: int | None, offset: int | None
) -> Page[SavedQuery]:
    """List saved queries by name, then id."""
    limit_rows, offset_rows = clamp_page(limit, offset)
    return await engine.db.read(
        saved_query_store.list_saved_queries,
        caller.workspace_id,
        limit=limit_rows,
        offset=offset_rows,
    )


@translated
async def update_saved_query(
    engine: Engine, caller: Caller, saved_query_id: str, changes: Mapping[str, Any]
) -> SavedQuery:
    """Change some of a saved query; other SQL makes a new version.

    Args:
        engine: open for serving.
        caller: whose query.
        saved_query_id: which.
        changes: new values by name. An absent key keeps the value, and so does None, except that
            None clears ``category_override`` and ``table_size_override``.

    Raises:
        InvalidRequest: nothing to change, or a field is over its limit.
        NotFound: unknown saved query.
    """
    given = {
        key: changes[key]
        for key in _CHANGEABLE
        if key in changes and (changes[key] is not None or key in _CLEARABLE)
    }
    if not given:
        raise errors.InvalidRequest("At least one field must be given")
    checked = {key: _RULES[key](value) for key, value in given.items()}
    sql = checked.get("sql")
    classification = None if sql is None else await classify(engine, caller, sql)
    return await engine.db.write(
        saved_query_store.update_saved_query,
        caller.workspace_id,
        saved_query_id,
        checked,
        classification,
    )


@translated
async def delete_saved_query(engine: Engine, caller: Caller, saved_query_id: str) -> None:
    """Delete a saved query and its versions; its runs stay."""
    await engine.db.write(saved_query_store.delete_saved_query, caller.workspace_id, saved_query_id)


@translated
async def list_saved_query_versions(
    engine: Engine, caller: Caller, saved_query_id: str, *, limit: int | None, offset: int | None
) -> Page[SavedQueryVersion]:
    """List the versions of a saved query, newest first."""
    limit_rows, offset_rows = clamp_page(limit, offset)
    return await engine.db.read(
        saved_query_store.list_versions,
        caller.workspace_id,
        saved_query_id,
        limit=limit_rows,
        offset=offset_rows,
    )


@translated
async def get_saved_query_version(
    engine: Engine, caller: Caller, saved_query_id: str, version: int | None
) -> SavedQueryVersion:
    """Return one version of a saved query, the latest when None."""
    return await engine.db.read(
        saved_query_store.get_version, caller.workspace_id, saved_query_id, version
    )


def insert_saved_query(conn: Connection, workspace_id: str, query: NewSavedQuery) -> SavedQuery:
    """Write a new saved query with version 1."""
    fields = query.fields
    return saved_query_store.create_saved_query(
        conn,
        workspace_id,
        name=fields.name,
        sql=fields.sql,
        description=fields.description,
        tags=fields.tags,
        classification=query.classification,
    )


async def classify(engine: Engine, caller: Caller, sql: str) -> Classification:
    """Describe the plan of a text; every field is None when it does not plan, for any reason."""
    try:
        return Classification(**await plan_facts(engine, caller, sql))
    except errors.EngineError:
        return Classification()


def check_saved_query(
    *, name: str, sql: str, description: str | None, tags: Sequence[str] | None
) -> SavedQueryFields:
    """Trim the fields of a new saved query and hold them to their limits.

    Raises:
        InvalidRequest: a field is over its limit.

    >>> check_saved_query(name=" top ", sql="SELECT 1 ", description=None, tags=["a", " a"])
    SavedQueryFields(name='top', sql='SELECT 1', description='', tags=('a',))
    """
    return SavedQueryFields(
        name=_check_name(name),
        sql=_check_sql(sql),
        description=_check_description(description or ""),
        tags=_check_tags(tags or ()),
    )


def _check_name(name: str) -> str:
    return _trimmed("Query name", name, chars_max=NAME_CHARS_MAX)


def _check_sql(sql: str) -> str:
    return _trimmed("Query SQL", sql, chars_max=SQL_CHARS_MAX)


def _check_description(description: str) -> str:
    return check_text(
        "Description", description, chars_max=DESCRIPTION_CHARS_MAX, may_be_empty=True
    )


def _check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    if len(tags) > TAGS_MAX:
        raise errors.InvalidRequest(f"At most {TAGS_MAX} tags are allowed")
    trimmed = (check_text("Tag", tag, chars_max=TAG_CHARS_MAX) for tag in tags)
    return tuple(dict.fromkeys(trimmed))


def _check_category(category: str | None) -> str | None:
    if category is not None and category not in CATEGORIES:
        raise errors.InvalidRequest(
            f"Invalid category_override '{category}'; the categories are {', '.join(CATEGORIES)}"
        )
    return category


def _check_table_size(table_size: str | None) -> str | None:
    if table_size is None:
        return None
    return check_text("table_size_override", table_size, chars_max=TABLE_SIZE_CHARS_MAX)


def _trimmed(what: str, text: str, *, chars_max: int) -> str:
    # The raw bound comes first: trimming megabytes of white space is work too.
    if len(text) > RAW_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > RAW_BYTES_MAX:
        raise errors.InvalidRequest(f"{what} is larger than {RAW_BYTES_MAX} bytes")
    return check_text(what, text, chars_max=chars_max)


_RULES: dict[str, Any] = {
    "name": _check_name,
    "sql": _check_sql,
    "tags": _check_tags,
    "description": _check_description,
    "category_override": _check_category,
    "table_size_override": _check_table_size,
}
