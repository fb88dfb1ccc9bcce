"""Document datasets: made, changed and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from catalog.document_model import DatasetTotals, Delivery, DocumentDataset, EntryStatus
from catalog.errors import NotFound
from catalog.store import document_datasets as dataset_store
from catalog.store import document_deliveries as delivery_store
from catalog.store.own_secrets import drop_own_secret
from connectors.egress import check_url
from engine import errors
from engine.documents.pipeline import PRESETS, Pipeline, Trigger, read_pipeline, write_pipeline
from engine.service.context import Caller, Engine
from engine.service.documents.definitions import check_definition
from engine.service.embedding import find_provider, hold_provider
from engine.service.own_secrets import keep_own
from engine.service.plain_text import check_text
from engine.translate import translated

NAME_CHARS_MAX = 255
DESCRIPTION_CHARS_MAX = 10_000
PAGE_ROWS_MAX = 1000
_RESERVED_SLUGS = frozenset({"information_schema", "pg_catalog"})
EVENTS = (
    delivery_store.CHANGED,
    *(f"entry.{status}" for status in EntryStatus if status is not EntryStatus.PENDING),
)


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """A dataset with what it holds."""

    dataset: DocumentDataset
    totals: DatasetTotals


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """One page of a listing, and how many there are in all."""

    items: tuple[DatasetDetail, ...]
    total: int


@dataclass(frozen=True, slots=True)
class NewDataset:
    """What a client asks for."""

    name: str
    slug: str
    description: str
    dataset_type: str
    schema_definition: dict[str, Any]
    pipeline_config: dict[str, Any] | None = None
    webhook_config: dict[str, Any] | None = None
    embedding_provider_id: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@translated
async def create_dataset(engine: Engine, caller: Caller, asked: NewDataset) -> DatasetDetail:
    """Make a dataset without entries.

    Raises:
        InvalidRequest: a field breaks a rule, and which.
        Conflict: the workspace has a dataset of this slug.
    """
    check_definition(asked.schema_definition)
    _check_slug(asked.slug)
    await find_provider(engine, caller.workspace_id, asked.embedding_provider_id)
    pipeline = asked.pipeline_config
    values = {
        "name": check_text("Dataset name", asked.name, chars_max=NAME_CHARS_MAX),
        "slug": asked.slug,
        "description": _description(asked.description),
        "dataset_type": asked.dataset_type,
        "schema_definition": asked.schema_definition,
        "current_schema_version": asked.schema_definition["version"],
        "pipeline_config": None if pipeline is None else write_pipeline(read_pipeline(pipeline)),
        "webhook_config": _webhook(asked.webhook_config),
        "embedding_provider_id": asked.embedding_provider_id,
    }

    def write(conn: Connection) -> DocumentDataset:
        hold_provider(conn, caller.workspace_id, asked.embedding_provider_id)
        secret = asked.secrets.get("webhook")
        kept = _keep_secret(conn, engine, caller, asked.slug, secret)
        return dataset_store.insert_dataset(
            conn, caller.workspace_id, {**values, "webhook_secret_id": kept}
        )

    return DatasetDetail(await engine.db.write(write), DatasetTotals())


@translated
async def get_dataset(engine: Engine, caller: Caller, dataset_id: int) -> DatasetDetail:
    """Return a dataset; raise ``NotFound``."""

    def read(conn: Connection) -> DatasetDetail:
        dataset = dataset_store.get_dataset(conn, caller.workspace_id, dataset_id)
        return _details(conn, [dataset])[0]

    return await engine.db.read(read)


@translated
async def find_dataset(engine: Engine, caller: Caller, slug: str) -> DatasetDetail:
    """Return the dataset of a slug; raise ``NotFound``."""

    def read(conn: Connection) -> DatasetDetail:
        dataset = dataset_store.find_dataset(conn, caller.workspace_id, slug)
        if dataset is None:
            raise NotFound(f"Dataset with slug '{slug}' not found")
        return _details(conn, [dataset])[0]

    return await engine.db.read(read)


@translated
async def list_datasets(engine: Engine, caller: Caller, *, limit: int, offset: int) -> DatasetPage:
    """List datasets, newest first."""

    def read(conn: Connection) -> DatasetPage:
        total, found = dataset_store.page_datasets(
            conn, caller.workspace_id, limit=min(limit, PAGE_ROWS_MAX), offset=offset
        )
        return DatasetPage(_details(conn, found), total)

    return await engine.db.read(read)


@translated
async def update_dataset(
    engine: Engine,
    caller: Caller,
    dataset_id: int,
    changes: Mapping[str, Any],
    *,
    version: int | None = None,
    webhook_secret: str | None = None,
) -> DatasetDetail:
    """Change some of a dataset.

    Args:
        engine: open for serving.
        caller: whose.
        dataset_id: which.
        changes: ``name``, ``slug``, ``description``, ``schema_definition``, ``webhook_config``.
        version: what the client believes it has; None = any.
        webhook_secret: signs notifications from now on; None = as before.

    Raises:
        InvalidRequest: a field breaks a rule, and which.
        NotFound: the workspace has no such dataset.
        Conflict: it has another version, or the slug is another's.
    """
    values = _checked_changes(changes)

    def write(conn: Connection) -> DatasetDetail:
        before = dataset_store.lock_dataset(conn, caller.workspace_id, dataset_id)
        more = dict(values)
        if webhook_secret is not None or more.get("webhook_config", 1) is None:
            more["webhook_secret_id"] = _keep_secret(
                conn, engine, caller, before.slug, webhook_secret
            )
        after = dataset_store.update_dataset(
            conn, caller.workspace_id, dataset_id, more, version=version
        )
        if after.webhook_secret_id != before.webhook_secret_id:
            drop_own_secret(conn, caller.workspace_id, before.webhook_secret_id)
        return _details(conn, [after])[0]

    return await engine.db.write(write)


@translated
async def delete_dataset(engine: Engine, caller: Caller, dataset_id: int) -> None:
    """Remove a dataset with all it holds; raise ``NotFound``."""
    await engine.db.write(dataset_store.delete_dataset, caller.workspace_id, dataset_id)


@translated
async def set_pipeline(
    engine: Engine, caller: Caller, dataset_id: int, changes: Mapping[str, Any]
) -> DocumentDataset:
    """Set the pipeline of a dataset, or some of it: what is left out stays as it is.

    Raises:
        InvalidRequest: the configuration breaks a rule, and which.
        NotFound: the workspace has no such dataset.
    """

    def write(conn: Connection) -> DocumentDataset:
        before = dataset_store.lock_dataset(conn, caller.workspace_id, dataset_id)
        merged = {**(before.pipeline_config or {}), **changes}
        if not merged.get("steps"):
            raise errors.InvalidRequest(
                "The dataset has no pipeline yet: give its steps, or apply a preset"
            )
        if not changes:
            return before
        if "steps" in changes:
            merged["preset"] = None
        config = write_pipeline(read_pipeline(merged))
        return dataset_store.update_dataset(
            conn, caller.workspace_id, dataset_id, {"pipeline_config": config}
        )

    return await engine.db.write(write)


@translated
async def apply_preset(
    engine: Engine, caller: Caller, dataset_id: int, preset_name: str, trigger: Trigger
) -> DocumentDataset:
    """Give a dataset the pipeline of a preset.

    Raises:
        NotFound: the workspace has no such dataset, or there is no such preset.
    """
    preset = PRESETS.get(preset_name)
    if preset is None:
        raise NotFound(f"Preset '{preset_name}' not found. Known are: {', '.join(PRESETS)}")
    config = {**write_pipeline(preset.pipeline), "trigger": str(trigger)}
    return await engine.db.write(
        dataset_store.update_dataset, caller.workspace_id, dataset_id, {"pipeline_config": config}
    )


@translated
async def list_deliveries(
    engine: Engine, caller: Caller, dataset_id: int, *, limit: int, offset: int
) -> tuple[int, tuple[Delivery, ...]]:
    """List the notifications of a dataset, newest first, and how many there are; raise ``NotFound``."""

    def read(conn: Connection) -> tuple[int, tuple[Delivery, ...]]:
        dataset_store.get_dataset(conn, caller.workspace_id, dataset_id)
        return delivery_store.page_deliveries(
            conn, caller.workspace_id, dataset_id, limit=limit, offset=offset
        )

    return await engine.db.read(read)


def pipeline_of(dataset: DocumentDataset) -> Pipeline | None:
    """Return the pipeline of a dataset, if it has one."""
    config = dataset.pipeline_config
    return None if config is None else read_pipeline(config)


def _details(conn: Connection, datasets: Sequence[DocumentDataset]) -> tuple[DatasetDetail, ...]:
    totals = dataset_store.count_entries(conn, [dataset.id for dataset in datasets])
    return tuple(
        DatasetDetail(dataset, totals.get(dataset.id, DatasetTotals())) for dataset in datasets
    )


def _checked_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(changes)
    _check_slug(values.get("slug", ""))
    if "name" in values:
        values["name"] = check_text("Dataset name", values["name"], chars_max=NAME_CHARS_MAX)
    if "description" in values:
        values["description"] = _description(values["description"])
    if "schema_definition" in values:
        check_definition(values["schema_definition"])
        values["current_schema_version"] = values["schema_definition"]["version"]
    if "webhook_config" in values:
        values["webhook_config"] = _webhook(values["webhook_config"])
    return values


def _check_slug(slug: str) -> None:
    if slug in _RESERVED_SLUGS:
        raise errors.InvalidRequest(f"The slug '{slug}' is reserved: it is a schema of SQL")


def _description(text: str) -> str:
    return check_text("Description", text, chars_max=DESCRIPTION_CHARS_MAX, may_be_empty=True)


def _webhook(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    check_url(config["url"])
    asked = config.get("events")
    events = list(dict.fromkeys(EVENTS[:1] if asked is None else asked))
    if not events:
        raise errors.InvalidRequest(
            f"webhook_config.events is empty: leave it out for '{EVENTS[0]}', or name some of: "
            f"{', '.join(EVENTS)}"
        )
    if unknown := set(events) - set(EVENTS):
        raise errors.InvalidRequest(
            f"Unknown event '{min(unknown)}'. Known are: {', '.join(EVENTS)}"
        )
    return {"url": config["url"], "events": events, "enabled": config.get("enabled", True)}


def _keep_secret(
    conn: Connection, engine: Engine, caller: Caller, slug: str, secret: str | None
) -> str | None:
    if secret is None:
        return None
    return keep_own(conn, engine, caller.workspace_id, ("dataset", slug, "webhook"), secret)
