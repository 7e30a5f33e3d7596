"""One asks, another allows: in code, in the database, at once, too late, and twice."""

import asyncio
from typing import Any

import asyncpg
import pytest

from payops.access.errors import FourEyesRequired
from payops.approvals import service as approvals
from payops.approvals.errors import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalPending,
)
from payops.kernel.errors import Invalid
from payops.withdrawals.domain import State
from payops.withdrawals.errors import ReceiptTaken
from payops.withdrawals.service.resolving import Resolution, Verdict
from tests.support.people import (
    JANE,
    JANE_TOO,
    JOHN,
    MARY,
    NOT_PAID,
    PAID,
    approve,
    ask_resolve,
    desk_of,
    states,
)
from tests.support.shop import OpenShop, Shop

UNDECIDE = (
    "UPDATE approvals SET state = 'pending', decided_by = NULL, decided_owner = NULL,"
    " decided_at = NULL"
)
DECIDE = (
    "UPDATE approvals SET state = 'approved', decided_by = 'x', decided_owner = $1,"
    " decided_at = now()"
)


async def test_what_one_asked_another_approves_and_it_is_done(shop: Shop) -> None:
    """
    The hold goes out as paid, with the approval; the alert that it waits is over.
    """
    txid = await shop.is_lost(100)

    asked = await ask_resolve(shop, txid, Resolution(Verdict.COMPLETED, "SLK4H7RTY9"))
    assert State.UNRESOLVED == await shop.state_of(txid)
    assert [f"approval_waiting:{asked.shown_id}"] == await shop.alerts()
    await approve(shop, asked)

    done = await shop.withdrawal(txid)
    assert (State.COMPLETED, "SLK4H7RTY9") == (done.state, done.receipt)
    assert (0, 0) == await shop.balance()
    assert (["approved"], []) == (await states(shop), await shop.alerts())
    await shop.assert_books()


async def test_the_audit_log_says_who_asked_who_allowed_and_what_changed(shop: Shop) -> None:
    """
    Before and after, beside the withdrawal's own records.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, NOT_PAID)
    await desk_of(shop).approve(asked.shown_id, by=JOHN, reason="seen it too", request_id="req_1")

    rows = await shop.fetch(
        "SELECT actor, user_id, detail::text FROM audit_log WHERE kind = 'approval_approved'"
        " AND subject = $1 AND request_id = 'req_1'",
        txid,
    )
    (row,) = rows
    assert "key:john-1" == row["actor"]
    for said in (
        '"before":{"receipt":null,"status":"unresolved"}',
        '"after":{"receipt":null,"status":"failed"}',
        '"askedBy":"jane"',
        '"decidedBy":"john"',
        '"decisionReason":"seen it too"',
    ):
        assert said in row["detail"].replace(": ", ":").replace(", ", ","), row["detail"]
    assert ["approval_asked", "withdrawal_failed", "approval_approved"] == (
        await shop.audited(txid)
    )[-3:]


@pytest.mark.parametrize("same", [JANE, JANE_TOO])
async def test_who_asked_decides_nothing(shop: Shop, same: Any) -> None:
    """
    By another key, in another spelling, at the keyboard: it is the same person.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid)

    with pytest.raises(FourEyesRequired):
        await approve(shop, asked, same)
    with pytest.raises(FourEyesRequired):
        await desk_of(shop).reject(asked.shown_id, by=same)

    assert (State.UNRESOLVED, ["pending"]) == (await shop.state_of(txid), await states(shop))


async def test_the_database_refuses_it_too(shop: Shop) -> None:
    """
    Whatever code may forget: the constraint does not.
    """
    await ask_resolve(shop, await shop.is_lost(100))

    with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
        await shop.execute(DECIDE, "jane")
    with pytest.raises(asyncpg.CheckViolationError, match="decided_by_a_person"):
        await shop.execute(DECIDE, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE approvals SET decided_owner = 'mary'",
        UNDECIDE,
        "DELETE FROM approvals",
        "TRUNCATE approvals",
    ],
)
async def test_a_decision_stands(shop: Shop, statement: str) -> None:
    """
    No row is decided twice, made undecided, or gone.
    """
    asked = await ask_resolve(shop, await shop.is_lost(100))
    await approve(shop, asked)

    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.execute(statement)


@pytest.mark.parametrize(
    "change", ["reason = 'x'", "payload = '{}'", "asked_owner = 'x'", "subject = 'x'"]
)
async def test_what_was_asked_stays(shop: Shop, change: str) -> None:
    """
    Nobody approves something else than what was asked for, not even while it waits.
    """
    await ask_resolve(shop, await shop.is_lost(100))

    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.execute(f"UPDATE approvals SET {change}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.execute(f"{DECIDE}, {change}", "john")


async def test_two_approvers_at_once_are_one_effect(open_shop: OpenShop) -> None:
    """
    Ten hands on two replicas: one approves, the others are told that it is decided.
    """
    one = await open_shop()
    other = await open_shop(one.rail)
    txid = await one.is_lost(100)
    asked = await ask_resolve(one, txid, NOT_PAID)

    found = await asyncio.gather(
        *(approve(shop, asked, by) for shop in (one, other) for by in (JOHN, MARY) * 3),
        return_exceptions=True,
    )

    assert [ApprovalDecided] * 11 == [type(e) for e in found if isinstance(e, BaseException)]
    assert (State.FAILED, (100, 0)) == (await one.state_of(txid), await one.balance())
    await one.assert_books()


async def test_approving_and_rejecting_at_once_is_one_of_them(shop: Shop) -> None:
    """
    Whoever comes second is told.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, NOT_PAID)

    await asyncio.gather(
        approve(shop, asked, JOHN),
        desk_of(shop).reject(asked.shown_id, by=MARY),
        return_exceptions=True,
    )

    (state,) = await states(shop)
    expected = State.FAILED if state == "approved" else State.UNRESOLVED
    assert expected == await shop.state_of(txid)
    await shop.assert_books()


async def test_what_is_decided_is_not_decided_again(shop: Shop) -> None:
    """
    Neither what was approved nor what was rejected.
    """
    txid = await shop.is_lost(100)
    rejected = await ask_resolve(shop, txid, NOT_PAID)
    await desk_of(shop).reject(rejected.shown_id, by=JOHN)
    asked = await ask_resolve(shop, txid, PAID)
    await approve(shop, asked)

    for known in (rejected, asked):
        with pytest.raises(ApprovalDecided):
            await approve(shop, known, MARY)
        with pytest.raises(ApprovalDecided):
            await desk_of(shop).reject(known.shown_id, by=MARY)
    assert State.COMPLETED == await shop.state_of(txid)


async def test_what_waited_too_long_is_over(shop: Shop) -> None:
    """
    By the database's clock, before the job has seen it; the job closes it and its alert.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid)
    await _grows_old(shop)

    with pytest.raises(ApprovalExpired):
        await approve(shop, asked)
    assert ["pending"] == await states(shop)
    assert 1 == await approvals.expire(shop.db)
    assert 0 == await approvals.expire(shop.db)
    with pytest.raises(ApprovalExpired):
        await approve(shop, asked)

    assert (["expired"], []) == (await states(shop), await shop.alerts())
    assert "approval_expired" in await shop.audited(txid)
    assert State.UNRESOLVED == await shop.state_of(txid)


async def test_the_database_lets_nobody_approve_too_late(shop: Shop) -> None:
    """
    Nor may what expired be approved afterwards.
    """
    await ask_resolve(shop, await shop.is_lost(100))
    await _grows_old(shop)

    with pytest.raises(asyncpg.CheckViolationError, match="approved_in_time"):
        await shop.execute(DECIDE, "john")


async def test_asking_again_after_it_expired_is_a_new_one(shop: Shop) -> None:
    """
    The old one is closed in the same breath, whether or not the job came by.
    """
    txid = await shop.is_lost(100)
    await ask_resolve(shop, txid)
    await _grows_old(shop)

    again = await ask_resolve(shop, txid, by=JOHN)

    assert ["expired", "pending"] == await states(shop)
    assert [f"approval_waiting:{again.shown_id}"] == await shop.alerts()


async def test_the_same_asked_again_is_the_same(shop: Shop) -> None:
    """
    One row, one alert; anything else about the same payout is told which one waits.
    """
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid)

    assert asked.id == (await ask_resolve(shop, txid)).id
    for other in (
        ask_resolve(shop, txid, NOT_PAID),
        ask_resolve(shop, txid, by=JOHN),
    ):
        with pytest.raises(ApprovalPending) as refused:
            await other
        assert {"approvalId": asked.shown_id} == refused.value.extensions
    assert ["pending"] == await states(shop)


async def test_asked_for_by_ten_at_once_it_waits_once(shop: Shop) -> None:
    """
    The unique index lets one through.
    """
    txid = await shop.is_lost(100)

    found = await asyncio.gather(
        *(ask_resolve(shop, txid, by=by) for by in (JANE, JOHN) * 5), return_exceptions=True
    )

    kept = {one.id for one in found if not isinstance(one, BaseException)}
    refused = [type(e) for e in found if isinstance(e, BaseException)]
    assert (1, [ApprovalPending] * 5) == (len(kept), refused)
    assert ["pending"] == await states(shop)


async def test_an_act_that_is_not_possible_at_the_moment_stays_asked_for(shop: Shop) -> None:
    """
    The receipt is another payout's: 409, nothing moves, and the approval is still to be decided.
    """
    taken = await shop.is_sent(100)
    said = {"transactionId": taken, "amountKES": 100, "status": "success", "receipt": "SLK000OLD0"}
    await shop.hears(said)
    txid = await shop.is_lost(100)
    asked = await ask_resolve(shop, txid, Resolution(Verdict.COMPLETED, "SLK000OLD0"))

    with pytest.raises(ReceiptTaken):
        await approve(shop, asked)

    assert (State.UNRESOLVED, ["pending"]) == (await shop.state_of(txid), await states(shop))
    await desk_of(shop).reject(asked.shown_id, by=JOHN)
    assert ["rejected"] == await states(shop)
    await shop.assert_books()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
async def test_a_reason_is_required(shop: Shop, reason: str) -> None:
    """
    Kept for whoever asks why, so there is one.
    """
    txid = await shop.is_lost(100)

    with pytest.raises(Invalid):
        await desk_of(shop).ask_resolve(txid, PAID, reason=reason, by=JANE)

    assert [] == await states(shop)


@pytest.mark.parametrize("shown", ["apr_x", "nonsense", "apr_01h455vb4pex5vsknk084sn02q", "chg_x"])
async def test_an_approval_that_nobody_asked_for_is_not_found(shop: Shop, shown: str) -> None:
    """
    Whatever its id looks like.
    """
    with pytest.raises(ApprovalNotFound):
        await desk_of(shop).approve(shown, by=JOHN)


async def _grows_old(shop: Shop) -> None:
    """All that waits was asked for a day ago; only an owner of the table could do this."""
    async with shop.db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute(
            "UPDATE approvals SET asked_at = asked_at - interval '25 hours',"
            " expires_at = now() - interval '1 second'"
        )
