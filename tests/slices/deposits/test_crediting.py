"""What arrived is credited, once, at what it is worth; and nothing else ever is."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payops.deposits.domain.invoices import Invoice, ReceiptState
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.deposits.ports import NoAnswer, NotKnown, Snapshot
from tests.support.mint import ADDRESSES, Mint
from tests.support.till import OpenTill, Till


def _child(invoice: Invoice, reference: str, state: State = State.PARTIALLY_PAID) -> Snapshot:
    """Money sent again to the invoice's address, as the provider books it."""
    return Snapshot(
        reference=reference,
        state=state,
        provider_status=state,
        order_id=invoice.shown_id,
        parent_reference=invoice.provider_reference,
        price=invoice.charged,
        coin="BTC",
        pay_amount=Decimal("0.02"),
        address=ADDRESSES["BTC"],
    )


async def test_a_finished_payment_credits_what_arrived(till: Till) -> None:
    """USD 20.00 asked, exactly that much paid: USD 20.00 in the wallet."""
    invoice = await till.invoice("20.00")
    assert State.WAITING == invoice.state
    after = await till.settles(invoice, "0.02")
    assert State.FINISHED == after.state
    assert 2000 == await till.balance() == after.credited_minor
    (receipt,) = await till.receipts(invoice)
    assert Method.QUOTE == receipt.method
    assert Decimal(1000) == receipt.rate
    await till.assert_books()


async def test_a_price_in_shillings_credits_shillings(till: Till) -> None:
    """KES 1,300 at 130 a dollar is asked for as USD 10.00, and credited in shillings."""
    invoice = await till.invoice("1300", "KES")
    assert 1000 == invoice.charged.minor
    after = await till.settles(invoice, "0.01")
    assert State.FINISHED == after.state
    assert 130_000 == await till.balance("KES")
    await till.assert_books()


async def test_a_notification_heard_twenty_times_credits_once(till: Till) -> None:
    """However often it is said, it arrived once."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    for number in range(20):
        await till.hears(reference=invoice.provider_reference, again=number)
    await till.catches_up()
    assert 2000 == await till.balance()
    await till.assert_books()


async def test_the_same_payment_read_by_two_replicas_at_once_is_credited_once(
    open_tills: OpenTill,
) -> None:
    """Ten read-backs at the same moment, half of them by another process: one credit."""
    mint = Mint()
    one, other = await open_tills(mint), await open_tills(mint)
    invoice = await one.invoice("20.00")
    assert invoice.provider_reference
    mint.arrives(invoice.provider_reference, "0.02")
    mint.becomes(invoice.provider_reference, State.FINISHED)
    (payment,) = (await one.story(invoice)).payments
    readers = [till.services.deposits.reader for till in (one, other) * 5]
    await asyncio.gather(*(reader.read(payment, actor="test") for reader in readers))
    assert 2000 == await one.balance()
    await one.assert_books()


@pytest.mark.parametrize("state", [State.CONFIRMING, State.CONFIRMED, State.SENDING])
async def test_money_that_is_not_settled_credits_nothing(till: Till, state: State) -> None:
    """Seen on chain, even confirmed, is not settled: settlement can still fail."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.02", state=state)
    assert state == after.state
    assert 0 == await till.balance()


async def test_an_underpaid_invoice_credits_what_arrived(till: Till) -> None:
    """Three quarters paid: three quarters credited, and the invoice says partially paid."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.015", state=State.PARTIALLY_PAID)
    assert State.PARTIALLY_PAID == after.state
    assert 1500 == await till.balance()
    await till.assert_books()


async def test_an_overpaid_invoice_credits_what_arrived(till: Till) -> None:
    """Half as much again was paid: that is credited too, by the same formula."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.03")
    assert 3000 == await till.balance()
    await till.assert_books()


async def test_a_credit_is_rounded_down_to_the_minor_unit(till: Till) -> None:
    """0.01999999 of 0.02 for USD 20.00 is USD 19.99999: the wallet gets 19.99."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01999999", state=State.PARTIALLY_PAID)
    assert 1999 == await till.balance()


async def test_dust_is_worth_nothing_and_is_no_error(till: Till) -> None:
    """Less than one cent arrived: it is on record, dismissed, and not asked about again."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.00000001", state=State.PARTIALLY_PAID)
    assert State.PARTIALLY_PAID == after.state
    (receipt,) = await till.receipts(invoice)
    assert ReceiptState.DISMISSED == receipt.state
    assert 0 == await till.balance()
    await till.assert_books()


async def test_a_repeated_deposit_is_credited_by_its_own_amount(till: Till) -> None:
    """Dust sent again at the parent's price credits the dust, not the price."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    till.mint.has(_child(invoice, "2000", State.FINISHED))
    till.mint.arrives("2000", "0.0001")
    await till.hears(reference="2000", status="finished", parent=invoice.provider_reference)
    assert 2010 == await till.balance()
    assert State.FINISHED == (await till.look(invoice.shown_id)).state
    await till.assert_books()


async def test_a_repeated_deposit_that_only_the_parent_knows_of_is_found(till: Till) -> None:
    """No notification of the child: the parent's own read-back names it."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.has(_child(invoice, "2000"))
    till.mint.arrives("2000", "0.01")
    till.mint.becomes(invoice.provider_reference, State.WAITING, children=("2000",))
    await till.catches_up()
    await till.catches_up()
    assert 1000 == await till.balance()


async def test_a_repeated_deposit_after_the_quote_waits_for_a_person(till: Till) -> None:
    """The quote is over: valuing it at the old rate would be a free option for the payer."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    await till.quote_ends(invoice)
    till.mint.has(_child(invoice, "2000"))
    till.mint.arrives("2000", "0.01")
    await till.hears(reference="2000", status="partially_paid", parent=invoice.provider_reference)
    after = await till.look(invoice.shown_id)
    assert State.REVIEW == after.state
    assert ("late_child",) == after.reasons
    assert 2000 == await till.balance()
    await till.assert_books()


async def test_a_repeated_deposit_the_provider_will_not_show_goes_to_a_person_in_the_end(
    open_tills: OpenTill,
) -> None:
    """Signed notice of a child, and 404 for hours: nothing is credited, a person looks."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    await till.hears(reference="2000", status="finished", parent=invoice.provider_reference)
    assert State.FINISHED == (await till.look(invoice.shown_id)).state
    await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")
    await till.catches_up()
    after = await till.look(invoice.shown_id)
    assert State.REVIEW == after.state
    assert ("not_known",) == after.reasons
    assert 2000 == await till.balance()


async def test_money_that_came_late_is_worth_what_the_market_says(till: Till) -> None:
    """Twice the rate now: 0.02 is USD 40.00, whatever it was quoted at."""
    invoice = await till.invoice("20.00")
    await till.quote_ends(invoice)
    till.mint.usd_per_coin = Decimal(2000)
    after = await till.settles(invoice, "0.02")
    assert State.FINISHED == after.state
    assert 4000 == await till.balance()
    (receipt,) = await till.receipts(invoice)
    assert Method.MARKET == receipt.method
    await till.assert_books()


async def test_late_money_for_a_shilling_invoice_uses_the_recorded_shilling_rate(
    till: Till,
) -> None:
    """USD 10.00 at the market and KES 130 a dollar: KES 1,300."""
    invoice = await till.invoice("2600", "KES")
    await till.quote_ends(invoice)
    till.mint.usd_per_coin = Decimal(500)
    await till.settles(invoice, "0.02")
    assert 130_000 == await till.balance("KES")


async def test_late_money_without_a_market_rate_waits_for_one(till: Till) -> None:
    """No rate to be had: nothing is credited, nothing is lost, and the next read credits it."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    await till.quote_ends(invoice)
    till.mint.usd_per_coin = None
    await till.settles(invoice, "0.02")
    assert 0 == await till.balance()
    till.mint.usd_per_coin = Decimal(1000)
    await till.hears(reference=invoice.provider_reference, again=1)
    assert 2000 == await till.balance()


async def test_an_expired_payment_that_is_paid_after_all_is_credited(till: Till) -> None:
    """Expired is soft: the payment revives and settles."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.becomes(invoice.provider_reference, State.EXPIRED)
    await till.catches_up()
    assert State.EXPIRED == (await till.look(invoice.shown_id)).state
    after = await till.settles(invoice, "0.02")
    assert State.FINISHED == after.state
    assert 2000 == await till.balance()


async def test_another_coin_than_invoiced_is_never_credited_by_itself(till: Till) -> None:
    """The provider labels it finished; the coin is another one: a person decides."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02", coin="ETH")
    till.mint.becomes(invoice.provider_reference, State.FINISHED, coin="ETH")
    await till.hears(reference=invoice.provider_reference)
    after = await till.look(invoice.shown_id)
    assert State.REVIEW == after.state
    assert ("wrong_asset",) == after.reasons
    assert 0 == await till.balance()
    assert not await till.is_halted("mint")


async def test_failed_with_money_seen_waits_for_a_person(till: Till) -> None:
    """Below the provider's minimum: not credited, in the queue, with its amount."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.0001", state=State.FAILED)
    assert State.REVIEW == after.state
    assert ("failed_with_money",) == after.reasons
    assert 0 == await till.balance()
    assert f"deposit_review:{invoice.shown_id}" in await till.alerts()


async def test_failed_money_that_the_provider_pushes_through_is_credited(till: Till) -> None:
    """Support pushed it: it settled, so it is money like any other, and the queue is empty."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01", state=State.FAILED)
    after = await till.settles(invoice, "0.01", state=State.PARTIALLY_PAID, again=1)
    assert State.PARTIALLY_PAID == after.state
    assert 1000 == await till.balance()
    assert f"deposit_review:{invoice.shown_id}" not in await till.alerts()


async def test_a_second_read_with_another_amount_is_not_posted_again(till: Till) -> None:
    """Credited once; the provider now says more arrived: a person looks, the books stay."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01", state=State.PARTIALLY_PAID)
    after = await till.settles(invoice, "0.02", again=1)
    assert State.REVIEW == after.state
    assert ("amount_changed: 0.02",) == after.reasons
    assert 1000 == await till.balance()
    await till.assert_books()


async def test_a_refund_after_settlement_is_a_compensating_journal_and_a_review(
    till: Till,
) -> None:
    """The provider took it back: the user keeps the credit, the loss is in suspense."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    after = await till.settles(invoice, "0.02", state=State.REFUNDED, again=1)
    assert State.REVIEW == after.state
    assert ("refunded_after_credit",) == after.reasons
    assert 2000 == await till.balance()
    assert 0 == await till.house("mint:clearing")
    assert -2000 == await till.house("suspense")
    await till.assert_books()


async def test_a_refund_before_settlement_credits_nothing(till: Till) -> None:
    """Returned to its sender: the invoice says so and nobody need look."""
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.02", state=State.REFUNDED)
    assert State.REFUNDED == after.state
    assert 0 == await till.balance()


async def test_an_arrival_above_the_cap_waits_for_a_person(open_tills: OpenTill) -> None:
    """Nothing above the limit is automatic."""
    till = await open_tills(crypto={"auto_credit_max_usd": 10})
    invoice = await till.invoice("20.00")
    after = await till.settles(invoice, "0.02")
    assert ("above_cap",) == after.reasons
    assert 0 == await till.balance()


async def test_money_settled_in_a_coin_that_is_not_allowed_waits_for_a_person(
    open_tills: OpenTill,
) -> None:
    """The provider settled in a coin we have not agreed to hold."""
    till = await open_tills(crypto={"outcome_coins": ("USDTTRC20",)})
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(
        invoice.provider_reference, "0.02", outcome_coin="DOGE", outcome_amount=Decimal(1)
    )
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    await till.hears(reference=invoice.provider_reference)
    assert ("outcome_coin",) == (await till.look(invoice.shown_id)).reasons


async def test_the_providers_fee_is_the_houses_and_an_entry_of_its_own(till: Till) -> None:
    """A hundredth of what arrived was kept: the user gets all, the house bears the fee."""
    invoice = await till.invoice("20.00")
    await till.settles(
        invoice, "0.02", status="finished", amount="0.02", fee="0.0002", feeCoin="BTC"
    )
    assert 2000 == await till.balance()
    assert -20 == await till.house("fees:mint")
    assert -1980 == await till.house("mint:clearing")
    await till.assert_books()


async def test_a_fee_that_is_heard_of_after_the_credit_is_booked_once(till: Till) -> None:
    """The fee comes with a later notification, twice."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    for number in range(2):
        await till.hears(
            reference=invoice.provider_reference,
            status="finished",
            amount="0.02",
            fee="0.0002",
            feeCoin="BTC",
            again=number,
        )
    assert -20 == await till.house("fees:mint")
    await till.assert_books()


async def test_a_fee_in_a_third_coin_is_a_fact_and_no_entry(till: Till) -> None:
    """There is no rate of ours for it: on record, not in the books."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02", status="finished", amount="0.02", fee="5", feeCoin="DOGE")
    assert 0 == await till.house("fees:mint")
    (payment,) = (await till.story(invoice)).payments
    assert ("DOGE", Decimal(5)) == (payment.fee_coin, payment.fee_amount)


async def test_a_callback_that_claims_a_price_credits_nothing_of_it(till: Till) -> None:
    """Signed, finished, full price: but the read-back says waiting, and that is what is."""
    invoice = await till.invoice("20.00")
    await till.hears(
        reference=invoice.provider_reference, status="finished", amount="0.02", priceMinor=2000
    )
    assert 0 == await till.balance()
    assert State.WAITING == (await till.look(invoice.shown_id)).state


async def test_a_read_back_that_fails_is_tried_again_and_then_credits(till: Till) -> None:
    """HTML, silence, 404: each is patience; the money is credited when the answer comes."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    till.mint.replies.extend([NoAnswer("unreadable"), NotKnown(), NoAnswer("503", is_outage=True)])
    for _ in range(4):
        await till.catches_up()
    assert 2000 == await till.balance()
    (payment,) = (await till.story(invoice)).payments
    assert (0, None) == (payment.failures, payment.failing_since)


async def test_a_wallet_is_made_by_the_first_deposit(till: Till) -> None:
    """A user who never had shillings has them now."""
    invoice = await till.invoice("1300", "KES", user="usr_new")
    await till.settles(invoice, "0.01")
    assert 130_000 == await till.balance("KES", "usr_new")


async def test_a_quote_that_stands_covers_money_that_came_before_it_ended(till: Till) -> None:
    """Noticed in time and read back later: the time it was noticed decides."""
    till.mint.quote_expires_at = datetime.now(UTC) + timedelta(minutes=20)
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    await till.hears(reference=invoice.provider_reference, status="confirming", amount="0.02")
    till.mint.usd_per_coin = Decimal(9999)
    await till.settles(invoice, "0.02")
    assert 2000 == await till.balance()


async def test_a_second_arrival_that_is_not_settled_keeps_the_payment_awake(till: Till) -> None:
    """Two payments to one page: the first settles it, the second is still on its way."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference
    assert reference
    till.mint.arrives(reference, "0.01", id="a")
    till.mint.arrives(reference, "0.01", id="b", is_settled=False)
    till.mint.becomes(reference, State.FINISHED)
    await till.hears(reference=reference)
    assert 1000 == await till.balance()
    till.mint.arrives(reference, "0.01", id="b")
    await till.catches_up()
    assert 2000 == await till.balance()
    (payment,) = (await till.story(invoice)).payments
    assert payment.due_at is None


async def test_credited_money_that_vanishes_is_looked_at_by_a_person(till: Till) -> None:
    """Its provider lists it no more: the books stay, somebody must find out."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference
    assert reference
    await till.settles(invoice, "0.02")
    till.mint.becomes(reference, State.FINISHED, arrivals=())
    await till.hears(reference=reference, again=1)
    assert ("vanished",) == (await till.look(invoice.shown_id)).reasons
    assert 2000 == await till.balance()
    await till.assert_books()


async def test_a_payment_marked_by_hand_without_money_calls_a_person(till: Till) -> None:
    """An operator at the provider said it is settled; nothing arrived."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.becomes(
        invoice.provider_reference, State.FINISHED, flags=frozenset({"marked_by_hand"})
    )
    await till.hears(reference=invoice.provider_reference)
    assert ("marked_by_hand",) == (await till.look(invoice.shown_id)).reasons
    assert 0 == await till.balance()
