"""The pipeline of an entry as a durable job: one step after the other, each kept before the next begins.

What a step makes is stored, and one transaction says so; a crash begins again with the step it was in. A step
that fails and may be better next time is tried again by the queue, which counts the tries of this step alone. The
trap: an entry whose file is replaced is in another run, and this one ends without a word.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from catalog.document_model import DocumentDataset, Entry, EntryFile, EntryStatus, FileKind, Step
from catalog.errors import Conflict, NotFound, Superseded
from catalog.model import Job
from catalog.store import document_datasets as dataset_store
from catalog.store import document_entries as entry_store
from catalog.store import workspaces as workspace_store
from engine import errors
from engine.documents.component_table import Artifact
from engine.documents.pipeline import Pipeline, PipelineStep, read_pipeline
from engine.documents.tasks import Document, StageTask
from engine.service.context import Caller, Engine
from engine.service.documents.artifacts import Artifacts, artifacts_of, keep_folder, lay_out
from engine.service.documents.datasets import pipeline_of
from engine.service.documents.embed_chunks import embed_chunks
from engine.service.documents.files import primary_file
from engine.service.documents.processed import register_processed
from engine.service.documents.processes import DocumentProcess
from engine.service.documents.starting import PROCESS_JOB, start_pipeline
from engine.service.documents.stored import new_file
from engine.service.jobs import handles
from engine.service.scratch import scratch_folder
from engine.service.work import Work
from engine.translate import translated

log = structlog.get_logger(__name__)

_COMPLETED, _RUNNING, _FAILED = "completed", "running", "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """What the steps of one run work with; ``entry`` is as it was when the job was leased."""

    engine: Engine
    work: Work
    process: DocumentProcess
    organization_id: str
    dataset: DocumentDataset
    entry: Entry
    original: EntryFile
    pipeline: Pipeline
    attempt: int


@translated
async def trigger_pipeline(engine: Engine, caller: Caller, entry_id: int) -> Entry:
    """Start the pipeline of an entry that is uploaded, or has failed.

    Raises:
        NotFound: the workspace has no such entry.
        Conflict: it has another status, or its dataset no pipeline that is enabled.
    """

    def write(conn: Connection) -> Entry:
        entry = entry_store.lock_entry(conn, caller.workspace_id, entry_id)
        if entry.status not in (EntryStatus.UPLOADED, EntryStatus.FAILED):
            raise Conflict(f"Entry {entry_id} cannot be triggered from status '{entry.status}'")
        dataset = dataset_store.get_dataset(conn, caller.workspace_id, entry.dataset_id)
        pipeline = pipeline_of(dataset)
        if pipeline is None:
            raise Conflict(
                f"Dataset {dataset.id} has no pipeline: apply a preset, or configure one"
            )
        if not pipeline.is_enabled:
            raise Conflict(f"The pipeline of dataset {dataset.id} is disabled")
        return start_pipeline(conn, entry, pipeline)

    started = await engine.db.write(write)
    engine.jobs.wake()
    return started


def _fail_entry(conn: Connection, job: Job) -> None:
    """Say of an entry in which step its processing failed, and why."""
    payload = job.payload
    try:
        entry = entry_store.get_entry(conn, job.workspace_id, payload["entry_id"])
        steps = [dict(step) for step in entry.steps]
        name = steps[-1]["name"] if steps else "pipeline"
        if steps and steps[-1]["status"] == _RUNNING:
            steps[-1] |= {
                "status": _FAILED,
                "error": job.error_message,
                "attempts": job.attempts,
                "completed_at": _now(),
            }
        entry_store.change_entry(
            conn,
            job.workspace_id,
            entry.id,
            {
                "status": EntryStatus.FAILED,
                "registration": None,  # what an earlier file was is not what this one is
                "segment_id": None,
                "steps": tuple(steps),
                "error": f"{name}: {job.error_message}",
            },
            run=payload["run"],
        )
        entry_store.drop_files(conn, entry.id, [FileKind.PROCESSED])
    except (NotFound, Superseded):
        return


@handles(PROCESS_JOB, on_failure=_fail_entry)
async def _process(engine: Engine, job: Job, work: Work) -> None:
    try:
        async with engine.documents.process(job.workspace_id) as process:
            run = await _open_run(engine, job, work, process)
            for step in run.pipeline.steps:
                if not _is_done(run.entry, step):
                    run = await _do_step(run, step)
    except (NotFound, Superseded) as error:
        # Something else that is not found is a failure to be told of.
        if isinstance(error, NotFound) and await engine.db.read(_is_current, job):
            raise
        log.info("documents.run_superseded", entry_id=job.payload["entry_id"], reason=str(error))


def _is_current(conn: Connection, job: Job) -> bool:
    """Tell whether the entry of a job is still there, and in the job's run."""
    try:
        entry = entry_store.get_entry(conn, job.workspace_id, job.payload["entry_id"])
    except NotFound:
        return False
    return bool(entry.run == job.payload["run"])


async def _open_run(engine: Engine, job: Job, work: Work, process: DocumentProcess) -> Run:
    def read(conn: Connection) -> Run:
        entry = entry_store.get_entry(conn, job.workspace_id, job.payload["entry_id"])
        if entry.run != job.payload["run"]:
            raise Superseded("Its file was replaced")
        files = entry_store.list_files(conn, job.workspace_id, [entry.id]).get(entry.id, ())
        original = primary_file(files)
        if original is None:
            raise errors.DocumentInvalid("The file of the entry is gone; upload it again")
        workspace = workspace_store.get_workspace(conn, job.workspace_id)
        return Run(
            engine=engine,
            work=work,
            process=process,
            organization_id=workspace.organization_id,
            dataset=dataset_store.get_dataset(conn, job.workspace_id, entry.dataset_id),
            entry=entry,
            original=original,
            pipeline=read_pipeline(job.payload["pipeline"]),
            attempt=job.attempts,
        )

    return await engine.db.read(read)


async def _do_step(run: Run, step: PipelineStep) -> Run:
    """Do one step, and write down what it left; the last one ends the job."""
    begun = _begun(run, step)
    if begun is not run.entry:
        run = _further(run, await run.work.checkpoint(partial(_write_steps, begun)))
    number = run.pipeline.steps.index(step)
    run.work.report({"step": number + 1, "steps": len(run.pipeline.steps)})
    made = step.made_by.makes
    if made is Artifact.REGISTRATION:
        await run.process.let_go()
        await _register(run, step)
        return run
    async with scratch_folder(run.engine.blobs.stage()) as folder:
        if made is Artifact.VECTORS:
            chunks = _artifacts(run, step, Artifact.CHUNKS)
            outcome = await embed_chunks(
                run.engine, run.dataset, chunks, folder, run.work, run.process
            )
        else:
            outcome = await _in_process(run, step, folder)
        kept = await keep_folder(run.engine, run.organization_id, run.entry, folder / "out")
    after = _with_step(run.entry, step, run, outcome, artifacts_of(kept))
    days = run.dataset.retention_days
    files = tuple(
        new_file(run.entry, FileKind.PROCESSING, each, folder=step.name, retention_days=days)
        for each in kept
    )
    return _further(run, await run.work.checkpoint(partial(_write_steps, after, files=files)))


def _further(run: Run, entry: Entry) -> Run:
    """Return the run as it is after a checkpoint, which counts the tries anew."""
    return replace(run, entry=entry, attempt=1)


async def _in_process(run: Run, step: PipelineStep, folder: Path) -> dict[str, Any]:
    await asyncio.to_thread((folder / "out").mkdir)
    inputs = {}
    for artifact in step.made_by.takes:
        if artifact is not Artifact.DOCUMENT:
            place = folder / str(artifact)
            await lay_out(run.engine, _artifacts(run, step, artifact), place)
            inputs[str(artifact)] = str(place)
    task = StageTask(
        component=step.component,
        parameters=dict(step.parameters),
        document=Document(
            path=str(await run.engine.blobs.local_path(run.original.blob_key)),
            file_name=run.original.file_name,
            media_type=run.entry.mime_type,
            sha256=run.original.sha256,
        ),
        output_folder=str(folder / "out"),
        inputs=inputs,
    )
    done = await run.process.run(
        task,
        timeout_s=min(run.pipeline.timeout_s, run.engine.settings.document_timeout_s),
        report=run.work.report,
    )
    media_type = done.get("media_type")
    if media_type is not None and not run.pipeline.accepts(media_type):
        raise errors.DocumentInvalid(f"Unsupported format: the file is {media_type}")
    return done


async def _register(run: Run, step: PipelineStep) -> None:
    content = _artifacts(run, step, Artifact.CONTENT)
    chunks = _artifacts(run, step, Artifact.CHUNKS)
    vectors = _artifacts(run, step, Artifact.VECTORS)
    outcomes = {each["component"]: each.get("outcome") or {} for each in run.entry.steps}
    facts: dict[str, Any] = {}
    for outcome in outcomes.values():
        facts |= outcome
    facts.pop("media_type", None)
    done = _with_step(run.entry, step, run, {}, {})
    await register_processed(
        run.engine,
        run.dataset,
        replace(done, facts=facts),
        {"content": content, "chunks": chunks, "vectors": vectors},
        commit=partial(run.work.commit, to_result=_result_of),
        run=run.entry.run,
    )


def _artifacts(run: Run, step: PipelineStep, artifact: Artifact) -> Artifacts:
    source = run.pipeline.source_of(step, artifact)
    found = next(each for each in run.entry.steps if each["name"] == source.name)
    artifacts: Artifacts = found["artifacts"]
    return artifacts


def _is_done(entry: Entry, step: PipelineStep) -> bool:
    return any(each["name"] == step.name and each["status"] == _COMPLETED for each in entry.steps)


def _begun(run: Run, step: PipelineStep) -> Entry:
    """Return the entry with this step as the running one; itself when it is that already."""
    steps = run.entry.steps
    if steps and steps[-1]["name"] == step.name:
        return run.entry
    running = asdict(Step(step.name, step.component, _RUNNING, _now()))
    return replace(run.entry, steps=(*steps, running))


def _with_step(
    entry: Entry,
    step: PipelineStep,
    run: Run,
    outcome: Mapping[str, Any],
    kept: Artifacts,
) -> Entry:
    """Return the entry with this step completed, and the next one running."""
    *before, running = entry.steps
    done = {
        **running,
        "status": _COMPLETED,
        "completed_at": _now(),
        "attempts": run.attempt,
        "error": None,
        "artifacts": dict(kept),
        "outcome": dict(outcome),
    }
    steps = (*before, done)
    number = run.pipeline.steps.index(step) + 1
    if number < len(run.pipeline.steps):
        following = run.pipeline.steps[number]
        steps = (*steps, asdict(Step(following.name, following.component, _RUNNING, _now())))
    return replace(entry, steps=steps)


def _write_steps(entry: Entry, conn: Connection, *, files: tuple[EntryFile, ...] = ()) -> Entry:
    # First, as it tells whether the entry is still there and in this run.
    after = entry_store.change_entry(
        conn, entry.workspace_id, entry.id, {"steps": entry.steps}, run=entry.run
    )
    entry_store.put_files(conn, files)
    return after


def _result_of(entry: Entry) -> dict[str, Any]:
    return {
        "entry_id": entry.id,
        "dataset_id": entry.dataset_id,
        "workflow_name": entry.workflow_name,
        "status": str(entry.status),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
