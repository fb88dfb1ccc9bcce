"""Texts become vectors: of a query in the server, of a table in a real source process."""

import asyncio
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from catalog.index_model import EmbeddingProvider
from engine import errors
from engine.embeddings.base import Vectors
from engine.embeddings.provider_config import BUILT_IN_MODEL
from engine.service import embedding, secret_values
from engine.service import embedding_providers as providers
from engine.service.context import Caller, Engine
from engine.service.embedding import fingerprint
from engine.service.embedding_providers import SYSTEM_PROVIDER, NewProvider
from engine.service.recent_vectors import RecentVectors
from tests.connectors.http_site import serving
from tests.embeddings.onnx_model import mean_of, write_model
from tests.embeddings.service_site import KEY, Answer, EmbeddingSite, vectors_body, vectors_of

pytestmark = pytest.mark.anyio

TEXTS = ["red running shoes", "a blue bicycle", "the sea at night"]


@pytest.fixture
def site() -> Iterator[EmbeddingSite]:
    with serving(EmbeddingSite()) as made:
        yield made


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """The shared one, remembering nothing."""
    engine.recent_vectors = RecentVectors(engine.settings.embedding_cache_bytes)
    return engine


@pytest.fixture(autouse=True)
def staging_as_before(shared_engine: Engine) -> Iterator[None]:
    """What these tests stage themselves goes with them: others look for leftovers."""
    staging = shared_engine.blobs.staging_folder
    before = set(staging.iterdir())
    yield
    for path in set(staging.iterdir()) - before:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


async def make_service(
    engine: Engine, caller: Caller, site: EmbeddingSite, key: str | None = KEY, **config: Any
) -> EmbeddingProvider:
    given = {"base_url": site.url, "model": "words", "max_retries": 1, **config}
    asked = NewProvider("service", "service", given, api_key=key)
    return await providers.create_provider(engine, caller, asked)


async def make_local(engine: Engine, caller: Caller, folder: Path) -> EmbeddingProvider:
    config = {"model": "words", "model_path": str(write_model(folder))}
    asked = NewProvider("folder", "local", config)
    return await providers.create_provider(engine, caller, asked)


async def embed_query(
    engine: Engine,
    caller: Caller,
    provider: EmbeddingProvider,
    texts: list[str],
    dimensions: int | None = None,
) -> Vectors:
    return await embedding.embed_query(engine, caller.workspace_id, provider, dimensions, texts)


@dataclass
class Build:
    """What came of embedding a file."""

    dimensions: int = 0
    chunks: list[tuple[str, int, int]] = field(default_factory=list)
    parts: "list[pa.Array[Any]]" = field(default_factory=list)
    reports: list[dict[str, int]] = field(default_factory=list)

    @property
    def vectors(self) -> "pa.Array[Any]":
        return pa.concat_arrays(self.parts)

    @property
    def matrix(self) -> Vectors:
        return np.array(self.vectors.values, np.float32).reshape(-1, self.dimensions)  # type: ignore[attr-defined]


async def embed_file(
    engine: Engine,
    caller: Caller,
    provider: EmbeddingProvider,
    texts: list[str | None],
    dimensions: int | None = None,
    build: Build | None = None,
) -> Build:
    build = build or Build()
    folder = engine.blobs.stage()
    folder.mkdir()
    path = engine.blobs.stage(".arrow")
    column = pa.array(texts, pa.large_string())
    with pa.ipc.new_file(str(path), pa.schema({"text": pa.large_string()})) as writer:
        for start in range(0, len(texts), 1000):
            writer.write_batch(pa.record_batch({"text": column.slice(start, 1000)}))

    async def on_chunk(chunk: Path, first_row: int, row_count: int) -> None:
        assert chunk.parent == folder
        build.chunks.append((chunk.name, first_row, row_count))
        with pa.memory_map(str(chunk)) as source:
            table = pa.ipc.open_file(source).read_all()
            assert table.column_names == ["vector"]
            assert table.num_rows == row_count
            build.parts.append(pa.concat_arrays(table.column("vector").chunks))
        await asyncio.to_thread(chunk.unlink)  # whoever keeps it may move it away

    def report(progress: Mapping[str, int]) -> None:
        build.reports.append(dict(progress))

    build.dimensions = await embedding.embed_file(
        engine,
        caller.workspace_id,
        provider,
        dimensions,
        path,
        folder,
        on_chunk=on_chunk,
        report=report,
    )
    return build


def use(engine: Engine, **settings: Any) -> None:
    engine.settings = engine.settings.model_copy(update=settings)


class TestProviders:
    async def test_no_id_means_the_systems(self, engine: Engine, caller: Caller) -> None:
        for provider_id in (None, SYSTEM_PROVIDER.id):
            found = await embedding.find_provider(engine, caller.workspace_id, provider_id)
            assert found == SYSTEM_PROVIDER
        assert embedding.metric_of(SYSTEM_PROVIDER) == "cosine"
        assert embedding.dimensions_of(SYSTEM_PROVIDER, None) == 256

    async def test_an_unknown_or_foreign_one_is_refused(
        self, engine: Engine, caller: Caller, stranger: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site, metric="dot")
        found = await embedding.find_provider(engine, caller.workspace_id, made.id)
        assert found == made
        assert embedding.metric_of(found) == "dot"
        for workspace_id, provider_id in (
            (stranger.workspace_id, made.id),
            (caller.workspace_id, "embp" + "0" * 26),
        ):
            with pytest.raises(errors.InvalidRequest, match="not found"):
                await embedding.find_provider(engine, workspace_id, provider_id)

    async def test_a_fingerprint_changes_with_the_vectors_only(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        before = fingerprint(made, None)
        config = made.config

        async def after(**changes: Any) -> str:
            changed = await providers.update_provider(engine, caller, made.id, changes)
            return fingerprint(changed, None)

        assert await after(name="renamed") == before
        assert await after(api_key="another") == before
        assert await after(config={**config, "batch_size": 9, "metric": "l2"}) == before
        assert await after(config={**config, "base_url": site.url + "/"}) == before
        assert await after(config={**config, "model": "other"}) != before
        assert await after(config={**config, "base_url": site.url + "/v2"}) != before
        assert await after(config={**config, "dimensions": 64}) == fingerprint(made, 64) != before
        assert int(before, 16)

    async def test_the_built_in_model_is_one_whatever_it_is_called(
        self, engine: Engine, caller: Caller
    ) -> None:
        asked = NewProvider("mine", "local", {"model": BUILT_IN_MODEL, "metric": "l2"})
        mine = await providers.create_provider(engine, caller, asked)
        assert fingerprint(mine, None) == fingerprint(SYSTEM_PROVIDER, 256)
        assert fingerprint(mine, 64) != fingerprint(mine, None)


class TestQueries:
    async def test_the_built_in_model_embeds_in_the_server(
        self, engine: Engine, caller: Caller
    ) -> None:
        texts = [*TEXTS, TEXTS[0], "", "long " * 5000]
        found = await embed_query(engine, caller, SYSTEM_PROVIDER, texts)
        np.testing.assert_array_equal(found, vectors_of(texts))
        assert engine.sources.counts["busy"] == 0
        narrow = await embed_query(engine, caller, SYSTEM_PROVIDER, TEXTS, 64)
        np.testing.assert_array_equal(narrow, vectors_of(TEXTS, 64))

    async def test_impossible_dimensions_are_refused(self, engine: Engine, caller: Caller) -> None:
        with pytest.raises(errors.InvalidRequest, match="64 or 128 or 256"):
            await embed_query(engine, caller, SYSTEM_PROVIDER, TEXTS, 100)
        with pytest.raises(errors.InvalidRequest, match="64 or 128 or 256"):
            embedding.dimensions_of(SYSTEM_PROVIDER, 100)

    async def test_a_service_is_asked_once_for_a_text(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        for _ in range(2):
            found = await embed_query(engine, caller, made, [TEXTS[0], TEXTS[1], TEXTS[0]])
            np.testing.assert_allclose(found, vectors_of([*TEXTS[:2], TEXTS[0]]), rtol=1e-6)
        await embed_query(engine, caller, made, TEXTS)
        assert site.texts == TEXTS
        found[:] = 0  # of the caller alone
        again = await embed_query(engine, caller, made, TEXTS)
        np.testing.assert_allclose(again, vectors_of(TEXTS), rtol=1e-6)

    async def test_what_one_workspace_asked_for_is_no_others(
        self, engine: Engine, caller: Caller, stranger: Caller, site: EmbeddingSite
    ) -> None:
        await embed_query(engine, caller, await make_service(engine, caller, site), TEXTS)
        foreign = await make_service(engine, stranger, site, key="wrong")
        with pytest.raises(errors.RemoteError, match="refused the key"):
            await embed_query(engine, stranger, foreign, TEXTS)

    async def test_a_failure_is_said_and_not_remembered(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site, max_retries=0)
        site.faults.append(Answer(503))
        with pytest.raises(errors.SourceFailed, match="status 503"):
            await embed_query(engine, caller, made, TEXTS)
        assert len(await embed_query(engine, caller, made, TEXTS)) == len(TEXTS)

    async def test_a_query_does_not_wait_for_ever(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        use(engine, query_timeout_s=0.2)
        made = await make_service(engine, caller, site)
        site.forever = threading.Event()
        with pytest.raises(errors.SourceFailed, match=r"longer than 0\.2 s"):
            await embed_query(engine, caller, made, TEXTS)
        site.forever.set()

    async def test_a_private_address_needs_leave(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        use(engine, egress_allow_private=False)
        with pytest.raises(errors.InvalidRequest, match="TIDEMILL_EGRESS_ALLOW_PRIVATE"):
            await embed_query(engine, caller, made, TEXTS)
        assert site.requests == []

    async def test_a_deleted_secret_is_missed(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        await secret_values.delete_secret(engine, caller, "embp-service-api_key")
        with pytest.raises(errors.SourceFailed, match="does not exist any more"):
            await embed_query(engine, caller, made, TEXTS)

    async def test_a_model_in_a_folder_runs_in_a_process_of_its_own(
        self, engine: Engine, caller: Caller, tmp_path: Path
    ) -> None:
        made = await make_local(engine, caller, tmp_path / "model")
        found = await embed_query(engine, caller, made, ["red shoes", "sea", "red shoes"])
        expected = [mean_of(text) for text in ("red shoes", "sea", "red shoes")]
        np.testing.assert_allclose(found, expected, atol=1e-6)


class TestFiles:
    async def test_every_text_has_its_vector_in_its_place(
        self, engine: Engine, caller: Caller
    ) -> None:
        use(engine, embedding_chunk_rows=1000)
        texts: list[str | None] = [f"text number {number}" for number in range(2500)]
        texts[7], texts[1700], texts[2499] = None, "", None
        build = await embed_file(engine, caller, SYSTEM_PROVIDER, texts)
        assert build.dimensions == 256
        assert build.vectors.type == pa.list_(pa.float32(), 256)
        plain = [text or "" for text in texts]
        np.testing.assert_array_equal(build.matrix, vectors_of(plain))
        nulls = [row for row, valid in enumerate(build.vectors.is_valid()) if not valid.as_py()]
        assert nulls == [7, 2499]
        names = [name for name, _, _ in build.chunks]
        assert names == [f"chunk-{n:06}.arrow" for n in range(len(names))]
        firsts = [first for _, first, _ in build.chunks]
        counts = [count for _, _, count in build.chunks]
        assert firsts == [sum(counts[:n]) for n in range(len(counts))]
        assert sum(counts) == len(texts)
        assert max(counts[:-1]) >= 1000
        assert build.reports[-1] == {"rows": 2500, "rows_total": 2500}

    async def test_an_empty_table_still_has_dimensions(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        for provider in (SYSTEM_PROVIDER, made):
            build = await embed_file(engine, caller, provider, [])
            assert (build.dimensions, build.chunks) == (256, [])

    async def test_texts_that_are_all_blank_still_have_dimensions(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        made = await make_service(engine, caller, site)
        build = await embed_file(engine, caller, made, [None, " ", ""])
        assert build.dimensions == 256
        assert not build.matrix.any()

    async def test_a_service_is_asked_from_the_source_process(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        use(engine, embedding_chunk_rows=100)
        texts: list[str | None] = [f"text number {number}" for number in range(450)]
        made = await make_service(engine, caller, site, batch_size=30, dimensions=64, max_retries=3)
        site.faults.extend([Answer(429, {"Retry-After": "0"}), Answer(500)])
        build = await embed_file(engine, caller, made, texts)
        plain = [text or "" for text in texts]
        np.testing.assert_allclose(build.matrix, vectors_of(plain, 64), rtol=1e-5)
        assert len(build.chunks) > 1
        assert {request["dimensions"] for request in site.requests} == {64}

    async def test_a_model_in_a_folder_embeds_a_table(
        self, engine: Engine, caller: Caller, tmp_path: Path
    ) -> None:
        made = await make_local(engine, caller, tmp_path / "model")
        texts: list[str | None] = ["red shoes", "sea", None] * 100
        build = await embed_file(engine, caller, made, texts)
        expected = [np.zeros(8) if text is None else mean_of(text) for text in texts]
        np.testing.assert_allclose(build.matrix, expected, atol=1e-6)

    @pytest.mark.parametrize(
        ("fault", "word"),
        [
            (Answer(401), "refused the key"),
            (Answer(500), "status 500"),
            (
                lambda body: Answer(200, {}, vectors_body({**body, "dimensions": 64})),
                "64 dimensions",
            ),
            (Answer(200, {}, b"<html>"), "did not answer as"),
        ],
        ids=["key", "broken", "narrow", "html"],
    )
    async def test_what_the_service_does_wrong_is_said(
        self, engine: Engine, caller: Caller, site: EmbeddingSite, fault: Any, word: str
    ) -> None:
        made = await make_service(engine, caller, site)
        site.forever = fault
        with pytest.raises(errors.SourceFailed, match=word):
            await embed_file(engine, caller, made, ["a", "b"], 256)

    async def test_chunks_before_a_failure_are_kept(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        use(engine, embedding_chunk_rows=6, embedding_requests_max=1)
        made = await make_service(engine, caller, site, batch_size=4, max_retries=0)
        calls = iter(range(100))

        def fail_later(body: dict[str, Any]) -> Answer:
            return Answer(500) if next(calls) == 3 else Answer(200, {}, vectors_body(body))

        site.forever = fail_later
        build = Build()
        with pytest.raises(errors.SourceFailed):
            await embed_file(engine, caller, made, list("abcdefghijklmnop"), build=build)
        assert [(first, count) for _, first, count in build.chunks] == [(0, 8), (8, 4)]

    async def test_impossible_dimensions_are_refused(self, engine: Engine, caller: Caller) -> None:
        with pytest.raises(errors.InvalidRequest, match="64 or 128 or 256"):
            await embed_file(engine, caller, SYSTEM_PROVIDER, ["a"], 100)

    async def test_time_has_an_end(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        use(engine, embedding_timeout_s=1.0)
        made = await make_service(engine, caller, site)
        site.forever = threading.Event()
        with pytest.raises(errors.SourceFailed, match="longer than 1 s"):
            await embed_file(engine, caller, made, ["a"])
        site.forever.set()

    async def test_what_fails_here_ends_the_work(self, engine: Engine, caller: Caller) -> None:
        """The one who keeps the chunks gives up: the process goes with it."""
        folder, path = engine.blobs.stage(), engine.blobs.stage()
        folder.mkdir()
        with pa.ipc.new_file(str(path), pa.schema({"text": pa.large_string()})) as writer:
            batch = pa.record_batch({"text": pa.array(["a"] * 100, pa.large_string())})
            writer.write_batch(batch)

        async def give_up(_chunk: Path, _first_row: int, _row_count: int) -> None:
            raise errors.Conflict("the table was purged")

        with pytest.raises(errors.Conflict):
            await embedding.embed_file(
                engine,
                caller.workspace_id,
                SYSTEM_PROVIDER,
                None,
                path,
                folder,
                on_chunk=give_up,
                report=lambda _: None,
            )
        assert engine.sources.counts["busy"] == 0

    async def test_the_key_shows_nowhere(
        self, engine: Engine, caller: Caller, site: EmbeddingSite, capfd: pytest.CaptureFixture[str]
    ) -> None:
        made = await make_service(engine, caller, site, key="canary-wrong", max_retries=0)
        with capture_logs() as logs:
            for call in (
                embed_file(engine, caller, made, ["canary-text"]),
                embed_query(engine, caller, made, ["canary-text"]),
            ):
                with pytest.raises(errors.SourceFailed) as failed:
                    await call
                shown = f"{failed.value!r} {failed.value.__cause__!r}"
                assert "canary" not in shown
        assert "canary" not in f"{logs!r} {capfd.readouterr()!r}"
        staged = [path for path in engine.settings.data_dir.rglob("*") if path.is_file()]
        assert all(b"canary-wrong" not in path.read_bytes() for path in staged)


def test_recent_vectors_are_bounded() -> None:
    memory = RecentVectors(10_000)
    for number in range(100):
        memory.put(("w", "f", str(number)), np.zeros(256, np.float32))
    assert memory.get(("w", "f", "99")) is not None
    assert memory.get(("w", "f", "0")) is None
    memory.put(("w", "f", "x" * 3000), np.zeros(2, np.float32))
    assert memory.get(("w", "f", "x" * 3000)) is None
    assert RecentVectors(0).get(("w", "f", "a")) is None


def test_the_pace_of_a_provider_is_shared_until_its_rate_changes() -> None:
    memory = RecentVectors(0)
    pacer = memory.pacer("embp1", 60)
    assert memory.pacer("embp1", 60) is pacer
    assert memory.pacer("embp2", 60) is not pacer
    assert memory.pacer("embp1", 30) is not pacer
