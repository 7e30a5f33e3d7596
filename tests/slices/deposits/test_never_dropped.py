"""Money that settled is credited or a person's, and what people decided stays decided."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from payops.approvals.domain import Approval
from payops.deposits.domain.invoices import Invoice, ReceiptState
from payops.deposits.domain.states import State
from payops.deposits.service.reviewing import Verdict as Outcome
from payops.kernel.money import USD, Money
from payops.ops.approvals.service import Verdict
from tests.support.mint import ADDRESSES
from tests.support.people import JANE, JOHN
from tests.support.till import OpenTill, Till


async def decides(till: Till, invoice: Invoice, outcome: Outcome, **more: Any) -> Approval:
    """Two people, one after the other."""
    desk = till.services.four_eyes.desk
    asked = await desk.ask_review(invoice.shown_id, Verdict(outcome, "asked them", **more), by=JANE)
    await desk.approve(asked.shown_id, by=JOHN)
    return asked


async def reasons(till: Till, invoice: Invoice) -> tuple[str, ...]:
    return (await till.look(invoice.shown_id)).reasons


async def is_due(till: Till, invoice: Invoice) -> bool:
    return any(payment.due_at is not None for payment in (await till.story(invoice)).payments)


async def settles_without_amount(till: Till) -> Invoice:
    invoice = await till.invoice("20.00")
    till.mint.becomes(invoice.provider_reference or "", State.FINISHED)
    await till.hears(reference=invoice.provider_reference)
    return invoice


# Settled, and nobody says with how much


@pytest.mark.parametrize("state", [State.FINISHED, State.PARTIALLY_PAID])
async def test_what_settled_without_an_amount_is_for_a_person_and_read_on(
    till: Till, state: State
) -> None:
    """Its provider says settled and not how much: alerted, nothing credited, not at rest."""
    invoice = await till.invoice("20.00")
    till.mint.becomes(invoice.provider_reference or "", state)
    await till.hears(reference=invoice.provider_reference)

    assert ("settled_without_amount",) == await reasons(till, invoice)
    assert f"deposit_review:{invoice.shown_id}" in await till.alerts()
    assert (0, True) == (await till.balance(), await is_due(till, invoice))


async def test_an_amount_that_was_seen_and_is_gone_at_the_end_is_no_amount(till: Till) -> None:
    """Confirming with money, finished without: that is not at rest either."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02", is_settled=False)
    till.mint.becomes(reference, State.CONFIRMING)
    await till.catches_up()
    till.mint.becomes(reference, State.FINISHED, arrivals=())
    await till.catches_up()

    assert ("settled_without_amount",) == await reasons(till, invoice)
    assert await is_due(till, invoice)


async def test_the_amount_that_comes_afterwards_is_credited(till: Till) -> None:
    """Said at the next look: money like any other, and the queue is empty."""
    invoice = await settles_without_amount(till)
    till.mint.arrives(invoice.provider_reference or "", "0.02")
    await till.catches_up()

    assert (2000, ()) == (await till.balance(), await reasons(till, invoice))
    assert [] == await till.alerts()
    assert not await is_due(till, invoice)
    await till.assert_books()


async def test_that_nothing_came_can_be_decided(till: Till) -> None:
    """Dismissed, it is not raised again; an amount after all is for people, too."""
    invoice = await settles_without_amount(till)
    await decides(till, invoice, Outcome.DISMISS)
    await till.services.deposit_reconciliation.everything()
    assert () == await reasons(till, invoice)

    till.mint.arrives(invoice.provider_reference or "", "0.02")
    await till.hears(reference=invoice.provider_reference, again=1)

    assert (0, ("decided_before",)) == (await till.balance(), await reasons(till, invoice))
    await till.assert_books()


@pytest.mark.parametrize("is_settled", [True, False])
async def test_what_was_dismissed_of_a_payment_is_not_raised_again(
    open_tills: OpenTill,
    is_settled: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    """Marked by hand, or not known for hours: the next look says the same, and it is decided."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    if is_settled:
        till.mint.becomes(reference, State.FINISHED, flags=frozenset({"marked_by_hand"}))
    else:
        del till.mint.book[reference]
    await till.hears(reference=reference)
    await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")
    await till.catches_up()
    assert () != await reasons(till, invoice)
    await decides(till, invoice, Outcome.DISMISS)

    for _ in range(2):
        await till.services.deposit_reconciliation.everything()
        await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")

    assert () == await reasons(till, invoice)


# Settled, and there is no rate


async def waits_for_a_rate(till: Till) -> Invoice:
    invoice = await till.invoice("20.00")
    await till.quote_ends(invoice)
    till.mint.usd_per_coin = None
    await till.settles(invoice, "0.02")
    assert () == await reasons(till, invoice)
    return invoice


async def test_money_without_a_rate_is_a_persons_in_the_end(open_tills: OpenTill) -> None:
    """An hour of no rate: it is in review, with its amount, and people credit it."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await waits_for_a_rate(till)
    hours = timedelta(hours=2)
    await till.execute("UPDATE deposit_payments SET state_since = now() - $1::interval", hours)
    await till.catches_up()
    assert () == await reasons(till, invoice), "it has just settled, whatever its payment's age"

    await till.execute("UPDATE deposit_receipts SET settled_at = now() - $1::interval", hours)
    await till.catches_up()
    assert ("no_rate",) == await reasons(till, invoice)
    assert f"deposit_review:{invoice.shown_id}" in await till.alerts()
    await decides(till, invoice, Outcome.CREDIT, amount="20.00")

    assert 2000 == await till.balance()
    await till.assert_books()


async def test_money_without_a_rate_is_not_dropped_when_polling_ends(till: Till) -> None:
    """The last look of thirty days finds it without a rate: a person's, at once."""
    invoice = await waits_for_a_rate(till)
    await till.execute(
        "UPDATE deposit_payments SET created_at = now() - interval '31 days',"
        " notified_at = NULL, state_since = now() - interval '31 days'"
    )
    await till.catches_up()

    assert ("no_rate",) == await reasons(till, invoice)
    (receipt,) = await till.receipts(invoice)
    assert (ReceiptState.REVIEW, 0) == (receipt.state, await till.balance())


# What people have decided


async def contradicts(till: Till) -> Invoice:
    """Settled with money, at another price than was asked for."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02")
    till.mint.becomes(reference, State.FINISHED, price=Money(1, USD))
    await till.hears(reference=reference)
    return invoice


async def test_what_two_people_dismissed_no_notification_credits(till: Till) -> None:
    """The provider comes to agree with us: what is heard of it then is for people."""
    invoice = await contradicts(till)
    await decides(till, invoice, Outcome.DISMISS)
    assert () == await reasons(till, invoice)

    till.mint.becomes(invoice.provider_reference or "", State.FINISHED, price=invoice.charged)
    await till.hears(reference=invoice.provider_reference, again=1)

    assert (0, ("decided_before",)) == (await till.balance(), await reasons(till, invoice))
    await decides(till, invoice, Outcome.CREDIT, amount="20.00")
    await till.catches_up()
    assert (2000, ()) == (await till.balance(), await reasons(till, invoice))
    await till.assert_books()


async def test_what_was_dismissed_is_not_raised_again_and_another_contradiction_is(
    till: Till,
) -> None:
    """The same price again is decided; another address is not, and halts the provider."""
    invoice = await contradicts(till)
    await decides(till, invoice, Outcome.DISMISS)
    await till.execute("UPDATE switches SET is_halted = false")
    await till.hears(reference=invoice.provider_reference, again=1)
    assert ((), False) == (await reasons(till, invoice), await till.is_halted("mint"))

    reference = invoice.provider_reference or ""
    till.mint.book[reference] = replace(till.mint.book[reference], address=ADDRESSES["XRP"])
    await till.hears(reference=reference, again=2)

    assert ("mismatch: price, address",) == await reasons(till, invoice)
    assert await till.is_halted("mint")


async def test_money_that_comes_to_a_dismissed_address_is_found(till: Till) -> None:
    """Nobody polls it and no notification comes: reconciling finds the money, for people."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    await till.hears(reference=reference, status="waiting", priceMinor=1)
    await decides(till, invoice, Outcome.DISMISS)
    till.mint.arrives(reference, "0.02")
    till.mint.becomes(reference, State.FINISHED)
    await till.catches_up()
    assert () == await reasons(till, invoice)

    await till.services.deposit_reconciliation.everything()

    assert (0, ("decided_before",)) == (await till.balance(), await reasons(till, invoice))


async def test_an_expired_address_that_was_dismissed_is_looked_at_while_others_are(
    till: Till,
) -> None:
    """A month after it was made it is left alone, like one that nobody has paid."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    await till.hears(reference=reference, status="waiting", priceMinor=1)
    await decides(till, invoice, Outcome.DISMISS)
    till.mint.becomes(reference, State.EXPIRED)
    reconcile = till.services.deposit_reconciliation.everything
    await reconcile()
    ages = "UPDATE deposit_payments SET state_since = now() - $1::interval, due_at = NULL,"
    ages += " created_at = now() - $1::interval, notified_at = NULL"

    await till.execute(ages, timedelta(days=29))
    assert 1 == (await reconcile()).checked
    await till.execute(ages, timedelta(days=31))
    assert 0 == (await reconcile()).checked


async def test_an_arrival_of_a_stopped_payment_can_be_credited_by_itself(
    open_tills: OpenTill,
) -> None:
    """Seen under a name of its own, and then its payment is not known for hours."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02", id="output-0", is_settled=False)
    till.mint.becomes(reference, State.CONFIRMING)
    await till.hears(reference=reference)
    del till.mint.book[reference]
    await till.catches_up()
    await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")
    await till.catches_up()
    assert ("not_known",) == await reasons(till, invoice)

    await decides(till, invoice, Outcome.CREDIT, reference="output-0", amount="20.00")
    await decides(till, invoice, Outcome.DISMISS)

    (receipt,) = await till.receipts(invoice)
    assert (2000, ReceiptState.CREDITED) == (await till.balance(), receipt.state)
    assert () == await reasons(till, invoice)
    await till.assert_books()


async def test_what_was_seen_of_a_dismissed_payment_is_dismissed_with_it(
    open_tills: OpenTill,
) -> None:
    """Nothing of it waits unseen for ever."""
    till = await open_tills(crypto={"give_up_hours": 1})
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02", id="output-0", is_settled=False)
    till.mint.becomes(reference, State.CONFIRMING)
    await till.hears(reference=reference)
    del till.mint.book[reference]
    await till.catches_up()
    await till.execute("UPDATE deposit_payments SET failing_since = now() - interval '2 hours'")
    await till.catches_up()

    await decides(till, invoice, Outcome.DISMISS, reference=reference)

    (receipt,) = await till.receipts(invoice)
    assert (ReceiptState.DISMISSED, ()) == (receipt.state, await reasons(till, invoice))


@pytest.mark.parametrize("amount", ["1e-18", "123456789012.123456789012345678"])
async def test_people_may_credit_any_sum_for_any_number_of_coins(till: Till, amount: str) -> None:
    """USD 20.00 of goodwill for the least part of a coin: its rate has twenty digits."""
    invoice = await till.invoice("20.00", coin="ETH")
    till.mint.arrives(invoice.provider_reference or "", Decimal(amount))
    till.mint.becomes(invoice.provider_reference or "", State.FAILED)
    await till.hears(reference=invoice.provider_reference)

    await decides(till, invoice, Outcome.CREDIT, amount="20.00")

    assert 2000 == await till.balance()
    await till.assert_books()
