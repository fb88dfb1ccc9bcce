"""What every benchmark shares: machine facts, goals, medians, memory samples and the report.

A report always says on what machine, under which load and with which versions it was made. The
trap: on a shared machine the same code differs by 10 to 20 %, so a ratio is taken between two
figures of the same round, and the report gives the median of the rounds.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
OUT_FOLDER = ROOT / "bench" / "out"
MB = 1_000_000
_PACKAGES = (
    *("datafusion", "duckdb", "pyarrow", "fastapi", "uvicorn", "roapi", "tpchgen-cli"),
    *("adbc-driver-flightsql", "adbc-driver-postgresql", "connectorx", "psycopg"),
    *("tantivy", "usearch", "lancedb", "bm25s", "hnswlib"),
)
_SAMPLE_S = 0.05
_WIDTH_CHARS = 200

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A bound from the issue, and what was measured against it."""

    goal: str
    value: float
    bound: float
    at_most: bool

    @property
    def met(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def to_json(self) -> Row:
        sign = "<=" if self.at_most else ">="
        return {
            "goal": self.goal,
            "value": round(self.value, 4),
            "bound": f"{sign} {self.bound:g}",
            "met": self.met,
        }


def at_most(goal: str, value: float, bound: float) -> Goal:
    return Goal(goal, value, bound, at_most=True)


def at_least(goal: str, value: float, bound: float) -> Goal:
    return Goal(goal, value, bound, at_most=False)


@dataclass
class Report:
    """One benchmark: rows of figures, ratios between them, and the goals they meet or miss."""

    name: str
    parameters: Mapping[str, Any]
    rows: list[Row] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    load_average_before: tuple[float, ...] = field(default_factory=os.getloadavg)

    def to_json(self) -> Row:
        return {
            "name": self.name,
            "command": " ".join(["python", *sys.orig_argv[1:]]),
            "started_at": self.started_at,
            "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": dict(self.parameters),
            "machine": machine(),
            "load_average": {"before": self.load_average_before, "after": os.getloadavg()},
            "versions": versions(),
            "rows": self.rows,
            "ratios": {name: round(value, 4) for name, value in self.ratios.items()},
            "goals": [goal.to_json() for goal in self.goals],
            "notes": self.notes,
        }


def machine() -> Row:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies, by nearest rank.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median_ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios of figures that were taken in the same round."""
    return statistics.median(a / b for a, b in zip(ours, peers, strict=True))


@dataclass
class Memory:
    """Megabytes of a process tree while it was watched.

    ``tree`` counts a page shared by forked workers once (PSS); ``server`` and ``worker`` are the
    resident sizes of the server process and of its largest descendant.
    """

    tree_before_mb: float = 0.0
    tree_peak_mb: float = 0.0
    server_before_mb: float = 0.0
    server_peak_mb: float = 0.0
    worker_peak_mb: float = 0.0

    @property
    def server_growth_mb(self) -> float:
        return self.server_peak_mb - self.server_before_mb

    @property
    def tree_growth_mb(self) -> float:
        return self.tree_peak_mb - self.tree_before_mb

    def to_json(self) -> dict[str, float]:
        grown = {
            "server_growth_mb": self.server_growth_mb,
            "tree_growth_mb": self.tree_growth_mb,
        }
        return {name: round(value, 1) for name, value in (asdict(self) | grown).items()}


@contextmanager
def watched_memory(pid: int) -> Iterator[Memory]:
    """Sample the memory of a process and its descendants 20 times a second during the block."""
    memory, is_over = Memory(), threading.Event()
    server = psutil.Process(pid)
    memory.tree_before_mb, memory.server_before_mb, _ = _measure(server)

    def sample() -> None:
        while True:
            tree, own, worker = _measure(server)
            memory.tree_peak_mb = max(memory.tree_peak_mb, tree)
            memory.server_peak_mb = max(memory.server_peak_mb, own)
            memory.worker_peak_mb = max(memory.worker_peak_mb, worker)
            if is_over.wait(_SAMPLE_S):
                return

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield memory
    finally:
        is_over.set()
        sampler.join()


def _measure(server: psutil.Process) -> tuple[float, float, float]:
    tree_bytes = 0
    worker_bytes = 0
    for process in (server, *server.children(recursive=True)):
        try:
            usage = process.memory_full_info()
        except psutil.Error:  # a worker that ended between the listing and the look
            continue
        tree_bytes += usage.pss
        if process.pid == server.pid:
            own_bytes = usage.rss
        else:
            worker_bytes = max(worker_bytes, usage.rss)
    return tree_bytes / MB, own_bytes / MB, worker_bytes / MB


def publish(report: Report, out_folder: Path) -> None:
    """Show the report as a table on standard error, print it as JSON, and keep it as a file."""
    content = report.to_json()
    out_folder.mkdir(parents=True, exist_ok=True)
    (out_folder / f"{report.name}.json").write_text(json.dumps(content, indent=2) + "\n")
    _show(content)
    json.dump(content, sys.stdout, indent=2)
    print(flush=True)


def _show(content: Row) -> None:
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH_CHARS)
    before = content["load_average"]["before"]
    console.print(f"[bold]{content['name']}[/bold]  load {before[0]:.2f}  {content['parameters']}")
    console.print(_table(content["rows"]))
    if content["ratios"]:
        console.print(_table([{"ratio": k, "value": v} for k, v in content["ratios"].items()]))
    if content["goals"]:
        console.print(_table(content["goals"]))
    for note in content["notes"]:
        console.print(note)


def _table(rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table()
    for name in names:
        is_number = any(isinstance(row.get(name), int | float) for row in rows)
        table.add_column(name, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "[green]yes[/green]" if value else "[red]NO[/red]"
    return "" if value is None else str(value)


def parser(description: str) -> argparse.ArgumentParser:
    """Start the command line of a benchmark: ``--quick`` and ``--out``."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="tiny sizes: does the code still run?")
    made.add_argument("--out", type=Path, default=OUT_FOLDER, help="folder of reports and data")
    return made


def main(
    description: str,
    run: Callable[[argparse.Namespace], Report],
    add_arguments: Callable[[argparse.ArgumentParser], None],
    argv: Sequence[str] | None = None,
) -> None:
    """Run one benchmark from the command line."""
    arguments = parser(description)
    add_arguments(arguments)
    chosen = arguments.parse_args(argv)
    publish(run(chosen), chosen.out)
