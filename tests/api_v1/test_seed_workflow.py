"""The workflow of the upload guide runs unchanged, on real documents of every kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api_v1.documents import (
    Sample,
    docx_sample,
    image_sample,
    jats_sample,
    meca_sample,
    pdf_sample,
)
from tests.api_v1.library import Library, fresh_slug
from tests.api_v1.seed_client import SeedClient
from tests.documents.pdf_files import likeness
from tests.server.running import TOKEN, RunningServer

pytestmark = pytest.mark.system

GENERAL = ("*.pdf", "*.docx", "*.png")
SCIENCE = ("*.xml", "*.meca")
STAGES = ["fetch-entry", "ocr", "figure-linking", "chunking", "embedding", "registration"]


@pytest.fixture(scope="module")
def guide(server: RunningServer) -> Iterator[SeedClient]:
    client = SeedClient(server.url, 1, TOKEN)
    yield client
    client.close()


@pytest.fixture(scope="module")
def general() -> tuple[Sample, ...]:
    return pdf_sample(), docx_sample(), image_sample()


def check_sample(guide: SeedClient, dataset_id: int, entry_id: int, sample: Sample) -> None:
    """See that a document is found by its words and by meaning, and reads as it was written."""
    found = guide.search(sample.words, dataset_id)
    assert found["total"] == 1
    assert found["results"][0]["entry_id"] == entry_id
    near = guide.search_chunks(sample.texts[0][:80], dataset_id)
    assert near["results"][0]["entry_id"] == entry_id
    assert near["total"] == len(near["results"]) > 0
    body = {"entry_ids": [entry_id]}
    (item,) = guide.request("POST", "/api/v1/entries/batch/content", json=body)["entries"]
    lines = item["content"]["text"].split("\n")
    assert sample.heading is None or sample.heading in lines
    for text in sample.texts:
        assert best_likeness(item["content"]["text"], text) >= 0.97, text


def best_likeness(text: str, wanted: str) -> float:
    """How near the nearest paragraph is; 1 when the text has the words as they are."""
    if wanted in text:
        return 1.0
    return max(likeness(part, wanted) for part in text.split("\n\n"))


def run_guide(
    guide: SeedClient, samples: tuple[Sample, ...], folder: Path, *, preset: str, trigger: str
) -> tuple[int, dict[str, int], dict[int, Any]]:
    """Steps 2 to 5; returns the dataset, the entries by file name, and what triggering said."""
    files = GENERAL if preset == "general_purpose" else SCIENCE
    dataset_id = guide.create_dataset(fresh_slug("guide"), files)
    guide.apply_preset(dataset_id, preset, trigger=trigger)
    entry_ids = {
        sample.name: guide.upload_document(sample.write(folder), dataset_id) for sample in samples
    }
    triggered = {}
    if trigger == "manual":
        for entry_id in entry_ids.values():
            assert guide.request("GET", f"/api/v1/entries/{entry_id}")["status"] == "uploaded"
            triggered[entry_id] = guide.trigger(entry_id)
    statuses = guide.wait_for_processing(list(entry_ids.values()))
    assert set(statuses.values()) == {"PROCESSED"}
    return dataset_id, entry_ids, triggered


def test_documents_uploaded_as_in_the_guide_are_processed_and_found(
    guide: SeedClient, general: tuple[Sample, ...], tmp_path: Path
) -> None:
    dataset_id, ids, _ = run_guide(
        guide, general, tmp_path, preset="general_purpose", trigger="on_upload"
    )
    for sample in general:
        check_sample(guide, dataset_id, ids[sample.name], sample)
    batch = guide.request(
        "POST", "/api/v1/entries/batch", json={"dataset_id": dataset_id, "limit": 50}
    )
    assert {(entry["name"], entry["status"]) for entry in batch["entries"]} == {
        (Path(sample.name).stem, "processed") for sample in general
    }
    types = {entry["id"]: entry["mime_type"] for entry in batch["entries"]}
    assert types == {ids[sample.name]: sample.media_type for sample in general}


def test_a_manual_pipeline_waits_to_be_triggered(
    guide: SeedClient, general: tuple[Sample, ...], tmp_path: Path
) -> None:
    sample = general[0]
    dataset_id, ids, triggered = run_guide(
        guide, (sample,), tmp_path, preset="general_purpose", trigger="manual"
    )
    entry_id = ids[sample.name]
    assert triggered[entry_id]["workflow_name"].startswith(f"pipeline-general-purpose-{entry_id}-")
    assert triggered[entry_id]["status"] == "processing"
    assert triggered[entry_id]["dataset_id"] == dataset_id
    assert guide.search(sample.words, dataset_id)["total"] == 1


def test_scientific_articles_are_processed_and_found(guide: SeedClient, tmp_path: Path) -> None:
    samples = (jats_sample(), meca_sample())
    dataset_id, ids, _ = run_guide(
        guide, samples, tmp_path, preset="scientific_articles", trigger="on_upload"
    )
    for sample in samples:
        check_sample(guide, dataset_id, ids[sample.name], sample)
    assert guide.search("gauges letters Okafor", dataset_id)["total"] >= 1


def test_a_processed_entry_tells_its_history(
    guide: SeedClient, general: tuple[Sample, ...], tmp_path: Path
) -> None:
    _, ids, _ = run_guide(
        guide, general[1:2], tmp_path, preset="general_purpose", trigger="on_upload"
    )
    (entry_id,) = ids.values()
    entry = guide.request("GET", f"/api/v1/entries/{entry_id}")
    assert entry["manifest"]["processing"]["steps_completed"] == STAGES
    assert [step["status"] for step in entry["processing_history"]] == ["completed"] * 6
    times = [
        moment
        for step in entry["processing_history"]
        for moment in (step["started_at"], step["completed_at"])
    ]
    assert times == sorted(times)
    summary = entry["manifest"]["processed"]["fields_summary"]
    assert summary["chunk_count"] >= 1
    assert summary["text_length"] > 0
    assert entry["manifest"]["original"]["metadata"] == {"source": "sdk-upload"}
    assert entry["error"] is None


def test_a_broken_file_fails_in_the_loop_of_the_guide_and_says_why(
    guide: SeedClient, tmp_path: Path
) -> None:
    dataset_id = guide.create_dataset(fresh_slug("guide"), ["*.pdf"])
    guide.apply_preset(dataset_id, "general_purpose")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing of the sort\n")
    entry_id = guide.upload_document(broken, dataset_id)
    assert guide.wait_for_processing([entry_id]) == {entry_id: "FAILED"}
    entry = guide.request("GET", f"/api/v1/entries/{entry_id}")
    assert entry["error"].startswith("ocr: ")
    assert entry["processing_history"][-1]["status"] == "failed"
    assert entry["processing_history"][-1]["error"]
    assert guide.search("nothing of the sort", dataset_id)["total"] == 0
    # Uploading a good file again is how the guide retries.
    sample = pdf_sample()
    files = {"file": (sample.name, sample.data)}
    guide.request("POST", f"/api/v1/entries/{entry_id}/upload", files=files)
    assert guide.wait_for_processing([entry_id]) == {entry_id: "PROCESSED"}
    assert guide.request("GET", f"/api/v1/entries/{entry_id}")["error"] is None
    assert guide.search("lighthouse", dataset_id)["total"] == 1


def test_what_the_guide_made_can_be_read_by_sql(
    guide: SeedClient, library: Library, general: tuple[Sample, ...], tmp_path: Path
) -> None:
    slug = fresh_slug("guide")
    dataset_id = guide.create_dataset(slug, GENERAL)
    guide.apply_preset(dataset_id, "general_purpose")
    entry_id = guide.upload_document(general[1].write(tmp_path), dataset_id)
    guide.wait_for_processing([entry_id])
    schema = f'documents."{slug}"'
    sql = f"""SELECT e.id, e.mime_type, c.chunk_index FROM {schema}.entries e
              JOIN bm25_search('{schema}.chunks', 'text', 'herring', 5) c ON c.entry_id = e.id"""
    rows = library.rows(sql)
    assert [row[:2] for row in rows] == [[entry_id, general[1].media_type]] * len(rows)
    assert rows
