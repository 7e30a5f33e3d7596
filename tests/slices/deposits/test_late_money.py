"""What the quote covers when a provider names no end of it, and gives no time of arrival."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payops.deposits.domain.invoices import Checkout, Invoice, ReceiptState
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.deposits.errors import ProviderFailed
from payops.deposits.ports import AnswerLost, Snapshot
from tests.support.till import OpenTill, Till


async def picks(till: Till, invoice: Invoice, reference: str = "2000", **facts: object) -> None:
    """A payment for USD 100.00 on the invoice's page, settled; NOWPayments names no quote's end."""
    seen = Snapshot(
        reference=reference,
        state=State.FINISHED,
        provider_status="finished",
        order_id=invoice.shown_id,
        hosted_reference=invoice.provider_reference,
        coin="BTC",
        pay_amount=Decimal("0.1"),
    )
    till.mint.has(replace(seen, **facts))  # type: ignore[arg-type]
    till.mint.arrives(reference, "0.1")


async def page(till: Till) -> Invoice:
    return await till.invoice("100.00", coin=None, checkout=Checkout.HOSTED)


@pytest.mark.parametrize(
    ("age", "credited", "method"),
    [
        (timedelta(minutes=1), 10_000, Method.QUOTE),
        (timedelta(minutes=-30), 10_000, Method.QUOTE),
        (timedelta(days=5), 5_000, Method.MARKET),
        (None, 5_000, Method.MARKET),
    ],
)
async def test_the_quote_of_a_page_begins_when_its_provider_made_it(
    till: Till, age: timedelta | None, credited: int, method: Method
) -> None:
    """Heard of today, quoted five days ago, or nobody knows when: the old quote is nobody's."""
    till.mint.usd_per_coin = Decimal(500)
    invoice = await page(till)
    await picks(till, invoice, opened_at=datetime.now(UTC) - age if age is not None else None)

    await till.hears(reference="2000", status="finished", page=invoice.provider_reference)

    (receipt,) = await till.receipts(invoice)
    assert (credited, method) == (await till.balance(), receipt.method)
    await till.assert_books()


@pytest.mark.parametrize(
    ("age", "credited"),
    [(timedelta(minutes=1), 2000), (timedelta(days=5), 1000), (None, 1000)],
)
async def test_a_lost_attempt_that_is_taken_keeps_the_age_of_its_quote(
    till: Till, age: timedelta | None, credited: int
) -> None:
    """Made five days ago, heard of today: its address is shown, its quote is over."""
    till.mint.usd_per_coin = Decimal(500)
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00")
    intent = till.mint.intents[-1]
    reference = till.mint.opens(intent).reference
    made = datetime.now(UTC) - age if age is not None else None
    till.mint.becomes(reference, State.WAITING, opened_at=made)
    await till.hears(reference=reference, status="waiting", order=intent.order_id)
    invoice = await till.look(intent.order_id)
    assert State.WAITING == invoice.state

    await till.settles(invoice, "0.02", again=1)

    assert credited == await till.balance()
    await till.assert_books()


async def test_what_is_added_after_the_quote_is_worth_the_market(till: Till) -> None:
    """A half in time and a half too late, on one payment: the first keeps its quote."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    await seen_in_time(till, invoice, "0.01")
    till.mint.usd_per_coin = Decimal(500)

    await till.settles(invoice, "0.02", again=1)

    (receipt,) = await till.receipts(invoice)
    assert (1500, Method.MARKET) == (await till.balance(), receipt.method)
    assert (Decimal("0.01"), reference) == (receipt.early_amount, receipt.reference)
    await till.assert_books()


async def test_dust_in_time_does_not_hold_the_quote_for_the_rest(till: Till) -> None:
    """The rest came when the market was known: it is worth the market, to the last cent."""
    invoice = await till.invoice("20.00")
    await seen_in_time(till, invoice, "0.00001")
    till.mint.usd_per_coin = Decimal(500)

    await till.settles(invoice, "0.02", again=1)

    assert 1000 == await till.balance()


async def test_what_is_added_waits_for_its_rate(till: Till) -> None:
    """Without a rate nothing is credited, neither part; with one both are."""
    invoice = await till.invoice("20.00")
    await seen_in_time(till, invoice, "0.01")
    till.mint.usd_per_coin = None
    await till.settles(invoice, "0.02", again=1)
    assert 0 == await till.balance()

    till.mint.usd_per_coin = Decimal(2000)
    await till.catches_up()

    assert 3000 == await till.balance()


async def test_what_is_added_in_time_is_worth_the_quote(till: Till) -> None:
    """Two transactions before the end: all of it at the quote."""
    till.mint.quote_expires_at = datetime.now(UTC) + timedelta(minutes=20)
    invoice = await till.invoice("20.00")
    till.mint.arrives(invoice.provider_reference or "", "0.01", is_settled=False)
    till.mint.becomes(invoice.provider_reference or "", State.CONFIRMING)
    await till.catches_up()
    till.mint.usd_per_coin = Decimal(500)

    await till.settles(invoice, "0.02")

    (receipt,) = await till.receipts(invoice)
    assert (2000, Method.QUOTE) == (await till.balance(), receipt.method)


async def seen_in_time(till: Till, invoice: Invoice, amount: str) -> None:
    """``amount`` came two minutes ago, the quote ended one minute ago."""
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, amount, is_settled=False)
    till.mint.becomes(reference, State.CONFIRMING)
    await till.hears(reference=reference)
    await till.quote_ends(invoice)
    await till.execute("UPDATE deposit_receipts SET arrived_at = now() - interval '2 minutes'")


async def test_another_coin_on_a_page_is_not_worth_the_quote_of_the_first(till: Till) -> None:
    """A tenth of a bitcoin was asked for, a tenth of another coin came: the market's rate."""
    till.mint.usd_per_coin = Decimal(500)
    invoice = await page(till)
    await picks(till, invoice, opened_at=datetime.now(UTC))
    till.mint.arrives("2000", "0.1", coin="ETH")

    await till.hears(reference="2000", status="finished", page=invoice.provider_reference)

    assert 5_000 == await till.balance()


# Money sent again on a page


async def sends_again(till: Till, invoice: Invoice, **facts: object) -> None:
    """Dust to the address of payment 1999; it repeats the price, and asks for what came."""
    await picks(
        till,
        invoice,
        "2000",
        pay_amount=Decimal("0.0001"),
        parent_reference="1999",
        opened_at=datetime.now(UTC),
        **facts,
    )
    till.mint.arrives("2000", "0.0001")
    await till.hears(
        reference="2000", status="finished", page=invoice.provider_reference, parent="1999"
    )


async def test_dust_sent_again_to_an_unknown_payment_is_not_worth_the_price(
    open_tills: OpenTill,
) -> None:
    """Nobody knows its parent's quote: it waits, and then a person decides."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await page(till)
    await sends_again(till, invoice)
    assert (0, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)

    await pass_hours(till, 2)
    await till.catches_up()

    assert 0 == await till.balance()
    assert "parent_unknown" in (await till.look(invoice.shown_id)).reasons
    await till.assert_books()


async def test_dust_sent_again_is_worth_its_share_once_its_parent_is_known(till: Till) -> None:
    """The parent is read back because of its child: USD 0.10 of USD 100.00."""
    invoice = await page(till)
    await picks(till, invoice, "1999", opened_at=datetime.now(UTC))
    await sends_again(till, invoice)
    await till.catches_up()

    assert 10_010 == await till.balance()
    await till.assert_books()


async def test_money_sent_again_in_another_coin_is_for_people(till: Till) -> None:
    """The parent asks for a tenth of a bitcoin; a tenth of something else is not that."""
    invoice = await page(till)
    await picks(till, invoice, "1999", opened_at=datetime.now(UTC))
    await till.hears(reference="1999", status="finished", page=invoice.provider_reference)
    await sends_again(till, invoice, coin="ETH")
    await till.catches_up()

    assert 10_000 == await till.balance()
    assert ("wrong_asset",) == (await till.look(invoice.shown_id)).reasons


async def pass_hours(till: Till, hours: int) -> None:
    await till.execute(
        "UPDATE deposit_payments SET state_since = now() - $1::interval", timedelta(hours=hours)
    )
    await till.execute(
        "UPDATE deposit_receipts SET settled_at = now() - $1::interval", timedelta(hours=hours)
    )


# Much more than was asked for


@pytest.mark.parametrize(("arrived", "is_told"), [("0.022", False), ("0.02201", True)])
async def test_much_more_than_asked_for_is_credited_and_told(
    till: Till,
    arrived: str,
    is_told: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    """A tenth above the price is everyday life; more is the user's too, and people hear of it."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, arrived)

    assert (State.FINISHED, ()) == (after.state, after.reasons)
    assert int(Decimal(arrived) * 100_000) == await till.balance()
    assert is_told == (f"deposit_overpaid:{invoice.shown_id}" in await till.alerts())
    assert is_told == ("deposit_overpaid" in await till.audited(invoice))
    await till.assert_books()


async def test_it_is_told_once_when_several_arrivals_are_too_much(till: Till) -> None:
    """Three for the price of one: the second makes it too much, the third says nothing new."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.becomes(reference, State.FINISHED)
    for number in range(3):
        till.mint.arrives(reference, "0.02", id=f"a{number}")
        await till.hears(reference=reference, again=number)
        await till.execute("UPDATE deposit_payments SET due_at = now()")
        await till.reads()

    assert 6000 == await till.balance()
    assert 1 == (await till.audited(invoice)).count("deposit_overpaid")
    receipts = await till.receipts(invoice)
    assert {ReceiptState.CREDITED} == {receipt.state for receipt in receipts}
