"""Run by Alembic inside ``catalog.database``: migrate over the connection it was handed.

The caller owns the transaction, so a migration that dies half-way leaves nothing behind.
"""

from alembic import context

from catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
