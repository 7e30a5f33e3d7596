"""What providers say of their coins, where it is not what we know of them."""

from collections.abc import Mapping

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.deposits.ports import NoAnswer
from payops.deposits.routing import Registry
from payops.infra.db import Database

_KIND = "deposit_coins"


async def alert_withheld(db: Database, registry: Registry) -> dict[str, list[str]]:
    """Have each provider's coins read, and keep one alert for each that has odd records.

    Returns the codes that are withheld, by provider. One that does not answer and never did is
    left out: what it would say is not known, and an alert about it stays as it is.
    """
    found: dict[str, list[str]] = {}
    for name in registry.names:
        provider = registry.get(name).provider
        if isinstance(await provider.coins(), NoAnswer):
            continue
        withheld = provider.withheld
        async with db.transaction() as tx:
            if withheld:
                await alerts.raise_alert(tx, _withheld(name, withheld))
            else:
                await alerts.resolve_alert(tx, _key(name))
        found[name] = sorted(withheld)
    return found


def _key(provider: str) -> str:
    return f"{_KIND}:{provider}"


def _withheld(provider: str, coins: Mapping[str, tuple[str, ...]]) -> Alert:
    return Alert(
        key=_key(provider),
        kind=_KIND,
        severity=Severity.WARNING,
        summary="A provider's record of coins is not what we know of them; they are not offered.",
        detail={
            "provider": provider,
            "coins": {code: list(fields) for code, fields in sorted(coins.items())},
        },
    )
