"""Run by Alembic inside ``catalog.connections``: migrate over the connection it was handed.

The caller owns the transaction, so a migration that dies half-way leaves nothing behind.
"""

from alembic import context

from catalog.schema import metadata


def migrate() -> None:
    """Run the migrations that Alembic has chosen."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
    )
    context.run_migrations()


# Alembic runs this file under that name; whoever merely imports it must not start a migration.
if __name__ == "env_py":
    migrate()
