"""A loosening that nobody decides on, or whose rule has moved on, stands in nobody's way."""

from typing import Any

import pytest

from payops.approvals.domain import State
from payops.approvals.errors import ApprovalExpired
from payops.fraud.domain.changes import Change, ChangeState
from payops.fraud.errors import ChangeDecided, ChangePending, RuleChanged
from payops.fraud.service import changing
from payops.ops.velocity.service import Actor, VelocityDesk
from tests.support.people import JOHN as JOHN_HIMSELF
from tests.support.people import desk_of
from tests.support.shop import OpenShop, Shop

JANE, JOHN = Actor("key:key_1", "jane", "req_1"), Actor("person:john", "person:john", "req_2")
NAME = "user-withdrawals-per-hour"


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop(velocity={"withdrawals_per_hour": 3}, approvals={"expire_hours": 2})


@pytest.fixture
def desk(shop: Shop) -> VelocityDesk:
    return VelocityDesk(shop.db, shop.services.fraud.changing)


async def asks(desk: VelocityDesk, limit: int, by: Actor = JANE) -> Change:
    asked = await desk.change(NAME, limit=limit, mode=None, reason="because", by=by)
    assert isinstance(asked, Change)
    return asked


async def states(desk: VelocityDesk) -> list[str]:
    """Of all changes, oldest first."""
    return [one.state.value for one in reversed(await desk.changes(None))]


async def grows_old(shop: Shop) -> None:
    await shop.execute(
        "UPDATE velocity_rule_changes SET proposed_at = proposed_at - interval '2 hours',"
        " expires_at = expires_at - interval '2 hours'"
    )


async def audited(shop: Shop) -> list[dict[str, Any]]:
    return await shop.fetch(
        "SELECT kind, actor, request_id, detail::jsonb->>'decisionReason' AS why FROM audit_log"
        " WHERE kind LIKE 'velocity%' ORDER BY id"
    )


async def test_a_change_waits_as_long_as_any_approval(shop: Shop, desk: VelocityDesk) -> None:
    """
    PAYOPS_APPROVALS__EXPIRE_HOURS; the listing says until when.
    """
    asked = await asks(desk, 5)

    (listed,) = await desk_of(shop).page(state=State.PENDING, before=None, limit=5)

    assert isinstance(listed, Change)
    assert listed.expires_at
    assert listed.proposed_at
    assert (asked.id, 7200) == (
        listed.id,
        int((listed.expires_at - listed.proposed_at).total_seconds()),
    )


async def test_what_waited_too_long_is_over(shop: Shop, desk: VelocityDesk) -> None:
    """
    By the database's clock, before the job has seen it; the job closes it and its alert.
    """
    asked = await asks(desk, 5)
    await grows_old(shop)

    for decide in (desk.approve, desk.reject):
        with pytest.raises(ApprovalExpired):
            await decide(asked.shown_id, JOHN)
    assert ["pending"] == await states(desk)
    assert 1 == await changing.expire(shop.db)
    assert 0 == await changing.expire(shop.db)
    with pytest.raises(ApprovalExpired):
        await desk.approve(asked.shown_id, JOHN)

    assert (["expired"], []) == (await states(desk), await shop.alerts())
    assert "velocity_change_expired" == (await audited(shop))[-1]["kind"]
    assert 3 == (await desk.report(hours=1)).rules[0].limit


async def test_the_job_of_the_approvals_closes_them(shop: Shop, desk: VelocityDesk) -> None:
    """
    One job for whatever waits for a second person.
    """
    await asks(desk, 5)
    await grows_old(shop)

    await shop.services.scheduler.run_and_wait("approvals-expire")

    assert ["expired"] == await states(desk)


async def test_asking_again_after_it_expired_is_a_new_one(shop: Shop, desk: VelocityDesk) -> None:
    """
    The old one is closed in the same breath, whether or not the job came by.
    """
    await asks(desk, 5)
    with pytest.raises(ChangePending):
        await asks(desk, 6, JOHN)
    await grows_old(shop)

    again = await asks(desk, 6, JOHN)

    assert ["expired", "pending"] == await states(desk)
    assert [f"approval_waiting:{again.shown_id}"] == await shop.alerts()


async def test_one_whose_rule_has_moved_on_is_closed(shop: Shop, desk: VelocityDesk) -> None:
    """
    Refused, and closed: it can never be approved any more.
    """
    asked = await asks(desk, 5)
    await desk.change(NAME, limit=2, mode=None, reason="stricter", by=JOHN)

    with pytest.raises(RuleChanged):
        await desk.approve(asked.shown_id, JOHN)
    with pytest.raises(ChangeDecided, match="overtaken"):
        await desk.approve(asked.shown_id, JOHN)

    assert (["overtaken"], []) == (await states(desk), await shop.alerts())
    assert {
        "kind": "velocity_change_overtaken",
        "actor": "system:approvals",
        "request_id": "req_2",
        "why": "The rule has been changed meanwhile.",
    } == (await audited(shop))[-1]


async def test_one_whose_rule_has_moved_on_can_be_replaced(shop: Shop, desk: VelocityDesk) -> None:
    """
    Asked for anew, of the rule as it is now, without anybody deciding on the old one.
    """
    await asks(desk, 5)
    await desk.change(NAME, limit=2, mode=None, reason="stricter", by=JOHN)

    again = await asks(desk, 4)
    version = await desk.approve(again.shown_id, JOHN)

    assert (4, 2) == (version.rule.limit, version.rule.version)
    assert (["overtaken", "approved"], []) == (await states(desk), await shop.alerts())


@pytest.mark.parametrize("expected", [ChangeState.APPROVED, ChangeState.REJECTED])
async def test_why_and_in_which_request_is_on_record(
    shop: Shop, desk: VelocityDesk, expected: ChangeState
) -> None:
    """
    What the second person said is in the audit log and the listing, beside who they were.
    """
    asked = await asks(desk, 5)
    everybody = desk_of(shop)
    is_approved = expected is ChangeState.APPROVED
    decide = everybody.approve if is_approved else everybody.reject

    decided = await decide(
        asked.shown_id, by=JOHN_HIMSELF, reason="seen ticket 7", request_id="req_9"
    )

    assert isinstance(decided, Change)
    assert (expected, "john", "seen ticket 7") == (
        decided.state,
        decided.decided_by,
        decided.decision_reason,
    )
    kind = "velocity_rule_changed" if is_approved else "velocity_change_rejected"
    assert [
        {
            "kind": "velocity_change_proposed",
            "actor": "key:key_1",
            "request_id": "req_1",
            "why": None,
        },
        {"kind": kind, "actor": "key:john-1", "request_id": "req_9", "why": "seen ticket 7"},
    ] == await audited(shop)
