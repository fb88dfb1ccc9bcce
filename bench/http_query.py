"""Short queries over HTTP: requests per second and latency, against in-process and other servers.

Targets take turns within every round, in one client, and ratios are taken inside a round.
``SELECT 1`` measures the door, the point lookup a selective scan, the aggregate a full one.
"""

import argparse
import asyncio
import functools
import itertools
import json
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench.common import ROOT, Report, at_least, at_most, main, median_ratio, percentile
from bench.http_load import Sample, call_repeatedly, load
from bench.peers import InProcess, fastapi_peer, roapi_peer
from bench.points import points_file
from bench.service import Service, post_request, query_request, serving

_CONCURRENCIES = (1, 8, 64)
_SLOW_CONCURRENCY_MAX = 8
"""roapi needs 0.7 s for an aggregate over Parquet: 64 at once would take most of a minute."""
_WORKLOADS = {
    "select_1": "SELECT 1",
    "point": "SELECT * FROM {table} WHERE id = {id}",
    "aggregate": "SELECT name, count(*), sum(score), max(day) FROM {table} GROUP BY name",
}
_LARGE_SQL = "SELECT * FROM points"


@dataclass(frozen=True)
class Target:
    """Somebody who answers SQL: over HTTP when there is a port, else by a call of this process."""

    name: str
    table: str = "points"
    port: int = 0
    make_request: Callable[[int, str], bytes] | None = None
    query: Callable[[str], object] | None = None
    workloads: tuple[str, ...] = tuple(_WORKLOADS)

    def takes(self, workload: str, concurrency: int) -> bool:
        if workload not in self.workloads or (self.query and concurrency > 1):
            return False
        is_slow = self.name == "roapi_parquet" and workload == "aggregate"
        return not (is_slow and concurrency > _SLOW_CONCURRENCY_MAX)


@dataclass
class Sizes:
    """How much is measured."""

    rows: int
    rounds: int
    seconds: float
    concurrencies: tuple[int, ...]


@dataclass
class Bench:
    """The samples of all rounds, by workload, concurrency and target."""

    sizes: Sizes
    targets: tuple[Target, ...]
    samples: dict[tuple[str, int, str], list[Sample]] = field(default_factory=dict)

    async def measure(self) -> None:
        """Let the targets take turns, a different one first in each round."""
        for workload, concurrency in itertools.product(_WORKLOADS, self.sizes.concurrencies):
            ready = [target for target in self.targets if target.takes(workload, concurrency)]
            for target in ready:
                await self.sample(target, workload, concurrency, seconds=self.sizes.seconds / 4)
            for number in range(self.sizes.rounds):
                shift = number % len(ready)
                for target in (*ready[shift:], *ready[:shift]):
                    sample = await self.sample(target, workload, concurrency)
                    key = workload, concurrency, target.name
                    self.samples.setdefault(key, []).append(sample)

    async def sample(
        self, target: Target, workload: str, concurrency: int, *, seconds: float | None = None
    ) -> Sample:
        """Measure one target for one short time."""
        seconds = self.sizes.seconds if seconds is None else seconds
        next_sql = functools.partial(make_sql, workload, target.table, self.sizes.rows)
        query, make_request = target.query, target.make_request
        if query is not None:
            return call_repeatedly(lambda: query(next_sql()), seconds=seconds)
        assert make_request is not None
        return await load(
            target.port,
            lambda: make_request(target.port, next_sql()),
            concurrency=concurrency,
            seconds=seconds,
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row per workload, concurrency and target."""
        return [
            {"workload": workload, "concurrency": concurrency, "target": name, **_figures(rounds)}
            for (workload, concurrency, name), rounds in self.samples.items()
        ]

    def p50_ratio(self, workload: str, peer: str) -> float:
        """Our median latency over the peer's, one client at a time."""
        ours, peers = (
            [sample.p50_ms for sample in self.samples[workload, 1, name]]
            for name in ("tidemill", peer)
        )
        return median_ratio(ours, peers)

    def speed_ratio(self, workload: str, concurrency: int, peer: str) -> float:
        """Our requests per second over the peer's."""
        ours, peers = (
            [sample.requests_per_s for sample in self.samples[workload, concurrency, name]]
            for name in ("tidemill", peer)
        )
        return median_ratio(ours, peers)


def make_sql(workload: str, table: str, rows: int) -> str:
    """The next statement of a workload; point lookups ask for a random id."""
    number = random.randrange(rows)  # noqa: S311 - picks a row, keeps no secret
    return _WORKLOADS[workload].format(table=table, id=number)


def _figures(rounds: list[Sample]) -> dict[str, Any]:
    latencies_s = [latency for sample in rounds for latency in sample.latencies_s]
    return {
        "requests_per_s": round(percentile([s.requests_per_s for s in rounds], 0.5), 1),
        "p50_ms": round(percentile([s.p50_ms for s in rounds], 0.5), 3),
        "p99_ms": round(percentile(latencies_s, 0.99) * 1e3, 3),
        "requests": len(latencies_s),
        "errors": sum(sample.errors for sample in rounds),
    }


@contextmanager
def all_targets(
    service: Service, folder: Path, uploaded: Path, out_folder: Path, *, with_roapi: bool
) -> Iterator[tuple[Target, ...]]:
    """Start the peers over the Parquet files that our server stored.

    Those named ``…_upload`` read the file as it was before the upload: what its owner has today.
    """
    inside, outside = InProcess({"points": folder}), InProcess({"points": uploaded})
    lookups = ("point",)
    scans = ("point", "aggregate")
    with ExitStack() as stack:
        port = stack.enter_context(fastapi_peer(folder, out_folder))
        targets = [
            Target("tidemill", port=service.port, make_request=query_request),
            Target("datafusion_in_process", query=inside.query),
            Target("datafusion_kept_tables", query=inside.query_kept, workloads=scans),
            Target("datafusion_upload", query=outside.query, workloads=lookups),
            Target("fastapi_inline", port=port, make_request=_sql_as_json("/inline")),
            Target("fastapi_thread", port=port, make_request=_sql_as_json("/thread")),
        ]
        if with_roapi:
            (file,) = folder.glob("*.parquet")  # roapi reads one
            port = stack.enter_context(roapi_peer(file, uploaded, out_folder))
            targets += [
                Target("roapi_parquet", "points_file", port, _sql_as_text, workloads=scans),
                Target("roapi_memory", "points_memory", port, _sql_as_text),
                Target("roapi_upload", "points_upload", port, _sql_as_text, workloads=lookups),
            ]
        yield tuple(targets)


def _sql_as_json(path: str) -> Callable[[int, str], bytes]:
    def make(port: int, sql: str) -> bytes:
        return post_request(port, path, json.dumps({"sql": sql}).encode(), {})

    return make


def _sql_as_text(port: int, sql: str) -> bytes:
    return post_request(port, "/api/sql", sql.encode(), {})


async def measure_beside_persisting(
    bench: Bench, service: Service
) -> tuple[dict[str, list[Sample]], int]:
    """Time point lookups alone, and beside a second client whose large results are being kept."""
    ours = bench.targets[0]
    samples: dict[str, list[Sample]] = {"idle": [], "persisting": []}
    kept = 0
    for _ in range(bench.sizes.rounds):
        samples["idle"].append(await bench.sample(ours, "point", 1))
        command = [sys.executable, "-m", "bench.keep_results", str(service.port), _LARGE_SQL]
        writer = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        assert writer.stdout is not None
        await writer.stdout.readline()
        samples["persisting"].append(await bench.sample(ours, "point", 1))
        kept += int((await writer.communicate(b""))[0].split()[-1])
    return samples, kept


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=2.0, help="of one round of one target")
    arguments.add_argument("--without-roapi", action="store_true", help="it is not installed")


def run(arguments: argparse.Namespace) -> Report:
    sizes = Sizes(arguments.rows, arguments.rounds, arguments.seconds, _CONCURRENCIES)
    if arguments.quick:
        sizes = Sizes(rows=20_000, rounds=1, seconds=0.05, concurrencies=(1, 8))
    report = Report("http_query", vars(sizes))
    path = points_file(arguments.out, sizes.rows)
    with serving(arguments.out) as service:
        folder = service.load("points", path)
        with_roapi = not arguments.without_roapi
        peers = all_targets(service, folder, path, arguments.out, with_roapi=with_roapi)
        with peers as targets:
            bench = Bench(sizes, targets)
            uvloop.run(bench.measure())
        beside, kept = uvloop.run(measure_beside_persisting(bench, service))
    report.rows = bench.rows()
    report.rows += [
        {"workload": f"point, {name}", "concurrency": 1, "target": "tidemill", **_figures(rounds)}
        for name, rounds in beside.items()
    ]
    report.notes.append(f"{kept} results of {sizes.rows} rows were kept beside the lookups.")
    _conclude(report, bench, beside)
    return report


def _conclude(report: Report, bench: Bench, beside: dict[str, list[Sample]]) -> None:
    most = max(bench.sizes.concurrencies)
    for workload, concurrency, peer in bench.samples:
        if concurrency == 1 and peer != "tidemill":
            name = f"{workload} c=1: p50 / {peer}"
            report.ratios[name] = bench.p50_ratio(workload, peer)
        elif peer != "tidemill":
            name = f"{workload} c={concurrency}: requests/s / {peer}"
            report.ratios[name] = bench.speed_ratio(workload, concurrency, peer)
    persisting = median_ratio(
        [sample.p50_ms for sample in beside["persisting"]],
        [sample.p50_ms for sample in beside["idle"]],
    )
    # The faster of the two bare routes: the goal must not profit from a slow peer.
    bare = min(bench.speed_ratio("select_1", 8, f"fastapi_{way}") for way in ("inline", "thread"))
    in_process = bench.p50_ratio("point", "datafusion_in_process")
    report.goals = [
        at_most("point c=1: p50 / DataFusion in process, context per query", in_process, 1.5),
        at_most("point c=1: p50 while a result is persisted / idle", persisting, 1.3),
        at_least("SELECT 1 c=8: requests/s / bare FastAPI route", bare, 0.25),
    ]
    if ("point", most, "roapi_parquet") in bench.samples:
        roapi = bench.speed_ratio("point", most, "roapi_parquet")
        goal = f"point c={most}: requests/s / roapi over Parquet"
        report.goals.append(at_least(goal, roapi, 2.5))


if __name__ == "__main__":
    main("Short queries over HTTP.", run, add_arguments)
