"""Documents from upload to search, next to the libraries they go through, called bare.

The pipeline: PDFs of 20 pages of text are uploaded side by side, and the time until the last is processed is
compared with the sum of what the libraries need for them one after the other in this process: pypdfium2 for the
text, pdfplumber for the tables, semantic-text-splitter and the embedding model. What is left without the tables,
and what our own readers need in one process, is reported besides. A scanned page is compared with tesseract's own time. Searches are compared with
``SELECT 1`` over the same connection, in turns.
"""

import argparse
import contextlib
import io
import itertools
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pdfplumber
import pypdfium2
import uvloop
from semantic_text_splitter import MarkdownSplitter

from bench.common import Report, Row, at_most, main, median_ratio, percentile
from bench.http_load import Sample, load
from bench.made_documents import scan, sentence, text_pdf
from bench.service import TOKEN, Service, post_request, query_request, serving
from engine.documents.chunks.chunking import chunk_text
from engine.documents.content import Source
from engine.documents.pdf.extract import extract_pdf
from engine.documents.scans.ocr import read_page
from engine.embeddings.wordllama_local import WordEmbedder

_API = "/clusters/1/proxy/api/v1"
_CHUNK_CHARS = 1_500
_UPLOADS_AT_ONCE = 4
_ENTRY_CHUNKS = 1_000
_BATCH = 50
_WAIT_S = 600
_POLL_S = 0.02
_DEFINITION = {
    "schema_id": "bench",
    "version": "v1",
    "description": "",
    "original": {"metadata_schema": {}},
    "processed": {},
    "processing": None,
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    documents: int
    pages: int
    chunks: int
    rounds: int
    seconds: float


class Api:
    """The Data API of one server."""

    def __init__(self, service: Service) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{service.port}{_API}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=_WAIT_S,
        )

    def call(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 - JSON
        """Send a request and return the parsed answer."""
        response = self._client.request(method, path, **content)
        response.raise_for_status()
        return response.json()

    def make_dataset(self, slug: str, *, preset: str | None = None) -> int:
        """Make a dataset, with the pipeline of a preset."""
        body = {"name": slug, "slug": slug, "schema_definition": _DEFINITION}
        dataset_id: int = self.call("POST", "/datasets", json=body)["id"]
        if preset is not None:
            path = f"/pipelines/datasets/{dataset_id}/apply-preset"
            self.call("POST", path, params={"preset_name": preset})
        return dataset_id

    def upload(self, dataset_id: int, name: str, data: bytes) -> int:
        """Make an entry and upload its file."""
        body = {"dataset_id": dataset_id, "name": name, "slug": name}
        entry_id: int = self.call("POST", "/entries", json=body)["entry"]["id"]
        self.call("POST", f"/entries/{entry_id}/upload", files={"file": (name, data)})
        return entry_id

    def wait(self, dataset_id: int, count: int) -> None:
        """Wait until so many entries are processed."""
        until_s = time.monotonic() + _WAIT_S
        while time.monotonic() < until_s:
            found = self.call(
                "GET",
                "/entries",
                params={"dataset_id": dataset_id, "status": "processed", "limit": 1},
            )
            if found["total"] == count:
                return
            time.sleep(_POLL_S)
        raise TimeoutError("the documents were not processed")


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--documents", type=int, default=40, help="PDFs")
    arguments.add_argument("--pages", type=int, default=20, help="of each")
    arguments.add_argument("--chunks", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=2.0, help="of one round of one target")


def run(arguments: argparse.Namespace) -> Report:
    sizes = Sizes(**{name: getattr(arguments, name) for name in Sizes.__annotations__})
    if arguments.quick:
        sizes = Sizes(2, 2, 2_000, rounds=1, seconds=0.05)
    report = Report("documents", vars(sizes))
    with serving(arguments.out) as service:
        api = Api(service)
        _measure_pipeline(api, sizes, report)
        _measure_scans(api, sizes, report)
        _measure_batches(api, sizes, report)
        _measure_searches(api, service, sizes, report)
    shutil.rmtree(arguments.out / "data", ignore_errors=True)
    return report


def _measure_pipeline(api: Api, sizes: Sizes, report: Report) -> None:
    ratios: dict[str, list[float]] = {
        "libraries, bare": [],
        "libraries, bare, no tables": [],
        "our readers, one process": [],
    }
    _run_pipeline(api, "warm", [text_pdf(0, sizes.pages)])
    for number in range(sizes.rounds):
        files = [
            text_pdf(number * sizes.documents + each, sizes.pages)
            for each in range(sizes.documents)
        ]
        texts_s, tables_s = sum(map(_read_bare, files)), sum(map(_find_tables_bare, files))
        took = {
            "libraries, bare": texts_s + tables_s,
            "libraries, bare, no tables": texts_s,
            "our readers, one process": sum(map(_read_here, files)),
        }
        ours_s = _run_pipeline(api, f"round-{number}", files)
        for target, seconds in took.items():
            ratios[target].append(ours_s / seconds)
        for target, seconds in {"tidemill, end to end": ours_s, **took}.items():
            each_ms = 1e3 * seconds / len(files)
            report.rows.append(
                {
                    "part": "pipeline",
                    "target": target,
                    "s": round(seconds, 2),
                    "ms_each": round(each_ms),
                }
            )
    middle = {target: percentile(found, 0.5) for target, found in ratios.items()}
    report.ratios |= {f"pipeline: end to end / {name}": value for name, value in middle.items()}
    goal = "pipeline: end to end / libraries, bare"
    report.goals.append(at_most(goal, middle["libraries, bare"], 1.5))


def _run_pipeline(api: Api, slug: str, files: Sequence[bytes]) -> float:
    """Upload files side by side; return the seconds until the last is processed."""
    dataset_id = api.make_dataset(slug, preset="general_purpose")
    started_s = time.perf_counter()
    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        numbered = [(dataset_id, f"{slug}-{number}.pdf", data) for number, data in enumerate(files)]
        list(pool.map(lambda each: api.upload(*each), numbered))
    api.wait(dataset_id, len(files))
    return time.perf_counter() - started_s


def _read_bare(data: bytes) -> float:
    """Return the seconds that the libraries need for a PDF: text, chunks and vectors."""
    embedder = WordEmbedder(None)
    splitter = MarkdownSplitter(_CHUNK_CHARS)
    started_s = time.perf_counter()
    document = pypdfium2.PdfDocument(data)
    text = "\n\n".join(page.get_textpage().get_text_bounded() for page in document)
    embedder.embed(splitter.chunks(text))
    return time.perf_counter() - started_s


def _find_tables_bare(data: bytes) -> float:
    """Return the seconds that pdfplumber needs to look for tables in a PDF."""
    started_s = time.perf_counter()
    with pdfplumber.open(io.BytesIO(data)) as document:
        for page in document.pages:
            page.extract_tables()
            page.close()
    return time.perf_counter() - started_s


def _read_here(data: bytes) -> float:
    """Return the seconds that what the stages call needs for a PDF, without processes and files."""
    embedder = WordEmbedder(None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.pdf")
        path.write_bytes(data)
        started_s = time.perf_counter()
        source = Source(path, path.name, "application/pdf")
        content = extract_pdf(source, Path(folder), {}, lambda _done, _total: None)
        chunks = chunk_text(content, {})
        embedder.embed(chunks.column("chunk_text").to_pylist())
        return time.perf_counter() - started_s


def _measure_scans(api: Api, sizes: Sizes, report: Report) -> None:
    dataset_id = api.make_dataset("scans", preset="general_purpose")
    ratios = []
    read_page(scan(0))
    for number in range(sizes.rounds + 1):
        image = scan(number)
        started_s = time.perf_counter()
        read_page(image)
        bare_s = time.perf_counter() - started_s
        drawn = io.BytesIO()
        image.save(drawn, "PNG", dpi=(250, 250))
        started_s = time.perf_counter()
        api.upload(dataset_id, f"scan-{number}.png", drawn.getvalue())
        api.wait(dataset_id, number + 1)
        ours_s = time.perf_counter() - started_s
        if number:  # the first one starts processes
            ratios.append(ours_s / bare_s)
            report.rows.append({"part": "scan", "target": "tidemill", "s": round(ours_s, 3)})
            report.rows.append({"part": "scan", "target": "tesseract, bare", "s": round(bare_s, 3)})
    middle = percentile(ratios, 0.5)
    report.goals.append(at_most("scan: upload to processed / tesseract, bare", middle, 1.3))


def _measure_batches(api: Api, sizes: Sizes, report: Report) -> None:
    dataset_id = api.make_dataset("batches")
    ids = []
    for number in range(_BATCH):
        body = {"dataset_id": dataset_id, "name": f"e{number}", "slug": f"e{number}"}
        ids.append(api.call("POST", "/entries", json=body)["entry"]["id"])
        content = {"content": {"text": sentence(number, 200)}}
        api.call("POST", f"/entries/{ids[-1]}/processed", json=content)
    batch = {"dataset_id": dataset_id, "limit": _BATCH}
    targets: dict[str, Callable[[], object]] = {
        "one entry": lambda: api.call("GET", f"/entries/{ids[0]}"),
        f"batch of {_BATCH}": lambda: api.call("POST", "/entries/batch", json=batch),
    }
    samples: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(20 * sizes.rounds):
        for name, ask in targets.items():
            started_s = time.perf_counter()
            ask()
            samples[name].append(time.perf_counter() - started_s)
    one, many = (percentile(samples[name], 0.5) for name in targets)
    for name, seconds in samples.items():
        p50_ms = round(1e3 * percentile(seconds, 0.5), 2)
        report.rows.append({"part": "batch", "target": name, "p50_ms": p50_ms})
    report.goals.append(at_most(f"batch: {_BATCH} entries / one", many / one, 3.0))


def _measure_searches(api: Api, service: Service, sizes: Sizes, report: Report) -> None:
    dataset_id = api.make_dataset("chunks")
    started_s = time.perf_counter()
    for number in range(max(1, sizes.chunks // _ENTRY_CHUNKS)):
        _add_chunks(api, dataset_id, number)
    took_s = time.perf_counter() - started_s
    _wait_for_merges(service)
    report.rows.append({"part": "searches", "target": "chunks added", "s": round(took_s, 1)})
    rng = np.random.default_rng(3)
    texts = itertools.count()
    targets = {
        "SELECT 1": lambda: query_request(service.port, "SELECT 1"),
        "vector/chunks by vector": _by_vector(service, dataset_id, _vectors_of_texts(rng)),
        "vector/chunks by far vector": _by_vector(service, dataset_id, _vectors_of_nothing(rng)),
        "vector/chunks by text": lambda: _request(
            service,
            "/vector/chunks",
            {"query": sentence(next(texts), 6), "dataset_ids": [dataset_id]},
        ),
        "search": lambda: _request(
            service, "/search", {"query": sentence(next(texts), 3), "dataset_ids": [dataset_id]}
        ),
    }
    samples: dict[str, list[Sample]] = {name: [] for name in targets}
    for _ in range(sizes.rounds + 1):
        for name, make in targets.items():
            sample = uvloop.run(load(service.port, make, concurrency=1, seconds=sizes.seconds))
            assert not sample.errors, name
            samples[name].append(sample)
    p50s = {name: [each.p50_ms for each in rounds[1:]] for name, rounds in samples.items()}
    for name, figures in p50s.items():
        row: Row = {
            "part": "searches",
            "target": name,
            "p50_ms": round(percentile(figures, 0.5), 3),
        }
        report.rows.append(row)
    for name in [*targets][1:]:
        goal = f"searches: p50 {name} / SELECT 1"
        ratio = report.ratios[goal] = median_ratio(p50s[name], p50s["SELECT 1"])
        if name != "vector/chunks by far vector":
            report.goals.append(at_most(goal, ratio, 2.0))


def _by_vector(
    service: Service, dataset_id: int, vectors: Iterator[list[float]]
) -> Callable[[], bytes]:
    def make() -> bytes:
        body: Row = {"query_vector": next(vectors), "dataset_ids": [dataset_id]}
        return _request(service, "/vector/chunks", body)

    return make


def _add_chunks(api: Api, dataset_id: int, number: int) -> None:
    body = {"dataset_id": dataset_id, "name": f"entry {number}", "slug": f"entry-{number}"}
    entry_id = api.call("POST", "/entries", json=body)["entry"]["id"]
    first = number * _ENTRY_CHUNKS
    texts = [sentence(first + each, 60) for each in range(_ENTRY_CHUNKS)]
    content = {"content": {"text": "\n\n".join(texts[:20])}}
    api.call("POST", f"/entries/{entry_id}/processed", json=content)
    chunks = [{"chunk_text": text, "chunk_index": each} for each, text in enumerate(texts)]
    api.call("POST", f"/entries/{entry_id}/chunks", json={"chunks": chunks})


def _wait_for_merges(service: Service) -> None:
    until_s = time.monotonic() + _WAIT_S
    sql = (
        "SELECT count(*) FROM jobs WHERE job_type = 'merge_segments'"
        " AND status IN ('pending', 'running')"
    )
    catalog = sqlite3.connect(f"file:{service.data_folder}/catalog.db?mode=ro", uri=True)
    with contextlib.closing(catalog):
        while time.monotonic() < until_s:
            if catalog.execute(sql).fetchone() == (0,):
                return
            time.sleep(0.2)
    raise TimeoutError("the segments were not merged")


def _request(service: Service, path: str, body: Row) -> bytes:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return post_request(service.port, _API + path, json.dumps(body).encode(), headers)


def _vectors_of_texts(rng: np.random.Generator) -> Iterator[list[float]]:
    """Yield vectors as the dataset's model makes them."""
    embedder = WordEmbedder(None)
    while True:
        text = sentence(int(rng.integers(1 << 30)), 6)
        yield embedder.embed([text])[0].astype(float).round(5).tolist()


def _vectors_of_nothing(rng: np.random.Generator) -> Iterator[list[float]]:
    """Yield vectors that are like none of the model's: a search looks at all chunks."""
    while True:
        vector = rng.standard_normal(256)
        yield (vector / np.linalg.norm(vector)).round(5).tolist()


if __name__ == "__main__":
    main("Documents from upload to search.", run, add_arguments)
