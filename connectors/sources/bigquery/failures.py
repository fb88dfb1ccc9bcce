"""Turns what Google's libraries throw into the errors of a source."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from connectors.drivers import load_driver
from connectors.errors import (
    ConnectorError,
    SourceFailed,
    SourceRefused,
    SourceUnreachable,
    TableGone,
    scrubbed,
)
from connectors.sources.bigquery.options import BigQueryOptions

_EXTRA = "bigquery"
# https://cloud.google.com/bigquery/docs/error-messages: status 403, and no matter of rights.
_LIMIT_REASONS = frozenset({"quotaExceeded", "rateLimitExceeded", "responseTooLarge"})
_REQUEST_PREFIX = re.compile(r"^[A-Z]+ https?://\S+?: ")


@contextmanager
def source_failures(options: BigQueryOptions, *, is_reading: bool = False) -> Iterator[None]:
    """Raise ours in place of theirs; ``is_reading`` once rows were on their way."""
    api = load_driver("google.api_core.exceptions", extra=_EXTRA)
    auth = load_driver("google.auth.exceptions", extra=_EXTRA)
    try:
        yield
    except api.RetryError as error:
        raise _typed(error.cause or error, options, is_reading=is_reading) from error
    except (api.GoogleAPIError, auth.GoogleAuthError, OSError) as error:
        raise _typed(error, options, is_reading=is_reading) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The libraries trust an answer to have its parts; an endpoint may be anything.
        raise SourceFailed("BigQuery sent an answer that cannot be read") from error


def _typed(error: Exception, options: BigQueryOptions, *, is_reading: bool) -> ConnectorError:
    api = load_driver("google.api_core.exceptions", extra=_EXTRA)
    auth = load_driver("google.auth.exceptions", extra=_EXTRA)
    if isinstance(error, api.GoogleAPICallError):
        return _answered(error, options)
    if isinstance(error, auth.GoogleAuthError) and not isinstance(error, auth.TransportError):
        # The answer of the token endpoint follows its summary in the arguments.
        return SourceRefused(scrubbed(str(next(iter(error.args), "")), options.secrets()))
    if isinstance(error, TimeoutError):
        return SourceFailed("The query took too long")
    # The libraries' own texts of what is left have addresses.
    if is_reading:
        return SourceFailed("BigQuery broke off while its rows were read")
    return SourceUnreachable("BigQuery cannot be reached")


def _answered(error: Any, options: BigQueryOptions) -> ConnectorError:  # noqa: ANN401 - a driver's
    message = scrubbed(_REQUEST_PREFIX.sub("", error.message or ""), options.secrets())
    reasons = {detail.get("reason") for detail in error.errors if isinstance(detail, dict)}
    if error.code == HTTPStatus.NOT_FOUND and "Not found: Table" in message:
        return TableGone(message)
    if error.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
        return SourceRefused(message)
    if error.code == HTTPStatus.FORBIDDEN and not reasons & _LIMIT_REASONS:
        return SourceRefused(message)
    return SourceFailed(message)
