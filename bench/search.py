"""Searches by words, by vectors and in order, over HTTP, next to libraries in process.

Each part makes a dataset and its index through the server, then lets all targets take turns with
questions that differ from one to the next. A ratio is taken between figures of one round.
"""

import argparse
import functools
import itertools
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import uvloop

from bench.common import MB, Report, Row, at_least, at_most, main, median_ratio, percentile
from bench.http_load import Sample, call_repeatedly, load
from bench.search_data import (
    PARTS,
    Vectors,
    VectorSet,
    documents_file,
    make_vectors,
    numbers_file,
    text_queries,
    value_of,
    value_range,
    vectors_table,
)
from bench.search_peers import (
    Bm25s,
    Hnswlib,
    LanceTable,
    is_installed,
    missing_extensions,
    recall,
)
from bench.service import Service, query_request, serving
from engine.indexes.bm25 import Bm25Builder, Bm25Index, Bm25Spec

_K = 10
_QUERIES = 500
_RECALL_QUERIES_MIN, _ROWS_PER_RECALL_QUERY = 10, 1_000
_PERCENTS = (1, 10, 50)
_RANGE_ROWS = 1_000
_LIBRARY_BYTES = 512 * MB
_WORDS_SPEC = Bm25Spec(("body",))
_LANCE_KINDS = ("IvfPq", "HnswSq")
_HNSWLIB_DEPTH = 400
_PEERS = ("lancedb", "bm25s", "hnswlib")

_WORDS = "SELECT id, body, score FROM bm25_search('docs', 'body', $1, 10) ORDER BY score DESC"
_NEAR = "SELECT id, _distance FROM vector_search('vectors', 'v', $1, 10) ORDER BY _distance"
_FILTERED = "SELECT id FROM vectors WHERE part < {} ORDER BY cosine_distance(v, $1) LIMIT 10"
_NUMBERS = {
    "point": "SELECT * FROM {} WHERE value = $1",
    "range": "SELECT * FROM {} WHERE value BETWEEN $1 AND $2",
}

Ask = Callable[[float], Sample]
Statement = tuple[str, Sequence[object]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    documents: int
    vectors: int
    numbers: int
    rounds: int
    seconds: float
    builds: int


@dataclass(frozen=True)
class Bench:
    """What every part needs."""

    sizes: Sizes
    service: Service
    report: Report
    out: Path

    @property
    def scratch(self) -> Path:
        """A folder that goes with the run."""
        return self.out / "search"

    def over_http(self, statements: Iterable[Statement]) -> Ask:
        """Ask the server, one question at a time."""
        port, coming = self.service.port, iter(statements)

        def make_request() -> bytes:
            sql, params = next(coming)
            return query_request(port, sql, params=params)

        return lambda seconds: uvloop.run(load(port, make_request, concurrency=1, seconds=seconds))

    def take_turns(self, targets: Mapping[str, Ask]) -> dict[str, list[Sample]]:
        """Let targets take turns, a different one first in each round."""
        names = [*targets]
        samples: dict[str, list[Sample]] = {name: [] for name in names}
        for name in names:
            targets[name](self.sizes.seconds / 4)
        for number in range(self.sizes.rounds):
            shift = number % len(names)
            for name in (*names[shift:], *names[:shift]):
                samples[name].append(targets[name](self.sizes.seconds))
        assert not any(sample.errors for rounds in samples.values() for sample in rounds)
        return samples

    def add(self, part: str, target: str, **figures: float) -> None:
        """Add a row of figures."""
        self.report.rows.append({"part": part, "target": target, **figures})

    def add_builds(self, part: str, rows: int, built: Mapping[str, list[float]]) -> None:
        """Add the medians of what builds took."""
        for name, seconds in built.items():
            middle = percentile(seconds, 0.5)
            self.add(part, name, build_s=round(middle, 2), rows_per_s=round(rows / middle))


@dataclass(frozen=True)
class Indexed:
    """A dataset whose index can be made again and again."""

    service: Service
    dataset_id: str
    order: Row

    @classmethod
    def load(cls, service: Service, name: str, path: Path, order: Row) -> "Indexed":
        """Make a dataset of a file; it has no index yet."""
        folder = service.load(name, path)
        return cls(service, folder.parent.name, {"index_name": "measured", **order})

    def build(self) -> float:
        """Make the index anew; return the seconds from the request to the answer."""
        path = f"/v1/datasets/{self.dataset_id}/indexes"
        if self.service.call("GET", path)["indexes"]:
            self.service.delete(f"{path}/measured")
        started_s = time.perf_counter()
        made = self.service.call("POST", path, self.order)
        elapsed_s = time.perf_counter() - started_s
        assert made["status"] == "ready", made
        return elapsed_s

    def graph_bytes(self) -> int:
        """The size of what a search of vectors visits; 0 when all searches are exact."""
        names = ("graph.usearch", "members.u32", "starts.u32")
        folders = self.service.data_folder.glob(f"**/indexes/{self.dataset_id}/*")
        newest = max(folders, key=lambda folder: folder.stat().st_mtime)
        return sum(path.stat().st_size for path in newest.iterdir() if path.name in names)


@dataclass(frozen=True)
class Searcher:
    """Who finds the ids of near vectors: of all, or of those whose part is below a bound."""

    name: str
    find: Callable[[Vectors, int], list[int]]
    ask: Ask | None = None
    filters: bool = True


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--documents", type=int, default=1_000_000)
    arguments.add_argument("--vectors", type=int, default=200_000)
    arguments.add_argument("--numbers", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=1.5, help="of one round of one target")
    arguments.add_argument("--builds", type=int, default=2, help="of each index by each target")


def run(arguments: argparse.Namespace) -> Report:
    sizes = Sizes(**{name: getattr(arguments, name) for name in Sizes.__annotations__})
    if arguments.quick:
        sizes = Sizes(2_000, 3_000, 20_000, rounds=1, seconds=0.05, builds=1)
    report = Report("search", vars(sizes))
    report.notes += missing_extensions()
    report.notes += [f"{peer} is not installed" for peer in _PEERS if not is_installed(peer)]
    with serving(arguments.out) as service:
        bench = Bench(sizes, service, report, arguments.out)
        shutil.rmtree(bench.scratch, ignore_errors=True)
        bench.scratch.mkdir(parents=True)
        for measure in (_measure_words, _measure_vectors, _measure_numbers):
            measure(bench)
            service.delete_datasets()
        shutil.rmtree(bench.scratch)
    return report


def _measure_words(bench: Bench) -> None:
    count = bench.sizes.documents
    path = documents_file(bench.out, count)
    order = {"columns": ["body"], "index_type": "bm25"}
    docs = Indexed.load(bench.service, "docs", path, order)
    questions = text_queries(_QUERIES)
    point = "SELECT id, body FROM docs WHERE id = $1"
    targets = {
        "point lookup": bench.over_http((point, [row]) for row in _random_rows(count)),
        "bm25_search": bench.over_http((_WORDS, [text]) for text in itertools.cycle(questions)),
    }
    built: dict[str, list[float]] = {"tidemill": [], "library alone": []}
    alone = bench.scratch / "words"
    lance = LanceTable(bench.scratch, "docs", path) if is_installed("lancedb") else None
    for _ in range(bench.sizes.builds):
        built["tidemill"].append(docs.build())
        built["library alone"].append(_build_words_alone(path, alone))
    index = Bm25Index.open(alone, _WORDS_SPEC, bench.scratch)
    targets["library alone"] = _calls(lambda text: index.search(text, limit=_K), questions)
    if lance is not None:
        built["lancedb"] = [lance.index_words("body")]
        targets["lancedb"] = _calls(lance.find_words, questions)
    if is_installed("bm25s"):
        peer = Bm25s(pq.read_table(path).column("body").to_pylist())
        built["bm25s"] = [peer.build_s]
        targets["bm25s"] = _calls(peer.find_words, questions)
    bench.add_builds("words", count, built)
    samples = bench.take_turns(targets)
    for name, rounds in samples.items():
        bench.add("words", name, **_figures(rounds))
    rate = count / percentile(built["tidemill"], 0.5)
    to_point = _p50_ratio(samples, "bm25_search", "point lookup")
    bench.report.goals += [
        at_least("words: thousand documents/s indexed", rate / 1e3, 100),
        at_most("words: p50 / point lookup", to_point, 2.0),
    ]
    if lance is not None:
        to_lance = _p50_ratio(samples, "bm25_search", "lancedb")
        bench.report.goals.append(at_most("words: p50 / LanceDB in process", to_lance, 1.0))
    if "bm25s" in samples:
        to_bm25s = _p50_ratio(samples, "bm25_search", "bm25s")
        bench.report.ratios["words: p50 / bm25s in process"] = to_bm25s


def _build_words_alone(path: Path, folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started_s = time.perf_counter()
    builder = Bm25Builder(_WORDS_SPEC, folder, memory_bytes=_LIBRARY_BYTES)
    first_row = 0
    for batch in pq.ParquetFile(path).iter_batches(columns=["body"]):
        builder.add(batch, first_row)
        first_row += batch.num_rows
    builder.finish()
    return time.perf_counter() - started_s


def _measure_vectors(bench: Bench) -> None:
    count = bench.sizes.vectors
    vectors = make_vectors(count, _QUERIES)
    path = bench.scratch / "vectors.parquet"
    pq.write_table(vectors_table(vectors), path)
    order = {"columns": ["v"], "index_type": "vector", "metric": "cosine"}
    indexed = Indexed.load(bench.service, "vectors", path, order)
    peers, built = _build_vectors(bench, vectors, path, indexed)
    bench.add_builds("vectors", count, built)
    share = indexed.graph_bytes() / vectors.rows.nbytes
    goals = bench.report.goals
    goals.append(at_most("vectors: graph / vectors as float32", share, 0.35))
    if "hnswlib" in built:
        slower = median_ratio(built["tidemill"], built["hnswlib"])
        goals.append(at_most("vectors: build / hnswlib", slower, 1.0))
    point = "SELECT id, part FROM vectors WHERE id = $1"
    lookups = bench.over_http((point, [row]) for row in _random_rows(count))
    ours = [
        _over_http(bench, vectors, "vector_search as text", _NEAR, is_text=True),
        _over_http(bench, vectors, "vector_search by params", _NEAR),
    ]
    samples = _compare(bench, vectors, PARTS, [*ours, *peers], lookups)
    for each in ours:
        ratio = _p50_ratio(samples, each.name, "point lookup")
        goals.append(at_most(f"vectors: p50 {each.name} / point lookup", ratio, 2.0))
    for percent in _PERCENTS:
        distance = _over_http(bench, vectors, "order by distance", _FILTERED.format(percent))
        filtering = [each for each in peers if each.filters]
        _compare(bench, vectors, percent, [distance, *filtering], None)


def _build_vectors(
    bench: Bench, vectors: VectorSet, path: Path, indexed: Indexed
) -> tuple[list[Searcher], dict[str, list[float]]]:
    """Build our index and those of the peers; return the peers, and what the builds took."""
    peers: list[Searcher] = []
    built: dict[str, list[float]] = {"tidemill": []}
    for number in range(bench.sizes.builds):
        built["tidemill"].append(indexed.build())
        if is_installed("hnswlib"):
            graph = Hnswlib(vectors.rows, depth=_HNSWLIB_DEPTH)
            built.setdefault("hnswlib", []).append(graph.build_s)
            if number == 0:
                peers.append(Searcher("hnswlib", graph.find_near, filters=False))
    for kind in _LANCE_KINDS if is_installed("lancedb") else ():
        table = LanceTable(bench.scratch, f"vectors_{kind}", path)
        if not peers or peers[-1].name == "hnswlib":
            peers.append(Searcher("lancedb, no index", table.find_exactly))
        built[f"lancedb {kind}"] = [table.index_vectors("v", kind)]
        peers.append(Searcher(f"lancedb {kind}", table.find_near))
    return peers, built


def _over_http(
    bench: Bench, vectors: VectorSet, name: str, sql: str, *, is_text: bool = False
) -> Searcher:
    """Search by a statement, with the vector in its text or as a parameter."""

    def statement(query: Vectors) -> Statement:
        numbers = query.tolist()
        return (sql.replace("$1", f"ARRAY{numbers}"), ()) if is_text else (sql, [numbers])

    def find(query: Vectors, _parts_below: int) -> list[int]:
        text, params = statement(query)
        answer = bench.service.call("POST", "/v1/query", {"sql": text, "params": params})
        return [row[0] for row in answer["rows"]]

    coming = map(statement, itertools.cycle(vectors.queries))
    return Searcher(name, find, bench.over_http(coming))


def _compare(
    bench: Bench,
    vectors: VectorSet,
    percent: int,
    searchers: Sequence[Searcher],
    lookups: Ask | None,
) -> dict[str, list[Sample]]:
    """Measure recall and latency among so many percent of the rows; the first is ours."""
    part = "vectors" if percent == PARTS else f"vectors, {percent} % pass"
    many = max(_RECALL_QUERIES_MIN, len(vectors.rows) // _ROWS_PER_RECALL_QUERY)
    asked = vectors.queries[:many]
    nearest = [vectors.nearest(query, _K, percent) for query in asked]
    recalls = {
        each.name: recall([each.find(query, percent) for query in asked], nearest)
        for each in searchers
    }
    targets: dict[str, Ask] = {} if lookups is None else {"point lookup": lookups}
    for each in searchers:
        find = functools.partial(_found, each, percent)
        targets[each.name] = each.ask or _calls(find, vectors.queries)
    samples = bench.take_turns(targets)
    for name, rounds in samples.items():
        shown = {"recall": round(recalls[name], 3)} if name in recalls else {}
        bench.add(part, name, **_figures(rounds), **shown)
    ours = recalls[searchers[0].name]
    bench.report.goals.append(at_least(f"{part}: recall@{_K}", ours, 0.95))
    return samples


def _found(searcher: Searcher, percent: int, query: Vectors) -> list[int]:
    return searcher.find(query, percent)


def _measure_numbers(bench: Bench) -> None:
    count = bench.sizes.numbers
    path = numbers_file(bench.out, count)
    bench.service.load("numbers", path)
    order = {"columns": ["value"], "index_type": "sorted"}
    indexed = Indexed.load(bench.service, "ordered", path, order)
    bench.add_builds("numbers", count, {"tidemill": [indexed.build()]})
    values = {
        "point": ([value_of(row)] for row in _random_rows(count)),
        "range": (value_range(row, _RANGE_ROWS, count) for row in _random_rows(count)),
    }
    for kind, sql in _NUMBERS.items():
        coming = values[kind]
        with_index, without = sql.format("ordered"), sql.format("numbers")
        samples = bench.take_turns(
            {
                "with index": bench.over_http((with_index, params) for params in coming),
                "without": bench.over_http((without, params) for params in coming),
            }
        )
        for name, rounds in samples.items():
            bench.add(f"numbers, {kind}", name, **_figures(rounds))
        faster = _p50_ratio(samples, "without", "with index")
        bench.report.goals.append(at_least(f"numbers: {kind} without / with index", faster, 20))


def _calls(find: Callable[[Any], object], questions: Iterable[Any]) -> Ask:
    """Ask somebody in this process."""
    coming = itertools.cycle(questions)
    return lambda seconds: call_repeatedly(lambda: find(next(coming)), seconds=seconds)


def _random_rows(count: int) -> Iterator[int]:
    rng = np.random.default_rng(5)
    while True:
        yield from rng.integers(0, count, 1_000).tolist()


def _figures(rounds: Sequence[Sample]) -> dict[str, float]:
    latencies_s = [latency for sample in rounds for latency in sample.latencies_s]
    return {
        "p50_ms": round(percentile([sample.p50_ms for sample in rounds], 0.5), 3),
        "p99_ms": round(percentile(latencies_s, 0.99) * 1e3, 3),
        "questions": len(latencies_s),
    }


def _p50_ratio(samples: Mapping[str, list[Sample]], ours: str, others: str) -> float:
    """One median latency over another."""
    mine, theirs = ([sample.p50_ms for sample in samples[name]] for name in (ours, others))
    return median_ratio(mine, theirs)


if __name__ == "__main__":
    main("Searches by words, by vectors and in order.", run, add_arguments)
