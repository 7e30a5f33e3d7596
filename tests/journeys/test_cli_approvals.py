"""Two people at two keyboards: one asks, the other allows, and it is done."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from payops.withdrawals.domain import State
from tests.journeys.test_cli_acts import Office, success
from tests.support.commands import Payops
from tests.support.shop import AMINA, running_shop

pytestmark = pytest.mark.slow  # each command is a process of its own

NOBODY_S = "wd_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
async def office(url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_shop(url) as shop:
        pii = shop.services.settings.pii
        assert pii.keys
        assert pii.index_key
        keys = {
            "PAYOPS_PII__KEYS": pii.keys.get_secret_value(),
            "PAYOPS_PII__INDEX_KEY": pii.index_key.get_secret_value(),
            "PAYOPS_APPROVALS__UNBLOCK_ALONE_MAX_KES": "50",
        }
        yield Office(shop, Payops.on(url, tmp_path, **keys))


async def approved(office: Office, asked: Any) -> Any:
    """By John, who is not Jane."""
    assert "pending_approval" == asked["status"]
    return await office.gets("approvals", "approve", asked["approvalId"], "--actor", "john")


async def test_an_unclear_payout_is_resolved(office: Office) -> None:
    """Jane asks, Jane may not approve, John does."""
    shop = office.shop
    txid = await shop.is_lost(100)

    asked = await office.gets(
        *("withdrawals", "resolve", txid, "--outcome", "failed", "--reason", "statement"),
        *("--actor", "jane"),
    )
    table = await office.types("approvals", "list")
    own = await office.is_refused("approvals", "approve", asked["approvalId"], "--actor", "Jane")
    done = await approved(office, asked)
    waiting = await office.gets("approvals", "list")
    all_of_them = await office.gets("approvals", "list", "--all")

    assert (0, True) == (table.code, asked["approvalId"] in table.out)
    assert (3, "four_eyes_required") == own
    assert ("approved", "john") == (done["status"], done["decidedBy"])
    assert ([], ["jane"]) == (
        waiting["data"],
        [one["askedBy"] for one in all_of_them["data"]],
    )
    assert (State.FAILED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    assert ["person:john"] == await office.acted("approval_approved")
    await shop.assert_books()


async def test_a_payout_is_refunded_and_another_is_not(office: Office) -> None:
    """Asked for, and told how to go on; rejected, it moves nothing."""
    shop = office.shop
    paid = [await shop.is_sent(100) for _ in range(2)]
    for txid in paid:
        await shop.hears(success(txid))

    told = await office.types("refunds", "create", paid[0], "--reason", "r", "--actor", "jane")
    shown = told.out.split()[0]
    done = await office.types("approvals", "approve", shown, "--actor", "john")
    other = await office.gets("refunds", "create", paid[1], "--reason", "r", "--actor", "jane")
    rejected = await office.gets(
        *("approvals", "reject", other["approvalId"], "--reason", "no", "--actor", "john")
    )

    assert (0, f"{shown} waits for another person: payops approvals approve {shown}\n") == (
        told.code,
        told.out,
    )
    assert (0, f"{shown} is approved: withdrawal_refund of {paid[0]}\n") == (done.code, done.out)
    assert ("rejected", "no") == (rejected["status"], rejected["decisionReason"])
    assert [State.REVERSED, State.COMPLETED] == [await shop.state_of(txid) for txid in paid]
    assert (3, "not_refundable") == await office.is_refused(
        "refunds", "create", paid[0], "--reason", "again"
    )
    await shop.assert_books()


async def test_a_switch_and_a_user_need_two(office: Office) -> None:
    """Halting and blocking are at once; resuming and unblocking wait."""
    shop = office.shop
    await shop.funds(AMINA, 100)
    await office.gets("switches", "halt", "withdrawals", "--reason", "odd")
    await office.gets("users", "block", AMINA, "--reason", "odd")

    resumed = await office.gets(
        "switches", "resume", "withdrawals", "--reason", "ok", "--actor", "jane"
    )
    unblocked = await office.gets("users", "unblock", AMINA, "--reason", "ok", "--actor", "jane")
    before = await office.gets("switches", "list")
    for asked in (resumed, unblocked):
        assert "approved" == (await approved(office, asked))["status"]
    after = await office.types("switches", "resume", "withdrawals", "--reason", "ok")

    assert ["withdrawals"] == [one["name"] for one in before["data"] if one["halted"]]
    assert (0, "withdrawals is on\n") == (after.code, after.out)
    assert not (await office.gets("users", "show", AMINA))["isBlocked"]


async def test_what_cannot_be_asked_is_said_in_one_line(office: Office) -> None:
    """Exit code 3, with the code the API would give; 2 for what makes no sense."""
    asks = ("--outcome", "failed", "--reason", "r")
    refused = await office.is_refused("withdrawals", "resolve", NOBODY_S, *asks)
    invoice = await office.is_refused(
        "crypto", "resolve", "inv_x", "--outcome", "dismiss", "--reason", "r"
    )
    unknown = await office.is_refused("approvals", "approve", "apr_x")
    nonsense = await office.types("withdrawals", "resolve", NOBODY_S, "--outcome", "maybe")
    receipt = await office.types("withdrawals", "resolve", NOBODY_S, *asks, "--receipt", "x y")

    assert (3, "withdrawal_not_found") == refused
    assert (3, "invoice_not_found") == invoice
    assert (3, "approval_not_found") == unknown
    assert (2, 3) == (nonsense.code, receipt.code)
    assert "validation_failed" in receipt.err
