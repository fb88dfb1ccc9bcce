"""Names of one query, and what is remembered between queries."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

from engine.query.resolve import bind_rows
from engine.workers.session import Sessions
from engine.workers.tasks import ScanMode, TableBinding


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    (tmp_path / "spill").mkdir()
    return Sessions(tmp_path)


def stored(folder: Path, name: str, rows: int = 10) -> TableBinding:
    """A table of its own folder, in a catalog called like it."""
    (folder / name).mkdir()
    table = pa.table({"n": range(rows), "t": [f"{name} {i}" for i in range(rows)]})
    pq.write_table(
        table, folder / name / "part-0.parquet", write_page_index=True, max_rows_per_page=1000
    )
    return TableBinding(name, "main", "t", folder=str(folder / name), file_count=1)


def opened(
    sessions: Sessions, *tables: TableBinding, scan: ScanMode = ScanMode.SINGLE
) -> SessionContext:
    return sessions.open(
        tables,
        default_catalog="datasets",
        default_schema="main",
        memory_bytes=1 << 28,
        scan=scan,
    )


def count(context: SessionContext, name: str) -> Any:
    return context.sql(f"SELECT count(*) AS n FROM {name}").to_pydict()["n"][0]


def test_a_query_does_not_see_the_names_of_the_one_before(
    sessions: Sessions, tmp_path: Path
) -> None:
    a, b = stored(tmp_path, "a"), stored(tmp_path, "b", rows=7)
    given = bind_rows(("datasets", "main", "given"), pa.table({"n": [1, 2]}))
    context = opened(sessions, a, given)
    assert (count(context, "a.main.t"), count(context, "given")) == (10, 2)
    sessions.bind(context, [b])
    assert count(context, "b.main.t") == 7
    context = opened(sessions, b)
    assert count(context, "b.main.t") == 7
    for name in ("a.main.t", "given"):
        with pytest.raises(ValueError, match=f"table '.*{name.rpartition('.')[2]}' not found"):
            count(context, name)
    assert count(opened(sessions, a), "a.main.t") == 10


def test_a_name_stands_for_what_it_is_bound_to_now(sessions: Sessions, tmp_path: Path) -> None:
    old, new = stored(tmp_path, "old"), stored(tmp_path, "new", rows=3)
    name = {"catalog": "datasets", "schema": "main", "table": "t", "file_count": 1}
    for binding, rows in ((old, 10), (new, 3), (old, 10)):
        bound = TableBinding(**name, folder=binding.folder)  # type: ignore[arg-type]  # mypy cannot see the keys
        assert count(opened(sessions, bound), "t") == rows


def test_page_indexes_are_read_once_whoever_came_first(sessions: Sessions, tmp_path: Path) -> None:
    large = stored(tmp_path, "large", rows=200_000)

    def scanned(scan: ScanMode) -> str:
        sql = "EXPLAIN ANALYZE SELECT t FROM large.main.t WHERE n = 77777"
        plan = opened(sessions, large, scan=scan).sql(sql).to_pydict()["plan"][0]
        return str(re.findall(r"bytes_scanned=([^,]*)", plan)[0])

    assert count(opened(sessions, large, scan=ScanMode.PARALLEL), "large.main.t") == 200_000
    first = {scan: scanned(scan) for scan in ScanMode}
    again = {scan: scanned(scan) for scan in ScanMode}
    assert set(again.values()) == {again[ScanMode.PARALLEL]}, (first, again)
