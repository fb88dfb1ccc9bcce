"""What proves tokens over the wire of Postgres."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("scram_verifier", sa.Text()))
