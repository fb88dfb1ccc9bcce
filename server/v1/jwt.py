"""POST /v1/auth/jwt: some clients exchange their API token for another before the first call.

Tokens here need no exchange, so the answer is the same token again. A client that sends it as a
refresh token later gets it once more.
"""

from urllib.parse import parse_qs

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from engine.errors import InvalidRequest
from server.auth import identify_token
from server.door import door_of
from server.errors import WrongMediaType
from server.limits import read_body
from server.wire.fields import Closed
from server.wire.openapi import documented_errors

_EXPIRES_IN_S = 300
_FORM = "application/x-www-form-urlencoded"
_FORM_BYTES_MAX = 16 * 1024
_FIELDS_MAX = 20
_GRANTS = ("api_token", "refresh_token")

router = APIRouter(prefix="/v1/auth/jwt", tags=["Authentication"])


class TokenBody(Closed):
    """A token for the Authorization header."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int = Field(ge=1, description="Seconds.")


@router.post(
    "",
    operation_id="exchange_token",
    summary="Exchange an API token",
    responses=documented_errors(413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "grant_type": {"type": "string", "enum": list(_GRANTS)},
                            "api_token": {"type": "string"},
                            "refresh_token": {"type": "string"},
                            "client_id": {"type": "string"},
                        },
                        "required": ["grant_type"],
                    },
                    "example": {"grant_type": "api_token", "api_token": "tm_example"},
                }
            },
        }
    },
)
async def exchange_token(request: Request) -> TokenBody:
    """Check an API token and hand it back in the form of OAuth 2 (RFC 6749, 5.1)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise WrongMediaType(f"The body must have the content type {_FORM}.")
    body = await read_body(request, size_max_bytes=_FORM_BYTES_MAX)
    try:
        form = parse_qs(body.decode("latin-1"), max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise InvalidRequest("The form has too many fields.") from error
    grant = form.get("grant_type", [""])[0]
    if grant not in _GRANTS:
        raise InvalidRequest(f"grant_type must be one of {', '.join(_GRANTS)}.")
    if grant not in form:
        raise InvalidRequest(f"Field '{grant}' is required.")
    token = form[grant][0]
    await identify_token(door_of(request).engine, token)
    return TokenBody(
        access_token=token,
        refresh_token=token,
        token_type="Bearer",  # noqa: S106 - the name of a scheme
        expires_in=_EXPIRES_IN_S,
    )
