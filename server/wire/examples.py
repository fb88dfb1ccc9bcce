"""Examples of answers, made from their schemas, so that they cannot drift from them.

A value comes from the field's name where the name says what it holds, else from its type.
"""

from typing import Any

_ID_TAIL = "0123456789abcdefghijklmnop"
_ID_PREFIXES = {
    "Connection": "conn",
    "Dataset": "data",
    "Job": "jobx",
    "Result": "rslt",
    "Run": "qrun",
    "SavedQuery": "svqr",
    "Secret": "secr",
    "Upload": "upld",
    "Version": "dver",
}
_BY_NAME: dict[str, Any] = {
    "access_token": "tm_example",
    "attempts": 1,
    "bytes_scanned": 4096,
    "category": "filtered_scan",
    "columns": ["symbol", "number"],
    "completed_at": "2026-01-02T03:04:06.000000Z",
    "connection": "warehouse",
    "connection_id": "conn" + _ID_TAIL,
    "discovery_error": None,
    "discovery_status": "success",
    "content_type": "text/csv",
    "count": 1,
    "data_type": "Int64",
    "dataset_id": "data" + _ID_TAIL,
    "description": "",
    "error_message": None,
    "expires_in": 300,
    "has_more": False,
    "job_type": "dataset_refresh",
    "label": "Elements",
    "latest_version": 1,
    "limit": 100,
    "name": "elements",
    "namespace": "workspace-ws_" + _ID_TAIL,
    "next_cursor": None,
    "nullable": [True, True],
    "pinned_version": None,
    "progress": {"rows": 118},
    "provision_status": "provisioned",
    "public_id": "ws_" + _ID_TAIL,
    "query_run_id": "qrun" + _ID_TAIL,
    "reason": None,
    "refresh_token": "tm_example",
    "result": {"id": "data" + _ID_TAIL, "version": 2},
    "result_id": "rslt" + _ID_TAIL,
    "preview_row_count": 2,
    "row_count": 2,
    "total_row_count": 2,
    "rows": [["H", 1], ["He", 2]],
    "saved_query_id": "svqr" + _ID_TAIL,
    "schema": "public",
    "schema_name": "main",
    "service": "tidemill",
    "size_bytes": 4096,
    "snapshot_id": "snap" + _ID_TAIL,
    "source_type": "upload",
    "sql": "SELECT symbol, number FROM elements",
    "sql_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sql_text": "SELECT symbol, number FROM elements",
    "status": "succeeded",
    "status_url": "/v1/jobs/jobx" + _ID_TAIL,
    "table": "orders",
    "table_name": "elements",
    "tags": ["chemistry"],
    "token_type": "Bearer",
    "trace_id": None,
    "user_public_id": "user_0123456789",
    "warning": None,
    "warning_message": None,
}
_BY_FIELD: dict[str, Any] = {
    "ColumnBody.name": "number",
    "ColumnBody.nullable": True,
    "DatasetCreated.status": "ready",
    "DatasetRefreshed.status": "ready",
    "Health.status": "ok",
    "JobSubmitted.status": "pending",
    "QueryAccepted.status": "running",
    "QueryAccepted.status_url": "/v1/query-runs/qrun" + _ID_TAIL,
    "ResultBody.status": "ready",
    "ResultItem.status": "ready",
    "UploadBody.status": "pending",
}
_BY_TYPE: dict[str, Any] = {
    "boolean": False,
    "integer": 0,
    "null": None,
    "number": 0.5,
    "object": {},
}


def example_of(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Make a value that a schema allows.

    Args:
        schema: a JSON Schema, its references into ``#/components/schemas``.
        definitions: those schemas by name.
    """
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            fields = definitions[name]["properties"]
            return {key: _field(name, key, fields[key], definitions) for key in fields}
        case {"anyOf": [first, *_]}:
            value = example_of(first, definitions)
        case {"const": constant} | {"enum": [constant, *_]}:
            value = constant
        case {"format": "date-time"}:
            value = "2026-01-02T03:04:05.000000Z"
        case {"type": "array", "items": items}:
            value = [example_of(items, definitions)]
        case _:
            value = _BY_TYPE.get(schema.get("type", ""), "text")
    return value


def _field(model: str, key: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if f"{model}.{key}" in _BY_FIELD:
        return _BY_FIELD[f"{model}.{key}"]
    if key == "id":
        return next((p for m, p in _ID_PREFIXES.items() if m in model), "abcd") + _ID_TAIL
    if key in _BY_NAME and "$ref" not in str(schema):
        return _BY_NAME[key]
    return example_of(schema, definitions)
