"""GET /v1/information_schema: the tables of connections, and their columns."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from engine.service import tables
from server.auth import Authorized
from server.v1.datasets import ColumnBody
from server.wire.fields import Closed, Limit, Timestamp
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/information_schema", tags=["Information schema"])


class TableBody(Closed):
    """One table of a connection; ``columns`` is null unless asked for."""

    connection: str
    schema_name: str = Field(serialization_alias="schema")
    table: str
    synced: bool
    last_sync: Timestamp | None
    columns: list[ColumnBody] | None
    partition_by: list[str] = Field(description="Empty: copies are not partitioned.")
    sorted_by: list[str] = Field(description="Empty: copies have no declared order.")


class TableListing(Closed):
    """One page of tables, by schema and name."""

    tables: list[TableBody]
    count: int = Field(ge=0)
    limit: int = Field(ge=0)
    has_more: bool
    next_cursor: str | None


@router.get(
    "",
    operation_id="list_tables",
    summary="List tables",
    responses=documented_errors(404),
)
async def list_tables(  # noqa: PLR0913, PLR0917 - one argument per query parameter
    access: Authorized,
    connection_id: Annotated[str | None, Query(description="Tables of this connection.")] = None,
    schema: Annotated[str | None, Query(description="Schema name; % matches anything.")] = None,
    table: Annotated[str | None, Query(description="Table name; % matches anything.")] = None,
    include_columns: Annotated[bool, Query(description="Describe the columns too.")] = False,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
) -> TableListing:
    """List the tables that connections offer; datasets and results are listed in SQL instead."""
    page = await tables.list_tables(
        access.engine,
        access.caller,
        connection_id=connection_id,
        schema=schema,
        table=table,
        include_columns=include_columns,
        limit=limit,
        cursor=cursor,
    )
    return TableListing(
        tables=[
            TableBody(
                connection=item.connection,
                schema_name=item.schema,
                table=item.table,
                synced=item.synced,
                last_sync=item.last_sync,
                partition_by=[],
                sorted_by=[],
                columns=None
                if item.columns is None
                else [
                    ColumnBody(name=c.name, data_type=c.data_type, nullable=c.nullable)
                    for c in item.columns
                ],
            )
            for item in page.items
        ],
        count=len(page.items),
        limit=page.limit,
        has_more=page.next_cursor is not None,
        next_cursor=page.next_cursor,
    )
