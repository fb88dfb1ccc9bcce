"""Embedding providers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Compared by code point whatever the locale of the server.
_ORDERED = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "embedding_providers",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("secret_id", _ORDERED),
        sa.Column("owns_secret", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_embedding_providers_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_providers"),
        sa.UniqueConstraint(
            "workspace_id", "name", name="uq_embedding_providers_workspace_id_name"
        ),
    )
