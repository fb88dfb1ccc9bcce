"""The Glue Data Catalog, with the key of the connection and never with this server's own."""

from typing import Any, TypeAlias

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.io import FileIO
from pyiceberg.typedef import EMPTY_DICT, Properties
from typing_extensions import override

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import OptionsInvalid
from connectors.sources.iceberg.file_io import JudgedFileIO, judge_url, storage_properties
from connectors.sources.iceberg.options import GlueCatalogOptions, IcebergOptions

ATTEMPTS = 3

GlueClient: TypeAlias = Any
"""boto3 makes its clients at run time."""


def open_glue_catalog(
    options: IcebergOptions, catalog: GlueCatalogOptions, context: SourceContext
) -> "JudgedGlueCatalog":
    """Open a catalog; nothing is sent yet.

    Raises:
        OptionsInvalid: there is no access key.
        EgressRefused: the endpoint may not be reached.
    """
    key, secret = options.reveal("access_key_id"), options.reveal("secret_access_key")
    if not key or not secret:
        raise OptionsInvalid(
            "A Glue catalog needs a secret with access_key_id and secret_access_key, as JSON"
        )
    if catalog.endpoint is not None:
        judge_url(catalog.endpoint, context)
    token = options.reveal("session_token")
    client: Any = (
        load_driver("boto3", extra="glue")
        .Session()
        .client(
            "glue",
            region_name=catalog.region,
            endpoint_url=catalog.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=load_driver("botocore.config", extra="glue").Config(
                connect_timeout=context.connect_timeout_s,
                read_timeout=context.statement_timeout_s,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                proxies={},
            ),
        )
    )
    offered = {
        "s3.region": catalog.region,
        "s3.access-key-id": key,
        "s3.secret-access-key": secret,
        "s3.session-token": token or "",
    }
    io = JudgedFileIO(storage_properties(options, context, offered), context.local_files)
    return JudgedGlueCatalog(client, io, options.warehouse)


class JudgedGlueCatalog(GlueCatalog):
    """Glue, whose tables' files are judged."""

    def __init__(self, client: GlueClient, io: JudgedFileIO, warehouse: str) -> None:
        super().__init__("glue", client, warehouse=warehouse)
        self._io = io

    @override
    def _load_file_io(
        self, properties: Properties = EMPTY_DICT, location: str | None = None
    ) -> FileIO:
        return self._io
