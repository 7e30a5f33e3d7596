"""Trouble whose end no transaction sees is over when nothing was seen of it for long enough."""

import asyncio
import contextvars
from datetime import UTC, datetime, timedelta

import pytest

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.fraud.service import blocking
from payops.infra.settings.watching import Watching
from payops.ops.watching.jobs import Watch
from tests.support.shop import AMINA, Shop

EACH = pytest.mark.parametrize(
    ("key", "hours"),
    [
        (f"velocity_anomaly:{AMINA}", 1),
        ("personal_data_quota:key:key_x:investigation", 24),
        ("deposit_status_unknown:mint:odd", 48),
    ],
)


def watch(shop: Shop) -> Watch:
    return Watch(shop.db, Watching(), (), list, ())


async def seen(shop: Shop, key: str) -> None:
    alert = Alert(key=key, kind=key.partition(":")[0], severity=Severity.WARNING, summary="A test.")
    await shop.db.run(lambda tx: alerts.raise_alert(tx, alert))


async def pass_by(shop: Shop, hours: int) -> None:
    await shop.execute(
        "UPDATE alerts SET last_seen_at = last_seen_at - make_interval(hours => $1)", hours
    )


async def notices(shop: Shop) -> list[str]:
    return [row["kind"] for row in await shop.fetch("SELECT kind FROM alert_notices ORDER BY seq")]


@EACH
async def test_what_is_not_seen_any_more_is_over_and_told_when_it_comes_back(
    shop: Shop, key: str, hours: int
) -> None:
    """Not a moment early; seen again meanwhile, it goes on."""
    await seen(shop, key)
    await pass_by(shop, hours - 1)
    await watch(shop).look()
    assert [key] == await shop.alerts()

    await seen(shop, key)
    await pass_by(shop, hours)
    await watch(shop).look()
    assert [] == await shop.alerts()

    await seen(shop, key)
    assert [key] == await shop.alerts()
    assert ["raised", "resolved", "raised"] == await notices(shop)


async def test_of_a_blocked_user_it_stands_until_the_block_is_over(shop: Shop) -> None:
    """A block that ends by itself takes the alert with it, and nobody needs to lift it."""
    key = blocking.anomaly_key(AMINA)
    until = datetime.now(UTC) + timedelta(days=1)
    await shop.db.run(
        lambda tx: blocking.impose(tx, AMINA, reason="r", by="system:velocity", until=until)
    )
    await seen(shop, key)
    await pass_by(shop, 30)
    await watch(shop).look()
    assert [key] == await shop.alerts()

    await shop.execute("UPDATE user_blocks SET until = now() - interval '1 minute'")
    await watch(shop).look()
    assert [] == await shop.alerts()


async def test_what_is_raised_while_it_lapses_is_a_new_alert(shop: Shop) -> None:
    """Whoever raises it waits for the watch, or the watch leaves it alone: nothing is lost."""
    key = f"velocity_anomaly:{AMINA}"
    await seen(shop, key)
    await pass_by(shop, 2)

    async with shop.db.transaction() as tx:
        alert = Alert(
            key=key, kind="velocity_anomaly", severity=Severity.WARNING, summary="A test."
        )
        await alerts.raise_alert(tx, alert)
        await asyncio.create_task(watch(shop).look(), context=contextvars.Context())

    assert [key] == await shop.alerts()
    assert ["raised"] == await notices(shop)
