"""The database that answers: an own DuckDB in memory, with the relations of one snapshot.

It is locked down: no files, no network, no extensions, a bound on memory, one thread. Relations are made when a
statement first reads them, and stay; what belongs to one session is there for one statement only.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import cast

import duckdb
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.pg_catalog import information_schema, relations
from engine.pg_catalog.cluster import SESSION_RELATIONS
from engine.pg_catalog.entries import Entries
from engine.pg_catalog.filling import fill
from engine.pg_catalog.instance import cursor_of, drop_database, new_database
from engine.pg_catalog.layout import INFORMATION_SCHEMA, SystemRelation
from engine.pg_catalog.names import Names, macros_of, register
from engine.pg_catalog.rewrite import (
    SCHEMA,
    SESSION_PREFIX,
    RewrittenSql,
    rewrite_catalog_sql,
)
from engine.pg_catalog.snapshot import CatalogSnapshot
from engine.query.sql_text import quoted_name

_REWRITTEN_MAX = 256
_MACROS = (
    "expand_array(items) AS list_transform(items, LAMBDA e, i: {'x': e, 'n': i::INTEGER})",
    "array_text(items) AS '{' || array_to_string(items, ',') || '}'",
    "moment(us) AS make_timestamptz(us::BIGINT)",
)
# "Binder Error: " and the like.
_KIND = re.compile(r"\A(?:Invalid )?\w+ Error: ")


class CatalogDatabase:
    """Answers statements about one snapshot, whatever the session.

    Attributes:
        snapshot: what it shows, without a session.
        names: what the object identifiers in its answers mean.
    """

    def __init__(self, snapshot: CatalogSnapshot) -> None:
        """Open it, without any relation yet."""
        self.snapshot = snapshot
        self._entries = Entries(snapshot)
        self.names = Names(self._entries)
        self._connection, self._name = new_database()
        self._made: set[str] = set()
        self._rewritten: OrderedDict[Hashable, RewrittenSql] = OrderedDict()
        # Cursors share the database; only one statement at a time makes relations.
        self._making = Lock()
        self._users = 0
        self._is_closed = False
        self._connection.execute(f"CREATE SCHEMA {SCHEMA}")
        for macro in (*_MACROS, *macros_of(register(self.names))):
            self._connection.execute(f"CREATE MACRO {macro}")

    def retain(self) -> None:
        """Keep it open for one more statement, until :meth:`release`."""
        with self._making:
            self._users += 1

    def release(self) -> None:
        """Say that a statement is done with it."""
        with self._making:
            self._users -= 1
            self._drop_if_idle()

    def close(self) -> None:
        """Give its memory back as soon as no statement retains it."""
        with self._making:
            self._is_closed = True
            self._drop_if_idle()

    def _drop_if_idle(self) -> None:
        if self._is_closed and not self._users:
            self._is_closed = False
            self._connection.close()
            drop_database(self._name)

    def rewrite(self, sql: str, snapshot: CatalogSnapshot) -> RewrittenSql:
        """Rewrite a statement, or remember it: clients send the same ones again and again.

        Raises:
            SqlInvalid: as :func:`rewrite_catalog_sql`.
        """
        session = snapshot.session
        settings = tuple(sorted(session.settings.items()))
        pid = session.backend_pid if "pid" in sql.lower() else 0
        key = (sql, session.user, session.search_path, settings, session.server_started_us, pid)
        with self._making:
            known = self._rewritten.get(key)
        if known is None:
            known = rewrite_catalog_sql(sql, snapshot)
            with self._making:
                self._rewritten[key] = known
                if len(self._rewritten) > _REWRITTEN_MAX:
                    self._rewritten.popitem(last=False)
        return known

    def query(
        self, sql: str, needed: Iterable[SystemRelation], snapshot: CatalogSnapshot
    ) -> pa.Table:
        """Run a rewritten statement.

        Args:
            sql: of :func:`rewrite_catalog_sql`.
            needed: what it reads.
            snapshot: for what belongs to the session.

        Raises:
            SqlInvalid: it does not bind or evaluate.
        """
        with cursor_of(self._name) as cursor:
            for relation in needed:
                if relation.local_name in SESSION_RELATIONS:
                    self._make_of_session(cursor, relation, snapshot)
                else:
                    self._make(relation)
            try:
                found = cursor.sql(sql)
                if found is None:
                    raise SqlInvalid("Only queries of the system catalogs can be answered.")
                return cast("pa.Table", found.to_arrow_table())
            except duckdb.Error as error:
                raise SqlInvalid(_sentence(error)) from None

    def _make(self, relation: SystemRelation) -> None:
        with self._making:
            if relation.local_name in self._made:
                return
            module = information_schema if relation.schema == INFORMATION_SCHEMA else relations
            build = module.BUILDERS.get(relation.name)
            table = fill(relation, build(self._entries)) if build else fill(relation, {}, rows=0)
            name = quoted_name(SCHEMA, relation.local_name)
            with cursor_of(self._name) as cursor:
                cursor.register("made", table)
                cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM made")  # noqa: S608 - a name of ours
            self._made.add(relation.local_name)

    def _make_of_session(
        self,
        cursor: duckdb.DuckDBPyConnection,
        relation: SystemRelation,
        snapshot: CatalogSnapshot,
    ) -> None:
        oid = self._entries.database_oids.get(snapshot.database, 0)
        cells = SESSION_RELATIONS[relation.local_name](snapshot, oid)
        cursor.register(SESSION_PREFIX + relation.name, fill(relation, cells))


def _sentence(error: duckdb.Error) -> str:
    """Keep the sentence of an error, without its hints and the rewritten statement."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    _, raised, own = str(error).partition("LookupError: ")
    if raised:
        return own.splitlines()[0]
    first = lines[0] if lines else "The statement cannot be answered."
    return _KIND.sub("", first, count=1)
