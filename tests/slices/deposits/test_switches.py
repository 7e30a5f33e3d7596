"""Switches: known to every process within a second, by whom and why, and nothing by guess."""

import time

import pytest

from payops.app import switch_desk_of
from payops.approvals.domain import Person
from payops.deposits.errors import DepositsHalted
from payops.switches import service as switches
from payops.switches.errors import UnknownSwitch
from tests.support.till import OpenTill, Till
from tests.support.waiting import eventually


async def halt(till: Till, name: str, reason: str = "test") -> bool:
    return await till.db.run(
        lambda tx: switches.halt(tx, name, reason=reason, actor="person:test", request_id="req_1")
    )


async def resume(till: Till, name: str) -> bool:
    return await till.db.run(
        lambda tx: switches.resume(tx, name, reason="mended", actor="person:other")
    )


async def is_refused(till: Till) -> bool:
    try:
        await till.asks_for("20.00")
    except DepositsHalted:
        return True
    return False


@pytest.mark.parametrize("listens", [True, False])
async def test_another_process_knows_within_a_second(open_tills: OpenTill, listens: bool) -> None:  # noqa: FBT001 - a parameter of a table
    """By a wake-up, or without any, because what it knows grows old."""
    pool = {"size": 8, "listen": listens}
    here, there = await open_tills(pool=pool), await open_tills(pool=pool)
    listener = there.services.listener
    if listener:
        listener.start()
        await eventually(lambda: listener.is_connected)
    assert not await is_refused(there)

    began = time.monotonic()
    await halt(here, "mint")
    await eventually(lambda: is_refused(there), within=5)
    took = time.monotonic() - began
    await resume(here, "mint")

    async def passes() -> bool:
        return not await is_refused(there)

    await eventually(passes, within=5)
    assert took < 1.5, "the promise is a second; the rest is this machine's"


async def test_throwing_it_twice_is_throwing_it_once(till: Till) -> None:
    """By the same person for the same reason; one alert is open, and resuming ends it."""
    assert await halt(till, "mint", "odd addresses")
    assert not await halt(till, "mint", "odd addresses")
    (switch,) = [one for one in await switch_desk_of(till.services).every() if one.is_halted]
    assert ("mint", "odd addresses", "person:test") == (
        switch.name,
        switch.reason,
        switch.changed_by,
    )
    assert ["halted:mint"] == await till.alerts()

    assert await resume(till, "mint")
    assert not await resume(till, "mint")
    assert [] == await till.alerts()


async def test_the_history_is_in_the_audit_log(till: Till) -> None:
    """Who, when, why, for every change, and nothing for what changed nothing."""
    for _ in range(2):
        await halt(till, "deposits")
    await resume(till, "deposits")

    rows = await till.fetch(
        "SELECT kind, actor, request_id, detail FROM audit_log WHERE subject = 'deposits'"
        " ORDER BY id"
    )
    assert [
        ("switch_halted", "person:test", "req_1"),
        ("switch_resumed", "person:other", None),
    ] == [(row["kind"], row["actor"], row["request_id"]) for row in rows]


async def test_a_name_that_is_none_is_refused(till: Till) -> None:
    """A slip of the pen must not look like a halt."""
    desk = switch_desk_of(till.services)
    for name in ("", "Mint", "mint ", "nobody"):
        with pytest.raises(UnknownSwitch):
            await desk.halt(name, reason="x", by=Person("person:test", "test"))

    assert [] == await till.fetch("SELECT * FROM switches")


async def test_every_flow_and_provider_has_one_and_is_on(till: Till) -> None:
    """Nobody ever touched them, so nobody is named."""
    found = await switch_desk_of(till.services).every()

    assert {"withdrawals", "deposits", "mint", "lipana"} == {one.name for one in found}
    assert not [one for one in found if one.is_halted or one.changed_by]


async def test_halted_deposits_do_not_halt_withdrawals_or_reading_back(till: Till) -> None:
    """Each switch is one thing; what is under way is followed to its end."""
    invoice = await till.invoice("20.00")
    await halt(till, "deposits")
    async with till.db.transaction() as tx:
        assert await till.services.switchboard.halted(tx, ["withdrawals"]) is None
    await till.settles(invoice, "0.02")

    assert 2000 == await till.balance()
