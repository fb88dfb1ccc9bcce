"""/api/v1/health: whether the parts of the Data API work."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from engine.service.documents.health import check_parts
from server.door import door_of
from server.release import release
from server.wire.fields import Closed

router = APIRouter(tags=["Health"])


class PartBody(Closed):
    """One part."""

    status: str


class HealthBody(Closed):
    """Every part; ``degraded`` when one is away."""

    status: str
    version: str
    services: dict[str, PartBody]


@router.get(
    "/health",
    summary="Check the parts",
    response_model=HealthBody,
    responses={503: {"model": HealthBody, "description": "A part is away."}},
)
async def health(request: Request) -> Response:
    """Say whether the database, the storage and the searches work. Needs no token."""
    parts = await check_parts(door_of(request).engine)
    body = HealthBody(
        status="healthy" if all(parts.values()) else "degraded",
        version=release(),
        services={
            name: PartBody(status="healthy" if works else "unhealthy")
            for name, works in parts.items()
        },
    )
    status = 200 if all(parts.values()) else 503
    return Response(body.model_dump_json(), status_code=status, media_type="application/json")
