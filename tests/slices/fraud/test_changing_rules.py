"""Rules change at once when they get stricter, and by two people when they get looser."""

import asyncio
from typing import Any

import asyncpg
import pytest

from payops.access.errors import FourEyesRequired
from payops.fraud.domain.changes import Change, ChangeState, Version
from payops.fraud.domain.rules import Mode
from payops.fraud.errors import (
    ChangeDecided,
    ChangePending,
    RuleChanged,
    RuleExists,
    RuleInvalid,
    RuleNotFound,
)
from payops.ops.velocity.service import Actor, VelocityDesk
from tests.support.shop import AMINA, OpenShop, Shop
from tests.support.velocity import HOURLY
from tests.support.waiting import eventually

JANE, JOHN = Actor("key:key_1", "jane"), Actor("person:john", "person:john")
NAME = "user-withdrawals-per-hour"


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop(velocity={"withdrawals_per_hour": 3})


@pytest.fixture
def desk(shop: Shop) -> VelocityDesk:
    return VelocityDesk(shop.db, shop.services.fraud.changing)


async def change(
    desk: VelocityDesk, limit: int | None = None, mode: Mode | None = None, by: Actor = JANE
) -> Any:
    return await desk.change(NAME, limit=limit, mode=mode, reason="because", by=by)


async def test_a_stricter_limit_is_in_force_at_once(shop: Shop, desk: VelocityDesk) -> None:
    """In the process that changed it without any wait."""
    await shop.accepts(100)
    await shop.funds(AMINA, 200)

    version = await change(desk, limit=1)

    assert isinstance(version, Version)
    assert (1, 1, "jane", None) == (
        version.rule.limit,
        version.rule.version,
        version.changed_by,
        version.approved_by,
    )
    assert 429 == (await shop.asks_for(100)).status


async def test_other_processes_notice_a_change(open_shop: OpenShop) -> None:
    """By age at the latest; here nobody listens, so age is all there is."""
    settings = {"withdrawals_per_hour": 3, "rules_remembered_seconds": 1}
    one, two = await open_shop(velocity=settings), await open_shop(velocity=settings)
    await two.accepts(100)
    await two.funds(AMINA, 300)

    await change(VelocityDesk(one.db, one.services.fraud.changing), limit=1)

    async def is_refused() -> bool:
        return (await two.asks_for(100)).status == 429

    assert await eventually(is_refused)


async def test_a_looser_limit_waits_for_another_person(shop: Shop, desk: VelocityDesk) -> None:
    """Nothing changes until somebody else approves; then it is on record who did what."""
    wanted = await change(desk, limit=5)
    assert isinstance(wanted, Change)
    assert 3 == (await desk.report(hours=1)).rules[0].limit

    with pytest.raises(FourEyesRequired):
        await desk.approve(wanted.shown_id, Actor("key:key_9", " Jane"))
    version = await desk.approve(wanted.shown_id, JOHN)

    assert (5, "jane", "john") == (
        version.rule.limit,
        version.changed_by,
        version.approved_by,
    )
    for _ in range(5):
        await shop.accepts(10)
    await shop.funds(AMINA, 10)
    assert 429 == (await shop.asks_for(10)).status
    kinds = await shop.fetch(
        "SELECT kind, actor FROM audit_log WHERE kind LIKE 'velocity%' ORDER BY id"
    )
    assert [
        {"kind": "velocity_change_proposed", "actor": "key:key_1"},
        {"kind": "velocity_rule_changed", "actor": "person:john"},
    ] == kinds


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
async def test_enforcing_no_longer_is_loosening(desk: VelocityDesk, mode: Mode) -> None:
    """Also with a lower limit."""
    assert isinstance(await change(desk, limit=1, mode=mode), Change)


async def test_the_database_knows_four_eyes(shop: Shop, desk: VelocityDesk) -> None:
    """Whatever the code does: nobody approves their own."""
    await change(desk, limit=5)

    with pytest.raises(asyncpg.CheckViolationError):
        await shop.execute(
            "UPDATE velocity_rule_changes SET state = 'approved', decided_by = proposed_by"
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.execute(
            "INSERT INTO velocity_rules (name, version, scope, action, measure, limit_value, mode,"
            " counts_failed, reason, changed_by, approved_by) VALUES ('rule', 1, 'user',"
            " 'withdrawal', 'count', 1, 'enforce', true, 'r', 'jane', 'jane')"
        )


async def test_who_asked_may_take_it_back(desk: VelocityDesk) -> None:
    """Rejected by anybody; then it cannot be approved any more."""
    wanted = await change(desk, limit=5)

    closed = await desk.reject(wanted.shown_id, JANE)

    assert (ChangeState.REJECTED, "jane") == (closed.state, closed.decided_by)
    with pytest.raises(ChangeDecided):
        await desk.approve(wanted.shown_id, JOHN)


async def test_an_approval_is_for_the_rule_that_was_seen(desk: VelocityDesk) -> None:
    """A rule that was changed meanwhile is looked at again."""
    wanted = await change(desk, limit=5)
    await change(desk, limit=2, by=JOHN)

    with pytest.raises(RuleChanged):
        await desk.approve(wanted.shown_id, JOHN)


async def test_one_change_of_a_rule_waits_at_a_time(desk: VelocityDesk) -> None:
    """The second is told so."""
    await change(desk, limit=5)

    with pytest.raises(ChangePending):
        await change(desk, limit=6, by=JOHN)


async def test_of_many_approvals_at_once_one_counts(desk: VelocityDesk) -> None:
    """Ten approvers: one version."""
    wanted = await change(desk, limit=5)

    results = await asyncio.gather(
        *(desk.approve(wanted.shown_id, Actor(f"key:{n}", f"p{n}")) for n in range(10)),
        return_exceptions=True,
    )

    assert 1 == sum(isinstance(one, Version) for one in results)
    assert 9 == sum(isinstance(one, ChangeDecided) for one in results)
    assert 1 == len(await desk.history(NAME))


async def test_of_many_changes_at_once_one_counts(desk: VelocityDesk) -> None:
    """The others look again; no version is lost or overwritten."""
    results = await asyncio.gather(
        *(change(desk, limit=1 + n % 2) for n in range(8)), return_exceptions=True
    )

    made = [one for one in results if isinstance(one, Version)]
    assert {type(one) for one in results} <= {Version, RuleChanged, RuleInvalid, Change}
    assert [version.rule.version for version in await desk.history(NAME)] == sorted(
        (version.rule.version for version in made), reverse=True
    )


async def test_a_history_tells_what_was_before(desk: VelocityDesk) -> None:
    """And cannot be rewritten."""
    await change(desk, limit=2)
    await change(desk, limit=1)

    newest, oldest = await desk.history(NAME)

    assert (2, 3) == (
        (newest.before or {})["limit"],
        (oldest.before or {})["limit"],
    )


@pytest.mark.parametrize("what", ["UPDATE velocity_rules SET mode = 'off'", "DELETE FROM {}"])
async def test_a_version_never_changes(shop: Shop, desk: VelocityDesk, what: str) -> None:
    """The database itself refuses."""
    await change(desk, limit=2)

    with pytest.raises(asyncpg.RestrictViolationError):
        await shop.execute(what.format("velocity_rules"))


async def test_a_rule_in_the_shadow_records_and_lets_pass(shop: Shop, desk: VelocityDesk) -> None:
    """A new rule acts at once; its hits are in the report, by the hour."""
    await desk.make(HOURLY_OF_ONE, "to see", JANE)
    for _ in range(3):
        await shop.accepts(100)

    report = await desk.report(hours=1)

    (hits,) = report.hits
    assert ("one-an-hour", 1, "shadow", 2, 1, 20_000) == (
        hits.name,
        hits.version,
        hits.mode,
        hits.hits,
        hits.users,
        hits.amount_minor,
    )
    assert hits.hour.minute == hits.hour.second == 0
    with pytest.raises(RuleExists):
        await desk.make(HOURLY_OF_ONE, "again", JANE)


async def test_what_cannot_be_is_refused(desk: VelocityDesk) -> None:
    """No such rule, no change at all, no reason."""
    with pytest.raises(RuleNotFound):
        await desk.change("no-such-rule", limit=1, mode=None, reason="r", by=JANE)
    with pytest.raises(RuleInvalid):
        await change(desk, limit=3)
    with pytest.raises(RuleInvalid):
        await desk.change(NAME, limit=1, mode=None, reason=" ", by=JANE)


HOURLY_OF_ONE = type(HOURLY)(
    "one-an-hour", HOURLY.scope, HOURLY.action, HOURLY.measure, HOURLY.window, 1, Mode.SHADOW
)
