"""How good the search is: of the right documents of a labelled set, how many are among the first five.

The documents go through the real pipeline. Their names say nothing, so only what they are about counts.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.service.context import Caller, Engine
from engine.service.documents.search import DocumentQuery, search_documents
from engine.workers.document_tasks import SearchMode
from tests.documents.quality_set import KINDS, Question, load
from tests.service.conftest import settings_for
from tests.service.document_steps import make_dataset, make_entry, processed, upload
from tests.service.steps import caller_of

FIRST = 5
MODES = (SearchMode.KEYWORD, SearchMode.HYBRID, SearchMode.ENTRIES)
RECALL_MIN = 0.9
KEYWORD_RECALL_MIN = {"keyword": 0.95, "typo": 0.9}

Answers = Mapping[SearchMode, Mapping[str, list[str]]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The stems of the first five documents, by mode and query."""
    return asyncio.run(answer_all(tmp_path_factory.mktemp("quality") / "data"))


async def answer_all(data_dir: Path) -> Answers:
    engine = await Engine.open(settings_for(data_dir))
    try:
        caller = await caller_of(engine)
        stems = await process_all(engine, caller)
        return {mode: await answers_of(engine, caller, mode, stems) for mode in MODES}
    finally:
        await engine.close()


async def process_all(engine: Engine, caller: Caller) -> dict[int, str]:
    documents, _ = load()
    dataset_id = await make_dataset(engine, caller)
    stems: dict[int, str] = {}
    for number, (stem, text) in enumerate(documents.items()):
        entry_id = await make_entry(engine, caller, dataset_id, f"document {number}")
        await upload(engine, caller, entry_id, text, "document.md")
        stems[entry_id] = stem
    for entry_id in stems:
        await processed(engine, caller, entry_id)
    return stems


async def answers_of(
    engine: Engine, caller: Caller, mode: SearchMode, stems: Mapping[int, str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for question in load()[1]:
        query = DocumentQuery(mode=mode, text=question.query, limit=FIRST)
        hits = (await search_documents(engine, caller, query)).answer["hits"]
        found[question.query] = [stems[hit["entry_id"]] for hit in hits]
    return found


def recall(question: Question, found: list[str]) -> float:
    return len(set(question.relevant) & set(found)) / min(FIRST, len(question.relevant))


def recalls(answers: Mapping[str, list[str]]) -> dict[str, float]:
    """The mean over all questions and over those of each kind."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for question in load()[1]:
        value = recall(question, answers[question.query])
        by_kind["all"].append(value)
        by_kind[question.kind].append(value)
    return {kind: sum(values) / len(values) for kind, values in by_kind.items()}


def missed(answers: Mapping[str, list[str]]) -> str:
    """Name the questions whose right documents were not all found."""
    return "\n".join(
        f"  {question.kind}: {question.query} -> {', '.join(question.relevant)}; found: "
        f"{', '.join(answers[question.query])}"
        for question in load()[1]
        if recall(question, answers[question.query]) < 1
    )


def test_keyword_and_hybrid_search_find_nine_of_ten(answers: Answers) -> None:
    for mode in MODES:
        found = recalls(answers[mode])
        shares = ", ".join(f"{kind} {found[kind]:.3f}" for kind in ("all", *KINDS))
        print(f"recall@{FIRST} of {mode}: {shares}\n{missed(answers[mode])}")
    for mode in (SearchMode.KEYWORD, SearchMode.HYBRID):
        assert recalls(answers[mode])["all"] >= RECALL_MIN, missed(answers[mode])


def test_keyword_search_finds_words_and_misspelled_words(answers: Answers) -> None:
    found = recalls(answers[SearchMode.KEYWORD])
    for kind, least in KEYWORD_RECALL_MIN.items():
        assert found[kind] >= least, missed(answers[SearchMode.KEYWORD])


def test_hybrid_search_is_no_worse_than_either_of_its_parts(answers: Answers) -> None:
    hybrid = recalls(answers[SearchMode.HYBRID])["all"]
    for part in (SearchMode.KEYWORD, SearchMode.ENTRIES):
        assert hybrid >= recalls(answers[part])["all"] - 0.02
