"""The pipeline of entries in a real engine: retries, failures, runs that are overtaken, segments that merge."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.document_model import Entry, EntryStatus
from catalog.store import document_entries as entry_store
from engine import errors
from engine.documents.pipeline import Trigger
from engine.service import embedding_providers as providers
from engine.service import jobs
from engine.service.context import Caller, Engine
from engine.service.documents import datasets, entries
from engine.service.embedding_providers import NewProvider
from engine.service.housekeeping import Housekeeping
from tests.connectors.http_site import serving
from tests.embeddings.service_site import KEY, Answer, EmbeddingSite, vectors_body
from tests.patience import PATIENCE_S
from tests.service.document_steps import (
    add,
    ended,
    entries_with,
    entry_of,
    make_dataset,
    make_entry,
    no_jobs,
    processed,
    step,
    trigger,
    upload,
)
from tests.service.searching import rows_of
from tests.service.steps import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Iterator[EmbeddingSite]:
    with serving(EmbeddingSite()) as made:
        yield made


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """The shared one; what failed is tried again at once."""
    engine.settings = engine.settings.model_copy(update={"job_retry_s": 0.0})
    return engine


async def make_served(engine: Engine, caller: Caller, site: EmbeddingSite) -> int:
    """Make a dataset whose vectors a service makes, which is asked once for each try."""
    config = {"base_url": site.url, "model": "words", "max_retries": 0}
    asked = NewProvider("service", "service", config, api_key=KEY)
    provider = await providers.create_provider(engine, caller, asked)
    return await make_dataset(engine, caller, provider_id=provider.id)


def steps_of(entry: Entry) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in entry.steps}


class TestFailures:
    async def test_a_step_that_fails_twice_is_tried_again_alone(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        site.faults.extend([Answer(503), Answer(503)])
        entry = await processed(
            engine, caller, await add(engine, caller, dataset_id, "one", "the harbour")
        )
        attempts = {name: each["attempts"] for name, each in steps_of(entry).items()}
        assert attempts.pop("embedding") == 3
        assert set(attempts.values()) == {1}
        assert len(site.requests) == 3
        assert entry.error is None

    async def test_after_three_tries_the_entry_names_the_stage_and_why(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        site.forever = Answer(503)
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        entry = await ended(engine, caller, entry_id)
        assert entry.status is EntryStatus.FAILED
        assert entry.error is not None
        assert entry.error.startswith("embedding: ")
        assert "503" in entry.error
        failed = steps_of(entry)["embedding"]
        assert (failed["status"], failed["attempts"]) == ("failed", 3)
        assert entry.error == f"embedding: {failed['error']}"
        assert [each["name"] for each in entry.steps][-1] == "embedding"
        assert await entries_with(engine, caller, "harbour") == set()

    async def test_a_failed_entry_is_triggered_again(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        site.forever = Answer(400)
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        failed = await ended(engine, caller, entry_id)
        assert failed.status is EntryStatus.FAILED
        site.forever = None
        started = await trigger(engine, caller, entry_id)
        assert (started.status, started.error) == (EntryStatus.PROCESSING, None)
        assert started.workflow_name != failed.workflow_name
        assert (await processed(engine, caller, entry_id)).error is None
        assert await entries_with(engine, caller, "harbour") == {entry_id}
        with pytest.raises(errors.Conflict, match="from status 'processed'"):
            await trigger(engine, caller, entry_id)

    async def test_a_document_that_cannot_be_read_is_tried_once(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        entry_id = await make_entry(engine, caller, dataset_id, "one")
        await upload(engine, caller, entry_id, "%PDF-1.7 nothing", "a.pdf")
        entry = await ended(engine, caller, entry_id)
        assert entry.status is EntryStatus.FAILED
        assert entry.error is not None
        assert entry.error.startswith("ocr: The PDF is cut off")
        assert steps_of(entry)["ocr"]["attempts"] == 1
        await upload(engine, caller, entry_id, "the harbour")
        assert (await processed(engine, caller, entry_id)).error is None
        assert await entries_with(engine, caller, "harbour") == {entry_id}
        await upload(engine, caller, entry_id, "%PDF-1.7 nothing", "b.pdf")
        assert (await ended(engine, caller, entry_id)).status is EntryStatus.FAILED
        assert await entries_with(engine, caller, "harbour") == set()

    async def test_what_the_pipeline_does_not_read_is_refused(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        entry_id = await make_entry(engine, caller, dataset_id, "one")
        with pytest.raises(errors.InvalidRequest, match="which the dataset's pipeline does not"):
            await upload(engine, caller, entry_id, "{\\rtf1 nothing}", "a.rtf")
        assert (await entry_of(engine, caller, entry_id)).status is EntryStatus.PENDING


class TestTriggers:
    async def test_a_manual_pipeline_waits_for_the_request(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller, trigger=Trigger.MANUAL)
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        assert (await entry_of(engine, caller, entry_id)).status is EntryStatus.UPLOADED
        await trigger(engine, caller, entry_id)
        await processed(engine, caller, entry_id)

    async def test_a_disabled_pipeline_does_not_run(self, engine: Engine, caller: Caller) -> None:
        dataset_id = await make_dataset(engine, caller)
        await datasets.set_pipeline(engine, caller, dataset_id, {"enabled": False})
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        assert (await entry_of(engine, caller, entry_id)).status is EntryStatus.UPLOADED
        with pytest.raises(errors.Conflict, match="is disabled"):
            await trigger(engine, caller, entry_id)

    async def test_without_a_pipeline_there_is_nothing_to_trigger(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller, trigger=None)
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        with pytest.raises(errors.Conflict, match="has no pipeline"):
            await trigger(engine, caller, entry_id)
        with pytest.raises(errors.NotFound):
            await trigger(engine, caller, 10**9)


class TestOvertaking:
    async def test_a_run_whose_file_was_replaced_has_no_effect(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        late = Late()
        site.faults.append(late)
        entry_id = await add(engine, caller, dataset_id, "one", "an old anchor")
        await late.reached()
        await upload(engine, caller, entry_id, "a new beacon")
        new = await processed(engine, caller, entry_id)
        late.go()
        await no_jobs(engine, caller)
        assert await entry_of(engine, caller, entry_id) == new
        assert await entries_with(engine, caller, "beacon") == {entry_id}
        assert await entries_with(engine, caller, "anchor") == set()

    async def test_a_run_whose_entry_is_gone_has_no_effect(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        late = Late()
        site.faults.append(late)
        entry_id = await add(engine, caller, dataset_id, "one", "an old anchor")
        await late.reached()
        await entries.delete_entry(engine, caller, entry_id)
        late.go()
        await no_jobs(engine, caller)
        done = await jobs.list_jobs(
            engine, caller, job_types=("process_entry",), statuses=None, limit=9, offset=0
        )
        assert [job.status for job in done] == ["succeeded"]
        assert await entries_with(engine, caller, "anchor") == set()

    async def test_what_is_changed_while_it_is_processed_is_kept(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        late = Late()
        site.faults.append(late)
        entry_id = await add(engine, caller, dataset_id, "one", "an old anchor")
        await late.reached()
        changes = {"name": "Zephyr", "metadata": {"tags": ["wind"]}}
        await entries.update_entry(engine, caller, entry_id, changes)
        late.go()
        entry = await processed(engine, caller, entry_id)
        assert (entry.name, entry.metadata) == ("Zephyr", {"tags": ["wind"]})
        assert await entries_with(engine, caller, "zephyr") == {entry_id}
        sql = "SELECT name, tags FROM documents.papers.entries"
        assert await rows_of(engine, caller, sql) == [["Zephyr", ["wind"]]]

    async def test_changes_at_the_same_moment_are_all_kept(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        entry_id = await add(engine, caller, dataset_id, "one", "an old anchor")
        await processed(engine, caller, entry_id)
        given: list[dict[str, Any]] = [
            {"name": "Zephyr"},
            {"description": "of the west"},
            {"metadata": {"year": 1999}},
        ]
        await asyncio.gather(
            *(entries.update_entry(engine, caller, entry_id, changes) for changes in given)
        )
        entry = await entry_of(engine, caller, entry_id)
        assert (entry.name, entry.description) == ("Zephyr", "of the west")
        assert entry.metadata == {"year": 1999}
        sql = "SELECT name, description FROM documents.papers.entries"
        assert await rows_of(engine, caller, sql) == [["Zephyr", "of the west"]]


class Late:
    """A fault of the embedding service that answers rightly, but not before it is told to."""

    def __init__(self) -> None:
        self._is_asked = threading.Event()
        self._may_go = threading.Event()

    def __call__(self, body: dict[str, Any]) -> Answer:
        self._is_asked.set()
        self._may_go.wait(PATIENCE_S)
        return Answer(200, {}, vectors_body(body))

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._is_asked.wait, PATIENCE_S)

    def go(self) -> None:
        self._may_go.set()


class TestConfigurations:
    async def test_steps_run_in_the_order_they_need_and_take_what_they_name(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller, trigger=None)
        small = {
            **step("cut", "read"),
            "name": "small",
            "parameters": {"tokens_max": 32, "by_headings": False},
        }
        takes = {"inputs": [{"name": "chunks", "from_step": "small", "artifact": "chunks"}]}
        config = {
            "steps": [
                step("embed", "small", **takes),
                small,
                step("cut", "read"),
                step("read", "fetch"),
                step("fetch"),
                step("keep", "embed", "cut", **takes),
            ]
        }
        await datasets.set_pipeline(engine, caller, dataset_id, config)
        text = "The tide rises and falls at the gauge of the harbour. " * 20
        entry = await processed(engine, caller, await add(engine, caller, dataset_id, "one", text))
        names = [each["name"] for each in entry.steps]
        assert names == ["fetch", "read", "small", "embed", "cut", "keep"]
        sql = "SELECT count(*), max(token_count) FROM documents.papers.chunks"
        ((count, most),) = await rows_of(engine, caller, sql)
        assert count == steps_of(entry)["small"]["outcome"]["chunk_count"] > 5
        assert steps_of(entry)["cut"]["outcome"]["chunk_count"] == 1
        assert most <= 32

    @pytest.mark.parametrize(
        ("steps", "sentence"),
        [
            ([step("fetch"), step("fetch")], "Two steps are called 'fetch'"),
            ([{"name": "x", "component": "magic-1.0.0"}], "unknown component 'magic-1.0.0'"),
            ([{**step("fetch"), "name": " "}], "1 to 63 characters"),
            ([step("fetch", "dawn")], "depends on 'dawn', which is no step"),
            ([step("fetch", "read"), step("read", "fetch")], "in a circle"),
            ([step("cut")], "needs 'content', which no step before it makes"),
            ([step("fetch"), step("read")], "must register"),
            ([step("fetch", parameters={"a": 1})], "There is no parameter 'a'"),
            ([step("read", parameters={"ocr": "maybe"})], "'auto', 'always' or 'never'"),
            ([step("cut", parameters={"tokens_max": 5})], "tokens_max"),
            ([step("cut", parameters={"tokens_max": "many"})], "tokens_max"),
            (
                [
                    step("fetch"),
                    step(
                        "read",
                        inputs=[{"name": "d", "from_step": "fetch", "artifact": "chunks"}],
                    ),
                ],
                "does not take 'chunks'",
            ),
            ([], "steps"),
            ([{**step("fetch"), "name": f"s{n}"} for n in range(33)], "1 to 32 steps"),
        ],
    )
    async def test_a_wrong_configuration_is_refused_with_a_sentence(
        self, engine: Engine, caller: Caller, steps: list[dict[str, Any]], sentence: str
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        before = (await datasets.get_dataset(engine, caller, dataset_id)).dataset.pipeline_config
        with pytest.raises(errors.InvalidRequest, match=sentence):
            await datasets.set_pipeline(engine, caller, dataset_id, {"steps": steps})
        after = (await datasets.get_dataset(engine, caller, dataset_id)).dataset.pipeline_config
        assert after == before


async def test_so_many_entries_are_processed_at_once_and_no_more(
    engine: Engine, caller: Caller, site: EmbeddingSite
) -> None:
    most = engine.settings.document_concurrency
    dataset_id = await make_served(engine, caller, site)
    late = Late()
    site.forever = late
    ids = [await add(engine, caller, dataset_id, f"e{n}", f"tide {n}") for n in range(most + 3)]

    async def embedding() -> int:
        all_steps = [(await entry_of(engine, caller, each)).steps for each in ids]
        return sum(bool(steps) and steps[-1]["name"] == "embedding" for steps in all_steps)

    await until(embedding, lambda count: count >= most)
    places: dict[str, Any] = {"job_types": ("process_entry",), "statuses": ("running",)}
    running = await jobs.list_jobs(engine, caller, **places, limit=None, offset=None)
    assert len(running) == most
    assert await embedding() == most
    late.go()
    for each in ids:
        await processed(engine, caller, each)


class TestRetention:
    async def test_what_was_made_on_the_way_goes_and_the_outcome_stays(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller, retention_days=1)
        manual = await datasets.set_pipeline(engine, caller, dataset_id, {"trigger": "manual"})
        assert manual.retention_days == 1
        entry_id = await make_entry(engine, caller, dataset_id, "one")
        await upload(engine, caller, entry_id, "%PDF-1.7 nothing", "a.pdf")
        await upload(engine, caller, entry_id, "the harbour")
        await trigger(engine, caller, entry_id)
        await processed(engine, caller, entry_id)
        before = await kinds(engine, caller, entry_id)
        later = datetime.now(UTC) + timedelta(days=2)
        await Housekeeping(engine.settings, engine.db, engine.blobs).tidy(later)
        after = await kinds(engine, caller, entry_id)
        assert after == {kind: names for kind, names in before.items() if kind != "processing"}
        assert await entries_with(engine, caller, "harbour") == {entry_id}

    async def test_nothing_goes_that_a_pipeline_still_needs(
        self, engine: Engine, caller: Caller, site: EmbeddingSite
    ) -> None:
        dataset_id = await make_served(engine, caller, site)
        late = Late()
        site.faults.append(late)
        entry_id = await add(engine, caller, dataset_id, "one", "the harbour")
        await late.reached()
        before = await kinds(engine, caller, entry_id)
        assert "content.json" in before["processing"]
        later = datetime.now(UTC) + timedelta(days=99)
        await engine.db.write(entry_store.expire_files, later)
        assert await kinds(engine, caller, entry_id) == before
        late.go()
        await processed(engine, caller, entry_id)


async def kinds(engine: Engine, caller: Caller, entry_id: int) -> dict[str, set[str]]:
    detail = await entries.get_entry(engine, caller, entry_id)
    by_kind: dict[str, set[str]] = {}
    for file in detail.files:
        by_kind.setdefault(str(file.kind), set()).add(file.file_name)
    return by_kind
