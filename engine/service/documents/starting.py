"""How the pipeline of an entry starts: its status, its name and its job change in one transaction."""

import secrets

from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.document_model import Entry, EntryStatus
from catalog.store import document_entries as entry_store
from engine.documents.pipeline import Pipeline, write_pipeline

PROCESS_JOB = "process_entry"
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SUFFIX_CHARS = 5


def start_pipeline(conn: Connection, entry: Entry, pipeline: Pipeline) -> Entry:
    """Begin a new run of a pipeline for an entry; wake the job runner once it is durable."""
    run = entry.run + 1
    suffix = "".join(secrets.choice(_LETTERS) for _ in range(_SUFFIX_CHARS))
    kind = (pipeline.preset or "custom").replace("_", "-")
    changes = {
        "status": EntryStatus.PROCESSING,
        "run": run,
        "steps": (),
        "error": None,
        "workflow_name": f"pipeline-{kind}-{entry.id}-{suffix}",
    }
    started = entry_store.change_entry(conn, entry.workspace_id, entry.id, changes)
    job_store.enqueue(
        conn,
        entry.workspace_id,
        job_type=PROCESS_JOB,
        payload={"entry_id": entry.id, "run": run, "pipeline": write_pipeline(pipeline)},
        dedupe_key=f"entry {entry.id} {run}",
    )
    return started
