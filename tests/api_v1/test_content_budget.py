"""The bytes of content that one answer has: what is beyond them is refused, or left out of searches."""

from typing import Any

import pytest

from tests.api_v1.conftest import CONTENT_BYTES_MAX
from tests.api_v1.library import Library, messages_of

pytestmark = pytest.mark.system

TEXT_BYTES = CONTENT_BYTES_MAX * 5 // 16
"""Of one entry: three fit, four do not, and neither do three with their chunks."""
CHUNK_BYTES = CONTENT_BYTES_MAX // 8


@pytest.fixture(scope="module")
def entry_ids(narrow: Library) -> list[int]:
    """Of four entries with a text and a chunk each, nearest to the vector [1, 0] first."""
    dataset_id = narrow.dataset()["id"]
    made = []
    for number in range(4):
        entry_id = int(narrow.entry(dataset_id)["id"])
        path = f"/entries/{entry_id}"
        text = str(number) * TEXT_BYTES
        narrow.call("POST", f"{path}/processed", json={"content": {"text": text}})
        chunk = {
            "chunk_text": "x" * CHUNK_BYTES,
            "chunk_index": 0,
            "embedding": [9.0 - number, 3.0],
        }
        narrow.call("POST", f"{path}/chunks", json={"chunks": [chunk]})
        made.append(entry_id)
    return made


def read(narrow: Library, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = narrow.call("POST", "/entries/batch/content", json=body)[
        "entries"
    ]
    return found


def test_more_content_than_an_answer_has_is_refused(narrow: Library, entry_ids: list[int]) -> None:
    body = {"entry_ids": entry_ids[:3]}
    text = messages_of(narrow.ask("POST", "/entries/batch/content", json=body))
    assert f"{CONTENT_BYTES_MAX:,}" in text
    assert "fewer entries" in text
    assert "with_chunks" in text
    found = read(narrow, entry_ids=entry_ids, limit=2)
    assert [len(each["content"]["chunks"]) for each in found] == [1, 1]


def test_without_chunks_more_entries_fit(narrow: Library, entry_ids: list[int]) -> None:
    found = read(narrow, entry_ids=entry_ids[:3], with_chunks=False)
    assert [each["entry_id"] for each in found] == entry_ids[2::-1]
    assert [len(each["content"]["text"]) for each in found] == [TEXT_BYTES] * 3
    assert [each["content"]["chunks"] for each in found] == [[], [], []]
    body = {"entry_ids": entry_ids, "with_chunks": False}
    assert messages_of(narrow.ask("POST", "/entries/batch/content", json=body))


def test_a_search_leaves_out_the_texts_of_its_last_hits(
    narrow: Library, entry_ids: list[int]
) -> None:
    body = {"query_vector": [1.0, 0.0], "entry_ids": entry_ids}
    hits = narrow.call("POST", "/vector/entries", json=body)["results"]
    assert [hit["entry_id"] for hit in hits] == entry_ids
    texts = [hit["content"] and hit["content"]["text"][0] for hit in hits]
    assert texts == ["0", "1", "2", None]
