"""What the fuzzer of the Data API does between making a request and sending it.

Half of the requests get ids of things that are there, and every fourth a body that is right: the other answers
are behind those. Which ones is a matter of turns, so a seed still repeats a run. Loaded by the command line of
schemathesis; ``FUZZED_URL`` and ``FUZZED_TOKEN`` say where things are made.
"""

import os
from collections import Counter
from functools import cache
from typing import Any

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from tests.api_v1.library import Library, fresh_slug
from tests.api_v1.operations import OPERATIONS, Operation
from tests.patience import PATIENCE_S

_BOUND_MAX = 1000
# Requests seen so far, by method and path.
_turns: Counter[tuple[str, str]] = Counter()
_BY_NAME = {op.name: op for op in OPERATIONS}


@cache
def _library() -> Library:
    headers = {"Authorization": f"Bearer {os.environ['FUZZED_TOKEN']}", "x-organization-id": "1"}
    return Library(
        httpx.Client(base_url=os.environ["FUZZED_URL"], headers=headers, timeout=PATIENCE_S)
    )


@cache
def _lasting() -> dict[str, Any]:
    """Ids of a document that is there all the time."""
    dataset = _library().dataset(preset="general_purpose", trigger="manual")
    entry = _library().entry(dataset["id"])
    _library().upload(entry["id"], "x.txt", b"A text of the fuzzer's")
    return {"dataset_id": dataset["id"], "entry_id": entry["id"], "slug": dataset["slug"]}


def _ids_for(op: Operation) -> dict[str, Any]:
    ids = dict(_lasting())
    if op.method == "DELETE" or op.path.endswith(("/trigger-pipeline", "/download", "/upload")):
        if "{dataset_id}" in op.path:
            ids["dataset_id"] = _library().dataset()["id"]
        else:
            ids["entry_id"] = _library().entry(ids["dataset_id"])["id"]
            _library().upload(ids["entry_id"], "x.txt", b"Another text")
    return ids


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Leave out bounds that take megabytes to step over: tests of their own do."""
    _drop_large_bounds(raw_schema)


def _drop_large_bounds(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _drop_large_bounds(item)
    if isinstance(schema, dict):
        for bound in ("maxItems", "maxLength"):
            if isinstance(schema.get(bound), int) and schema[bound] > _BOUND_MAX:
                del schema[bound]
        for value in schema.values():
            _drop_large_bounds(value)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], **kwargs: Any) -> None:
    op = _BY_NAME.get(f"{case.method} {case.path}")
    turn = _turns[case.method, case.path]
    _turns[case.method, case.path] += 1
    if op is None or case.meta is None:
        return
    given = case.path_parameters or {}
    # A stateful scenario follows the ids it was given itself, but what lasts is not to be deleted.
    is_followed = turn % 2 == 1 or case.meta.phase.name is TestPhase.STATEFUL
    lasting = {str(value) for value in _lasting().values()}
    if is_followed and not (op.method == "DELETE" and lasting & {*map(str, given.values())}):
        return
    wrong = {place for place, info in case.meta.components.items() if info.mode.is_negative}
    ids = _ids_for(op)
    if ParameterLocation.PATH not in wrong:
        right = {**ids, "name": "general_purpose"}
        given.update({name: right[name] for name in given})
    if turn % 4 == 0 and not wrong:
        _say_rightly(case, op, ids)


def _say_rightly(case: schemathesis.Case[Any], op: Operation, ids: dict[str, Any]) -> None:
    """Give a request a body and a query that are right for these ids."""
    right = op.content({**ids, "slug": fresh_slug()})
    if "json" in right:
        case.body, case.media_type = right["json"], "application/json"
    elif op.path.endswith("/upload"):
        case.body = {"file": "Sent by the fuzzer"}
    elif op.path.endswith("/apply-preset"):
        case.body = {"preset_name": "general_purpose", "trigger": "manual"}
    if case.query:
        case.query = {}
