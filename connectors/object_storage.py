"""S3 as sources read it: one set of options, given to each library in its own words.

The endpoint, if one is set, passes the door out. Without one it is Amazon's own. The region has a
default where a library would ask the machine it runs on: its environment and metadata.

The trap: the libraries resolve names themselves, follow redirects, and build a host of the region
and the bucket. So all their connections are made by a proxy of this process, which judges each.
"""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pyarrow.fs import S3FileSystem
from pydantic import Field, SecretStr

from connectors.base import SourceContext
from connectors.errors import OptionsInvalid
from connectors.hosts import resolve_host
from connectors.judging_proxy import JudgingProxy
from connectors.options import AuthForm, SourceOptions

DEFAULT_PORTS = {"http": 80, "https": 443}
DEFAULT_REGION = "us-east-1"
S3_AUTH = AuthForm("S3 access key", ("s3_secret_access_key",))


class S3Options(SourceOptions):
    """Where objects are and who reads them; mix into the options of a source.

    Without an access key requests are not signed (public buckets): this server's own credentials
    are never used for somebody's connection.
    """

    s3_endpoint: str | None = Field(
        None, description="URL of an S3-compatible service; empty = Amazon S3."
    )
    # It becomes a part of a host name.
    s3_region: str | None = Field(
        None,
        description="Region of the bucket.",
        examples=["eu-west-1"],
        pattern=r"^[a-z0-9-]{1,64}$",
    )
    s3_access_key_id: str | None = Field(None, description="Access key id.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")


def check_endpoint(options: S3Options, context: SourceContext) -> None:
    """Judge the endpoint.

    Raises:
        OptionsInvalid: it is no http or https URL of a host alone, or the access key is not whole.
        EgressRefused: its address may not be reached.
        SourceUnreachable: its name does not resolve.
    """
    if (options.s3_access_key_id is None) != (options.s3_secret_access_key is None):
        raise OptionsInvalid("s3_access_key_id and s3_secret_access_key need each other")
    if options.s3_endpoint is None:
        return
    try:
        url = urlsplit(options.s3_endpoint)
        port = url.port
    except ValueError:
        raise OptionsInvalid("s3_endpoint is not a valid URL") from None
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise OptionsInvalid("s3_endpoint must be an http or https URL")
    if "@" in url.netloc or url.path.strip("/") or url.query or url.fragment:
        raise OptionsInvalid("s3_endpoint must be a host and perhaps a port, and nothing more")
    port = port or DEFAULT_PORTS[url.scheme]
    resolve_host(url.hostname, port, allow_private=context.allow_private)


def arrow_filesystem(options: S3Options, context: SourceContext) -> S3FileSystem:
    """Open a pyarrow filesystem whose paths are ``bucket/key``."""
    check_endpoint(options, context)
    url = urlsplit(options.s3_endpoint or "")
    settings: dict[str, Any] = {
        "region": options.s3_region or DEFAULT_REGION,
        "connect_timeout": context.connect_timeout_s,
        "request_timeout": context.statement_timeout_s,
        "proxy_options": _proxy_url(context),
    }
    if options.s3_endpoint is not None:
        settings |= {"endpoint_override": url.netloc, "scheme": url.scheme}
    if options.s3_access_key_id is None:
        settings["anonymous"] = True
    else:
        settings |= {
            "access_key": options.s3_access_key_id,
            "secret_key": options.reveal("s3_secret_access_key"),
        }
    return S3FileSystem(**{key: value for key, value in settings.items() if value is not None})


def object_store_options(options: S3Options, context: SourceContext) -> dict[str, str]:
    """Return storage options of the object_store crate (deltalake, obstore), as ``aws_*`` keys."""
    check_endpoint(options, context)
    given = {
        "aws_region": options.s3_region or DEFAULT_REGION,
        "aws_endpoint": options.s3_endpoint,
        "aws_access_key_id": options.s3_access_key_id,
        "aws_secret_access_key": options.reveal("s3_secret_access_key"),
        "aws_allow_http": "true" if (options.s3_endpoint or "").startswith("http:") else None,
        "aws_skip_signature": "true" if options.s3_access_key_id is None else None,
        "proxy_url": _proxy_url(context),
    }
    return {key: value for key, value in given.items() if value is not None}


def pyiceberg_properties(options: S3Options, context: SourceContext) -> dict[str, str]:
    """Return the ``s3.*`` properties of a pyiceberg catalog.

    The proxy is among them also for the sake of an endpoint that the catalog may name.
    """
    check_endpoint(options, context)
    given = {
        "s3.endpoint": options.s3_endpoint,
        "s3.region": options.s3_region,
        "s3.access-key-id": options.s3_access_key_id,
        "s3.secret-access-key": options.reveal("s3_secret_access_key"),
        "s3.anonymous": "true" if options.s3_access_key_id is None else None,
        "s3.proxy-uri": _proxy_url(context),
    }
    return {key: value for key, value in given.items() if value is not None}


def _proxy_url(context: SourceContext) -> str:
    return _proxy(context.allow_private, context.connect_timeout_s).url


@cache
def _proxy(allow_private: bool, connect_timeout_s: float) -> JudgingProxy:
    # Two threads that are the first may each start one, which does no harm.
    return JudgingProxy(allow_private=allow_private, connect_timeout_s=connect_timeout_s)
