"""/api/v1/pipelines: how the documents of a dataset are processed."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from engine.documents.component_table import COMPONENTS
from engine.documents.pipeline import (
    PRESETS,
    STEPS_MAX,
    TIMEOUT_MAX_S,
    Preset,
    Trigger,
    write_pipeline,
)
from engine.errors import NotFound
from engine.service.documents import datasets
from server.api_v1.access import Authorized
from server.api_v1.bodies import Given, JsonBody, Whole, Yes
from server.api_v1.documented import DatasetId, documented
from server.api_v1.errors import Incomplete
from server.wire.fields import Closed

router = APIRouter(prefix="/pipelines", tags=["Pipelines"])


class ArtifactInputConfig(Given):
    """Where a step has an artifact from."""

    name: str = Field(max_length=255)
    from_step: str = Field(max_length=255)
    artifact: str = Field(max_length=255)


class PipelineStepConfig(Given):
    """One step."""

    name: str = Field(max_length=255)
    component: str = Field(max_length=255)
    parameters: dict[str, Any] = Field(default_factory=dict)
    depends_on: list[str] = Field(default_factory=list, max_length=STEPS_MAX)
    inputs: list[ArtifactInputConfig] = Field(default_factory=list, max_length=STEPS_MAX)


class DatasetPipelineConfigInput(Given):
    """A pipeline, or what changes of one."""

    enabled: Yes | None = None
    trigger: Literal["on_upload", "manual"] | None = None
    timeout: Whole | None = Field(default=None, ge=1, le=TIMEOUT_MAX_S)
    steps: list[PipelineStepConfig] | None = Field(default=None, min_length=1, max_length=STEPS_MAX)


class ApplyPresetRequest(Given):
    """Which preset, and what starts it."""

    preset_name: str | None = Field(default=None, max_length=255)
    trigger: Literal["on_upload", "manual"] | None = None


class PipelineBody(Closed):
    """The pipeline of a dataset; null while it has none."""

    dataset_id: int
    pipeline_config: dict[str, Any] | None


class PresetBody(Closed):
    """A pipeline with a name."""

    name: str
    title: str
    description: str
    media_types: list[str]
    pipeline_config: dict[str, Any]

    @classmethod
    def of(cls, preset: Preset) -> "PresetBody":
        """Show a preset as clients see it."""
        known = [step.made_by.media_types for step in preset.pipeline.steps]
        types = set[str]().union(*(each for each in known if each is not None))
        return cls(
            name=preset.name,
            title=preset.title,
            description=preset.description,
            media_types=sorted(types),
            pipeline_config=write_pipeline(preset.pipeline),
        )


class PresetListing(Closed):
    """Every preset."""

    presets: list[PresetBody]


class ComponentBody(Closed):
    """What a step may do."""

    name: str
    description: str
    takes: list[str]
    makes: str
    parameters: dict[str, str]
    media_types: list[str] | None


class ComponentListing(Closed):
    """Every component."""

    components: list[ComponentBody]


_preset = JsonBody(
    ApplyPresetRequest,
    example={"preset_name": "general_purpose", "trigger": "on_upload"},
    is_optional=True,
)
_config = JsonBody(
    DatasetPipelineConfigInput, example={"enabled": True, "trigger": "manual", "timeout": 3600}
)


@router.get("/presets", summary="List presets", responses=documented())
async def list_presets(_access: Authorized) -> PresetListing:
    """List the pipelines that come with the service."""
    return PresetListing(presets=[PresetBody.of(preset) for preset in PRESETS.values()])


@router.get("/presets/{name}", summary="Get a preset", responses=documented(404))
async def get_preset(
    _access: Authorized, name: Annotated[str, Path(max_length=255, description="Of the preset.")]
) -> PresetBody:
    """Return a pipeline that comes with the service."""
    if name not in PRESETS:
        raise NotFound(f"Preset '{name}' not found. Known are: {', '.join(PRESETS)}")
    return PresetBody.of(PRESETS[name])


@router.get("/components", summary="List components", responses=documented())
async def list_components(_access: Authorized) -> ComponentListing:
    """List what a step of a pipeline may do."""
    return ComponentListing(
        components=[
            ComponentBody(
                name=each.name,
                description=each.description,
                takes=[str(artifact) for artifact in each.takes],
                makes=str(each.makes),
                parameters=dict(each.parameters),
                media_types=None if each.media_types is None else sorted(each.media_types),
            )
            for each in COMPONENTS.values()
        ]
    )


@router.get(
    "/datasets/{dataset_id}/config",
    summary="Get the pipeline of a dataset",
    responses=documented(404, 422),
)
async def get_pipeline(access: Authorized, dataset_id: DatasetId) -> PipelineBody:
    """Return how the documents of a dataset are processed."""
    found = await datasets.get_dataset(access.engine, access.caller, dataset_id)
    return PipelineBody(dataset_id=dataset_id, pipeline_config=found.dataset.pipeline_config)


@router.patch(
    "/datasets/{dataset_id}/config",
    summary="Configure the pipeline of a dataset",
    responses=documented(404, 413, 422),
    openapi_extra=_config.openapi_extra,
)
async def configure_pipeline(
    access: Authorized,
    dataset_id: DatasetId,
    body: Annotated[DatasetPipelineConfigInput, Depends(_config)],
) -> PipelineBody:
    """Set the pipeline of a dataset, or some of it."""
    given = body.model_dump(include=body.model_fields_set)
    changes = {name: value for name, value in given.items() if value is not None}
    found = await datasets.set_pipeline(access.engine, access.caller, dataset_id, changes)
    return PipelineBody(dataset_id=dataset_id, pipeline_config=found.pipeline_config)


@router.post(
    "/datasets/{dataset_id}/apply-preset",
    summary="Apply a preset to a dataset",
    responses=documented(404, 413, 422),
    openapi_extra=_preset.openapi_extra,
)
async def apply_preset(
    access: Authorized,
    dataset_id: DatasetId,
    body: Annotated[ApplyPresetRequest, Depends(_preset)],
    preset_name: Annotated[
        str | None, Query(max_length=255, description="Of the preset, if the body has none.")
    ] = None,
    trigger: Annotated[
        Literal["on_upload", "manual"] | None, Query(description="What starts the pipeline.")
    ] = None,
) -> PipelineBody:
    """Give a dataset the pipeline of a preset."""
    name = body.preset_name or preset_name
    if name is None:
        raise Incomplete(
            [{"loc": ("query", "preset_name"), "msg": "Field required", "type": "missing"}]
        )
    start = Trigger(body.trigger or trigger or Trigger.ON_UPLOAD)
    found = await datasets.apply_preset(access.engine, access.caller, dataset_id, name, start)
    return PipelineBody(dataset_id=dataset_id, pipeline_config=found.pipeline_config)
