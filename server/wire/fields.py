"""Field types that every request and response shares.

Times leave as RFC 3339 in UTC with ``Z`` and six digits, always the same width, so that they sort
as text. Response models are closed: a field that is not documented cannot be sent.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from starlette.responses import Response

INT64_MAX = 2**63 - 1


def format_time(moment: datetime) -> str:
    """Write an aware time as every answer of this API does.

    >>> format_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Timestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]

Limit = Annotated[
    int,
    Query(ge=0, le=INT64_MAX, description="Most items in the page; at most 1000 are returned."),
]
Offset = Annotated[int, Query(ge=0, le=INT64_MAX, description="Items to skip.")]
DatabaseId = Annotated[
    str | None, Header(alias="X-Database-Id", description="Only what ran in this database.")
]


def id_path(kind: str, example: str) -> Any:  # noqa: ANN401 - FastAPI types its markers so
    """Describe the id in a path."""
    return Path(description=f"Id of the {kind}.", examples=[example])


class Closed(BaseModel):
    """A response body: exactly the documented fields, nulls included."""

    model_config = ConfigDict(extra="forbid")


class JobSubmitted(Closed):
    """Work that goes on in the background; poll ``status_url``."""

    id: str
    status: str
    status_url: str


def job_submitted(job_id: str, *, status_code: int = 202) -> Response:
    """Point at a job that has just been queued."""
    body = JobSubmitted(id=job_id, status="pending", status_url=f"/v1/jobs/{job_id}")
    return Response(body.model_dump_json(), status_code=status_code, media_type="application/json")
