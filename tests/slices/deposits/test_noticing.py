"""Notifications: kept, acknowledged, and nothing but hints."""

from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.states import State
from payops.deposits.ports import Snapshot
from tests.support.mint import signed
from tests.support.till import Till


async def test_a_forged_notification_has_no_effect(till: Till) -> None:
    """A bad signature: refused, kept as evidence, nothing read back."""
    invoice = await till.invoice("20.00")
    headers, body = signed({"reference": invoice.provider_reference})
    forged = {name: "0" * len(value) for name, value in headers.items()}
    assert not await till.services.inbox.receive("mint", forged, body)
    await till.reads()
    assert [] == till.mint.reads
    assert [("rejected", None)] == [(state, None) for state, _ in await till.inbox()]


async def test_one_about_an_unknown_payment_is_kept_and_applied_when_it_is_known(
    till: Till,
) -> None:
    """It came before anything we know of; once the payment is ours it has its effect."""
    await till.hears(reference="1000")
    assert ["unknown"] == [state for state, _ in await till.inbox()]
    await till.invoice("20.00")
    await till.services.inbox.drain()
    assert ["applied"] == [state for state, _ in await till.inbox()]


async def test_one_that_cannot_be_read_is_parked(till: Till) -> None:
    """Signed, and no notice: a person looks; nothing is lost."""
    await till.hears(nothing="to see")
    assert ["parked"] == [state for state, _ in await till.inbox()]


@pytest.mark.parametrize(
    "lie",
    [
        {"address": "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"},
        {"priceMinor": 1},
        {"order": "inv_00000000000000000000000000"},
    ],
)
async def test_a_contradiction_halts_the_provider_and_pages(
    till: Till, lie: dict[str, Any]
) -> None:
    """Address, price, order: another than we asked for. Nothing is credited from then on, though
    the money is there and everything that is read back fits.
    """
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    await till.hears(reference=invoice.provider_reference, status="finished", **lie)
    await till.catches_up()
    assert ["parked"] == [state for state, _ in await till.inbox()]
    assert await till.is_halted("mint")
    assert State.REVIEW == (await till.look(invoice.shown_id)).state
    raised = await till.alerts()
    assert {"halted:mint", f"deposit_review:{invoice.shown_id}"} <= set(raised)
    assert 0 == await till.balance()


@pytest.mark.parametrize("fact", ["address", "price", "order_id"])
async def test_a_contradiction_found_by_reading_back_does_the_same(till: Till, fact: str) -> None:
    """The notification said nothing odd; the provider's own answer does."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    other: dict[str, Any] = {
        "address": "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        "price": type(invoice.charged)(1, invoice.charged.currency),
        "order_id": "inv_00000000000000000000000000",
    }
    till.mint.becomes(invoice.provider_reference, State.FINISHED, **{fact: other[fact]})
    await till.hears(reference=invoice.provider_reference)
    assert await till.is_halted("mint")
    assert State.REVIEW == (await till.look(invoice.shown_id)).state
    assert 0 == await till.balance()


async def test_hexadecimal_addresses_are_the_same_in_any_case(till: Till) -> None:
    """The provider writes the checksummed address in lower case: no contradiction."""
    invoice = await till.invoice("20.00", coin="ETH")
    assert invoice.address
    await till.hears(
        reference=invoice.provider_reference, status="waiting", address=invoice.address.lower()
    )
    assert not await till.is_halted("mint")


async def test_a_child_repeats_its_parents_order_and_price_and_is_no_contradiction(
    till: Till,
) -> None:
    """Its order and price are the parent's; only its id is new."""
    invoice = await till.invoice("20.00")
    till.mint.has(
        Snapshot(
            reference="2000",
            state=State.CONFIRMING,
            provider_status="confirming",
            order_id=invoice.shown_id,
            parent_reference=invoice.provider_reference,
            price=invoice.charged,
            coin="BTC",
            pay_amount=Decimal("0.02"),
        )
    )
    await till.hears(
        reference="2000",
        status="confirming",
        parent=invoice.provider_reference,
        order=invoice.shown_id,
        priceMinor=2000,
    )
    assert not await till.is_halted("mint")
    assert 2 == len((await till.story(invoice)).payments)


async def test_an_unknown_word_is_kept_and_alerted_and_changes_nothing(till: Till) -> None:
    """The provider invents a status: the state stays, people are told once."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.becomes(invoice.provider_reference, None, "pondering")
    await till.hears(reference=invoice.provider_reference)
    assert State.WAITING == (await till.look(invoice.shown_id)).state
    assert "deposit_status_unknown:mint:pondering" in await till.alerts()
    (payment,) = (await till.story(invoice)).payments
    assert "pondering" == payment.provider_status


async def test_out_of_order_states_never_go_back(till: Till) -> None:
    """Finished, then an older confirming: it stays finished, and is credited once."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02")
    after = await till.settles(invoice, "0.02", state=State.CONFIRMING, again=1)
    assert State.FINISHED == after.state
    assert 2000 == await till.balance()


async def test_with_no_notification_at_all_polling_finds_the_money(till: Till) -> None:
    """Silence from the provider costs time and no money."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    await till.catches_up()
    assert 2000 == await till.balance()


async def test_a_payment_at_rest_is_read_no_more(till: Till) -> None:
    """Finished: nothing is due; expired: it is, ever more seldom."""
    invoice, other = await till.invoice("20.00"), await till.invoice("20.00")
    assert other.provider_reference
    await till.settles(invoice, "0.02")
    till.mint.becomes(other.provider_reference, State.EXPIRED)
    await till.catches_up()
    dues = {p.reference: p.due_at for i in (invoice, other) for p in (await till.story(i)).payments}
    assert dues[invoice.provider_reference or ""] is None
    assert dues[other.provider_reference] is not None
