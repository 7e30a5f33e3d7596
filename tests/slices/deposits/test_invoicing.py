"""An invoice: who makes it, at which price, what is shown, and what a repeat gets."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
from payops.deposits.errors import (
    DepositsHalted,
    RateUnavailable,
)
from payops.deposits.ports import (
    Snapshot,
)
from payops.deposits.service import rates
from payops.idempotency.errors import InProgress, KeyReused
from payops.switches import service as switches
from tests.support.mint import ADDRESSES
from tests.support.till import OpenTill, Till, body_of


async def test_an_invoice_shows_where_to_pay_and_how_much(till: Till) -> None:
    """Address, network, amount and the end of the quote, and the id to ask for it by."""
    answer = await till.asks_for("20.00")
    shown = body_of(answer)
    assert 201 == answer.status
    assert f"/api/crypto/invoices/{shown['invoiceId']}" == answer.headers["Location"]
    assert {"amount": "20.00", "currency": "USD"} == shown["price"]
    assert ("BTC", "bitcoin", "0.02000000") == (
        shown["payCurrency"],
        shown["network"],
        shown["payAmount"],
    )
    assert ADDRESSES["BTC"] == shown["address"]
    assert "waiting" == shown["status"]
    assert shown["quoteExpiresAt"]


async def test_twenty_requests_with_one_key_open_one_payment(till: Till) -> None:
    """Those that come while the provider is asked are told so; one payment is opened."""
    answers = await asyncio.gather(
        *(till.asks_for("20.00", key="k") for _ in range(20)), return_exceptions=True
    )
    bodies = {answer.body for answer in answers if not isinstance(answer, BaseException)}
    assert 1 == len(bodies)
    assert all(
        isinstance(answer, InProgress) for answer in answers if isinstance(answer, BaseException)
    )
    assert 1 == len(till.mint.intents)
    again = await till.asks_for("20.00", key="k")
    assert again.is_replay
    assert {again.body} == bodies


async def test_a_key_for_another_request_is_refused(till: Till) -> None:
    """The same key, another amount."""
    await till.asks_for("20.00", key="k")
    with pytest.raises(KeyReused):
        await till.asks_for("30.00", key="k")


async def test_below_the_minimum_is_refused_before_anything_is_asked(till: Till) -> None:
    """The provider wants a dollar at least."""
    answer = await till.asks_for("0.99")
    assert (422, "amount_below_minimum") == (answer.status, body_of(answer)["code"])
    assert [] == till.mint.intents


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"coin": "NOPE"}, "unsupported_currency"),
        ({"provider": "nobody"}, "unknown_provider"),
    ],
)
async def test_what_nobody_sells_is_refused(till: Till, wanted: dict[str, Any], code: str) -> None:
    """An unknown coin, an unknown provider: 422, on record."""
    answer = await till.asks_for("20.00", **wanted)
    assert (422, code) == (answer.status, body_of(answer)["code"])


async def test_more_than_the_limit_is_refused(till: Till) -> None:
    """An invoice has an upper end."""
    answer = await till.asks_for("10000.01")
    assert (422, "amount_above_maximum") == (answer.status, body_of(answer)["code"])


async def test_the_sixth_invoice_of_an_hour_is_refused(open_tills: OpenTill) -> None:
    """Twenty at once: exactly five pass, and the others say when to come back."""
    till = await open_tills(velocity={"deposits_per_hour": 5})
    answers = await asyncio.gather(*(till.asks_for("20.00") for _ in range(20)))
    refused = [answer for answer in answers if answer.status == 429]
    assert 15 == len(refused)
    assert 5 == len(till.mint.intents)
    problem = body_of(refused[0])
    assert "velocity_limit_exceeded" == problem["code"]
    assert "Deposit limit exceeded (5/hour). Try again later." == problem["detail"]
    assert 3590 <= int(refused[0].headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("name", ["deposits", "mint"])
async def test_while_halted_no_invoice_is_made(till: Till, name: str) -> None:
    """The flow, or its only provider: 503 now, and the same key passes afterwards."""
    async with till.db.transaction() as tx:
        await switches.halt(tx, name, reason="test", actor="person:test")
    with pytest.raises(DepositsHalted):
        await till.asks_for("20.00", key="k")
    async with till.db.transaction() as tx:
        await switches.resume(tx, name, reason="test", actor="person:test")
    assert 201 == (await till.asks_for("20.00", key="k")).status


async def test_money_under_way_is_credited_while_deposits_are_halted(till: Till) -> None:
    """A halt stops new invoices; what users have sent is theirs."""
    invoice = await till.invoice("20.00")
    async with till.db.transaction() as tx:
        await switches.halt(tx, "deposits", reason="test", actor="person:test")
    await till.settles(invoice, "0.02")
    assert 2000 == await till.balance()


async def test_shillings_need_a_rate(open_tills: OpenTill) -> None:
    """None configured and none recorded: 503, and dollars still work."""
    till = await open_tills(crypto={"usd_kes_rate": None})
    with pytest.raises(RateUnavailable):
        await till.asks_for("1300", "KES")
    assert 201 == (await till.asks_for("20.00")).status


async def test_a_recorded_rate_is_written_on_the_invoice_with_its_date(till: Till) -> None:
    """KES 125 less two percent is 122.50 for the payer; the dollars are rounded up."""
    rate = await till.db.run(
        lambda tx: rates.put(
            tx,
            rate=Decimal(125),
            spread_bps=200,
            actor="person:test",
            reason="central bank",
            request_id=None,
        )
    )
    invoice = await till.invoice("1000", "KES")
    assert (rate.id, rate.set_at) == (invoice.rate_id, invoice.rate_set_at)
    assert Decimal("122.5") == invoice.rate
    assert 817 == invoice.charged.minor  # 1000 / 122.50 is 8.1632…


async def test_a_rate_that_is_too_old_prices_nothing(till: Till) -> None:
    """Recorded four days ago, allowed for three."""
    async with till.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO fx_rates (id, pair, rate, spread_bps, set_by, reason, set_at) "
            "VALUES (gen_random_uuid(), 'USD/KES', 130, 0, 'x', 'x', now() - $1::interval)",
            timedelta(days=4),
        )
    with pytest.raises(RateUnavailable):
        await till.asks_for("1300", "KES")


async def test_on_a_hosted_page_each_payment_is_credited_by_its_own_quote(till: Till) -> None:
    """Two coins picked on one page, each paid in part: each by its own amount."""
    invoice = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    assert invoice.checkout_url
    assert invoice.address is None
    for reference, coin, asked, paid in (
        ("3001", "BTC", "0.02", "0.01"),
        ("3002", "ETH", "0.5", "0.25"),
    ):
        till.mint.has(
            Snapshot(
                reference=reference,
                state=State.PARTIALLY_PAID,
                provider_status="partially_paid",
                order_id=invoice.shown_id,
                hosted_reference=invoice.provider_reference,
                price=invoice.charged,
                coin=coin,
                pay_amount=Decimal(asked),
                address=ADDRESSES[coin],
                opened_at=datetime.now(UTC),
            )
        )
        till.mint.arrives(reference, paid)
        await till.hears(
            reference=reference, status="partially_paid", page=invoice.provider_reference
        )
    assert 2000 == await till.balance()
    assert State.PARTIALLY_PAID == (await till.look(invoice.shown_id)).state
    await till.assert_books()
