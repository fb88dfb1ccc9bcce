"""A page of remote tables: what it costs in a workspace of many tables, against one of few.

The tables are those of SQLite files, found by a real discovery. The same questions are asked in turns in
both workspaces; the views of SQL are made once beforehand, as they are after every change.
"""

import argparse
import sqlite3
import time
from pathlib import Path

from bench.common import Report, at_most, main, percentile
from bench.service import Service, serving

_PAGE = "/v1/information_schema?limit=100"
_QUESTIONS = {
    "page": _PAGE,
    "page with columns": _PAGE + "&include_columns=true",
    "SQL tables": "SELECT * FROM information_schema.tables WHERE table_schema = 'main' LIMIT 100",
    "SQL columns": "SELECT * FROM information_schema.columns WHERE table_name = 't7' LIMIT 100",
}


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--few", type=int, default=500)
    arguments.add_argument("--many", type=int, default=50_000)
    arguments.add_argument("--times", type=int, default=200)


def run(arguments: argparse.Namespace) -> Report:
    few, many, times = arguments.few, arguments.many, arguments.times
    if arguments.quick:
        few, many, times = 20, 200, 3
    report = Report("listings", {"few": few, "many": many, "times": times})
    folder = arguments.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with serving(arguments.out, {"LOCAL_FILES": str(folder)}) as service:
        workspaces = {count: _workspace(service, folder, count) for count in (few, many)}
        for name, question in _QUESTIONS.items():
            took: dict[int, list[float]] = {count: [] for count in workspaces}
            for number in range(times + 1):
                for count, workspace_id in workspaces.items():
                    started_s = time.perf_counter()
                    rows = _ask(service, workspace_id, question)
                    if number:  # the first makes the view
                        took[count].append(time.perf_counter() - started_s)
                    assert rows in {10, min(count, 100)}, (question, rows)
            middle = {count: percentile(values, 0.5) * 1000 for count, values in took.items()}
            report.rows += [
                {"question": name, "tables": count, "p50_ms": round(value, 3)}
                for count, value in middle.items()
            ]
            report.goals.append(at_most(f"{name}: many / few", middle[many] / middle[few], 2.0))
    return report


def _workspace(service: Service, folder: Path, tables: int) -> str:
    """Make a workspace with a connection of so many tables of ten columns."""
    path = folder / f"{tables}.sqlite"
    path.unlink(missing_ok=True)
    columns = ", ".join(f"c{number} TEXT" for number in range(10))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for number in range(tables):
        connection.execute(f"CREATE TABLE t{number} ({columns})")
    connection.execute("COMMIT")
    connection.close()
    made = service.call("POST", "/v1/workspaces", {"name": f"{tables} tables"})["workspace"]
    workspace_id: str = made["public_id"]
    body = {"name": "lite", "source_type": "sqlite", "config": {"path": str(path)}}
    found = service.call("POST", "/v1/connections", body, workspace_id=workspace_id)
    assert found["tables_discovered"] == tables, found
    path.unlink()
    return workspace_id


def _ask(service: Service, workspace_id: str, question: str) -> int:
    """Ask, and return how many rows came."""
    if question.startswith("/"):
        answer = service.call("GET", question, workspace_id=workspace_id)
        return int(answer["count"])
    body = {"sql": question}
    answer = service.call("POST", "/v1/query", body, workspace_id=workspace_id)
    return len(answer["rows"])


if __name__ == "__main__":
    main("A page of remote tables.", run, add_arguments)
