"""API keys: made, listed, revoked. The key itself is shown once."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from payops.access.domain import ApiKey, Scope, read_key_id
from payops.cli.running import USAGE, Json, actor, console, errors, print_json, with_services

if TYPE_CHECKING:
    from payops.access.service import IssuedKey
    from payops.bootstrap import Services

_DAYS_MAX: Final = 36_500

app = typer.Typer(help="API keys", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for")],
    scopes: Annotated[str, typer.Option(help="Comma-separated, such as withdrawals:read")],
    owner: Annotated[
        str | None,
        typer.Option(
            help="The person or system behind it; four eyes are two owners [default: who you are]"
        ),
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=_DAYS_MAX, help="Ends by itself")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key."""
    from payops.infra.settings import Environment
    from payops.kernel.clock import SystemClock
    from payops.ops.service import credentials

    try:
        wanted = {Scope(scope.strip()) for scope in scopes.split(",") if scope.strip()}
    except ValueError:
        errors.print("unknown scope; there are: " + ", ".join(Scope))
        raise typer.Exit(USAGE) from None
    expires_at = SystemClock().now() + timedelta(days=expires_days) if expires_days else None

    async def work(services: "Services") -> "IssuedKey":
        return await credentials.create_key(
            services.db,
            name=name,
            owner=actor() if owner is None else owner,
            scopes=wanted,
            live=services.settings.env is Environment.PRODUCTION,
            expires_at=expires_at,
            actor=actor(),
        )

    issued = with_services(work)
    if as_json:
        print_json({**_shown(issued.key), "key": issued.text})
        return
    typer.echo(f"{issued.key.shown_id}\n{issued.text}")
    errors.print("This is the only time the key is shown.")


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """All keys, revoked ones too."""
    from payops.access import service

    found = with_services(lambda services: service.list_keys(services.db))
    if as_json:
        print_json([_shown(key) for key in found])
        return
    table = Table("id", "name", "owner", "scopes", "last used", "ends", "revoked")
    for key in found:
        table.add_row(
            key.shown_id,
            key.name,
            key.owner,
            " ".join(sorted(key.scopes)),
            str(key.last_used_at or "-"),
            str(key.expires_at or "-"),
            str(key.revoked_at or "-"),
        )
    console().print(table)


@app.command()
def revoke(key_id: str, as_json: Json = False) -> None:
    """End a key at once, everywhere."""
    from payops.ops.service import credentials

    try:
        known = read_key_id(key_id)
    except ValueError:
        errors.print("that is not the id of a key")
        raise typer.Exit(USAGE) from None
    key = with_services(lambda services: credentials.revoke_key(services.db, known, actor=actor()))
    if as_json:
        print_json(_shown(key))
        return
    typer.echo(f"{key.shown_id} is revoked")


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.shown_id,
        "name": key.name,
        "owner": key.owner,
        "scopes": sorted(key.scopes),
        "createdAt": key.created_at.isoformat(),
        "expiresAt": key.expires_at and key.expires_at.isoformat(),
        "lastUsedAt": key.last_used_at and key.last_used_at.isoformat(),
        "revokedAt": key.revoked_at and key.revoked_at.isoformat(),
    }
