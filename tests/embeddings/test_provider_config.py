"""A configuration is taken whole or refused in a sentence that names the key."""

from typing import Any

import pytest

from engine import errors
from engine.embeddings.provider_config import BUILT_IN_MODEL, ServiceConfig, read_config

SERVICE = {"base_url": "https://api.example.com/v1", "model": "m"}
BUILT_IN = {"model": BUILT_IN_MODEL}


def test_a_service_has_sensible_limits() -> None:
    read = read_config("service", SERVICE)
    assert isinstance(read, ServiceConfig)
    assert (read.metric, read.dimensions, read.batch_size) == ("cosine", None, 128)
    assert (read.timeout_s, read.max_retries, read.requests_per_minute) == (30.0, 5, None)


@pytest.mark.parametrize("base_url", ["https://h/v1", "https://h/v1/", "http://h:8080/v1//"])
def test_the_address_may_end_with_a_slash(base_url: str) -> None:
    read = read_config("service", {**SERVICE, "base_url": base_url})
    assert isinstance(read, ServiceConfig)
    assert read.url == base_url.rstrip("/") + "/embeddings"


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({}, "config.base_url is required|config.model is required"),
        ({"base_url": "https://h"}, "config.model is required"),
        ({"model": "m"}, "config.base_url is required"),
        ({**SERVICE, "model": ""}, "config.model"),
        ({**SERVICE, "model": 5}, "config.model"),
        ({**SERVICE, "dimensions": 0}, "config.dimensions"),
        ({**SERVICE, "dimensions": 65_536}, "config.dimensions"),
        ({**SERVICE, "dimensions": "256"}, "config.dimensions"),
        ({**SERVICE, "dimensions": True}, "config.dimensions"),
        ({**SERVICE, "metric": "euclid"}, "config.metric should be 'l2', 'cosine' or 'dot'"),
        ({**SERVICE, "batch_size": 2049}, "config.batch_size"),
        ({**SERVICE, "requests_per_minute": 0}, "config.requests_per_minute"),
        ({**SERVICE, "timeout_s": 0}, "config.timeout_s"),
        ({**SERVICE, "timeout_s": 601}, "config.timeout_s"),
        ({**SERVICE, "max_retries": -1}, "config.max_retries"),
        ({**SERVICE, "dimension": 5}, "config has no key 'dimension'; it takes model, dimensions"),
        ({**SERVICE, "base_url": "ftp://h/v1"}, "config.base_url: Only http and https"),
        ({**SERVICE, "base_url": "api.example.com"}, "config.base_url"),
        ({**SERVICE, "base_url": "https://u:canary@h/v1"}, "config.base_url"),
        ({**SERVICE, "base_url": "https://h/v1?key=canary"}, "no query"),
        ({**SERVICE, "base_url": "https://h/v1#x"}, "no fragment"),
        ({**SERVICE, "base_url": "https://h/v 1"}, "config.base_url"),
        ([], "must be a JSON object"),
        ("text", "must be a JSON object"),
        (5, "must be a JSON object"),
    ],
    ids=str,
)
def test_what_a_service_cannot_mean_is_refused(config: object, word: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=word) as refused:
        read_config("service", config)
    assert "canary" not in refused.value.message


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apiKey",
        "API-KEY",
        "token",
        "access_token",
        "password",
        "secret",
        "credentials",
        "Authorization",
        "bearer",
        "key",
        "private_key",
        "subscription-key",
    ],
)
@pytest.mark.parametrize("provider_type", ["service", "local"])
def test_a_credential_is_refused_wherever_it_stands(provider_type: str, key: str) -> None:
    for config in ({key: "canary"}, {"extra": {"deep": [{key: "canary"}]}}):
        with pytest.raises(errors.InvalidRequest, match="give it as api_key") as refused:
            read_config(provider_type, {**SERVICE, **config})
        assert "canary" not in refused.value.message


def test_nesting_has_an_end() -> None:
    config: dict[str, Any] = {}
    for _ in range(1000):
        config = {"a": config}
    with pytest.raises(errors.InvalidRequest, match="nested"):
        read_config("service", config)


@pytest.mark.parametrize("config", [{}, {"model": "other"}, {"dimensions": 64}])
def test_a_local_provider_says_what_it_needs(config: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"TIDEMILL_LOCAL_FILES.*built in"):
        read_config("local", config)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({**BUILT_IN, "dimensions": 100}, "config.dimensions.*64 or 128 or 256"),
        ({**BUILT_IN, "base_url": "https://h"}, "config has no key 'base_url'"),
        ({"model_path": "/m"}, "config.model is required"),
        ({"model": "m", "model_path": 5}, "config.model_path"),
        ({"model": "m", "model_path": "/m", "pooling": "max"}, "config.pooling"),
    ],
    ids=str,
)
def test_what_a_local_model_cannot_mean_is_refused(config: dict[str, Any], word: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=word):
        read_config("local", config)


@pytest.mark.parametrize("provider_type", ["", "openai", "Local", "system"])
def test_an_unknown_type_is_refused(provider_type: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="local or service"):
        read_config(provider_type, SERVICE)
