"""What a developer asks of the code itself: the sandbox, the OpenAPI document."""

import json
from pathlib import Path
from typing import Annotated

import typer

from payops.cli.running import explained, print_json


def sandbox(context: typer.Context) -> None:
    """Run the local imitation of the providers."""
    from payops.sandbox.command import main as run

    raise typer.Exit(run(context.args) or 0)


def openapi(
    out: Annotated[Path | None, typer.Option(help="Write to a file instead")] = None,
) -> None:
    """Print the OpenAPI document."""
    from payops.cli.describing import openapi_document

    with explained():
        document = openapi_document()
        if out is None:
            print_json(document)
        else:
            out.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
