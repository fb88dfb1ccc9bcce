"""Nothing of one organisation, or of one workspace of it, shows in another: foreign looks unknown.

The matrix is made from the API document: each operation times whoever must not reach what it names. A new
operation is in it by itself, and fails until ``operations.py`` knows a request for it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.api_v1.library import DEFINITION, Library
from tests.api_v1.operations import OPERATIONS, Operation
from tests.api_v1.two_organizations import (
    NEIGHBOUR,
    OTHER,
    OTHER_NUMBER,
    REVOKED,
    WORD,
    World,
    two_organizations,
)
from tests.server.running import TOKEN

pytestmark = pytest.mark.system

UNKNOWN: dict[str, Any] = {"dataset_id": 777777, "entry_id": 888888, "slug": "unknown_papers"}
GUARDED = tuple(op for op in OPERATIONS if not op.is_open)
WITH_ID = tuple(op for op in OPERATIONS if op.has_id)
# They name ids in the body or the query; of unknown ones they have nothing, and say no more.
SELECTING = (
    "GET /entries",
    "POST /entries/batch",
    "POST /entries/batch/content",
    "POST /search",
    "POST /vector/chunks",
    "POST /vector/entries",
)
# They name nothing that anybody owns.
SHARED = (
    "GET /datasets",
    "POST /datasets",
    "GET /pipelines/presets",
    "GET /pipelines/presets/{name}",
    "GET /pipelines/components",
    "GET /health",
)
_VOLATILE = re.compile(r'"execution_time_ms":[0-9.e-]+')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with two_organizations(tmp_path_factory.mktemp("organizations") / "data") as made:
        before = everything(made.owner)
        yield made
        assert everything(made.owner) == before


def everything(library: Library) -> list[Any]:
    """All that the owner sees of what others asked for."""
    found: list[Any] = [library.call("GET", "/datasets", params={"limit": 1000})]
    for dataset in found[0]["datasets"]:
        selector = {"dataset_id": dataset["id"], "limit": 500}
        found.append(library.call("POST", "/entries/batch/content", json=selector))
        found.append(library.call("POST", "/entries/batch", json=selector))
    return found


def over(operations: tuple[Operation, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", operations, ids=[op.name for op in operations])


def shape(response: httpx.Response, ids: Mapping[str, Any]) -> tuple[int, str]:
    """An answer without its times, and with the ids that were asked for named alike."""
    text = _VOLATILE.sub("", response.text)
    for name, value in ids.items():
        text = re.sub(rf"\b{value}\b", f"<{name}>", text)
    return response.status_code, text


def check_foreign(
    op: Operation, client: httpx.Client, ids: Mapping[str, Any], base: str, **headers: str
) -> None:
    """See that what is foreign is answered as what is unknown."""
    foreign = shape(op.send(client, base, ids, **headers), ids)
    unknown = shape(op.send(client, base, UNKNOWN, **headers), UNKNOWN)
    assert foreign == unknown
    expected = 200 if op.name in SELECTING else 404
    assert foreign[0] == expected, foreign
    assert WORD not in foreign[1].replace(f'"query":"{WORD}"', "")


NAMING = tuple(op for op in OPERATIONS if op.name not in SHARED)


def test_every_operation_is_in_the_matrix() -> None:
    assert set(WITH_ID) <= set(NAMING)
    assert {op.name for op in NAMING} - {op.name for op in WITH_ID} == {
        *SELECTING,
        "POST /entries",
    }


@over(NAMING)
def test_another_organization_sees_unknown_ids(world: World, op: Operation) -> None:
    check_foreign(op, world.stranger.client, world.ids, "/api/v1")


@over(NAMING)
def test_another_workspace_of_the_organization_sees_unknown_ids(
    world: World, op: Operation
) -> None:
    check_foreign(op, world.neighbour.client, world.ids, "/api/v1")


@over(NAMING)
def test_headers_do_not_change_whom_a_proxy_speaks_for(world: World, op: Operation) -> None:
    """What only a proxy may set is not believed of a client of the proxy."""
    forged = {"x-organization-id": "1", "x-cluster-id": "1", "x-user-id": "1"}
    base = f"/clusters/{world.stranger_cluster}/proxy/api/v1"
    check_foreign(op, world.stranger.client, world.ids, base, **forged)


@over(GUARDED)
def test_another_organization_is_unknown(world: World, op: Operation) -> None:
    """With one's own token, and the number of an organisation that is there or is not."""
    for client, number in ((world.stranger.client, 1), (world.owner.client, OTHER_NUMBER)):
        there = op.send(client, "/api/v1", world.ids, **{"x-organization-id": str(number)})
        nowhere = op.send(client, "/api/v1", world.ids, **{"x-organization-id": "99"})
        assert there.status_code == 404
        assert there.json() == {"detail": f"Organization with id {number} not found"}
        assert nowhere.json() == {"detail": "Organization with id 99 not found"}


@over(GUARDED)
@pytest.mark.parametrize("token", [OTHER, NEIGHBOUR], ids=["stranger", "neighbour"])
def test_another_cluster_is_forbidden_as_an_unknown_one(
    world: World, op: Operation, token: str
) -> None:
    own = str(OTHER_NUMBER if token == OTHER else 1)
    headers = {"Authorization": f"Bearer {token}"}
    with world.bare() as client:
        there = op.send(client, f"/clusters/{world.cluster}/proxy/api/v1", world.ids, **headers)
        nowhere = op.send(client, "/clusters/99/proxy/api/v1", world.ids, **headers)
        headers |= {"x-organization-id": own}
        header = {**headers, "x-cluster-id": str(world.cluster)}
        direct = op.send(client, "/api/v1", world.ids, **header)
    assert there.status_code == nowhere.status_code == direct.status_code == 403
    assert (
        there.json()
        == direct.json()
        == {"detail": f"Cluster {world.cluster} is not one that this token may use"}
    )
    assert nowhere.json() == {"detail": "Cluster 99 is not one that this token may use"}


@over(GUARDED)
@pytest.mark.parametrize("base", ["/api/v1", "/clusters/1/proxy/api/v1"])
def test_without_a_token_that_lives_nothing_is_said(world: World, op: Operation, base: str) -> None:
    number = {"x-organization-id": "1"}
    with world.bare() as client:
        answers = [
            op.send(client, base, ids, **number, **headers)
            for ids in (world.ids, UNKNOWN)
            for headers in (
                {},
                {"Authorization": f"Bearer {REVOKED}"},
                {"Authorization": "Bearer tm_never_made"},
            )
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"] for answer in answers)
    missing, revoked, unknown, *others = (answer.json() for answer in answers)
    assert set(missing) == {"detail"}
    assert revoked == unknown
    assert others == [missing, revoked, unknown]


@over(GUARDED)
def test_a_call_without_a_proxy_names_its_organization(world: World, op: Operation) -> None:
    with world.bare() as client:
        for value in (None, "", "x", "1.0", "1_0", "+1", "-1", "9" * 30, "¹"):
            headers = {} if value is None else {"x-organization-id": value.encode()}
            token = {"Authorization": f"Bearer {TOKEN}"}
            response = op.send(client, "/api/v1", world.ids, **token, **headers)  # type: ignore[arg-type]  # headers by names made up here
            assert response.status_code == 400
            assert "x-organization-id" in response.json()["detail"]


@pytest.mark.parametrize("who", ["stranger", "neighbour"])
def test_listings_and_searches_hold_nothing_of_another(world: World, who: str) -> None:
    library: Library = getattr(world, who)
    answers = [
        library.ask("GET", "/datasets"),
        library.ask("GET", "/entries"),
        library.ask("GET", "/entries", params={"slug": WORD}),
        library.ask("POST", "/vector/chunks", json={"query": "ice", "limit": 100}),
        library.ask("POST", "/vector/entries", json={"query": "ice", "limit": 100}),
        library.ask("POST", "/search", json={"query": "swims", "facets": True}),
        library.ask("POST", "/search", json={"query": "swims", "mode": "hybrid"}),
        library.client.get("/v1/jobs?limit=1000"),
        library.client.get("/v1/information_schema?limit=1000"),
        library.client.get("/v1/datasets"),
        library.client.get("/v1/results"),
        library.client.get("/v1/indexes"),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert WORD not in answer.text
    own = library.search("swims")
    assert own["total"] == 1
    assert own["results"][0]["entry_id"] != world.ids["entry_id"]


@pytest.mark.parametrize("who", ["stranger", "neighbour"])
@pytest.mark.parametrize(
    "template",
    [
        "SELECT * FROM documents.{slug}.entries",
        "SELECT * FROM documents.{slug}.chunks",
        "SELECT * FROM documents.{slug}.files",
        "SELECT * FROM bm25_search('documents.{slug}.chunks', 'text', 'ice', 5)",
        "SELECT * FROM vector_search('documents.{slug}.chunks', 'text', 'ice', 5)",
    ],
)
def test_sql_sees_no_foreign_documents(world: World, who: str, template: str) -> None:
    library: Library = getattr(world, who)

    def ask(by: Library, slug: str) -> tuple[int, str]:
        response = by.client.post("/v1/query", json={"sql": template.format(slug=slug)})
        return response.status_code, response.text.replace(slug, "<slug>")

    assert ask(world.owner, world.ids["slug"])[0] == 200
    refused = ask(library, world.ids["slug"])
    assert refused[0] == 400
    assert refused == ask(library, UNKNOWN["slug"])


@pytest.mark.parametrize("who", ["stranger", "neighbour"])
def test_information_schema_names_own_documents_alone(world: World, who: str) -> None:
    sql = """SELECT DISTINCT table_schema FROM information_schema.tables
             WHERE table_schema LIKE '%papers'"""
    library: Library = getattr(world, who)
    own = {"stranger": "ocelot_papers", "neighbour": "tapir_papers"}[who]
    assert library.rows(sql) == [[own]]
    assert world.owner.rows(sql) == [[world.ids["slug"]]]


def test_a_slug_is_taken_in_ones_own_workspace_alone(world: World) -> None:
    """Otherwise a refusal would tell that somebody has it."""
    for library in (world.stranger, world.neighbour):
        made = library.dataset(slug=world.ids["slug"])
        assert library.rows(f"SELECT count(*) FROM documents.{made['slug']}.entries") == [[0]]
        assert library.search(WORD)["total"] == 0
        assert library.ask("DELETE", f"/datasets/{made['id']}").status_code == 204


def test_an_embedding_provider_of_another_is_unknown(world: World) -> None:
    config = {"base_url": "https://api.example.com/v1", "model": "m"}
    body = {"name": "mine", "provider_type": "service", "config": config}
    provider_id = world.owner.client.post("/v1/embedding-providers", json=body).json()["id"]
    fields = {"name": "x", "slug": "with-provider", "schema_definition": DEFINITION}

    def ask(name: str) -> tuple[int, str]:
        asked = {**fields, "embedding_provider_id": name}
        response = world.stranger.ask("POST", "/datasets", json=asked)
        return response.status_code, response.text.replace(name, "<id>")

    assert ask(provider_id) == ask("embp" + "z" * 26)
    assert ask(provider_id)[0] in {404, 422}


def test_the_matrix_reaches_what_it_asks_for(world: World) -> None:
    """The owner, with the same requests, on things of its own made for it."""
    dataset = world.owner.dataset(preset="general_purpose", trigger="manual")
    for op in OPERATIONS:
        entry = world.owner.entry(dataset["id"])
        if op.path.endswith(("/trigger-pipeline", "/download")):
            world.owner.upload(entry["id"], "x.txt", b"x")
        ids = {"dataset_id": dataset["id"], "entry_id": entry["id"], "slug": dataset["slug"]}
        if op.name == "DELETE /datasets/{dataset_id}":
            ids["dataset_id"] = world.owner.dataset()["id"]
        response = op.send(world.owner.client, "/api/v1", ids)
        assert response.is_success, (op.name, response.text)
        if op.name == "POST /datasets":
            world.owner.ask("DELETE", f"/datasets/{response.json()['id']}")
    assert world.owner.ask("DELETE", f"/datasets/{dataset['id']}").status_code == 204
