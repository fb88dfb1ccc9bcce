"""A workspace sees its own things only; whatever is another's looks like what never was.

The matrix is made from the API document: every place that takes an id, times whose id it is. A new
route is in it by itself, and fails until ``kind_of`` knows what its id names.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.system.api_document import (
    APP,
    GUARDED,
    INNER_NAMES,
    KINDS_OF_PATHS,
    OPEN_PATHS,
    OPERATIONS,
    Operation,
    Slot,
    slots,
)
from tests.system.tenants import (
    DELETES,
    MAKERS,
    OWNERS,
    UNKNOWN,
    World,
    fresh_name,
    make_index,
    place_of,
    two_workspaces,
)

pytestmark = pytest.mark.system

# Neither is an id of something stored: the header and the field are a tag, free text of the caller.
_TAGS = {"X-Database-Id", "database_id"}
INDEX_KINDS = {owner: kind for kind, owner in OWNERS.items()}
_MALFORMED = ("x", "data", "'; DROP TABLE datasets; --", "..", "ä" * 10, "a" * 5000, "%00x", "*")


def kind_of(slot: Slot) -> str:
    """What the id of a slot names."""
    if slot.place == "path":
        kind = KINDS_OF_PATHS[slot.operation.path.split("/")[2]]
        return INDEX_KINDS[kind] if slot.field == "index_name" else kind
    return slot.field.removesuffix("_id").removesuffix("_public")


SLOTS = tuple(slot for slot in slots() if slot.field not in _TAGS)
TENANT_SLOTS = tuple(slot for slot in SLOTS if kind_of(slot) in MAKERS)
DELETABLE_SLOTS = tuple(slot for slot in TENANT_SLOTS if kind_of(slot) in DELETES)
over_slots = pytest.mark.parametrize("slot", TENANT_SLOTS, ids=lambda slot: slot.name)


@pytest.fixture(scope="module", params=["token of the organisation", "token of one workspace"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    is_bound = request.param == "token of one workspace"
    with two_workspaces(tmp_path_factory.mktemp("tenants") / "data", is_bound=is_bound) as made:
        yield made


def test_every_route_of_the_app_is_in_the_document() -> None:
    served = {
        (method, route.path)
        for route in iter_route_contexts(APP.routes)
        for method in getattr(route, "methods", None) or ()
    }
    documented = {(op.method, op.path) for op in OPERATIONS}
    assert served - documented == {("GET", "/openapi.json"), ("GET", "/docs")}
    assert documented <= served


def test_every_route_is_in_the_matrix() -> None:
    """A route that takes an id has a slot; one that takes none lists or makes own things only."""
    with_slot = {slot.operation.name for slot in SLOTS}
    for operation in OPERATIONS:
        assert ("{" in operation.path) <= (operation.name in with_slot), operation.name
    assert {kind_of(slot) for slot in SLOTS} == set(UNKNOWN)
    assert {op.path for op in OPERATIONS} - {op.path for op in GUARDED} == OPEN_PATHS


@over_slots
def test_an_own_id_works(world: World, slot: Slot) -> None:
    own_id = world.own.make(kind_of(slot))
    path = slot.operation.path
    if slot.field == "id" and path.endswith("/{index_name}"):
        make_index(world.own, filled(path.removesuffix("/{index_name}"), own_id), "by_note")
    response = send(world, slot, own_id)
    if slot.operation.path.endswith("/cancel"):
        assert response.status_code == 409  # it has ended
    else:
        assert response.is_success, response.text


@over_slots
def test_a_foreign_id_looks_unknown_and_is_untouched(world: World, slot: Slot) -> None:
    kind = kind_of(slot)
    before = world.foreign.everything()
    foreign = send(world, slot, world.foreign_ids[kind])
    assert view(foreign) == view(send(world, slot, UNKNOWN[kind]))
    assert not foreign.is_success or slot.place == "query"
    assert world.foreign.everything() == before
    assert world.foreign_ids[kind] not in str(world.own.listings())


@pytest.mark.parametrize("slot", DELETABLE_SLOTS, ids=lambda slot: slot.name)
def test_the_id_of_a_deleted_thing_is_unknown(world: World, slot: Slot) -> None:
    kind = kind_of(slot)
    gone = world.own.make(kind)
    world.own.delete(kind, gone)
    answer = view(send(world, slot, gone))
    assert answer == view(send(world, slot, UNKNOWN[kind]))


@over_slots
def test_the_id_of_another_kind_is_unknown(world: World, slot: Slot) -> None:
    kind = kind_of(slot)
    unknown = view(send(world, slot, UNKNOWN[kind]))
    for other in set(MAKERS) - {kind}:
        own_id, foreign_id = world.own.make(other), world.foreign_ids[other]
        assert view(send(world, slot, own_id)) == unknown, other
        assert view(send(world, slot, foreign_id)) == unknown, other


@over_slots
def test_a_malformed_id_is_refused_and_touches_nothing(world: World, slot: Slot) -> None:
    before = world.foreign.everything()
    for malformed in _MALFORMED:
        response = send(world, slot, malformed)
        assert response.status_code < 500, malformed
        if slot.place != "query":  # a filter may match nothing
            assert response.status_code in {400, 404, 405, 422}, (malformed, response.text)
    assert world.foreign.everything() == before


def send(world: World, slot: Slot, some_id: str) -> httpx.Response:
    """Send the example request of an operation with this id in this slot."""
    operation = slot.operation
    path, parameters, body = operation.path, {}, operation.body_example
    if slot.place == "path":
        # A client would leave out "a/.." before it sends anything.
        escaped = quote(some_id, safe="").replace("..", "%2E%2E")
        path = path.replace("{" + slot.field + "}", escaped)
        if slot.field == "index_name":
            path = filled(path, place_of(world.own, OWNERS[kind_of(slot)]))
        path = filled(path)
        body = body_of_index() if path.endswith("/indexes") else body
    elif slot.place == "query":
        parameters = {slot.field: some_id}
    else:
        path = filled(path, own_thing(world, path)) if "{id}" in path else path
        body = body_with(operation, slot.field, some_id)
    return world.own.client.request(operation.method, path, params=parameters, json=body)


def filled(path: str, some_id: str = "{id}") -> str:
    """A path with the names inside a thing."""
    for name, inner in INNER_NAMES.items():
        path = path.replace("{" + name + "}", inner)
    return path.replace("{id}", some_id)


def own_thing(world: World, path: str) -> str:
    """What the id in a path names while the body names something else."""
    if path.endswith("/indexes"):
        return place_of(world.own, KINDS_OF_PATHS[path.split("/")[2]])
    return an_own_connection(world)


def an_own_connection(world: World) -> str:
    """A connection that takes a credential, and whose source is never there."""
    config = {"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}
    body = {"name": fresh_name("c"), "source_type": "postgres", "skip_discovery": True}
    return str(world.own.call("POST", "/v1/connections", json=body | {"config": config})["id"])


def body_of_index() -> dict[str, Any]:
    return {"index_name": fresh_name("i"), "columns": ["note"]}


def body_with(operation: Operation, field: str, some_id: str) -> dict[str, Any]:
    if operation.path.endswith("/indexes"):  # a job, since no service of the providers answers
        return {**body_of_index(), "index_type": "vector", "async": True, field: some_id}
    if operation.path == "/v1/connections":
        return {**(operation.body_example or {}), "name": fresh_name("c"), field: some_id}
    if field in operation.body_schema["properties"]:
        return {field: some_id}
    name = fresh_name()
    return {"label": name, "table_name": name, "source": {field: some_id}}


def view(response: httpx.Response) -> tuple[int, dict[str, Any], list[str]]:
    """All a client sees of an answer but the id it sent itself and what differs every time."""
    body = response.json() if response.content else {}
    url = response.request.url
    sent = [url.path, url.query.decode(), str(response.request.content)]
    return response.status_code, _without_echo(body, sent), sorted(set(response.headers))


def _without_echo(body: Any, sent: list[str]) -> Any:
    if isinstance(body, dict):
        return {key: _without_echo(value, sent) for key, value in body.items()}
    if isinstance(body, list):
        return [_without_echo(value, sent) for value in body]
    if isinstance(body, str):
        head, opened, rest = body.partition("'")
        echoed, end, tail = rest.partition("'")
        if opened and end and any(echoed in text for text in sent):
            return f"{head}'<sent>'{tail}"
    return body
