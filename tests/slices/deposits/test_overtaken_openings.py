"""A payment that is read back before the answer that opened it was recorded.

Whose it is, that answer says: until then nothing is decided, and not for longer than the
attempt may take.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from payops.deposits.domain.invoices import Kind
from payops.deposits.domain.states import State
from payops.deposits.errors import ProviderFailed
from payops.deposits.ports import AnswerLost, Intent, OpenAnswer, Opened
from payops.idempotency.errors import InProgress
from tests.support.till import Till

LEASE_ENDS = "UPDATE invoice_attempts SET lease_until = now() - interval '1 second'"

Answering = Callable[[Intent, Opened], Awaitable[OpenAnswer]]


async def paid_before_the_answer(till: Till, answering: Answering) -> Opened:
    """Ask under the key ``k``; all is paid, told of and read back before ``answering``."""
    paid: list[Opened] = []

    async def overtaken(intent: Intent) -> OpenAnswer:
        till.mint.before_answering = None
        opened = till.mint.opens(intent)
        paid.append(opened)
        till.mint.arrives(opened.reference, "0.02")
        till.mint.becomes(opened.reference, State.FINISHED)
        await till.hears(reference=opened.reference, status="finished", order=intent.order_id)
        await assert_undecided(till)
        return await answering(intent, opened)

    till.mint.before_answering = overtaken
    with suppress(InProgress, ProviderFailed):  # where the answer is late or lost
        await till.asks_for("20.00", key="k")
    (opened,) = paid
    return opened


async def assert_undecided(till: Till) -> None:
    """Read once, due again in seconds, and no word of it to anybody."""
    (payment,) = await till.fetch(
        "SELECT kind, reason, due_at < now() + interval '5 seconds' AS is_due_soon"
        " FROM deposit_payments"
    )
    assert {"kind": "orphan", "reason": None, "is_due_soon": True} == payment
    assert 1 == len(till.mint.reads)
    (invoice,) = await till.fetch("SELECT state, reasons FROM invoices")
    assert ("creating", []) == (invoice["state"], invoice["reasons"])
    assert [] == await till.alerts()
    assert 0 == await till.balance()


async def found(till: Till) -> dict[str, Any]:
    """The invoice after everything due was read, and what was credited."""
    await till.catches_up()
    await till.assert_books()
    (invoice,) = await till.fetch("SELECT state, reasons FROM invoices")
    return {**invoice, "credited": await till.balance()}


async def test_it_waits_for_the_answer_and_is_then_the_invoices_own(till: Till) -> None:
    """Paid, told of and read before the address was recorded: credited once it is."""

    async def answers(_: Intent, opened: Opened) -> OpenAnswer:
        return opened

    await paid_before_the_answer(till, answers)

    assert {"state": "finished", "reasons": [], "credited": 2000} == await found(till)


async def test_it_is_for_a_person_when_the_answer_names_another_payment(till: Till) -> None:
    """The caller was shown another address: the money for this one is nobody's yet."""

    async def answers_with_another(intent: Intent, _: Opened) -> OpenAnswer:
        return till.mint.opens(intent)

    await paid_before_the_answer(till, answers_with_another)

    assert {"state": "review", "reasons": ["orphan"], "credited": 0} == await found(till)


async def test_it_becomes_the_invoices_own_when_the_answer_is_lost(till: Till) -> None:
    """Nobody has another address, and this one was opened for this invoice."""

    async def loses_its_answer(_: Intent, __: Opened) -> OpenAnswer:
        return AnswerLost("reset")

    await paid_before_the_answer(till, loses_its_answer)

    assert {"state": "finished", "reasons": [], "credited": 2000} == await found(till)


async def test_it_waits_no_longer_than_the_attempts_lease(till: Till) -> None:
    """Whoever asked has died: when the lease is over the payment is judged, and is at rest."""

    async def is_never_recorded(_: Intent, opened: Opened) -> OpenAnswer:
        await till.catches_up()
        (payment,) = await till.fetch("SELECT kind, due_at FROM deposit_payments")
        assert (Kind.ORPHAN, True) == (payment["kind"], payment["due_at"] is not None)
        await till.execute(LEASE_ENDS)
        await till.catches_up()
        (payment,) = await till.fetch("SELECT kind, due_at FROM deposit_payments")
        assert (Kind.PRIMARY, None) == (payment["kind"], payment["due_at"])
        return opened

    await paid_before_the_answer(till, is_never_recorded)

    assert {"state": "finished", "reasons": [], "credited": 2000} == await found(till)
    attempts = await till.fetch("SELECT answer FROM invoice_attempts")
    assert ["lost"] == [attempt["answer"] for attempt in attempts]
