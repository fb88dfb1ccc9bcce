"""Opens the catalog of a connection.

Catalogs are made directly, not by pyiceberg's ``load_catalog``, which would merge in the
environment and the configuration files of this server.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from pyiceberg.catalog import Catalog

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import SourceUnreachable
from connectors.sources.iceberg.file_io import local_path
from connectors.sources.iceberg.options import (
    GlueCatalogOptions,
    IcebergOptions,
    RestCatalogOptions,
)
from connectors.sources.iceberg.rest_catalog import open_rest_catalog
from connectors.sources.iceberg.sql_catalog import open_sql_catalog

if TYPE_CHECKING:
    from connectors.sources.iceberg.glue_catalog import JudgedGlueCatalog


def open_catalog(options: IcebergOptions, context: SourceContext) -> Catalog:
    """Open a catalog; a REST catalog is asked for its configuration.

    Raises:
        OptionsInvalid: something that this kind of catalog needs is missing.
        EgressRefused: it may not be reached, or its files may not be read.
        DriverMissing: the extra for Glue is not installed.
    """
    if options.warehouse.startswith(("/", "file:")):
        # It may not be there yet: only the catalog says where tables are.
        with suppress(SourceUnreachable):
            local_path(options.warehouse, context.local_files)
    if isinstance(options.catalog_type, RestCatalogOptions):
        return open_rest_catalog(options, options.catalog_type, context)
    if isinstance(options.catalog_type, GlueCatalogOptions):
        module = load_driver("connectors.sources.iceberg.glue_catalog", extra="glue")
        glue: JudgedGlueCatalog = module.open_glue_catalog(options, options.catalog_type, context)
        return glue
    return open_sql_catalog(options, options.catalog_type, context)
