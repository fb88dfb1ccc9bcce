"""Pipelines: presets, configurations, and when an entry's begins."""

from typing import Any

import pytest

from tests.api_v1.documents import blank_pdf, pdf
from tests.api_v1.library import Library, detail_of, messages_of, problems_of

pytestmark = pytest.mark.system

STEPS: list[dict[str, Any]] = [
    {"name": "fetch", "component": "fetch-entry-processor-1.0.0"},
    {"name": "read", "component": "ocr-processor-1.0.0", "depends_on": ["fetch"]},
    {"name": "figures", "component": "figure-linking-processor-1.0.0", "depends_on": ["read"]},
    {"name": "cut", "component": "chunking-processor-1.0.0", "depends_on": ["figures"]},
    {"name": "embed", "component": "embedding-processor-1.0.0", "depends_on": ["cut"]},
    {"name": "register", "component": "registration-processor-1.0.0", "depends_on": ["embed"]},
]


def config_path(dataset_id: int) -> str:
    return f"/pipelines/datasets/{dataset_id}/config"


def apply(library: Library, dataset_id: int, **options: Any) -> Any:
    return library.ask("POST", f"/pipelines/datasets/{dataset_id}/apply-preset", **options)


def changed(place: int, **fields: Any) -> dict[str, Any]:
    """The steps with one of them changed."""
    steps = [dict(step) for step in STEPS]
    steps[place] |= fields
    return {"steps": steps}


def test_the_presets_are_shown(library: Library) -> None:
    presets = {each["name"]: each for each in library.call("GET", "/pipelines/presets")["presets"]}
    assert presets.keys() >= {"general_purpose", "scientific_articles"}
    for name, preset in presets.items():
        assert library.call("GET", f"/pipelines/presets/{name}") == preset
        assert preset["pipeline_config"]["enabled"]
    general = set(presets["general_purpose"]["media_types"])
    assert general >= {"application/pdf", "image/png", "image/jpeg"}
    assert set(presets["scientific_articles"]["media_types"]) == {
        "application/jats+xml",
        "application/meca+zip",
    }
    assert "nothing" in detail_of(library.ask("GET", "/pipelines/presets/nothing"), 404)


def test_every_component_of_a_preset_is_known(library: Library) -> None:
    known = {each["name"] for each in library.call("GET", "/pipelines/components")["components"]}
    for preset in library.call("GET", "/pipelines/presets")["presets"]:
        used = {step["component"] for step in preset["pipeline_config"]["steps"]}
        assert used <= known
    assert {name.rsplit("-", 1)[1] for name in known} == {"1.0.0"}


@pytest.mark.parametrize(
    "options",
    [
        {"params": {"preset_name": "general_purpose"}},
        {"json": {"preset_name": "general_purpose"}},
        {"params": {"preset_name": "general_purpose"}, "content": b""},
        {"params": {"preset_name": "general_purpose"}, "json": {}},
        {
            "params": {"preset_name": "scientific_articles"},
            "json": {"preset_name": "general_purpose"},
        },
    ],
)
def test_a_preset_is_named_in_the_query_or_the_body(
    library: Library, options: dict[str, Any]
) -> None:
    dataset_id = library.dataset()["id"]
    response = apply(library, dataset_id, **options)
    assert response.status_code == 200
    body = response.json()
    assert body["dataset_id"] == dataset_id
    config = body["pipeline_config"]
    assert (config["enabled"], config["trigger"]) == (True, "on_upload")
    assert config["preset"] == "general_purpose"
    assert library.call("GET", config_path(dataset_id)) == body
    shown = library.call("GET", f"/datasets/{dataset_id}")
    assert (shown["pipeline_config"], shown["version"]) == (config, 2)


@pytest.mark.parametrize("where", ["params", "json"])
def test_a_preset_is_applied_with_a_trigger(library: Library, where: str) -> None:
    dataset_id = library.dataset()["id"]
    body = {"preset_name": "general_purpose", "trigger": "manual"}
    config = apply(library, dataset_id, **{where: body}).json()["pipeline_config"]
    assert config["trigger"] == "manual"


def test_a_wrong_preset_is_refused(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    response = apply(library, dataset_id, params={"preset_name": "nothing"})
    assert "general_purpose" in detail_of(response, 404)
    assert problems_of(apply(library, dataset_id)) == [(("query", "preset_name"), "missing")]
    wrong = {"preset_name": "general_purpose", "trigger": "sometimes"}
    assert problems_of(apply(library, dataset_id, params=wrong))[0][0] == ("query", "trigger")
    assert problems_of(apply(library, dataset_id, json=wrong))[0][0] == ("body", "trigger")
    response = apply(library, 999999, params={"preset_name": "general_purpose"})
    assert detail_of(response, 404) == "Dataset with id 999999 not found"


def test_a_dataset_has_no_pipeline_at_first(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    assert library.call("GET", config_path(dataset_id)) == {
        "dataset_id": dataset_id,
        "pipeline_config": None,
    }
    response = library.ask("PATCH", config_path(dataset_id), json={"trigger": "manual"})
    assert "no pipeline yet" in messages_of(response)
    for method in ("GET", "PATCH"):
        body = {"enabled": True} if method == "PATCH" else None
        response = library.ask(method, config_path(999999), json=body)
        assert detail_of(response, 404) == "Dataset with id 999999 not found"


def test_a_configuration_is_changed_in_part(library: Library) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    before = library.call("GET", config_path(dataset_id))["pipeline_config"]
    body = {"trigger": "manual", "timeout": 60}
    after = library.call("PATCH", config_path(dataset_id), json=body)["pipeline_config"]
    assert after == {**before, **body}
    off = library.call("PATCH", config_path(dataset_id), json={"enabled": False})
    assert off["pipeline_config"] == {**after, "enabled": False}


def test_steps_of_ones_own_are_run(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    body = changed(3, parameters={"tokens_max": 64})
    shown = library.call("PATCH", config_path(dataset_id), json=body)["pipeline_config"]
    assert [step["name"] for step in shown["steps"]] == [step["name"] for step in STEPS]
    assert shown["preset"] is None
    entry = library.document(dataset_id, "own.pdf", pdf("The steps have other names."))
    assert entry["manifest"]["processing"]["steps_completed"] == [step["name"] for step in STEPS]
    assert entry["workflow_name"].startswith("pipeline-custom-")
    assert library.search("names", dataset_ids=[dataset_id])["total"] == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (changed(1, name="fetch"), "Two steps"),
        (changed(1, name=" "), "name of a step"),
        (changed(1, component="magic-1.0.0"), "magic-1.0.0"),
        (changed(1, depends_on=["nobody"]), "nobody"),
        (changed(0, depends_on=["register"]), "circle"),
        (changed(1, depends_on=["read"]), "circle"),
        (changed(1, parameters={"colour": "red"}), "colour"),
        ({"steps": STEPS[:-1]}, "register"),
        ({"steps": STEPS[1:]}, "fetch"),
        ({"steps": [STEPS[0], {**STEPS[5], "depends_on": ["fetch"]}]}, "needs"),
        ({"steps": []}, "at least 1"),
        ({"steps": STEPS * 6}, "at most 32"),
        ({"steps": "none"}, "list"),
        ({"timeout": 0}, "greater than or equal to 1"),
        ({"trigger": "sometimes"}, "on_upload"),
        ({"enabled": "perhaps"}, "boolean"),
        ({"enabled": 0}, "boolean"),
        ({"timeout": True}, "number"),
    ],
)
def test_a_wrong_configuration_is_refused_and_changes_nothing(
    library: Library, body: dict[str, Any], says: str
) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    before = library.call("GET", config_path(dataset_id))
    assert says in messages_of(library.ask("PATCH", config_path(dataset_id), json=body))
    assert library.call("GET", config_path(dataset_id)) == before


def trigger(library: Library, entry_id: int) -> Any:
    return library.ask("POST", f"/entries/{entry_id}/trigger-pipeline")


def test_an_upload_without_a_pipeline_stays_uploaded(library: Library) -> None:
    dataset_id = library.dataset()["id"]
    entry_id = library.entry(dataset_id)["id"]
    uploaded = library.upload(entry_id, "any.bin", b"\x00\x01\x02")
    assert (uploaded["status"], uploaded["workflow_name"]) == ("uploaded", None)
    response = trigger(library, entry_id)
    assert "has no pipeline" in detail_of(response, 400)
    assert library.call("GET", f"/entries/{entry_id}")["status"] == "uploaded"


def test_a_pipeline_is_triggered_once_there_is_a_file(library: Library) -> None:
    dataset_id = library.dataset(preset="general_purpose", trigger="manual")["id"]
    entry_id = library.entry(dataset_id)["id"]
    assert "status 'pending'" in detail_of(trigger(library, entry_id), 400)
    uploaded = library.upload(entry_id, "manual.pdf", pdf("By hand."))
    assert (uploaded["status"], uploaded["workflow_name"]) == ("uploaded", None)
    response = trigger(library, entry_id)
    assert response.status_code == 200
    started = response.json()
    assert started["workflow_name"].startswith(f"pipeline-general-purpose-{entry_id}-")
    assert (started["entry_id"], started["dataset_id"]) == (entry_id, dataset_id)
    assert started["status"] == "processing"
    assert started["namespace"]
    (done,) = library.settle([entry_id])
    assert (done["status"], done["workflow_name"]) == ("processed", started["workflow_name"])
    assert "status 'processed'" in detail_of(trigger(library, entry_id), 400)
    assert trigger(library, 999999).status_code == 404


def test_a_disabled_pipeline_neither_starts_nor_can_be_triggered(library: Library) -> None:
    dataset_id = library.dataset(preset="general_purpose")["id"]
    library.call("PATCH", config_path(dataset_id), json={"enabled": False})
    entry_id = library.entry(dataset_id)["id"]
    assert library.upload(entry_id, "off.pdf", pdf("Off."))["status"] == "uploaded"
    assert "disabled" in detail_of(trigger(library, entry_id), 400)
    library.call("PATCH", config_path(dataset_id), json={"enabled": True})
    assert trigger(library, entry_id).status_code == 200
    assert library.settle([entry_id])[0]["status"] == "processed"


def test_a_failed_entry_is_triggered_again(narrow: Library) -> None:
    """The server calls it ``error``, which filters know as ``failed`` too."""
    dataset_id = narrow.dataset(preset="general_purpose")["id"]
    entry_id = narrow.entry(dataset_id)["id"]
    narrow.upload(entry_id, "broken.pdf", b"%PDF-1.7\nbroken")
    (failed,) = narrow.settle([entry_id])
    assert failed["status"] == "error"
    assert failed["error"].startswith("ocr: ")
    for word in ("error", "failed"):
        found = narrow.call("GET", "/entries", params={"dataset_id": dataset_id, "status": word})
        assert [each["status"] for each in found["entries"]] == ["error"]
    batch = narrow.call(
        "POST", "/entries/batch", json={"dataset_id": dataset_id, "status": "failed"}
    )
    assert batch["total"] == 1
    (item,) = narrow.call("POST", "/entries/batch/content", json={"entry_ids": [entry_id]})[
        "entries"
    ]
    assert (item["status"], item["content"], item["error"]) == ("error", None, failed["error"])
    assert trigger(narrow, entry_id).json()["status"] == "processing"
    (again,) = narrow.settle([entry_id])
    assert again["workflow_name"] != failed["workflow_name"]


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.pdf", blank_pdf()), ("a.txt", b" \n \n"), ("a.html", b"<!doctype html><p> </p>")],
    ids=["PDF", "text", "HTML"],
)
def test_a_document_without_any_text_fails_and_says_so(
    library: Library, name: str, data: bytes
) -> None:
    entry_id = library.entry(library.dataset(preset="general_purpose")["id"])["id"]
    library.upload(entry_id, name, data)
    (entry,) = library.settle([entry_id])
    assert (entry["status"], entry["error"]) == ("failed", "ocr: The document holds no text.")


def test_an_entry_of_a_client_needs_no_pipeline(library: Library) -> None:
    """Create, upload, content, chunks: what ingesters do in a dataset whose pipeline is off."""
    dataset_id = library.dataset()["id"]
    entry_id = library.entry(dataset_id)["id"]
    assert library.upload(entry_id, "doc.md", b"# Given\n")["status"] == "uploaded"
    body = {"content": {"text": "# Given"}}
    library.call("POST", f"/entries/{entry_id}/processed", json=body)
    entry = library.call("GET", f"/entries/{entry_id}")
    assert entry["status"] == "processed"
    assert entry["mime_type"] == "text/markdown"
    assert "status 'processed'" in detail_of(trigger(library, entry_id), 400)
