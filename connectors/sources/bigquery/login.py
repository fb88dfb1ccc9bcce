"""The client of one connection: the key it signs with, and the addresses it is allowed.

The invariant: a key can send this process to Google, or to the endpoint that was judged, and
nowhere else. Google's libraries read other kinds of credential documents as well, which name URLs to
ask and commands to run; only a service account's key is taken, and only the fields it needs.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.errors import EgressRefused, OptionsInvalid
from connectors.hosts import resolve_host
from connectors.sources.bigquery.options import BigQueryOptions

SCOPE = "https://www.googleapis.com/auth/bigquery"
"""The narrowest that may run a query."""
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

_EXTRA = "bigquery"
_KEY_FIELDS = ("client_email", "client_id", "private_key", "private_key_id", "project_id")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def open_client(options: BigQueryOptions, context: SourceContext) -> Any:  # noqa: ANN401 - a driver's
    """Make a client; nothing is sent yet.

    Raises:
        OptionsInvalid: the key is not one of a service account, or cannot be read.
        EgressRefused: the endpoint may not be reached from here.
        SourceUnreachable: the endpoint does not resolve.
    """
    bigquery = load_driver("google.cloud.bigquery", extra=_EXTRA)
    info = load_driver("google.api_core.client_info", extra=_EXTRA)
    if options.api_endpoint is not None:
        _judge(options.api_endpoint, allow_private=context.allow_private)
    return bigquery.Client(
        project=options.project_id,
        credentials=_credentials(options),
        location=options.location,
        client_info=info.ClientInfo(user_agent="tidemill"),
        client_options={"api_endpoint": options.api_endpoint},
    )


def _judge(endpoint: str, *, allow_private: bool) -> None:
    """Refuse an endpoint that may not be reached; the sockets themselves are judged again."""
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not allow_private:
        raise EgressRefused("http is only for private addresses, which are not allowed here")
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise OptionsInvalid("The port of api_endpoint is not valid") from None
    resolve_host(parts.hostname or "", port, allow_private=allow_private)


def _credentials(options: BigQueryOptions) -> Any:  # noqa: ANN401 - a driver's
    document = options.reveal("credentials_json")
    if not document:
        if options.api_endpoint is None:
            raise OptionsInvalid("BigQuery needs credentials_json, the key of a service account")
        return load_driver("google.auth.credentials", extra=_EXTRA).AnonymousCredentials()
    key = _service_account_key(document, options.api_endpoint)
    load_driver("google.oauth2.service_account", extra=_EXTRA)
    from connectors.sources.bigquery.signing import ServiceAccountToken  # noqa: PLC0415 - a driver's base

    try:
        return ServiceAccountToken(key, SCOPE)
    except ValueError:
        raise OptionsInvalid("The private key in credentials_json cannot be read") from None


def _service_account_key(document: str, endpoint: str | None) -> Mapping[str, str]:
    try:
        key = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise OptionsInvalid("credentials_json is no JSON document") from None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise OptionsInvalid("credentials_json must be the key of a service account")
    if key.get("universe_domain", "googleapis.com") != "googleapis.com":
        raise OptionsInvalid("credentials_json must be of the universe googleapis.com")
    token_uri = key.get("token_uri", TOKEN_URI)
    is_at_endpoint = endpoint is not None and str(token_uri).startswith(f"{endpoint}/")
    if token_uri != TOKEN_URI and not is_at_endpoint:
        raise OptionsInvalid(f"The token_uri in credentials_json must be {TOKEN_URI}")
    taken = {name: key[name] for name in _KEY_FIELDS if isinstance(key.get(name), str)}
    return {**taken, "token_uri": token_uri}
