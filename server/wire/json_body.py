"""Reading a JSON body: size, content type, syntax, shape; each failure has its own status.

orjson refuses what would break later (lone surrogates, NaN, nesting past 1024 levels). NUL is
refused here, because Postgres cannot store it in text. Types are strict: "1" is not 1.
"""

from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from server.door import door_of
from server.errors import MalformedBody, WrongMediaType, WrongShape
from server.limits import read_body

_FIELD_CHARS_MAX = 200

T = TypeVar("T", bound="Shape")


class Shape(BaseModel):
    """A request body: strict types; unknown fields are ignored, as older and newer clients need."""

    model_config = ConfigDict(strict=True, extra="ignore")

    def changes(self, *, clearable: tuple[str, ...]) -> dict[str, Any]:
        """Take the fields an update names.

        An absent field is unchanged. A null clears a ``clearable`` field and leaves others alone.
        """
        return {
            name: value
            for name in self.model_fields_set
            if (value := getattr(self, name)) is not None or name in clearable
        }


class JsonBody(Generic[T]):
    """A FastAPI dependency that reads and checks the body, and documents it.

    Args:
        shape: the model of the body.
        example: shown in the API document.
        is_optional: zero bytes, of any content type, mean ``{}``.
    """

    def __init__(
        self, shape: type[T], *, example: dict[str, Any], is_optional: bool = False
    ) -> None:
        self._shape = shape
        self._is_optional = is_optional
        self.openapi_extra = {
            "requestBody": {
                "required": not is_optional,
                "content": {
                    "application/json": {"schema": shape.model_json_schema(), "example": example}
                },
            }
        }

    async def __call__(self, request: Request) -> T:
        """Read the body of a request.

        Raises:
            TooLarge: longer than ``body_max_bytes``.
            WrongMediaType: not declared as JSON.
            MalformedBody: not JSON.
            WrongShape: JSON, but not of this shape; names the first wrong field.
        """
        body = await read_body(request, size_max_bytes=door_of(request).settings.body_max_bytes)
        if self._is_optional and not body:
            return self._shape()
        _check_media_type(request.headers.get("content-type"))
        return parse_shape(self._shape, body)


def parse_shape(shape: type[T], body: bytes) -> T:
    """Turn the bytes of a JSON object into a model.

    Raises:
        MalformedBody: not JSON, or text that UTF-8 cannot hold.
        WrongShape: not of this shape; names the first wrong field.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}."
        ) from error
    if not isinstance(value, dict):
        raise WrongShape("The body must be a JSON object.")
    if b"\\u0000" in body:
        _refuse_nul(shape, value)
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise WrongShape(
            sentence_of(error.errors(include_url=False, include_context=False)[0])
        ) from error


def sentence_of(problem: Any) -> str:  # noqa: ANN401 - pydantic's and FastAPI's error dicts differ
    """Say in one sentence which field is wrong and how.

    >>> sentence_of({"type": "missing", "loc": ("sql",), "msg": "Field required"})
    "Field 'sql' is required."
    >>> sentence_of({"type": "int", "loc": ("a", 0), "msg": "Input should be a valid integer"})
    "Field 'a.0' should be a valid integer."
    """
    field = ".".join(str(part) for part in problem["loc"])[:_FIELD_CHARS_MAX]
    if problem["type"] == "missing":
        return f"Field '{field}' is required."
    text = str(problem["msg"])
    for prefix in ("Input ", "Value error, "):
        text = text.removeprefix(prefix)
    return f"Field '{field}' {text}."


def _check_media_type(content_type: str | None) -> None:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise WrongMediaType("The body must have the content type application/json.")


def _refuse_nul(shape: type[Shape], value: dict[str, Any]) -> None:
    for name, field in shape.model_fields.items():
        key = field.alias or name
        if _holds_nul(value.get(key)):
            raise WrongShape(f"Field '{key}' must not contain the NUL character.")


def _holds_nul(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
        case list():
            return any(_holds_nul(item) for item in value)
        case _:
            return False
