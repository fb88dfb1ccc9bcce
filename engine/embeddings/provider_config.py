"""The configuration of an embedding provider, by its type.

It never holds a credential: what looks like one is refused by its name, so that a key is not stored
and shown by mistake. A key that would do nothing is refused too.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.egress import check_url
from connectors.errors import EgressRefused
from engine.errors import InvalidRequest

BUILT_IN_MODEL = "wordllama-l2-supercat-256"
BUILT_IN_DIMENSIONS = (64, 128, 256)
PROVIDER_TYPES = ("local", "service")
Metric = Literal["l2", "cosine", "dot"]

_CREDENTIAL = re.compile(
    r"(?i)(api|access|private|auth|account|subscription)[-_]?key|token|secret|passw|pwd|credential"
    r"|authorization|bearer|^(key|auth)$"
)
_DEPTH_MAX = 8

ConfigT = TypeVar("ConfigT", bound="ProviderConfig")


class ProviderConfig(BaseModel):
    """What every provider may be told.

    ``dimensions`` is the width of the vectors, ``metric`` what they are best compared by.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    model: str = Field(min_length=1, max_length=255)
    dimensions: int | None = Field(None, ge=1, le=65_535)
    metric: Metric = "cosine"


class ServiceConfig(ProviderConfig):
    """A service that answers as OpenAI's embeddings do, at ``{base_url}/embeddings``."""

    base_url: str = Field(min_length=1)
    batch_size: int = Field(128, ge=1, le=2048)
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    timeout_s: float = Field(30.0, gt=0, le=600)
    max_retries: int = Field(5, ge=0, le=10)

    @property
    def url(self) -> str:
        """Where texts are sent."""
        return self.base_url.rstrip("/") + "/embeddings"


class LocalConfig(ProviderConfig):
    """A model of this machine: the built-in one, or an ONNX model in a folder."""

    model_path: str | None = Field(None, max_length=4096)
    pooling: Literal["mean", "cls"] = "mean"

    @property
    def is_built_in(self) -> bool:
        """Whether the model is the one that comes with the service."""
        return self.model_path is None and self.model == BUILT_IN_MODEL


def read_config(provider_type: str, config: object) -> ServiceConfig | LocalConfig:
    """Check a configuration and give it its form.

    Raises:
        InvalidRequest: an unknown type, or a key that is missing, unknown, wrong or a credential.

    >>> read_config("local", {"model": BUILT_IN_MODEL}).metric
    'cosine'
    """
    if provider_type not in PROVIDER_TYPES:
        raise InvalidRequest(f"Unknown provider_type '{provider_type}': it is local or service")
    if not isinstance(config, Mapping):
        raise InvalidRequest("config must be a JSON object")
    _refuse_credentials(config)
    if provider_type == "service":
        return _read_service(config)
    return _read_local(config)


def read_service(config: Mapping[str, Any]) -> ServiceConfig:
    """Give the stored configuration of a service its form."""
    return ServiceConfig(**config)


def read_local(config: Mapping[str, Any]) -> LocalConfig:
    """Give the stored configuration of a local model its form."""
    return LocalConfig(**config)


def _read_service(config: Mapping[str, Any]) -> ServiceConfig:
    read = _parse(ServiceConfig, config)
    try:
        url = check_url(read.base_url)
    except EgressRefused as error:
        raise InvalidRequest(f"config.base_url: {error}") from error
    if "?" in read.base_url or "#" in read.base_url:
        raise InvalidRequest("config.base_url: it may have no query and no fragment")
    assert url.host
    return read


def _read_local(config: Mapping[str, Any]) -> LocalConfig:
    if "model_path" not in config and config.get("model") != BUILT_IN_MODEL:
        raise InvalidRequest(
            "A local provider needs config.model_path, a folder below TIDEMILL_LOCAL_FILES with an"
            f" ONNX model, and config.model, its name. Or the model '{BUILT_IN_MODEL}', which is"
            " built in and needs no folder"
        )
    read = _parse(LocalConfig, config)
    if read.is_built_in and read.dimensions not in {None, *BUILT_IN_DIMENSIONS}:
        known = " or ".join(map(str, BUILT_IN_DIMENSIONS))
        raise InvalidRequest(f"config.dimensions: model '{read.model}' has {known}")
    return read


def _parse(kind: type[ConfigT], config: Mapping[str, Any]) -> ConfigT:
    try:
        return kind(**config)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
    except TypeError:  # a key that is no text cannot come from JSON
        raise InvalidRequest("config must be a JSON object") from None
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields)
        raise InvalidRequest(f"config has no key '{key[:100]}'; it takes {known}")
    if problem["type"] == "missing":
        raise InvalidRequest(f"config.{key} is required")
    said = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
    raise InvalidRequest(f"config.{key} {said[:1].lower()}{said[1:]}")


def _refuse_credentials(value: object, depth: int = 0) -> None:
    if depth > _DEPTH_MAX:
        raise InvalidRequest("config is nested too deeply")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if _CREDENTIAL.search(str(key)):
                raise InvalidRequest(
                    f"config may hold no credential, and '{str(key)[:100]}' looks like one:"
                    " give it as api_key, or as a secret by secret_name"
                )
            _refuse_credentials(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _refuse_credentials(inner, depth + 1)
