"""The settings of the driver for one session: where to, as whom, with which parameters.

The trap: the driver is native and connects where it likes, so no socket of it is judged. Without a
host of the user's own it can only reach Snowflake. A server elsewhere could send it on, with the
addresses of result chunks, to any host; therefore other hosts are for places where private
addresses are allowed anyway.
"""

import math

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from connectors.base import SourceContext
from connectors.errors import EgressRefused, OptionsInvalid
from connectors.hosts import resolve_host
from connectors.sources.snowflake.options import SnowflakeOptions

RESULT_CHUNK_MB = 48
"""The smallest Snowflake has: a chunk is in memory as a whole, and two are fetched at once."""
STATEMENT_OPTIONS = {
    "adbc.rpc.result_queue_size": "4",
    "adbc.snowflake.rpc.prefetch_concurrency": "2",
}
"""The driver's own defaults, 200 batches and 10 chunks, are gigabytes of a large result."""

_SQL = "adbc.snowflake.sql."
_CLIENT = "adbc.snowflake.sql.client_option."
_OWN_HOSTS = (".snowflakecomputing.com", ".snowflakecomputing.cn")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def database_options(options: SnowflakeOptions, context: SourceContext) -> dict[str, str]:
    """Return everything the driver is told; names that are not its own are session parameters.

    Raises:
        OptionsInvalid: there is not exactly one credential, or the private key cannot be used.
        EgressRefused: the host may not be reached from here.
        SourceUnreachable: the host does not resolve.
    """
    connect_timeout = f"{math.ceil(context.connect_timeout_s)}s"
    named = {
        f"{_SQL}account": options.account,
        f"{_SQL}warehouse": options.warehouse,
        f"{_SQL}db": options.database,
        f"{_SQL}schema": options.schema_name,
        f"{_SQL}role": options.role,
    }
    return {
        "username": options.user,
        **{key: value for key, value in named.items() if value is not None},
        **_address(options, context),
        **_credential(options),
        f"{_CLIENT}login_timeout": connect_timeout,
        f"{_CLIENT}use_high_precision": "true",
        f"{_CLIENT}disable_telemetry": "true",
        f"{_CLIENT}store_temp_creds": "false",
        f"{_CLIENT}app_name": "tidemill",
        **_session_parameters(context),
    }


def _session_parameters(context: SourceContext) -> dict[str, str]:
    return {
        "TIMEZONE": "UTC",
        "QUERY_TAG": "tidemill",
        "STATEMENT_TIMEOUT_IN_SECONDS": str(math.ceil(context.statement_timeout_s)),
        # Killing this process is how a fetch is cancelled: nobody is left to tell the warehouse.
        "ABORT_DETACHED_QUERY": "true",
        # An account may have it on, and then no quoted name in lower case would be found.
        "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
        "JSON_INDENT": "0",
        "CLIENT_RESULT_CHUNK_SIZE": str(RESULT_CHUNK_MB),
    }


def _address(options: SnowflakeOptions, context: SourceContext) -> dict[str, str]:
    if options.host is None:
        return {}
    is_own = options.host.lower().endswith(_OWN_HOSTS) and options.protocol == "https"
    if not is_own and not context.allow_private:
        raise EgressRefused("Only https hosts of snowflakecomputing.com may be reached from here")
    port = options.port or _DEFAULT_PORTS[options.protocol]
    (address, *_) = resolve_host(options.host, port, allow_private=context.allow_private)
    # TLS verifies the host the driver is told, so only http can be given the judged address.
    host = address if options.protocol == "http" else options.host
    return {
        f"{_SQL}uri.host": f"[{host}]" if ":" in host else host,
        f"{_SQL}uri.port": str(port),
        f"{_SQL}uri.protocol": options.protocol,
    }


def _credential(options: SnowflakeOptions) -> dict[str, str]:
    password, key = options.reveal("password"), options.reveal("private_key")
    token, oauth_token = options.reveal("token"), options.reveal("oauth_token")
    if sum(map(bool, (password, key, token, oauth_token))) != 1:
        raise OptionsInvalid(
            "Give one credential: a password, a private key, a programmatic access token or an"
            " OAuth token"
        )
    auth_type, auth_token = f"{_SQL}auth_type", f"{_CLIENT}auth_token"
    if key:
        pem = _plain_key(key, options.reveal("private_key_passphrase"))
        return {auth_type: "auth_jwt", f"{_CLIENT}jwt_private_key_pkcs8_value": pem}
    if token:
        return {auth_type: "auth_pat", auth_token: token}
    if oauth_token:
        return {auth_type: "auth_oauth", auth_token: oauth_token}
    return {auth_type: "auth_snowflake", "password": password or ""}


def _plain_key(pem: str, passphrase: str | None) -> str:
    """Return an RSA key as unencrypted PKCS #8: the driver panics on other kinds of keys."""
    try:
        key = load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise OptionsInvalid("The private key is no PEM, or its passphrase is wrong") from None
    if not isinstance(key, RSAPrivateKey):
        raise OptionsInvalid("The private key must be an RSA key")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
