"""/v1/jobs: background work that API calls have started.

Generated clients close the list of job types, and fail on a whole listing when one is unknown to
them. So a client sees only the types of its generation, and never the server's own housekeeping.
"""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from catalog.model import Job
from engine.errors import InvalidRequest, NotFound
from engine.service import jobs
from engine.service.jobs import JOB_TYPES
from server.auth import Authorized
from server.v1.query_runs import split_commas
from server.wire.fields import Closed, Limit, Offset, Timestamp, id_path
from server.wire.openapi import documented_errors

FIRST_TYPES = ("noop", "data_refresh_table", "data_refresh_connection", "create_index")
PUBLIC_TYPES = (*FIRST_TYPES, "dataset_refresh", "create_dataset_index", "managed_load")

# What the first client says of itself; some later ones say it too, but name their workspace.
_FIRST_GENERATION = re.compile(r"OpenAPI-Generator/1\.0\.0/")

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"])


class JobBody(Closed):
    """One unit of background work; ``result`` is what the waiting call would have returned."""

    id: str
    job_type: str
    status: str
    attempts: int = Field(ge=0)
    error_message: str | None
    result: dict[str, Any] | None
    progress: dict[str, Any]
    created_at: Timestamp
    completed_at: Timestamp | None

    @classmethod
    def of(cls, job: Job) -> "JobBody":
        """Show a job as clients see it."""
        return cls.model_validate({name: getattr(job, name) for name in cls.model_fields})


class JobListing(Closed):
    """One page of jobs, newest first."""

    jobs: list[JobBody]


@router.get("", operation_id="list_jobs", summary="List jobs", responses=documented_errors())
async def list_jobs(
    request: Request,
    access: Authorized,
    job_type: Annotated[str | None, Query(description="One of the public job types.")] = None,
    status: Annotated[str | None, Query(description="Statuses, separated by commas.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> JobListing:
    """List the background work of this workspace, newest first."""
    if job_type is not None and job_type not in PUBLIC_TYPES:
        raise InvalidRequest(f"job_type must be one of {', '.join(PUBLIC_TYPES)}.")
    wanted = tuple(
        name for name in _visible_types(request) if name in JOB_TYPES and job_type in {None, name}
    )
    found = await jobs.list_jobs(
        access.engine,
        access.caller,
        job_types=wanted,
        statuses=split_commas(status),
        limit=limit,
        offset=offset,
    )
    return JobListing(jobs=[JobBody.of(job) for job in found])


@router.get("/{id}", operation_id="get_job", summary="Get a job", responses=documented_errors(404))
async def get_job(
    request: Request,
    access: Authorized,
    id: Annotated[str, id_path("job", "jobx0123456789abcdefghijklmnop")],  # noqa: A002 - path
) -> JobBody:
    """Look at one job; poll this after a 202."""
    job = await jobs.get_job(access.engine, access.caller, id)
    if job.job_type not in _visible_types(request):
        raise NotFound(f"Job '{id}' not found")
    return JobBody.of(job)


def _visible_types(request: Request) -> tuple[str, ...]:
    headers = request.headers
    is_first = _FIRST_GENERATION.search(headers.get("user-agent", ""))
    return FIRST_TYPES if is_first and "x-workspace-id" not in headers else PUBLIC_TYPES
