"""Segments of document datasets in a real engine: they merge, and every answer stays as plain Python has it."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Connection

from catalog.document_model import Entry, LiveSegment, Segment
from catalog.errors import Superseded
from catalog.ids import IdKind, new_id
from catalog.store import document_segments as segment_store
from engine.service.context import Caller, Engine
from engine.service.documents import datasets, entries, merging
from engine.service.documents.processed import register_files
from engine.workers.document_tasks import SearchMode
from tests.embeddings.service_site import vectors_of
from tests.service.document_steps import (
    add,
    entries_with,
    entry_of,
    found,
    make_dataset,
    no_jobs,
    processed,
    upload,
)
from tests.service.searching import rows_of

pytestmark = pytest.mark.anyio

WORDS = ["anchor", "beacon", "cargo", "dredge", "estuary", "ferry", "gauge", "harbour", "island"]


class Model:
    """What must be there: the name and the text of each processed entry."""

    def __init__(self, engine: Engine, caller: Caller) -> None:
        self.engine, self.caller = engine, caller
        self.names: dict[int, str] = {}
        self.texts: dict[int, str] = {}

    async def check(self) -> None:
        """Compare SQL, keyword search and search by meaning with plain Python."""
        rows = await rows_of(
            self.engine, self.caller, "SELECT id, name, chunk_count FROM documents.papers.entries"
        )
        assert sorted(rows) == sorted([each, name, 1] for each, name in self.names.items())
        chunks = await rows_of(
            self.engine,
            self.caller,
            "SELECT entry_id, chunk_index, text FROM documents.papers.chunks",
        )
        assert sorted(chunks) == sorted([each, 0, text] for each, text in self.texts.items())
        for word in WORDS:
            expected = {each for each, text in self.texts.items() if word in text.split()}
            assert await entries_with(self.engine, self.caller, word) == expected, word
            called = f"bm25_search('documents.papers.chunks', 'text', '{word}', 1000)"
            hits = await rows_of(self.engine, self.caller, f"SELECT entry_id FROM {called}")
            assert sorted(row[0] for row in hits) == sorted(expected)
        await self._check_meaning("a ferry to the island")

    async def _check_meaning(self, question: str) -> None:
        ids = sorted(self.texts)
        vectors = vectors_of([question, *(self.texts[each] for each in ids)]).astype(float)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        nearness = dict(zip(ids, unit[1:] @ unit[0], strict=True))
        hits = await found(self.engine, self.caller, question, SearchMode.CHUNKS)
        assert [hit["chunk_index"] for hit in hits] == [0] * len(ids)
        assert sorted(hit["entry_id"] for hit in hits) == ids
        scores = [hit["score"] for hit in hits]
        assert scores == pytest.approx(
            [max(0.0, nearness[hit["entry_id"]]) for hit in hits], abs=0.01
        )
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_segments_merge_and_every_answer_stays_right(
    engine: Engine, caller: Caller, seed: int
) -> None:
    engine.settings = engine.settings.model_copy(update={"document_merge_segments": 2})
    draw, model = random.Random(seed), Model(engine, caller)
    dataset_id = await make_dataset(engine, caller)
    for number in range(24):
        await do_something(model, draw, dataset_id, number)
        if number % 8 == 7:
            await no_jobs(engine, caller)
            await model.check()
    await no_jobs(engine, caller)
    await model.check()
    live = await engine.db.read(segment_store.list_live, caller.workspace_id, [dataset_id])
    assert len(live[dataset_id]) < len(model.names)


async def do_something(model: Model, draw: random.Random, dataset_id: int, number: int) -> None:
    """Add, replace, rename or delete; often more than one at the same moment."""
    engine, caller = model.engine, model.caller
    known = sorted(model.texts)
    kind = draw.choice(["add", "add", "replace", "rename", "delete"]) if known else "add"
    if kind == "add":
        texts = [" ".join(draw.sample(WORDS, 4)) for _ in range(draw.randrange(1, 4))]
        ids = await asyncio.gather(
            *(add(engine, caller, dataset_id, f"e{number}-{n}", t) for n, t in enumerate(texts))
        )
        for n, (each, text) in enumerate(zip(ids, texts, strict=True)):
            await processed(engine, caller, each)
            model.names[each], model.texts[each] = f"e{number}-{n}", text
        return
    chosen = draw.choice(known)
    if kind == "replace":
        model.texts[chosen] = " ".join(draw.sample(WORDS, 3))
        await upload(engine, caller, chosen, model.texts[chosen])
        await processed(engine, caller, chosen)
    elif kind == "rename":
        model.names[chosen] = f"renamed{number}"
        await entries.update_entry(engine, caller, chosen, {"name": model.names[chosen]})
    else:
        await entries.delete_entry(engine, caller, chosen)
        del model.names[chosen], model.texts[chosen]


class TestMerges:
    async def test_a_registration_that_a_merge_has_left_out_is_done_again(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        entry_id = await add(engine, caller, dataset_id, "one", "an old anchor")
        await processed(engine, caller, entry_id)
        detail = await entries.get_entry(engine, caller, entry_id)
        dataset = (await datasets.get_dataset(engine, caller, dataset_id)).dataset
        tries: list[int] = []

        async def commit(effect: Callable[[Connection], Entry]) -> Entry:
            tries.append(len(tries))
            if len(tries) < 3:
                await engine.db.write(drop_dead, caller.workspace_id, dataset_id)
            return await engine.db.write(effect)

        kept = tuple(file for file in detail.files if file.kind != "processing")
        await register_files(engine, dataset, detail.entry, kept, base=detail.entry, commit=commit)
        assert tries == [0, 1, 2]
        assert await entries_with(engine, caller, "anchor") == {entry_id}

    async def test_a_merge_does_not_lose_what_came_to_count_meanwhile(
        self, engine: Engine, caller: Caller
    ) -> None:
        dataset_id = await make_dataset(engine, caller)
        first_id = await add(engine, caller, dataset_id, "e0", "an old anchor")
        oldest = await processed(engine, caller, first_id)
        second_id = await add(engine, caller, dataset_id, "e1", "a new beacon")
        await processed(engine, caller, second_id)
        live = await engine.db.read(segment_store.list_live, caller.workspace_id, [dataset_id])
        first, second = live[dataset_id]
        # As a merge saw it that read them before the second entry named its registration.
        newest = await entry_of(engine, caller, second_id)
        assert newest.registration is not None
        stale = LiveSegment(second.segment, (newest.registration,))
        merged = Segment(
            id=new_id(IdKind.DOCUMENT_SEGMENT),
            workspace_id=caller.workspace_id,
            dataset_id=dataset_id,
            registrations=(oldest.registration or 0,),
            entry_count=1,
            chunk_count=1,
            width=first.segment.width,
            files=(),
            created_at=datetime.now(UTC),
        )

        def replace(conn: Connection) -> None:
            merging.replace_merged(conn, segment=merged, merged=(first, stale))

        with pytest.raises(Superseded, match="came to count"):
            await engine.db.write(replace)
        after = await engine.db.read(segment_store.list_live, caller.workspace_id, [dataset_id])
        assert after == live

    @pytest.mark.parametrize("factor", [2, 3, 8])
    def test_segments_are_few_and_each_row_is_written_again_seldom(self, factor: int) -> None:
        segments: list[LiveSegment] = []
        written = 0
        for number in range(400):
            segments.append(live_segment(f"s{number}", 3))
            while chosen := merging.choose_merged(segments, factor):
                size = sum(each.segment.chunk_count for each in chosen)
                written += size
                segments = [each for each in segments if each not in chosen]
                segments.append(live_segment(f"m{number}-{size}", size))
        tiers = int(np.ceil(np.log(400 * 3 * 2) / np.log(factor))) + 1
        assert len(segments) < factor * tiers
        assert written <= 400 * 3 * tiers

    def test_a_segment_of_which_much_is_dead_is_rewritten(self) -> None:
        healthy, dying = live_segment("a", 500), live_segment("b", 50, dead=(*range(20),))
        assert merging.choose_merged([healthy, dying], 8) == [dying]
        assert merging.choose_merged([healthy], 8) == []


def drop_dead(conn: Connection, workspace_id: str, dataset_id: int) -> None:
    """Do as a merge does with segments of which nothing counts: forget them."""
    assert segment_store.drop_abandoned(conn, datetime.now(UTC) + timedelta(seconds=1)) >= 1
    assert segment_store.list_live(conn, workspace_id, [dataset_id])


def live_segment(name: str, chunk_count: int, dead: tuple[int, ...] = ()) -> LiveSegment:
    segment = Segment(
        id=name,
        workspace_id="w",
        dataset_id=1,
        registrations=(1, 2),
        entry_count=chunk_count,
        chunk_count=chunk_count,
        width=None,
        files=(),
        created_at=datetime.now(UTC),
    )
    return LiveSegment(segment, dead)
