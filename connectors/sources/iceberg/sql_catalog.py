"""A catalog in a database: a SQLite file of this machine, opened read-only, or Postgres.

The address of a Postgres host is judged and then given to libpq beside the name, which TLS still
verifies. Of the URL's parameters only those are taken that name no file.
"""

import os
from urllib.parse import quote

from pyiceberg.catalog.sql import IcebergNamespaceProperties, IcebergTables, SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.typedef import EMPTY_DICT, Properties
from sqlalchemy import URL, make_url, select, union
from sqlalchemy.exc import ArgumentError
from typing_extensions import override

from connectors.base import SourceContext
from connectors.errors import OptionsInvalid
from connectors.hosts import check_socket_folder, resolve_host
from connectors.local_paths import check_file
from connectors.sources.iceberg.file_io import JudgedFileIO, storage_properties
from connectors.sources.iceberg.options import IcebergOptions, SqlCatalogOptions

POSTGRES_PORT = 5432
_PARAMETERS = frozenset({"host", "sslmode"})


def open_sql_catalog(
    options: IcebergOptions, catalog: SqlCatalogOptions, context: SourceContext
) -> SqlCatalog:
    """Open a catalog and look which one of the database it is.

    Raises:
        OptionsInvalid: the URL cannot be meant, or the database holds several catalogs.
        EgressRefused: the file may not be read, or the host not reached.
        SourceUnreachable: there is no such file.
    """
    try:
        url = make_url(catalog.uri)
    except ArgumentError:
        raise OptionsInvalid("catalog_type.uri is no database URL") from None
    if url.password is not None:
        raise OptionsInvalid("The password of the catalog's database belongs into a secret")
    judged = _sqlite(url, context) if url.drivername == "sqlite" else None
    # A secret that is bare text reads as the bearer token, whatever the catalog.
    password = options.reveal("password") or options.reveal("bearer_token")
    judged = judged or _postgres(url, password, context)
    io = JudgedFileIO(storage_properties(options, context, {}), context.local_files)
    opened = _JudgedSqlCatalog(judged, io, options.warehouse)
    opened.name = catalog.catalog_name or opened.only_name()
    return opened


def _sqlite(url: URL, context: SourceContext) -> URL:
    if url.query or not url.database:
        raise OptionsInvalid("A SQLite catalog is a URL like sqlite:////absolute/path")
    path = check_file(url.database, context.local_files)
    file = f"file:{quote(str(path))}"
    return URL.create("sqlite", database=file, query={"mode": "ro", "uri": "true"})


def _postgres(url: URL, password: str | None, context: SourceContext) -> URL:
    unknown = sorted(url.query.keys() - _PARAMETERS)
    if unknown:
        raise OptionsInvalid(f"Parameters of a catalog's URL that are not taken: {unknown}")
    host = url.host or str(url.query.get("host", ""))
    if not host:
        raise OptionsInvalid("The URL of a Postgres catalog names no host")
    query = {name: str(value) for name, value in url.query.items() if name != "host"}
    if host.startswith("/"):
        query["host"] = str(check_socket_folder(host, allow_private=context.allow_private))
    else:
        port = url.port or POSTGRES_PORT
        addresses = resolve_host(host, port, allow_private=context.allow_private)
        query |= {"host": host, "hostaddr": addresses[0]}
    query["connect_timeout"] = str(max(2, int(context.connect_timeout_s)))
    query["options"] = "-c default_transaction_read_only=on"
    query["passfile"] = os.devnull
    return URL.create(
        "postgresql+psycopg",
        username=url.username,
        password=password,
        port=url.port,
        database=url.database,
        query=query,
    )


class _JudgedSqlCatalog(SqlCatalog):
    def __init__(self, url: URL, io: JudgedFileIO, warehouse: str) -> None:
        self._io = io
        super().__init__(
            "",
            uri=url.render_as_string(hide_password=False),
            warehouse=warehouse,
            init_catalog_tables="false",
        )

    def only_name(self) -> str:
        """Return the name of the only catalog in the database, empty when there is none."""
        names = union(
            select(IcebergTables.catalog_name), select(IcebergNamespaceProperties.catalog_name)
        )
        with self.engine.connect() as connection:
            found = sorted(connection.execute(names).scalars())
        if len(found) > 1:
            raise OptionsInvalid(f"Set catalog_type.catalog_name to one of: {', '.join(found)}")
        return found[0] if found else ""

    @override
    def _load_file_io(
        self, properties: Properties = EMPTY_DICT, location: str | None = None
    ) -> FileIO:
        return self._io

    @override
    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        place = orm_table.metadata_location
        if not place:
            raise NoSuchTableError
        return Table(
            identifier=(*self.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name),
            metadata=FromInputFile.table_metadata(self._io.new_input(place)),
            metadata_location=place,
            io=self._io,
            catalog=self,
        )
