"""The recorded rate: dated, kept, and never silently old."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from payops.deposits.domain.rates import USD_KES, Rate
from payops.deposits.errors import RateUnavailable
from payops.deposits.service import rates
from payops.kernel.money import KES, USD, Money
from tests.support.till import OpenTill, Till


async def put(till: Till, rate: str, spread_bps: int = 0, reason: str = "test") -> Rate:
    return await till.db.run(
        lambda tx: rates.put(
            tx,
            rate=Decimal(rate),
            spread_bps=spread_bps,
            actor="person:test",
            reason=reason,
            request_id=None,
        )
    )


async def current(till: Till) -> Rate:
    async with till.db.transaction() as tx:
        return await till.services.deposits.rates.current(tx)


async def test_until_one_is_recorded_the_configured_one_counts(till: Till) -> None:
    """It has no date, no author but the configuration, and no spread."""
    found = await current(till)

    assert (Decimal(130), 0, None, "configuration") == (
        found.rate,
        found.spread_bps,
        found.set_at,
        found.set_by,
    )


async def test_a_recorded_one_counts_from_then_on(till: Till) -> None:
    """Also for another process, and the newest of them."""
    await put(till, "125")
    second = await put(till, "126.5", 100)
    found = await current(till)

    assert second == found
    assert Decimal("125.235") == found.for_payer


async def test_the_history_stays(till: Till) -> None:
    """Newest first, page by page, each with who and why; and each in the audit log."""
    made = [await put(till, str(120 + number), reason=f"r{number}") for number in range(3)]

    async with till.db.transaction(read_only=True) as tx:
        first = await rates.history(tx, before=None, limit=2)
        rest = await rates.history(tx, before=first[-1].id, limit=2)
    rows = await till.fetch("SELECT detail FROM audit_log WHERE kind = 'fx_rate_set' ORDER BY id")

    assert made[::-1] == [*first, *rest]
    assert ["r2", "r1", "r0"] == [one.reason for one in (*first, *rest)]
    assert 3 == len(rows)


async def test_a_recorded_rate_cannot_be_changed_afterwards(till: Till) -> None:
    """The database refuses: what an invoice was priced with stays to be seen."""
    await put(till, "125")

    for statement in ("UPDATE fx_rates SET rate = 1", "DELETE FROM fx_rates"):
        with pytest.raises(Exception, match="append-only"):
            await till.execute(statement)


async def test_an_old_one_prices_nothing_even_if_one_is_configured(till: Till) -> None:
    """Someone set it and forgot it: the configured one must not take over silently."""
    async with till.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO fx_rates (id, pair, rate, spread_bps, set_by, reason, set_at) "
            "VALUES (gen_random_uuid(), 'USD/KES', 125, 0, 'x', 'x', now() - $1::interval)",
            timedelta(hours=72, minutes=1),
        )

    with pytest.raises(RateUnavailable, match="too old"):
        await current(till)


@pytest.mark.parametrize(
    ("kes", "rate", "spread_bps", "cents"),
    [
        ("1300", "130", 0, 1000),
        ("1300", "130", 100, 1011),  # 128.70 a dollar
        ("1", "130", 0, 1),  # the least there is
        ("1300.01", "130", 0, 1001),  # a cent up, never down
    ],
)
async def test_shillings_are_asked_for_in_dollars_rounded_up(
    till: Till, kes: str, rate: str, spread_bps: int, cents: int
) -> None:
    """What the provider is asked for is worth at least what is credited."""
    await put(till, rate, spread_bps)

    async with till.db.transaction() as tx:
        charge = await till.services.deposits.rates.charge(tx, Money.parse(kes, KES))

    assert Money(cents, USD) == charge.money


async def test_dollars_need_no_rate(open_tills: OpenTill) -> None:
    """They are asked for as they are."""
    till = await open_tills(crypto={"usd_kes_rate": None})

    async with till.db.transaction() as tx:
        charge = await till.services.deposits.rates.charge(tx, Money(2000, USD))

    assert (Money(2000, USD), None) == (charge.money, charge.rate)


async def test_an_invoice_keeps_the_rate_it_was_made_with(till: Till) -> None:
    """A later rate changes neither its price nor what is credited for it."""
    first = await put(till, "130")
    invoice = await till.invoice("1300", "KES")
    await put(till, "260")
    after = await till.settles(invoice, "0.01")

    assert (first.id, 1000) == (after.rate_id, after.charged.minor)
    assert 130_000 == await till.balance("KES")


async def test_rates_recorded_at_the_same_moment_are_all_kept(till: Till) -> None:
    """Ten people at once: ten rows, and one of them counts."""
    made = await asyncio.gather(*(put(till, str(120 + number)) for number in range(10)))
    async with till.db.transaction(read_only=True) as tx:
        kept = await rates.history(tx, before=None, limit=20)

    assert {one.id for one in made} == {one.id for one in kept}
    assert (await current(till)).id in {one.id for one in made}
    assert {USD_KES} == {one.pair for one in kept}
