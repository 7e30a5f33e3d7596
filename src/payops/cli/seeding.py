"""Demo data: a user with money, an API key, a token. Made once, found again afterwards."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from payops import bootstrap
from payops.access import service as access
from payops.access.domain import Scope
from payops.access.errors import CredentialsRefused
from payops.bootstrap import Services
from payops.dev import secrets
from payops.idempotency.domain import Key, Keyed
from payops.infra.settings import Settings
from payops.kernel.money import KES, Money
from payops.ledger.service import Direction, Movement

USER: Final = "demo-user"
_FUNDING: Final = Money.whole(100_000, KES)
_TOKEN_LIFE: Final = timedelta(days=7)
_ACTOR: Final = "system:demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """What a person needs to try the service out."""

    user_id: str
    api_key: str
    user_token: str


async def seeded(settings: Settings) -> Demo:
    """Make what is missing of the demo data; a second call changes nothing."""
    services = await bootstrap.assemble(settings)
    try:
        await _fund(services)
        return Demo(
            USER,
            await _api_key(services),
            access.issue_development_token(settings, USER, _TOKEN_LIFE),
        )
    finally:
        await services.close()


async def _fund(services: Services) -> None:
    movement = Movement(USER, Direction.CREDIT, _FUNDING, "demo-funding", "demo data", _ACTOR, None)
    key = Key(USER, _ACTOR, Direction.CREDIT, "demo-funding")
    fingerprint = services.fingerprints.of("idempotency", b"demo-funding")
    await services.movement_desk.submit(Keyed(key, fingerprint, movement))


async def _api_key(services: Services, folder: Path = secrets.FOLDER) -> str:
    """The key of earlier runs while this database knows it, else a new one."""
    path = folder / "demo-key"
    if path.exists():
        text = path.read_text().strip()
        try:
            await services.keys.verify(text)
        except CredentialsRefused:
            pass
        else:
            return text
    issued = await access.create_key(
        services.db, name="demo", owner="demo", scopes=set(Scope), live=False
    )
    secrets.keep(path, issued.text)
    return issued.text
