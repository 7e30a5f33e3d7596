"""All commands, put together."""

import asyncio
import sys
from typing import Annotated

import typer

from payops.cli import configuring, developing, keys, ledger, serving
from payops.cli.running import database_for, explained, load_settings, print_json
from payops.infra import logging

app = typer.Typer(
    name="payops",
    help="Moves the money of a wallet platform, exactly once, and can prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serving.serve)
app.command("dev")(developing.dev)
app.command()(configuring.config)
app.command()(configuring.docs)
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision; safe to run twice, and from two replicas."""
    from payops.infra.migrating import head_revision, migrate as run  # noqa: PLC0415 - slow

    settings = load_settings()
    logging.configure(settings.log, stream=sys.stderr)
    with database_for(settings) as complete, explained():
        if complete.database_url is None:
            raise ValueError("PAYOPS_DATABASE_URL is not set")
        asyncio.run(run(complete.database_url.get_secret_value()))
    typer.echo(f"at revision {head_revision()}")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def sandbox(context: typer.Context) -> None:
    """Run the local imitation of the providers; ``payops sandbox --help`` lists its flags."""
    from payops.sandbox.command import main as run  # noqa: PLC0415 - development only

    raise typer.Exit(run(context.args) or 0)


@app.command()
def openapi(
    out: Annotated[str | None, typer.Option(help="Write to a file instead")] = None,
) -> None:
    """Print the OpenAPI document."""
    from payops.cli.describing import openapi_document  # noqa: PLC0415 - builds the application

    if out is None:
        print_json(openapi_document())
        return
    with open(out, "w") as file:  # noqa: PTH123 - a path the user typed
        import json  # noqa: PLC0415

        json.dump(openapi_document(), file, indent=2)


def main() -> None:
    app()
