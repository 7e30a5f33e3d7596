"""Bringing the database to the newest revision."""

import asyncio
import sys

import typer

from payops.cli.running import Json, database_for, explained, load_settings, print_json


def migrate(as_json: Json = False) -> None:
    """Bring the database to the newest revision; safe to run twice, and from two replicas."""
    from payops import bootstrap
    from payops.infra import logging
    from payops.infra.migrating import head_revision
    from payops.infra.migrating import migrate as run

    settings = load_settings()
    logging.configure(settings.log, stream=sys.stderr)
    with explained(), database_for(settings) as complete:
        asyncio.run(run(bootstrap.needed(complete.database_url, "PAYOPS_DATABASE_URL")))
    if as_json:
        print_json({"revision": head_revision()})
    else:
        typer.echo(f"at revision {head_revision()}")
