"""What a person at the keyboard says before personal data is shown: what for, and why."""

import json
from typing import Annotated, Final, Literal

import typer

from payops.cli.running import actor
from payops.pii.domain import Access, Purpose

ORIGIN: Final = "command line"

What = Annotated[
    Literal["customer_support", "investigation", "legal_request"],
    typer.Option("--purpose", help="What it is read for; recorded, and counted"),
]
Why = Annotated[
    str, typer.Option("--reason", help="A ticket or a case number, without personal data")
]


def access_for(subject: str, purpose: str, reason: str) -> Access:
    """Who reads what of ``subject`` and why, as it is recorded.

    Raises:
        Invalid: the words would be refused over HTTP as well.
    """
    from payops.infra.web.body import parse
    from payops.ops.personal_data import OpeningRequest

    typed = json.dumps({"purpose": purpose, "reason": reason})
    body = parse(OpeningRequest, typed.encode())
    return Access(actor(), Purpose(body.purpose), subject, None, ORIGIN, body.reason)
