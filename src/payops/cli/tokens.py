"""Users' tokens, for trying things out; in production the identity provider makes them."""

from datetime import timedelta
from typing import Annotated

import typer

from payops.cli.running import Json, explained, load_settings, print_json

app = typer.Typer(help="Users' tokens", no_args_is_help=True, rich_markup_mode=None)

_HOURS_MAX = 24 * 365


@app.callback()
def tokens() -> None:
    """Users' tokens, for development and tests."""


@app.command()
def create(
    user: Annotated[str, typer.Option(help="The user id the token speaks for")],
    ttl_hours: Annotated[int, typer.Option(min=1, max=_HOURS_MAX, help="Ends after this")] = 24,
    as_json: Json = False,
) -> None:
    """Make a token as the real issuer would; refused in production."""
    from payops.access.service import issue_development_token
    from payops.kernel.clock import SystemClock

    settings = load_settings()
    ttl = timedelta(hours=ttl_hours)
    with explained():
        token = issue_development_token(settings, user, ttl)
    if as_json:
        ends = SystemClock().now() + ttl
        print_json({"userId": user, "token": token, "expiresAt": ends.isoformat()})
    else:
        typer.echo(token)
