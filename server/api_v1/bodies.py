"""JSON bodies of the Data API: bounded, read by orjson, checked by a model, refused as FastAPI would.

Numbers may come as text, as clients send them. Unknown fields are ignored.
"""

import re
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, ValidationError
from pydantic_core import PydanticKnownError
from starlette.requests import Request

from server.api_v1.errors import Incomplete
from server.door import door_of
from server.limits import read_body

T = TypeVar("T", bound="Given")
# Deeper JSON than this is nobody's document, and costs whoever walks it.
_DEPTH_MAX = 64
# Python would take 1_0, spaces around, a plus, and the digits of every script.
_WHOLE = re.compile(r"-?[0-9]+")
_REAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _whole(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticKnownError("int_parsing")
    return _no_boolean(value)


def _real(value: object) -> object:
    if isinstance(value, str) and not _REAL.fullmatch(value):
        raise PydanticKnownError("float_parsing")
    return _no_boolean(value)


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic shows this one
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer, or the text of one in ASCII digits: some clients send their ids so."""
Real = Annotated[float, BeforeValidator(_real)]
Yes = Annotated[bool, Strict()]
Vector = list[Annotated[float, Strict()]]


class Given(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="ignore")


class JsonBody(Generic[T]):
    """A FastAPI dependency that reads and checks the body, and documents it."""

    def __init__(
        self, model: type[T], *, example: dict[str, Any], is_optional: bool = False
    ) -> None:
        self._model = model
        self._is_optional = is_optional
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        self.content: dict[str, Any] = {"application/json": {"schema": schema, "example": example}}
        self.openapi_extra = {"requestBody": {"required": not is_optional, "content": self.content}}

    async def __call__(self, request: Request) -> T:
        """Read the body of a request.

        Raises:
            TooLarge: it is larger than ``document_body_max_bytes``.
            Incomplete: it is not JSON, or not of this shape.
        """
        limit = door_of(request).settings.document_body_max_bytes
        body = await read_body(request, size_max_bytes=limit)
        if self._is_optional and not body.strip():
            return self._model()
        return read_json(self._model, body)


def read_json(model: type[T], body: bytes | str) -> T:
    """Turn the JSON of an object into a model.

    Raises:
        Incomplete: it is not JSON, or not of this shape.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Incomplete(
            [
                {
                    "loc": ("body", error.pos),
                    "msg": f"JSON decode error: {error.msg}",
                    "type": "json_invalid",
                }
            ]
        ) from error
    check_storable(value)
    return check_value(model, value)


def check_storable(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """See that a JSON value can be kept.

    Raises:
        Incomplete: no database can keep it.
    """
    if _is_unstorable(value):
        message = f"The body must not contain the NUL character, or nest deeper than {_DEPTH_MAX}"
        raise Incomplete([{"loc": ("body",), "msg": message, "type": "value_error"}])


def check_value(model: type[T], value: Any) -> T:  # noqa: ANN401 - any JSON value
    """Make a model of a JSON value.

    Raises:
        Incomplete: it is not of this shape.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Incomplete(
            [{**problem, "loc": ("body", *problem["loc"])} for problem in found[:100]]
        ) from error


def _is_unstorable(value: Any, depth: int = 0) -> bool:  # noqa: ANN401 - any JSON value
    """Tell what no database can keep: Postgres has no NUL in text."""
    if isinstance(value, str):
        return "\x00" in value
    if depth > _DEPTH_MAX:
        return True
    if isinstance(value, dict):
        return any("\x00" in key or _is_unstorable(item, depth + 1) for key, item in value.items())
    if isinstance(value, list):
        if value and isinstance(value[0], float):  # a vector: nothing to find, and long
            return any(
                _is_unstorable(item, depth + 1) for item in value if not isinstance(item, float)
            )
        return any(_is_unstorable(item, depth + 1) for item in value)
    return False
