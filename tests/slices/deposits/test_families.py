"""Which payment is whose child, however its provider lets us know, and in whatever order."""

from decimal import Decimal

import pytest

from payops.deposits.domain.invoices import Checkout, Invoice, Kind, Payment
from payops.deposits.domain.states import State
from payops.deposits.ports import Snapshot
from tests.support.till import Till


async def page(till: Till) -> Invoice:
    return await till.invoice("100.00", coin=None, checkout=Checkout.HOSTED)


def has(till: Till, invoice: Invoice, reference: str, parent: str | None = None) -> None:
    """A payment picked on the page, or money sent again to its address, not settled yet."""
    till.mint.has(
        Snapshot(
            reference=reference,
            state=State.CONFIRMING,
            provider_status="confirming",
            order_id=invoice.shown_id,
            parent_reference=parent,
            hosted_reference=invoice.provider_reference,
            coin="BTC",
            pay_amount=Decimal("0.0001") if parent else Decimal("0.1"),
        )
    )


async def payments(till: Till, invoice: Invoice) -> dict[str, Payment]:
    return {one.reference: one for one in (await till.story(invoice)).payments}


@pytest.mark.parametrize("is_claimed", [True, False])
async def test_one_with_a_parent_that_nobody_knows_is_a_child(
    till: Till,
    is_claimed: bool,  # noqa: FBT001 - a parameter of a table
) -> None:
    """Claimed, or only read back: it is a child, and its parent is read back at once as well."""
    invoice = await page(till)
    has(till, invoice, "1999")
    has(till, invoice, "2000", parent="1999")
    claim = {"parent": "1999"} if is_claimed else {}

    await till.hears(
        reference="2000", status="confirming", page=invoice.provider_reference, **claim
    )
    await till.reads()

    found = await payments(till, invoice)
    assert {"2000": (Kind.CHILD, "1999"), "1999": (Kind.HOSTED, None)} == {
        reference: (one.kind, one.parent_reference) for reference, one in found.items()
    }
    assert "1999" in till.mint.reads
    assert Decimal("0.1") == found["1999"].pay_amount


async def test_a_parent_that_is_heard_of_after_its_child_is_the_same_payment(till: Till) -> None:
    """The child first, then its parent's own notification: two payments, and no orphan."""
    invoice = await page(till)
    has(till, invoice, "1999")
    has(till, invoice, "2000", parent="1999")
    await till.hears(
        reference="2000", status="confirming", parent="1999", page=invoice.provider_reference
    )

    await till.hears(reference="1999", status="confirming", page=invoice.provider_reference)

    found = await payments(till, invoice)
    assert {"2000": Kind.CHILD, "1999": Kind.HOSTED} == {r: p.kind for r, p in found.items()}


async def test_a_parent_known_by_its_order_only_is_on_the_page_that_its_read_back_names(
    till: Till,
) -> None:
    """The notification of its child named no page; whose the parent is shows in the read-back."""
    invoice = await page(till)
    has(till, invoice, "1999")
    has(till, invoice, "2000", parent="1999")

    await till.hears(reference="2000", status="confirming", parent="1999", order=invoice.shown_id)
    await till.catches_up()

    assert Kind.HOSTED is (await payments(till, invoice))["1999"].kind


async def test_the_payment_behind_the_address_we_show_is_nobodys_child(till: Till) -> None:
    """Its provider names a parent for it: it stays the invoice's own, at the invoice's quote."""
    invoice = await till.invoice("20.00")
    reference = invoice.provider_reference or ""
    till.mint.arrives(reference, "0.02")
    till.mint.becomes(reference, State.FINISHED, parent_reference="1999")

    await till.hears(reference=reference)

    found = await payments(till, invoice)
    assert {reference: Kind.PRIMARY} == {r: p.kind for r, p in found.items()}
    assert 2000 == await till.balance()


async def test_a_payment_that_names_itself_as_parent_has_none(till: Till) -> None:
    """It is the first of its family."""
    invoice = await page(till)
    has(till, invoice, "1999", parent="1999")

    await till.hears(
        reference="1999", status="confirming", parent="1999", page=invoice.provider_reference
    )

    found = await payments(till, invoice)
    assert {"1999": Kind.HOSTED} == {r: p.kind for r, p in found.items()}


async def test_a_parent_of_another_invoice_keeps_its_child_there(till: Till) -> None:
    """Money sent again to an address belongs with the address, whatever page it names."""
    mine, others = await page(till), await till.invoice("20.00")
    await till.hears(
        reference="2000",
        status="confirming",
        parent=others.provider_reference,
        page=mine.provider_reference,
    )

    assert {} == await payments(till, mine)
    assert Kind.CHILD is (await payments(till, others))["2000"].kind
