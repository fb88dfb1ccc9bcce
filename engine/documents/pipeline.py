"""What a pipeline is: steps with components, the files it takes, and the presets.

A configuration is checked when it is set, so a run of it fails for its documents alone. Steps run one after
the other, in an order in which each comes after what it depends on; of entries many run at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from engine.documents.component_table import COMPONENTS, EMBEDDING, FETCH, Artifact, Component
from engine.errors import InvalidRequest

STEPS_MAX = 32
TIMEOUT_S = 3600
TIMEOUT_MAX_S = 86_400
_NAME_CHARS_MAX = 63


class Trigger(StrEnum):
    """What starts the pipeline of an entry: the upload of its original, or a request."""

    ON_UPLOAD = "on_upload"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class StepInput:
    """Where a step has an artifact from."""

    name: str
    from_step: str
    artifact: str


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """One step: a component with its parameters, and the steps it comes after."""

    name: str
    component: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    inputs: tuple[StepInput, ...] = ()

    @property
    def made_by(self) -> Component:
        """The component."""
        return COMPONENTS[self.component]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A checked configuration; ``steps`` are in the order they run, ``timeout_s`` is of one step."""

    steps: tuple[PipelineStep, ...]
    is_enabled: bool = True
    trigger: Trigger = Trigger.ON_UPLOAD
    timeout_s: int = TIMEOUT_S
    preset: str | None = None

    def source_of(self, step: PipelineStep, artifact: Artifact) -> PipelineStep:
        """Return the step whose output a step takes: the one it names, else the last before it.

        Raises:
            InvalidRequest: no step before it makes the artifact.
        """
        before = self.steps[: self.steps.index(step)]
        named = next((each.from_step for each in step.inputs if each.artifact == artifact), None)
        for each in reversed(before):
            if each.made_by.makes is artifact and named in (None, each.name):
                return each
        raise InvalidRequest(
            f"Step '{step.name}' needs '{artifact}', which no step before it makes"
        )

    def accepts(self, media_type: str) -> bool:
        """Tell whether a file of this type can be processed."""
        kinds = [step.made_by.media_types for step in self.steps]
        return all(media_type in known for known in kinds if known is not None)


def read_pipeline(config: Mapping[str, Any]) -> Pipeline:
    """Check a configuration as clients write it, its shape being checked already.

    Args:
        config: ``enabled``, ``trigger``, ``timeout``, ``preset`` and ``steps`` with ``name``, ``component``,
            ``parameters``, ``depends_on`` and ``inputs``.

    Raises:
        InvalidRequest: the first rule it breaks, in a sentence.
    """
    steps = tuple(_read_step(step) for step in config["steps"])
    _check_names(steps)
    pipeline = Pipeline(
        steps=_in_order(steps),
        is_enabled=config.get("enabled", True),
        trigger=Trigger(config.get("trigger", Trigger.ON_UPLOAD)),
        timeout_s=config.get("timeout", TIMEOUT_S),
        preset=config.get("preset"),
    )
    _check_flow(pipeline)
    return pipeline


def write_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Write a configuration as clients read it; :func:`read_pipeline` reads it again."""
    return {
        "enabled": pipeline.is_enabled,
        "trigger": str(pipeline.trigger),
        "timeout": pipeline.timeout_s,
        "preset": pipeline.preset,
        "steps": [
            {
                "name": step.name,
                "component": step.component,
                "parameters": dict(step.parameters),
                "depends_on": list(step.depends_on),
                "inputs": [
                    {
                        "name": each.name,
                        "from_step": each.from_step,
                        "artifact": each.artifact,
                    }
                    for each in step.inputs
                ],
            }
            for step in pipeline.steps
        ],
    }


def _read_step(step: Mapping[str, Any]) -> PipelineStep:
    name = step["name"]
    if not name.strip() or len(name) > _NAME_CHARS_MAX:
        raise InvalidRequest(f"The name of a step has 1 to {_NAME_CHARS_MAX} characters")
    component = COMPONENTS.get(step["component"])
    if component is None:
        known = ", ".join(COMPONENTS)
        raise InvalidRequest(
            f"Step '{name}' has the unknown component '{step['component']}'. Known are: {known}"
        )
    parameters = step.get("parameters") or {}
    try:
        component.check(parameters)
    except InvalidRequest as error:
        raise InvalidRequest(f"Step '{name}': {error.message}") from None
    return PipelineStep(
        name=name,
        component=step["component"],
        parameters=parameters,
        depends_on=tuple(step.get("depends_on") or ()),
        inputs=tuple(StepInput(**each) for each in step.get("inputs") or ()),
    )


def _check_names(steps: Sequence[PipelineStep]) -> None:
    names = [step.name for step in steps]
    if not 0 < len(names) <= STEPS_MAX:
        raise InvalidRequest(f"A pipeline has 1 to {STEPS_MAX} steps")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InvalidRequest(f"Two steps are called '{name}'")
    for step in steps:
        named = [*step.depends_on, *(each.from_step for each in step.inputs)]
        for other in named:
            if other not in names:
                raise InvalidRequest(f"Step '{step.name}' depends on '{other}', which is no step")


def _in_order(steps: Sequence[PipelineStep]) -> tuple[PipelineStep, ...]:
    """Sort the steps so that each comes after those it depends on, else as they were given."""
    waiting, done = list(steps), list[PipelineStep]()
    while waiting:
        names = {step.name for step in done}
        ready = next((step for step in waiting if _needs(step) <= names), None)
        if ready is None:
            cycle = ", ".join(f"'{step.name}'" for step in waiting)
            raise InvalidRequest(f"The steps {cycle} depend on one another in a circle")
        waiting.remove(ready)
        done.append(ready)
    return tuple(done)


def _needs(step: PipelineStep) -> set[str]:
    return {*step.depends_on, *(each.from_step for each in step.inputs)}


def _check_flow(pipeline: Pipeline) -> None:
    for step in pipeline.steps:
        for artifact in step.made_by.takes:
            pipeline.source_of(step, artifact)
        for each in step.inputs:
            if each.artifact not in step.made_by.takes:
                raise InvalidRequest(f"Step '{step.name}' does not take '{each.artifact}'")
    if pipeline.steps[-1].made_by.makes is not Artifact.REGISTRATION:
        raise InvalidRequest("The last step must register what the others made")


def _chain(*steps: tuple[str, str]) -> tuple[PipelineStep, ...]:
    names = [name for name, _ in steps]
    return tuple(
        PipelineStep(name, component, depends_on=tuple(names[max(0, number - 1) : number]))
        for number, (name, component) in enumerate(steps)
    )


@dataclass(frozen=True, slots=True)
class Preset:
    """A pipeline with a name, for one kind of documents."""

    name: str
    title: str
    description: str
    pipeline: Pipeline


_LAST = (
    ("chunking", "chunking-processor-1.0.0"),
    ("embedding", EMBEDDING),
    ("registration", "registration-processor-1.0.0"),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "general_purpose",
                "General Purpose",
                "PDF, DOCX, images, HTML, Markdown and plain text; scanned pages by OCR.",
                Pipeline(
                    _chain(
                        ("fetch-entry", FETCH),
                        ("ocr", "ocr-processor-1.0.0"),
                        ("figure-linking", "figure-linking-processor-1.0.0"),
                        *_LAST,
                    ),
                    preset="general_purpose",
                ),
            ),
            Preset(
                "scientific_articles",
                "Scientific Articles",
                "JATS XML and MECA archives.",
                Pipeline(
                    _chain(
                        ("fetch-entry", FETCH),
                        ("xml-parsing", "jats-processor-1.0.0"),
                        ("figure-extraction", "figure-linking-processor-1.0.0"),
                        *_LAST,
                    ),
                    preset="scientific_articles",
                ),
            ),
        )
    }
)
