"""A REST catalog that is told by its server only where its tables are.

The trap: a server may send configuration, and pyiceberg would follow it in naming classes to
import, certificate files to read and AWS credentials of this machine to sign with. What is kept is
a short list; the sockets themselves are judged by :func:`connectors.hosts.guard_sockets`.
"""

import re
from collections.abc import Mapping

from pyiceberg.catalog.rest import RestCatalog, TableResponse
from pyiceberg.catalog.rest.auth import AuthManagerAdapter, NoopAuthManager
from pyiceberg.io import FileIO
from pyiceberg.table import Table
from pyiceberg.typedef import EMPTY_DICT, Properties
from requests import (  # noqa: TID251 - pyiceberg speaks through it; its sockets are judged
    PreparedRequest,
    Response,
    Session,
)
from requests.adapters import HTTPAdapter  # noqa: TID251 - the same
from typing_extensions import override

from connectors.base import SourceContext
from connectors.errors import OptionsInvalid
from connectors.sources.iceberg.file_io import JudgedFileIO, judge_url, storage_properties
from connectors.sources.iceberg.options import IcebergOptions, RestCatalogOptions

_TOKEN = re.compile(r"[\x21-\x7e]+")
_KEPT = frozenset({"uri", "prefix", "namespace-separator", "rest-page-size"})
_OFFERED = frozenset(
    {
        "s3.endpoint",
        "s3.region",
        "client.region",
        "s3.access-key-id",
        "s3.secret-access-key",
        "s3.session-token",
    }
)


def open_rest_catalog(
    options: IcebergOptions, catalog: RestCatalogOptions, context: SourceContext
) -> RestCatalog:
    """Open a catalog and ask for its configuration.

    Raises:
        OptionsInvalid: the token cannot be one.
        EgressRefused: a host may not be reached.
    """
    token_uri = catalog.oauth2_server_uri or f"{catalog.uri.rstrip('/')}/v1/oauth/tokens"
    judge_url(catalog.uri, context)
    judge_url(token_uri, context)
    token = options.reveal("bearer_token") or options.reveal("token")
    if token is not None and _TOKEN.fullmatch(token) is None:
        # The error of the HTTP client would show it, escaped, so that scrubbing would not find it.
        raise OptionsInvalid("The token holds characters that no HTTP header may")
    properties = {
        "uri": catalog.uri,
        "warehouse": options.warehouse,
        "token": token,
        "credential": options.reveal("credential"),
        "oauth2-server-uri": token_uri,
        "scope": catalog.scope,
    }
    given = {name: value for name, value in properties.items() if value}
    return _JudgedRestCatalog(given, options, context)


class _JudgedRestCatalog(RestCatalog):
    # Its own _create_session would send the token "None" where there is none.

    def __init__(
        self, properties: Mapping[str, str], options: IcebergOptions, context: SourceContext
    ) -> None:
        self._options = options
        self._context = context
        self._given = dict(properties)
        self._offered: dict[str, str] = {}
        super().__init__("rest", **properties)

    @override
    def _create_session(self) -> Session:
        session = Session()
        session.trust_env = False
        adapter = _TimedAdapter(self._context)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._config_headers(session)
        if self._given.keys() & {"token", "credential"}:
            self._auth_manager = self._create_legacy_oauth2_auth_manager(session)
        session.auth = AuthManagerAdapter(self._auth_manager or NoopAuthManager())
        return session

    @override
    def _fetch_config(self) -> None:
        super()._fetch_config()
        sent = self.properties
        self._offered = {name: sent[name] for name in _OFFERED & sent.keys()}
        self.properties = self._given | {name: sent[name] for name in _KEPT & sent.keys()}
        judge_url(self.uri, self._context)

    @override
    def _load_file_io(
        self, properties: Properties = EMPTY_DICT, location: str | None = None
    ) -> FileIO:
        offered = self._offered | properties
        judged = storage_properties(self._options, self._context, offered)
        return JudgedFileIO(judged, self._context.local_files)

    @override
    def _response_to_table(
        self, identifier_tuple: tuple[str, ...], table_response: TableResponse
    ) -> Table:
        place = table_response.metadata_location
        key = self._resolve_storage_credentials(table_response.storage_credentials, place)
        return Table(
            identifier=identifier_tuple,
            metadata=table_response.metadata,
            metadata_location=place or "",
            io=self._load_file_io(table_response.config | key),
            catalog=self,
        )


class _TimedAdapter(HTTPAdapter):
    """Bounds how long an answer may take; without it requests waits for ever."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__()
        self._timeout_s = (context.connect_timeout_s, context.statement_timeout_s)

    @override
    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: object = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        return super().send(request, stream, self._timeout_s, verify, cert)
