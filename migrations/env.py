"""How Alembic runs our migrations: on a connection it is given, or on one of its own.

``payops migrate`` and the tests hand over a connection (payops.infra.migrating); the alembic
command line opens one to ``PAYOPS_DATABASE_URL``. Each migration is one transaction.
"""

import asyncio
import importlib
from pathlib import Path

from alembic import context
from sqlalchemy import Connection

import payops
from payops.infra import db, migrating
from payops.infra.settings import Settings


def _metadata_of_all_slices() -> object:
    """What autogenerate compares with; imported only when somebody at a terminal asks."""
    source = Path(payops.__file__).parent
    for path in sorted(source.rglob("tables.py")):
        importlib.import_module(
            ".".join(("payops", *path.relative_to(source).with_suffix("").parts))
        )
    return db.metadata


def _run(connection: Connection, target: object = None) -> None:
    context.configure(
        connection=connection,
        target_metadata=target,  # type: ignore[arg-type]  # the metadata, or nothing to compare
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run_on_own_connection() -> None:
    url = Settings().database_url
    if url is None:
        raise SystemExit("PAYOPS_DATABASE_URL is not set")
    target = _metadata_of_all_slices()
    async with migrating.connected(url.get_secret_value()) as connection:
        await connection.run_sync(_run, target)


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
elif (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    asyncio.run(_run_on_own_connection())
