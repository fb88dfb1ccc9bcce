"""A service is asked over real HTTP: in batches, again after a failure, and never believed unchecked."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from engine import errors
from engine.embeddings.base import EmbedderSpec, Vectors
from engine.embeddings.pacing import Pacer
from engine.embeddings.service import REQUEST_BYTES_MAX, BlockingService, ServiceEmbedder
from tests.connectors.http_site import serving
from tests.embeddings.service_site import (
    KEY,
    WIDTH,
    Answer,
    EmbeddingSite,
    Fault,
    vectors_body,
    vectors_of,
)

TEXTS = ["red running shoes", "a blue bicycle", "the sea at night"]
TOO_MANY = Answer(429, {"Retry-After": "7"}, b"{}")


@pytest.fixture
def site() -> Iterator[EmbeddingSite]:
    with serving(EmbeddingSite()) as made:
        yield made


def spec_for(url: str, *, key: str | None = KEY, **fields: Any) -> EmbedderSpec:
    given: dict[str, Any] = {
        "provider_type": "service",
        "config": {"base_url": url, "model": "words", "max_retries": 3, **fields.pop("config", {})},
        "credential": key,
        "dimensions": None,
        "allow_private": True,
        "local_files": (),
        "requests_max": 1,
        "response_bytes_max": 1 << 20,
    }
    return EmbedderSpec(**{**given, **fields})


class Asked:
    """The vectors of some texts, and how long was waited for them, without waiting."""

    def __init__(self, spec: EmbedderSpec, texts: Sequence[str] = TEXTS) -> None:
        self.waits: list[float] = []
        self.found: Vectors | None = None
        self.dimensions: int | None = None
        self.error: errors.EngineError | None = None
        asyncio.run(self._ask(spec, texts))

    async def _ask(self, spec: EmbedderSpec, texts: Sequence[str]) -> None:
        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        try:
            service = ServiceEmbedder(spec, Pacer(None), sleep=sleep)
            async with service:
                self.found = await service.embed(texts)
                self.dimensions = service.dimensions
        except errors.EngineError as error:
            self.error = error

    @property
    def vectors(self) -> Vectors:
        assert self.found is not None, self.error
        return self.found

    @property
    def said(self) -> str:
        assert self.error is not None
        return self.error.message


def test_texts_become_vectors_in_their_order(site: EmbeddingSite) -> None:
    asked = Asked(spec_for(site.url))
    np.testing.assert_allclose(asked.vectors, vectors_of(TEXTS), rtol=1e-6)
    assert asked.vectors.dtype == np.float32
    assert asked.dimensions == WIDTH
    assert site.requests == [{"model": "words", "input": TEXTS, "encoding_format": "float"}]
    assert site.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert site.headers[0]["Content-Type"] == "application/json"


def test_dimensions_are_asked_for_and_those_of_the_index_come_first(site: EmbeddingSite) -> None:
    of_provider = Asked(spec_for(site.url, config={"dimensions": 64}))
    of_index = Asked(spec_for(site.url, config={"dimensions": 64}, dimensions=128))
    assert [of_provider.dimensions, of_index.dimensions] == [64, 128]
    assert [request["dimensions"] for request in site.requests] == [64, 128]


def test_a_service_without_a_key_is_asked_without_one(site: EmbeddingSite) -> None:
    site.key = None
    assert Asked(spec_for(site.url + "/", key=None)).error is None
    assert "Authorization" not in site.headers[0]


def test_blanks_around_a_key_do_not_count(site: EmbeddingSite) -> None:
    assert Asked(spec_for(site.url, key=f" {KEY}\n")).error is None


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated(
    site: EmbeddingSite, key: str
) -> None:
    asked = Asked(spec_for(site.url, key=key))
    assert isinstance(asked.error, errors.InvalidRequest)
    assert key not in asked.said
    assert site.requests == []


def test_batches_are_bounded_by_count(site: EmbeddingSite) -> None:
    texts = [f"text {number}" for number in range(7)]
    asked = Asked(spec_for(site.url, config={"batch_size": 3}), texts)
    assert [len(request["input"]) for request in site.requests] == [3, 3, 1]
    np.testing.assert_allclose(asked.vectors, vectors_of(texts), rtol=1e-6)


def test_batches_are_bounded_by_bytes(site: EmbeddingSite) -> None:
    texts = ["x " * (REQUEST_BYTES_MAX // 5)] * 3 + ["y " * REQUEST_BYTES_MAX]
    assert Asked(spec_for(site.url), texts).error is None
    assert [len(request["input"]) for request in site.requests] == [2, 1, 1]


def test_requests_side_by_side_keep_the_order_of_the_texts(site: EmbeddingSite) -> None:
    texts = [f"text number {number}" for number in range(40)]
    asked = Asked(spec_for(site.url, requests_max=4, config={"batch_size": 3}), texts)
    np.testing.assert_allclose(asked.vectors, vectors_of(texts), rtol=1e-6)
    assert sorted(site.texts) == sorted(texts)


def test_a_blank_text_is_zero_and_never_sent(site: EmbeddingSite) -> None:
    asked = Asked(spec_for(site.url), ["", "red shoes", " \n"])
    assert site.texts == ["red shoes"]
    assert not asked.vectors[0].any()
    assert asked.vectors[1].any()
    assert not asked.vectors[2].any()


def test_blank_texts_alone_still_tell_the_width(site: EmbeddingSite) -> None:
    asked = Asked(spec_for(site.url), ["", " "])
    assert asked.vectors.shape == (2, WIDTH)
    assert not asked.vectors.any()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_failure_that_may_pass_is_tried_again(site: EmbeddingSite, status: int) -> None:
    site.faults.extend([Answer(status), Answer(status)])
    asked = Asked(spec_for(site.url))
    assert asked.error is None
    assert len(site.requests) == 3
    assert len(asked.waits) == 2


def test_the_service_says_how_long_to_wait(site: EmbeddingSite) -> None:
    later = Answer(503, {"Retry-After": "100000"})
    site.faults.extend([TOO_MANY, later, Answer(429, {"Retry-After": "0"})])
    assert Asked(spec_for(site.url)).waits == [7.0, 60.0, 0.0]


def test_retries_are_counted(site: EmbeddingSite) -> None:
    site.forever = TOO_MANY
    asked = Asked(spec_for(site.url, config={"max_retries": 2}))
    assert len(site.requests) == 3
    assert isinstance(asked.error, errors.RemoteError)
    assert "status 429" in asked.said


def test_a_connection_that_breaks_is_tried_again(site: EmbeddingSite) -> None:
    site.faults.append(Answer(200, {}, b'{"data": [', announced_bytes=1000))
    asked = Asked(spec_for(site.url))
    assert asked.error is None
    assert len(site.requests) == 2


def test_a_slow_service_is_given_up(site: EmbeddingSite) -> None:
    site.forever = threading.Event()
    asked = Asked(spec_for(site.url, config={"timeout_s": 0.2, "max_retries": 1}))
    site.forever.set()
    assert isinstance(asked.error, errors.SourceFailed)
    assert "longer than 0.2 s" in asked.said


def test_nobody_there_is_a_failure_of_the_source() -> None:
    asked = Asked(spec_for("http://127.0.0.1:1/v1", config={"max_retries": 1}))
    assert isinstance(asked.error, errors.SourceFailed)
    assert "could not be asked" in asked.said
    assert len(asked.waits) == 1


def test_a_quota_that_is_used_up_is_not_tried_again(site: EmbeddingSite) -> None:
    body = b'{"error": {"code": "insufficient_quota", "message": "You exceeded"}}'
    site.forever = Answer(429, {}, body)
    assert "insufficient_quota" in Asked(spec_for(site.url)).said
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 302, 307])
def test_a_refusal_is_final(site: EmbeddingSite, status: int) -> None:
    site.forever = Answer(status, {"Location": site.url + "/embeddings"})
    asked = Asked(spec_for(site.url))
    assert isinstance(asked.error, errors.RemoteError)
    assert f"status {status}" in asked.said
    assert len(site.requests) == 1


def test_a_refused_request_tells_how_long_its_texts_are(site: EmbeddingSite) -> None:
    error = {"error": {"type": "invalid_request_error", "message": "too long: canary-text"}}
    site.forever = Answer(400, {}, json.dumps(error).encode())
    said = Asked(spec_for(site.url), ["canary-text", "canary-text " * 100]).said
    assert "status 400, invalid_request_error" in said
    assert "longest of its 2 texts has 1200 characters" in said
    assert "canary" not in said


def test_a_wrong_key_is_said_and_not_repeated(site: EmbeddingSite) -> None:
    asked = Asked(spec_for(site.url, key="canary-wrong"))
    assert asked.said == "The embedding service refused the key (status 401, invalid_api_key)"
    assert len(site.requests) == 1


def _without_one(body: dict[str, Any]) -> Answer:
    return Answer(200, {}, vectors_body({**body, "input": body["input"][1:]}))


def _narrow(body: dict[str, Any]) -> Answer:
    return Answer(200, {}, vectors_body({**body, "dimensions": 64}))


def _uneven(body: dict[str, Any]) -> Answer:
    answer = json.loads(vectors_body(body))
    answer["data"][0]["embedding"] = [1.0]
    return Answer(200, {}, json.dumps(answer).encode())


def _with(**changes: Any) -> Fault:
    return lambda body: Answer(200, {}, vectors_body(body, **changes))


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (_without_one, "2 vectors for 3 texts"),
        (_narrow, "64 dimensions where 128"),
        (_uneven, "different dimensions"),
        (_with(embedding=[]), "0 dimensions"),
        (_with(embedding=[float("nan")] * 128), "did not answer as"),
        (_with(embedding=[1e39] * 128), "not finite"),
        (_with(embedding=["1"] * 128), "did not answer as"),
        (_with(embedding=[True] * 128), "did not answer as"),
        (_with(embedding="AAAA"), "did not answer as"),
        (_with(index=0), "do not belong"),
        (_with(index="0"), "did not answer as"),
        (Answer(200, {}, b"<html>welcome</html>"), "did not answer as"),
        (Answer(200, {}, b'{"data": {}}'), "did not answer as"),
        (Answer(200, {}, b'{"data": [1, 2, 3]}'), "did not answer as"),
        (Answer(200, {}, b"[]"), "did not answer as"),
        (Answer(200, {}, b""), "did not answer as"),
        (Answer(200, {}, b"x" * (2 << 20)), "larger than 1048576 bytes"),
        (Answer(200, {"Content-Encoding": "gzip"}, b"x"), "content encoding"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_of_the_service(
    site: EmbeddingSite, fault: Fault, word: str
) -> None:
    site.forever = fault
    asked = Asked(spec_for(site.url, dimensions=128))
    assert isinstance(asked.error, errors.RemoteError)
    assert word in asked.said
    assert len(site.requests) == 1


def test_widths_must_agree_between_batches(site: EmbeddingSite) -> None:
    site.faults.append(_narrow)
    asked = Asked(spec_for(site.url, config={"batch_size": 2}))
    assert "256 dimensions where 64" in asked.said


def test_a_private_address_is_refused_where_it_is_not_allowed(site: EmbeddingSite) -> None:
    asked = Asked(spec_for(site.url, allow_private=False))
    assert isinstance(asked.error, errors.InvalidRequest)
    assert "TIDEMILL_EGRESS_ALLOW_PRIVATE" in asked.said
    assert site.requests == []


def test_a_redirect_does_not_take_the_key_along(site: EmbeddingSite) -> None:
    with serving(EmbeddingSite()) as other:
        site.forever = Answer(307, {"Location": other.url + "/embeddings"})
        assert "redirects" in Asked(spec_for(site.url)).said
        assert other.requests == []


def test_the_key_is_in_no_representation(site: EmbeddingSite) -> None:
    assert KEY not in repr(spec_for(site.url))


def test_requests_wait_for_their_turn(site: EmbeddingSite) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def ask() -> None:
        pacer = Pacer(30, clock=lambda: 100.0, sleep=sleep)
        async with ServiceEmbedder(spec_for(site.url, config={"batch_size": 1}), pacer) as service:
            await service.embed(TEXTS)

    asyncio.run(ask())
    assert waits == [2.0, 4.0]


def test_code_that_blocks_has_the_same(site: EmbeddingSite) -> None:
    with BlockingService(spec_for(site.url, requests_max=2)) as service:
        assert service.texts_at_once == 256
        np.testing.assert_allclose(service.embed(TEXTS), vectors_of(TEXTS), rtol=1e-6)
        service.embed(TEXTS)
        assert service.dimensions == WIDTH
