"""A server in miniature that is killed: writes for ever, prints the id of everything acknowledged.

Usage: ``python crash_writer.py <catalog url> <workspace id>``.
"""

import asyncio
import sys
from dataclasses import replace

from catalog.database import Database
from catalog.jobs import enqueue
from catalog.model import ResultStatus, RunStatus
from catalog.store.datasets import create_dataset
from catalog.store.results import upsert_results
from catalog.store.runs import upsert_runs
from catalog.store.uploads import claim_upload, insert_upload
from tests.catalog.samples import NOON, make_result, make_run, make_upload, make_version


def acknowledge(kind: str, identifier: str) -> None:
    sys.stdout.write(f"{kind} {identifier}\n")
    sys.stdout.flush()


async def record_queries(db: Database, workspace_id: str) -> None:
    while True:
        result = make_result(workspace_id, status=ResultStatus.READY, inline_ipc=b"x" * 500)
        run = make_run(workspace_id, f"SELECT '{result.id}'")
        db.append(upsert_runs, run, deferred=True)
        done = replace(run, status=RunStatus.SUCCEEDED, completed_at=NOON, result_id=result.id)
        await asyncio.gather(db.append(upsert_runs, done), db.append(upsert_results, result))
        acknowledge("query", run.id)


async def make_datasets(db: Database, workspace_id: str) -> None:
    while True:
        upload = make_upload(workspace_id)
        await db.write(insert_upload, upload)
        acknowledge("upload", upload.id)
        await db.write(claim_upload, workspace_id, upload.id)
        version = make_version(workspace_id)
        dataset = await db.write(
            create_dataset,
            workspace_id,
            label="d",
            table_name=version.dataset_id,
            source={"upload_id": upload.id},
            version=version,
            upload_id=upload.id,
        )
        acknowledge("dataset", dataset.id)
        job = await db.write(enqueue, workspace_id, job_type="noop", payload={})
        acknowledge("job", job.id)


async def main(url: str, workspace_id: str) -> None:
    db = await Database.open(url)
    writers = [record_queries(db, workspace_id) for _ in range(4)]
    writers += [make_datasets(db, workspace_id) for _ in range(4)]
    await asyncio.gather(*writers)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
