"""What operations of the Data API have in common: paths, pages and documented failures."""

from typing import Annotated, Any

from fastapi import Path
from starlette.convertors import StringConvertor, register_url_convertor

from server.api_v1.bodies import Whole
from server.wire.fields import Closed

_NUMBER_MAX = 2**63 - 1
DatasetId = Annotated[
    Whole, Path(ge=1, le=_NUMBER_MAX, description="Of the dataset.", examples=[1])
]
EntryId = Annotated[Whole, Path(ge=1, le=_NUMBER_MAX, description="Of the entry.", examples=[7])]


class _EntryConvertor(StringConvertor):
    """A part of a path that may be an id: ``/entries/batch`` is a path of its own, with its own methods."""

    regex = "(?!batch(?:/|$))[^/]+"


register_url_convertor("entry", _EntryConvertor())

_ALWAYS = (400, 401, 403, 404, 422, 429, 500, 503)
_MEANINGS = {
    400: "The request cannot be understood, or the state of the thing forbids it.",
    401: "No token, or an unknown one.",
    403: "The token may not use this cluster.",
    404: "The organisation, or the thing, is unknown here.",
    409: "The slug is taken, or the thing was changed meanwhile.",
    413: "The body or the file is too large.",
    416: "The file has no such range.",
    422: "A field is wrong: which, and how.",
    429: "Too many requests; come back after Retry-After seconds.",
    500: "Our mistake. Quote the request id.",
    502: "The embedding service failed.",
    503: "A part of the service is away.",
}


class Problem(Closed):
    """What is wrong with one field."""

    loc: list[str | int]
    msg: str
    type: str


class DetailBody(Closed):
    """What failed, as a sentence, or as a list of problems."""

    detail: str | list[Problem]


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """List the failures of an operation: its own, and those that any can meet."""
    return {
        status: {"model": DetailBody, "description": _MEANINGS[status]}
        for status in sorted({*_ALWAYS, *statuses})
    }


def page_count(total: int, rows: int) -> int:
    """Return how many pages there are.

    >>> page_count(0, 10), page_count(10, 10), page_count(11, 10)
    (0, 1, 2)
    """
    return -(-total // rows)
