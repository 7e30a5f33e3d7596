"""Throwing a switch twice: the second halt counts, and what was asked of the first is over."""

import asyncio

import pytest

from payops.app import switch_desk_of
from payops.approvals.domain import Approval
from payops.approvals.errors import ApprovalDecided, Overtaken
from payops.kernel.errors import Invalid
from payops.switches import service as switches
from payops.switches.domain import Switch
from tests.support.newsroom import FakeChannel, Newsroom
from tests.support.people import JANE, JOHN, MARY, desk_of, states
from tests.support.shop import OpenShop, Shop


async def state(shop: Shop, name: str = "lipana") -> Switch:
    (found,) = [one for one in await switch_desk_of(shop.services).every() if one.name == name]
    return found


async def asks_to_resume(shop: Shop) -> Approval:
    asked = await switch_desk_of(shop.services).resume("lipana", reason="it is over", by=JANE)
    assert isinstance(asked, Approval)
    return asked


async def test_a_second_halt_is_not_undone_by_an_older_resume(shop: Shop) -> None:
    """
    Somebody else has another reason: it stands, is on record, and the resume comes too late.
    """
    desk = switch_desk_of(shop.services)
    await desk.halt("lipana", reason="maintenance until ten", by=JANE)
    asked = await asks_to_resume(shop)
    await desk.halt("lipana", reason="it pays strangers", by=MARY)

    with pytest.raises(Overtaken):
        await desk_of(shop).approve(asked.shown_id, by=JOHN)

    found = await state(shop)
    assert (True, "it pays strangers", MARY.actor) == (
        found.is_halted,
        found.reason,
        found.changed_by,
    )
    assert ["overtaken"] == await states(shop)
    audited = await shop.fetch(
        "SELECT actor, detail::jsonb->>'reason' AS reason FROM audit_log"
        " WHERE kind = 'switch_halted' ORDER BY id"
    )
    assert [
        {"actor": JANE.actor, "reason": "maintenance until ten"},
        {"actor": MARY.actor, "reason": "it pays strangers"},
    ] == audited
    alerts = await shop.fetch(
        "SELECT detail::jsonb->>'reason' AS reason, count FROM alerts"
        " WHERE key = 'halted:lipana' AND resolved_at IS NULL"
    )
    assert [{"reason": "it pays strangers", "count": 2}] == alerts


async def test_of_a_second_person_s_halt_people_are_told_as_of_the_first(shop: Shop) -> None:
    """
    With who it was and why; of another reason of the same person they are not.
    """
    desk, pager = switch_desk_of(shop.services), FakeChannel()
    room = Newsroom(shop.db, pager)
    for reason, by in (("maintenance", JANE), ("until eleven", JANE), ("it pays strangers", MARY)):
        await desk.halt("lipana", reason=reason, by=by)
        await room.works()

    assert [
        ("raised", "maintenance", JANE.actor),
        ("renewed", "it pays strangers", MARY.actor),
    ] == [(one.kind.value, one.detail["reason"], one.detail["by"]) for one in pager.heard]


async def test_of_halts_at_once_everybody_s_is_told(open_shop: OpenShop) -> None:
    """
    Whichever is first: neither replica had seen the other's.
    """
    one, other = await open_shop(), await open_shop()
    pager = FakeChannel()

    await asyncio.gather(
        switch_desk_of(one.services).halt("lipana", reason="slow", by=JANE),
        switch_desk_of(other.services).halt("lipana", reason="odd", by=MARY),
    )
    await Newsroom(one.db, pager).works()

    assert ["raised", "renewed"] == pager.story
    assert {JANE.actor, MARY.actor} == {str(notice.detail["by"]) for notice in pager.heard}


async def test_the_same_halt_again_is_nothing_new(shop: Shop) -> None:
    """
    By the same person for the same reason: the resume that waits is still about it.
    """
    desk = switch_desk_of(shop.services)
    for _ in range(2):
        await desk.halt("lipana", reason="maintenance", by=JANE)
    asked = await asks_to_resume(shop)
    await desk.halt("lipana", reason="maintenance", by=JANE)

    await desk_of(shop).approve(asked.shown_id, by=JOHN)

    assert not (await state(shop)).is_halted
    assert ["switch_halted", "approval_asked", "switch_resumed", "approval_approved"] == [
        row["kind"]
        for row in await shop.fetch(
            "SELECT kind FROM audit_log WHERE subject = 'lipana' ORDER BY id"
        )
    ]


async def test_a_resume_can_be_asked_for_anew_after_a_second_halt(shop: Shop) -> None:
    """
    The one that can never be approved makes room at once.
    """
    desk = switch_desk_of(shop.services)
    await desk.halt("lipana", reason="maintenance", by=JANE)
    old = await asks_to_resume(shop)
    await desk.halt("lipana", reason="odd answers", by=MARY)

    new = await asks_to_resume(shop)
    with pytest.raises(ApprovalDecided):
        await desk_of(shop).approve(old.shown_id, by=JOHN)
    await desk_of(shop).approve(new.shown_id, by=JOHN)

    assert ["overtaken", "approved"] == await states(shop)
    assert not (await state(shop)).is_halted
    assert [] == await shop.alerts()


@pytest.mark.parametrize("number", range(4))
async def test_a_halt_and_a_resume_at_once_end_halted(open_shop: OpenShop, number: int) -> None:
    """
    Whichever is first: the halt is never what is lost.
    """
    one, other = await open_shop(), await open_shop()
    await switch_desk_of(one.services).halt("lipana", reason="maintenance", by=JANE)
    asked = await asks_to_resume(one)

    await asyncio.gather(
        desk_of(one).approve(asked.shown_id, by=JOHN),
        switch_desk_of(other.services).halt("lipana", reason=f"odd {number}", by=MARY),
        return_exceptions=True,
    )

    found = await state(one)
    assert (True, f"odd {number}") == (found.is_halted, found.reason)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
async def test_a_reason_is_required_wherever_it_is_thrown(shop: Shop, reason: str) -> None:
    """
    At the command line as over HTTP: the desk itself refuses.
    """
    desk = switch_desk_of(shop.services)
    with pytest.raises(Invalid):
        await desk.halt("lipana", reason=reason, by=JANE)
    assert not (await state(shop)).is_halted

    await desk.halt("lipana", reason="maintenance", by=JANE)
    with pytest.raises(Invalid):
        await desk.resume("lipana", reason=reason, by=JANE)
    with pytest.raises(Invalid):
        async with shop.db.transaction() as tx:
            await switches.resume(tx, "lipana", reason=reason, actor="person:test")
    assert (await state(shop)).is_halted
