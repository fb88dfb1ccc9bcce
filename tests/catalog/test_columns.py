"""Values survive the way into a column and back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.columns import Instant, Json, to_microseconds
from catalog.connections import open_engines
from catalog.database import Database
from catalog.store.datasets import create_dataset, get_dataset, list_datasets
from catalog.store.workspaces import ensure_default
from tests.catalog.samples import make_version

MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - made aware here
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
)


@given(MOMENTS)
def test_a_moment_keeps_its_microseconds(moment: datetime) -> None:
    instant = Instant()
    stored = instant.process_bind_param(moment, None)  # type: ignore[arg-type]  # no dialect needed
    assert stored == to_microseconds(moment)
    assert instant.process_result_value(stored, None) == moment  # type: ignore[arg-type]  # no dialect needed


@given(DOCUMENTS)
def test_a_document_keeps_its_value(document: object) -> None:
    column = Json()
    stored = column.process_bind_param(document, None)  # type: ignore[arg-type]  # no dialect needed
    assert column.process_result_value(stored, None) == document  # type: ignore[arg-type]  # no dialect needed


@settings(max_examples=20)
@given(count=st.integers(0, 7), limit=st.integers(1, 4))
def test_pages_together_are_the_whole_listing(count: int, limit: int) -> None:
    asyncio.run(check_pages(count, limit))


async def check_pages(count: int, limit: int) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        db = await Database.open(f"sqlite:///{folder}/catalog.db")
        workspace = await db.write(ensure_default)
        made = [
            await db.write(
                create_dataset,
                workspace.id,
                label="same",
                table_name=f"t{number}",
                source={},
                version=make_version(workspace.id),
            )
            for number in range(count)
        ]
        seen: list[str] = []
        has_more = True
        while has_more:
            page = await db.read(list_datasets, workspace.id, limit=limit, offset=len(seen))
            assert len(page.items) <= limit
            seen += [dataset.id for dataset in page.items]
            has_more = page.has_more
        assert seen == sorted(dataset.id for dataset in made)
        for dataset in made:
            assert await db.read(get_dataset, workspace.id, dataset.id) == dataset
        await db.close()


def test_sweeps_use_their_indexes(tmp_path: Path) -> None:
    """SQLite would otherwise read every result, inline bytes included, once a minute."""
    from sqlalchemy import event

    from catalog.jobs import lease
    from catalog.store import results, runs, uploads
    from tests.catalog.samples import NOON

    engines = open_engines(f"sqlite:///{tmp_path}/catalog.db", readers=1)
    seen: list[tuple[str, object]] = []
    event.listen(
        engines.writer,
        "before_cursor_execute",
        lambda _conn, _cursor, statement, parameters, *_: seen.append((statement, parameters)),
    )
    with engines.writer.connect() as connection, connection.begin():
        results.fail_stuck(connection, NOON)
        results.expire_results(connection, NOON)
        results.fail_orphans(connection, "server-1")
        runs.fail_orphans(connection, "server-1")
        runs.list_runs(connection, "ws", limit=1, before=(NOON, "qrun1"))
        runs.list_runs(connection, "ws", limit=1, saved_query_id="svqr1")
        uploads.expire_uploads(connection, NOON)
        lease(connection, owner="server-1", lease_s=1, attempts_max=3)
        statements = [item for item in seen if item[0].split()[0] in {"SELECT", "UPDATE", "DELETE"}]
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]  # as the driver got them
            steps = [row[3] for row in plan]
            assert all("SCAN" not in step or "INDEX ix_" in step for step in steps), steps
    engines.dispose()
    assert len(statements) >= 8
