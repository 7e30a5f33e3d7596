"""Deposits in review, decided by two people: credited once, dismissed, or made up for."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from payops.approvals.domain import Approval
from payops.approvals.errors import Overtaken
from payops.deposits.domain.invoices import Invoice, ReceiptState
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.deposits.errors import InvoiceNotFound, NothingToResolve
from payops.deposits.service.reviewing import Verdict as Outcome
from payops.kernel.errors import Invalid
from payops.ledger import entries
from payops.ledger import service as ledger
from payops.ledger.domain import Owner
from payops.ledger.errors import InsufficientFunds
from payops.ops.approvals.service import Verdict
from tests.support.mint import ADDRESSES
from tests.support.people import JANE, JOHN, MARY
from tests.support.shop import AMINA
from tests.support.till import OpenTill, Till


async def asks(till: Till, invoice: Invoice, outcome: Outcome, **more: Any) -> Approval:
    verdict = Verdict(outcome, "asked the provider", **more)
    desk = till.services.four_eyes.desk
    return await desk.ask_review(invoice.shown_id, verdict, by=JANE)


async def approves(till: Till, asked: Approval, by: Any = JOHN) -> object:
    return await till.services.four_eyes.desk.approve(asked.shown_id, by=by)


async def reconciles(till: Till) -> None:
    await till.services.deposit_reconciliation.everything()


async def open_reviews(till: Till) -> list[str]:
    return [key for key in await till.alerts() if key.startswith("deposit_review:")]


async def is_failed_with_money(till: Till) -> Invoice:
    """Below the provider's minimum: it keeps the coins and says failed."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01", state=State.FAILED)
    return await till.look(invoice.shown_id)


async def is_taken_back(till: Till) -> Invoice:
    """Credited with USD 20.00, and then refunded by the provider."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    return await till.settles(invoice, "0.02", state=State.REFUNDED, again=1)


async def test_two_people_credit_what_arrived(till: Till) -> None:
    """What they say it is worth, by decision, with its journal; the review is over."""
    invoice = await is_failed_with_money(till)
    asked = await asks(till, invoice, Outcome.CREDIT, amount="9.50")
    assert 0 == await till.balance()
    await approves(till, asked)

    after, (receipt,) = await till.look(invoice.shown_id), await till.receipts(invoice)
    assert (950, 950, ()) == (await till.balance(), after.credited_minor, after.reasons)
    assert (ReceiptState.CREDITED, Method.DECISION) == (receipt.state, receipt.method)
    assert State.FINISHED == after.state
    assert [] == await till.alerts()
    assert {"approval_asked", "deposit_credited", "approval_approved"} <= set(
        await till.audited(invoice)
    )
    await till.assert_books()


async def test_two_people_dismiss_what_is_not_the_users(till: Till) -> None:
    """Nothing is credited, then or later; the review is over."""
    invoice = await is_failed_with_money(till)
    await approves(till, await asks(till, invoice, Outcome.DISMISS))
    await till.settles(invoice, "0.01", again=2)

    (receipt,) = await till.receipts(invoice)
    assert (ReceiptState.DISMISSED, 0) == (receipt.state, await till.balance())
    assert () == (await till.look(invoice.shown_id)).reasons
    await till.assert_books()


async def test_what_people_credited_the_provider_credits_no_more(till: Till) -> None:
    """It pushes the payment through after all: it is the same arrival, and credited once."""
    invoice = await is_failed_with_money(till)
    await approves(till, await asks(till, invoice, Outcome.CREDIT, amount="10.00"))
    await till.settles(invoice, "0.01", state=State.FINISHED, again=2)

    assert 1000 == await till.balance()
    await till.assert_books()


@pytest.mark.parametrize("number", range(3))
async def test_a_decision_and_a_read_back_at_once_credit_once(till: Till, number: int) -> None:
    """The provider settles in the moment people decide: whoever is first has it."""
    invoice = await is_failed_with_money(till)
    asked = await asks(till, invoice, Outcome.CREDIT, amount="10.00")
    await asyncio.gather(
        approves(till, asked),
        till.settles(invoice, "0.01", state=State.FINISHED, again=number),
        return_exceptions=True,
    )

    assert 1000 == await till.balance()
    assert () == (await till.look(invoice.shown_id)).reasons
    await till.assert_books()


async def test_two_who_approve_at_once_credit_once(till: Till) -> None:
    """The approval is locked."""
    invoice = await is_failed_with_money(till)
    asked = await asks(till, invoice, Outcome.CREDIT, amount="10.00")
    await asyncio.gather(
        *(approves(till, asked, by) for by in (JOHN, MARY) * 3), return_exceptions=True
    )

    assert 1000 == await till.balance()
    await till.assert_books()


async def test_what_settled_meanwhile_is_not_decided(till: Till) -> None:
    """409, and nothing twice: the approval is closed, and there is nothing to ask for anew."""
    invoice = await is_failed_with_money(till)
    asked = await asks(till, invoice, Outcome.CREDIT, amount="10.00")
    await till.settles(invoice, "0.01", state=State.FINISHED, again=1)

    with pytest.raises(Overtaken):
        await approves(till, asked)
    assert 1000 == await till.balance()
    with pytest.raises(NothingToResolve):
        await asks(till, invoice, Outcome.DISMISS)
    await till.assert_books()


async def test_a_dismissal_of_what_settled_meanwhile_is_refused(till: Till) -> None:
    """It would say that nothing was credited, of what was."""
    invoice = await is_failed_with_money(till)
    asked = await asks(till, invoice, Outcome.DISMISS)
    await till.settles(invoice, "0.01", state=State.FINISHED, again=1)

    with pytest.raises(Overtaken):
        await approves(till, asked)

    (receipt,) = await till.receipts(invoice)
    assert (ReceiptState.CREDITED, 1000) == (receipt.state, await till.balance())
    await till.assert_books()


async def test_money_above_the_cap_is_credited_by_people(open_tills: OpenTill) -> None:
    """What no machine may credit alone, two people may."""
    till = await open_tills(crypto={"auto_credit_max_usd": 10})
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    await approves(till, await asks(till, invoice, Outcome.CREDIT, amount="20.00"))

    assert 2000 == await till.balance()
    await till.assert_books()


@pytest.mark.parametrize(
    ("outcome", "more", "pointer"),
    [
        (Outcome.CREDIT, {}, "/amount"),
        (Outcome.CREDIT, {"amount": "0"}, "/amount"),
        (Outcome.CREDIT, {"amount": "1.234"}, "/amount"),
        (Outcome.CREDIT, {"amount": "1", "arrived": Decimal(1)}, "/arrived"),
        (Outcome.DISMISS, {"amount": "1"}, "/amount"),
        (Outcome.DISMISS, {"arrived": Decimal(1)}, "/arrived"),
    ],
)
async def test_a_decision_that_makes_no_sense_is_refused(
    till: Till, outcome: Outcome, more: dict[str, Any], pointer: str
) -> None:
    """When it is asked for, not when it is approved."""
    invoice = await is_failed_with_money(till)

    with pytest.raises(Invalid) as refused:
        await asks(till, invoice, outcome, **more)

    assert pointer == refused.value.faults[0].pointer


async def test_a_deposit_without_doubt_is_not_for_people(till: Till) -> None:
    """Nor is an invoice that nobody has."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")

    with pytest.raises(NothingToResolve):
        await asks(till, invoice, Outcome.DISMISS)
    for shown in ("inv_x", "inv_01h455vb4pex5vsknk084sn02q"):
        with pytest.raises(InvoiceNotFound):
            await till.services.four_eyes.desk.ask_review(
                shown, Verdict(Outcome.DISMISS, "r"), by=JANE
            )


async def test_of_several_in_review_one_is_named(till: Till) -> None:
    """Each is decided by itself."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference
    assert reference
    for name in ("a", "b"):
        till.mint.arrives(reference, "0.01", coin="ETH", id=name)
    till.mint.becomes(reference, State.FINISHED)
    await till.hears(reference=reference)

    with pytest.raises(Invalid):
        await asks(till, invoice, Outcome.DISMISS)
    await approves(till, await asks(till, invoice, Outcome.DISMISS, reference="a"))
    assert ("wrong_asset",) == (await till.look(invoice.shown_id)).reasons
    await approves(till, await asks(till, invoice, Outcome.CREDIT, amount="7.00"))

    assert (700, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)
    await till.assert_books()


async def test_a_credit_in_doubt_stays_and_the_doubt_goes(till: Till) -> None:
    """Another amount on a second read: what was credited is not credited again."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01", state=State.PARTIALLY_PAID)
    await till.settles(invoice, "0.02", again=1)

    with pytest.raises(NothingToResolve):
        await asks(till, invoice, Outcome.CREDIT, amount="10.00")
    await approves(till, await asks(till, invoice, Outcome.DISMISS))

    assert (1000, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)
    await till.assert_books()


async def test_a_dismissed_change_of_amount_is_not_raised_again(till: Till) -> None:
    """Read back for days by reconciliation: the same amount is decided, another one is not."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.01", state=State.PARTIALLY_PAID)
    await till.settles(invoice, "0.02", again=1)
    assert ("amount_changed: 0.02",) == (await till.look(invoice.shown_id)).reasons
    await approves(till, await asks(till, invoice, Outcome.DISMISS))

    till.mint.arrives(invoice.provider_reference or "", "0.0200")
    for _ in range(2):
        await reconciles(till)
        assert () == (await till.look(invoice.shown_id)).reasons
    assert [] == await open_reviews(till)

    till.mint.arrives(invoice.provider_reference or "", "0.03")
    await reconciles(till)
    assert ("amount_changed: 0.03",) == (await till.look(invoice.shown_id)).reasons
    await approves(till, await asks(till, invoice, Outcome.DISMISS))
    till.mint.arrives(invoice.provider_reference or "", "0.02")
    await reconciles(till)
    assert (1000, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)
    await till.assert_books()


async def test_a_dismissed_disappearance_is_not_raised_again_while_it_lasts(till: Till) -> None:
    """What came back and goes once more is something new to look at."""
    invoice = await till.settles(await till.invoice("20.00"), "0.02")
    reference = invoice.provider_reference or ""
    till.mint.becomes(reference, State.FINISHED, arrivals=())
    await reconciles(till)
    assert ("vanished",) == (await till.look(invoice.shown_id)).reasons
    await approves(till, await asks(till, invoice, Outcome.DISMISS))

    await reconciles(till)
    assert () == (await till.look(invoice.shown_id)).reasons

    till.mint.arrives(reference, "0.02")
    await reconciles(till)
    assert () == (await till.look(invoice.shown_id)).reasons
    till.mint.becomes(reference, State.FINISHED, arrivals=())
    await reconciles(till)
    assert ("vanished",) == (await till.look(invoice.shown_id)).reasons
    assert 2000 == await till.balance()
    await till.assert_books()


async def test_what_people_credited_knowing_the_change_is_not_doubted_for_it(till: Till) -> None:
    """Dismissed, then another amount: they credit it, and the next look is at peace."""
    invoice = await is_failed_with_money(till)
    await approves(till, await asks(till, invoice, Outcome.DISMISS))
    await till.settles(invoice, "0.02", state=State.FINISHED, again=1)
    assert ("amount_changed: 0.02",) == (await till.look(invoice.shown_id)).reasons
    await approves(till, await asks(till, invoice, Outcome.CREDIT, amount="20.00"))

    await reconciles(till)

    assert (2000, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)
    await till.assert_books()


async def test_a_loss_that_the_house_bears(till: Till) -> None:
    """The user keeps the credit; what lay in suspense is the house's loss."""
    invoice = await is_taken_back(till)
    await approves(till, await asks(till, invoice, Outcome.CREDIT))

    assert (2000, 0, -2000) == (
        await till.balance(),
        await till.house("suspense"),
        await till.house("losses:mint"),
    )
    assert State.REFUNDED == (await till.look(invoice.shown_id)).state
    with pytest.raises(NothingToResolve):
        await asks(till, invoice, Outcome.DISMISS)
    await till.assert_books()


async def test_a_loss_that_is_taken_from_the_user(till: Till) -> None:
    """The wallet has given it back, and suspense is empty."""
    invoice = await is_taken_back(till)
    await approves(till, await asks(till, invoice, Outcome.DISMISS))

    assert (0, 0, 0) == (
        await till.balance(),
        await till.house("suspense"),
        await till.house("losses:mint"),
    )
    await till.assert_books()


async def test_what_was_spent_cannot_be_taken(till: Till) -> None:
    """No wallet goes below zero: nothing happens, and people may decide otherwise."""
    invoice = await is_taken_back(till)
    asked = await asks(till, invoice, Outcome.DISMISS)
    await _spends(till, 1)

    with pytest.raises(InsufficientFunds):
        await approves(till, asked)
    await till.services.four_eyes.desk.reject(asked.shown_id, by=JOHN)
    await approves(till, await asks(till, invoice, Outcome.CREDIT))

    assert -2000 == await till.house("losses:mint")
    await till.assert_books()


async def test_a_contradiction_is_decided_for_good(till: Till) -> None:
    """
    Another address than was asked for: people credit what came, and neither another read-back
    nor another name for the same money halts the provider or credits anything again.
    """
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference
    assert reference
    till.mint.becomes(reference, State.FINISHED, address=ADDRESSES["XRP"])
    await till.hears(reference=reference)
    assert await till.is_halted("mint")

    with pytest.raises(Invalid):
        await asks(till, invoice, Outcome.CREDIT, amount="20.00")
    asked = await asks(till, invoice, Outcome.CREDIT, amount="20.00", arrived=Decimal("0.02"))
    await approves(till, asked)
    await till.execute("UPDATE switches SET is_halted = false")
    await till.hears(reference=reference, again=1)
    assert (2000, False) == (await till.balance(), await till.is_halted("mint"))

    till.mint.arrives(reference, "0.02", id="its-other-name")
    till.mint.becomes(reference, State.FINISHED, address=ADDRESSES["BTC"])
    await till.hears(reference=reference, again=2)
    await till.catches_up()

    assert 2000 == await till.balance()
    await till.assert_books()


async def test_a_contradiction_that_is_dismissed_is_at_rest(till: Till) -> None:
    """Nothing is credited and it is not read back of its own accord."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference
    assert reference
    till.mint.becomes(reference, State.FINISHED, address=ADDRESSES["XRP"])
    await till.hears(reference=reference)

    await approves(till, await asks(till, invoice, Outcome.DISMISS))
    await till.catches_up()

    assert (0, ()) == (await till.balance(), (await till.look(invoice.shown_id)).reasons)
    await till.assert_books()


async def _spends(till: Till, cents: int) -> None:
    price = (await till.invoice("20.00")).price
    amount = type(price)(cents, price.currency)
    async with till.db.transaction() as tx:
        await ledger.lock(tx, [Owner(AMINA, amount.currency.code)])
        await ledger.post(tx, [entries.debit(AMINA, amount, reference="bet", reason="stake")])
