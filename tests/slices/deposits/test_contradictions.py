"""A provider that says what cannot be: nobody is shown where to pay, and nothing is credited."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.invoices import Checkout, Invoice, Kind
from payops.deposits.domain.prices import OtherPrice
from payops.deposits.domain.states import State
from payops.deposits.errors import NothingToResolve, ProviderFailed
from payops.deposits.ports import AnswerLost, Intent, OpenAnswer, Opened
from payops.deposits.schemas import InvoiceReply
from payops.deposits.service import reviewing
from payops.deposits.service.reviewing import Review, Verdict
from payops.kernel.money import KES, Money
from tests.support.mint import ADDRESSES
from tests.support.till import Till, body_of

OTHER_ADDRESS = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
OTHER_PRICES = [
    OtherPrice(Decimal(20), "JPY"),
    OtherPrice(Decimal("20.001"), "USD"),
    Money(2000, KES),
    Money(0, KES),
]


async def is_settled_at_provider(till: Till, invoice: Invoice, **facts: Any) -> str:
    """The whole price has arrived; ``facts`` are what else its provider says from now on."""
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02")
    till.mint.becomes(reference, State.FINISHED, **facts)
    return reference


async def decide(till: Till, invoice: Invoice, verdict: Verdict, reference: str = "") -> None:
    asked = Review(reference, "", verdict, None if verdict is Verdict.DISMISS else invoice.price)
    async with till.db.transaction() as tx:
        _, review = await reviewing.reviewed(tx, invoice.id, asked)
        await reviewing.decide(tx, invoice.id, review, actor="person:test")


async def assert_halted(till: Till, invoice: Invoice, what: str) -> None:
    after = await till.look(invoice.shown_id)
    assert (State.REVIEW, 0) == (after.state, await till.balance())
    assert f"mismatch: {what}" in after.reasons
    assert {"halted:mint", f"deposit_review:{invoice.shown_id}"} <= set(await till.alerts())
    await till.assert_books()


# Prices, as they are stated


@pytest.mark.parametrize("price", OTHER_PRICES, ids=str)
@pytest.mark.parametrize("checkout", Checkout)
async def test_an_opening_at_another_price_is_never_shown(
    till: Till, checkout: Checkout, price: Any
) -> None:
    """As much of another currency, or a fraction of a cent more, is another price."""

    async def answer(intent: Intent) -> OpenAnswer:
        return replace(till.mint.opens(intent), price=price)

    till.mint.before_answering = answer
    coin = "BTC" if checkout is Checkout.ADDRESS else None
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", coin=coin, checkout=checkout)

    (row,) = await till.fetch("SELECT address, checkout_url, reasons FROM invoices")
    assert (None, None, ["mismatch: price"]) == tuple(row.values())
    assert await till.is_halted("mint")


@pytest.mark.parametrize("price", OTHER_PRICES, ids=str)
async def test_another_price_read_back_is_a_contradiction(till: Till, price: Any) -> None:
    """Asked for in dollars, read back in something else: not one cent of it."""
    invoice = await till.invoice("20.00")
    await is_settled_at_provider(till, invoice, price=price)

    await till.hears(reference=invoice.provider_reference)

    await assert_halted(till, invoice, "price")


@pytest.mark.parametrize("missing", ["order", "price"])
async def test_silence_where_an_answer_is_due_is_no_agreement(till: Till, missing: str) -> None:
    """Its provider always repeats order and price, and now it does not."""
    opened = Opened("7", coin="BTC", pay_amount=Decimal("0.02"), address=ADDRESSES["BTC"])
    till.mint.answers.append(replace(opened, left_out=frozenset({missing})))

    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00")

    assert await till.is_halted("mint")
    (row,) = await till.fetch("SELECT reasons FROM invoices")
    assert [f"mismatch: {missing}"] == row["reasons"]


@pytest.mark.parametrize("fact", ["price", "order_id"])
async def test_a_lost_attempt_is_not_adopted_unless_its_order_and_price_are_said(
    till: Till, fact: str
) -> None:
    """Heard of before anybody has an address: one that nothing ties to us is not shown."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    (intent,) = till.mint.intents
    lost = till.mint.opens(intent)
    till.mint.has(replace(till.mint.book[lost.reference], **{fact: None}))  # type: ignore[arg-type]

    await till.hears(reference=lost.reference, status="waiting", order=intent.order_id)

    invoice = await till.invoice("20.00", key="k")
    kinds = {p.reference: p.kind for p in (await till.story(invoice)).payments}
    assert Kind.ORPHAN is kinds.pop(lost.reference)
    assert [Kind.PRIMARY] == list(kinds.values())


# Memos


async def test_another_memo_is_another_address(till: Till) -> None:
    """Claimed or read back: money with another memo is somebody else's."""
    told, read = await till.invoice("20.00", coin="XRP"), await till.invoice("20.00", coin="XRP")
    await is_settled_at_provider(till, read, memo="99999")

    await till.hears(reference=told.provider_reference, status="waiting", memo="99999")
    await till.hears(reference=read.provider_reference)

    for invoice in (told, read):
        await assert_halted(till, invoice, "address")


async def test_a_memo_for_an_address_that_was_shown_without_one_is_a_contradiction(
    till: Till,
) -> None:
    """Whoever paid there did not name it."""
    invoice = await till.invoice("20.00")
    await is_settled_at_provider(till, invoice, memo="99999")

    await till.hears(reference=invoice.provider_reference)

    await assert_halted(till, invoice, "address")


async def test_the_same_memo_is_no_contradiction(till: Till) -> None:
    """Repeated, or left out: the address stands and the money is credited."""
    invoice = await till.invoice("20.00", coin="XRP")
    await till.hears(reference=invoice.provider_reference, status="waiting", memo=invoice.memo)
    await is_settled_at_provider(till, invoice, memo=None)

    await till.hears(reference=invoice.provider_reference)

    assert (2000, False) == (await till.balance(), await till.is_halted("mint"))


# Until people have decided


LIES: list[dict[str, Any]] = [
    {"address": OTHER_ADDRESS},
    {"priceMinor": 1},
    {"order": "inv_00000000000000000000000000"},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
async def test_while_a_contradiction_is_undecided_nobody_is_shown_where_to_pay(
    till: Till, lie: dict[str, Any]
) -> None:
    """Nor in the answer that was given before; both show it again when people have dismissed it."""
    first = await till.asks_for("20.00", key="k")
    invoice = await till.look(first.resource or "")
    await till.hears(reference=invoice.provider_reference, status="waiting", **lie)

    reply = InvoiceReply.of(await till.look(invoice.shown_id))
    again = await till.asks_for("20.00", key="k")
    assert (None,) * 4 == (reply.address, reply.memo, reply.pay_amount, reply.checkout_url)
    assert {"address", "memo", "payAmount", "checkoutUrl"} & set(body_of(again)) == set()
    assert first.status == again.status

    await decide(till, invoice, Verdict.DISMISS)
    assert invoice.address == InvoiceReply.of(await till.look(invoice.shown_id)).address
    assert first.body == (await till.asks_for("20.00", key="k")).body


async def test_an_address_that_became_suspect_before_it_was_given_is_not_given(till: Till) -> None:
    """The answer was lost and heard of, then contradicted: the same key gets it once decided."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")
    (intent,) = till.mint.intents
    lost = till.mint.opens(intent).reference
    await till.hears(reference=lost, status="waiting", order=intent.order_id)
    await till.hears(reference=lost, status="waiting", priceMinor=1)

    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00", key="k")

    invoice = await till.look(intent.order_id)
    await decide(till, invoice, Verdict.DISMISS)
    assert ADDRESSES["BTC"] == body_of(await till.asks_for("20.00", key="k"))["address"]


async def test_a_page_is_not_shown_while_a_contradiction_is_undecided(till: Till) -> None:
    """A payment picked on it is asked for in another currency."""
    invoice = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    assert invoice.checkout_url
    await till.hears(
        reference="3001", status="waiting", page=invoice.provider_reference, priceMinor=1
    )

    assert InvoiceReply.of(await till.look(invoice.shown_id)).checkout_url is None


@pytest.mark.parametrize("lie", LIES, ids=str)
async def test_a_later_word_that_fits_does_not_take_a_contradiction_back(
    till: Till, lie: dict[str, Any]
) -> None:
    """The money is there and every poll is clean: it waits with its amount for people."""
    invoice = await till.invoice("20.00")
    reference = await is_settled_at_provider(till, invoice)
    await till.hears(reference=reference, status="finished", **lie)
    for _ in range(3):
        await till.catches_up()

    after = await till.look(invoice.shown_id)
    assert (State.REVIEW, 0) == (after.state, await till.balance())
    assert [("contradicted", Decimal("0.02"))] == [
        (receipt.reason, receipt.amount) for receipt in await till.receipts(invoice)
    ]
    assert ["parked"] == [state for state, _ in await till.inbox()]

    await decide(till, invoice, Verdict.CREDIT, reference)
    assert (State.FINISHED, 2000) == (
        (await till.look(invoice.shown_id)).state,
        await till.balance(),
    )
    await till.assert_books()


async def test_a_contradiction_about_one_payment_stops_the_others_of_its_invoice(
    till: Till,
) -> None:
    """Two coins picked on one page: about one of them its provider contradicts itself."""
    invoice = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    page = invoice.provider_reference
    await till.hears(reference="3001", status="waiting", page=page, priceMinor=1)
    sane = Intent(invoice.shown_id, invoice.charged, till.mint.offered["BTC"], Checkout.ADDRESS)
    other = till.mint.opens(sane).reference
    till.mint.becomes(other, State.FINISHED, hosted_reference=page, opened_at=await _now(till))
    till.mint.arrives(other, "0.02")

    await till.hears(reference=other, status="finished", page=page)

    assert 0 == await till.balance()
    assert "contradicted" in (await till.look(invoice.shown_id)).reasons


async def test_a_contradiction_outranks_what_was_in_review_before(till: Till) -> None:
    """A decision on the other reason was made without knowing of it: it is not carried out."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    await till.execute("UPDATE deposit_payments SET reason = 'unreadable'")
    async with till.db.transaction() as tx:
        _, review = await reviewing.reviewed(tx, invoice.id, Review("", "", Verdict.DISMISS))

    await till.hears(reference=reference, status="waiting", address=OTHER_ADDRESS)

    (payment,) = (await till.story(invoice)).payments
    assert "mismatch: address" == payment.reason
    with pytest.raises(NothingToResolve):
        async with till.db.transaction() as tx:
            await reviewing.decide(tx, invoice.id, review, actor="person:test")


async def test_one_that_contradicts_is_audited_as_a_deposits(till: Till) -> None:
    """Whoever searches the audit log for withdrawals does not find deposits there."""
    invoice = await till.invoice("20.00")
    await till.hears(reference=invoice.provider_reference, status="waiting", priceMinor=1)
    await till.hears(nothing="to see")

    rows = await till.fetch("SELECT kind FROM audit_log WHERE kind LIKE '%webhook_error'")
    assert ["deposit_webhook_error"] * 2 == [row["kind"] for row in rows]


async def _now(till: Till) -> datetime:
    now: datetime = (await till.fetch("SELECT now()"))[0]["now"]
    return now
