"""Profiles: what the columns of a synced table or dataset hold."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from engine.service import profiles
from server.auth import Authorized
from server.v1.connections import ConnectionId, SchemaName, TableName
from server.wire.fields import Closed, Timestamp, id_path
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1", tags=["Profiles"])


class ColumnProfile(Closed):
    """One column; ``profile`` depends on what it holds and is null when there is nothing to say."""

    name: str
    data_type: str
    null_count: int = Field(ge=0)
    null_percentage: float = Field(ge=0, le=100)
    cardinality: int = Field(ge=0, description="Different values; an estimate above 200.")
    profile: dict[str, Any] | None = Field(
        description="Tagged by type: categorical, text, numeric, temporal or boolean."
    )


class ProfileBody(Closed):
    """Every column of one version; ``connection`` is a name, ``datasets`` for a dataset."""

    connection: str
    schema_name: str = Field(serialization_alias="schema")
    table: str
    row_count: int = Field(ge=0)
    synced_at: Timestamp | None
    columns: list[ColumnProfile]


@router.get(
    "/connections/{id}/tables/{schema}/{table}/profile",
    operation_id="get_table_profile",
    summary="Profile of a table",
    responses=documented_errors(404),
)
async def get_table_profile(
    access: Authorized,
    id: ConnectionId,  # noqa: A002 - path
    schema: SchemaName,
    table: TableName,
) -> ProfileBody:
    """Describe the columns of a synced table."""
    return _body_of(
        await profiles.profile_remote_table(access.engine, access.caller, id, schema, table)
    )


@router.get(
    "/datasets/{id}/profile",
    operation_id="get_dataset_profile",
    summary="Profile of a dataset",
    responses=documented_errors(404),
)
async def get_dataset_profile(
    access: Authorized,
    id: Annotated[str, id_path("dataset", "data0123456789abcdefghijklmnop")],  # noqa: A002 - path
) -> ProfileBody:
    """Describe the columns of the version SQL reads."""
    return _body_of(await profiles.profile_dataset(access.engine, access.caller, id))


def _body_of(profile: profiles.Profile) -> ProfileBody:
    return ProfileBody(
        connection=profile.owner,
        schema_name=profile.schema,
        table=profile.table,
        row_count=profile.row_count,
        synced_at=profile.synced_at,
        columns=[ColumnProfile(**column) for column in profile.columns],
    )
