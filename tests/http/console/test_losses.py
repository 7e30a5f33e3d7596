"""A payout that was given back and paid after all: two people accept the loss on its page."""

from collections.abc import AsyncIterator

import pytest

from payops.withdrawals.domain import State
from tests.http.console.test_withdrawals import Office, acts, at, is_paid, open_office

WHY = {"receipt": "slk4h7rty9", "reason": "their statement"}


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    async with open_office(url) as made:
        yield made


async def test_a_loss_is_asked_for_and_approved(office: Office) -> None:
    """The user keeps what was given back; the house has paid, and it is asked for once."""
    txid = await office.shop.is_sent(100)
    await office.shop.hears({"transactionId": txid, "amountKES": 100, "status": "failed"})

    asked = await office.does(txid, "write-off", **WHY)
    await office.is_approved()
    page = await office.shows(txid)

    assert (200, f"{at(txid)}?said=asked") == (asked.status, asked.path)
    assert (State.FAILED, (100, 0)) == (
        await office.shop.state_of(txid),
        await office.shop.balance(),
    )
    assert "SLK4H7RTY9" == page.facts["Receipt"]
    assert [("losses:mpesa", "KES -100.00")] == [
        (row["Account"], row["Amount"]) for row in page.rows if "losses" in row.get("Account", "")
    ]


async def test_only_what_was_given_back_offers_it(office: Office) -> None:
    """A payout that completed has nothing to be written off."""
    paid = await is_paid(office.shop)

    page = await office.shows(paid)
    refused = await office.jane.post(at(paid, "write-off"), **WHY)

    assert "write-off" not in acts(page, paid)
    assert 409 == refused.status
