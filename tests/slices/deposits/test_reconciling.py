"""Comparing books: what differs becomes a break, once; what does not is left alone."""

import asyncio
import contextvars
from decimal import Decimal
from typing import Any

import pytest

from payops.deposits.domain.invoices import Invoice
from payops.deposits.domain.states import State
from payops.deposits.ports import NoAnswer
from payops.reconciliation.domain import Break, BreakKind, DepositTally
from payops.reconciliation.errors import BreakNotFound
from payops.reconciliation.service import breaks
from tests.support.mint import Mint
from tests.support.till import OpenTill, Till
from tests.support.waiting import eventually


async def reconciles(till: Till) -> DepositTally:
    return await till.services.deposit_reconciliation.everything()


async def open_breaks(till: Till) -> list[Break]:
    async with till.db.transaction(read_only=True) as tx:
        return await breaks.page(tx, before=None, limit=100)


async def kinds(till: Till) -> list[BreakKind]:
    return sorted(one.kind for one in await open_breaks(till))


async def closed(till: Till) -> list[tuple[str, str, str]]:
    rows = await till.fetch(
        "SELECT kind, closed_by, explanation FROM reconciliation_breaks"
        " WHERE closed_at IS NOT NULL ORDER BY id"
    )
    return [(row["kind"], row["closed_by"], row["explanation"]) for row in rows]


def lose(till: Till, invoice: Invoice) -> None:
    """The provider knows the payment no more."""
    assert invoice.provider_reference
    del till.mint.book[invoice.provider_reference]


async def credited(till: Till) -> Invoice:
    return await till.settles(await till.invoice("20.00"), "0.02")


# What it repairs


async def test_what_was_missed_is_credited_and_is_no_break(till: Till) -> None:
    """No notification, no poll: reconciling reads it, credits it, and the books agree."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)

    tally = await reconciles(till)

    assert DepositTally(checked=1, credited=1) == tally
    assert 2000 == await till.balance()
    assert [] == await open_breaks(till)


async def test_where_both_agree_nothing_happens(till: Till) -> None:
    """Open and credited ones are looked at; twice changes nothing."""
    await credited(till)
    await till.invoice("20.00")

    first, second = await reconciles(till), await reconciles(till)

    assert DepositTally(checked=2, unchanged=2) == first == second
    assert [] == await open_breaks(till)
    assert [] == await till.alerts()
    await till.assert_books()


async def test_only_what_was_settled_lately_is_read_again(open_tills: OpenTill) -> None:
    """A week ago and at rest: nobody asks about it any more."""
    till = await open_tills(reconciliation={"crypto_days": 7})
    await credited(till)
    await till.execute("UPDATE deposit_payments SET state_since = now() - interval '8 days'")
    await till.execute("UPDATE deposit_receipts SET settled_at = now() - interval '8 days'")

    assert DepositTally() == await reconciles(till)


async def test_an_old_payment_that_was_credited_lately_is_read_again(open_tills: OpenTill) -> None:
    """Opened a month ago, paid today: what its provider now says of it is compared."""
    till = await open_tills(reconciliation={"crypto_days": 7})
    invoice = await till.invoice("20.00")
    await till.execute("UPDATE deposit_payments SET created_at = now() - interval '29 days'")
    await till.settles(invoice, "0.02")
    await _amount_differs(till, invoice)

    assert (1, 1) == ((tally := await reconciles(till)).checked, tally.breaks)


async def test_what_was_refunded_lately_is_read_again(open_tills: OpenTill) -> None:
    """Nothing of it settled within the week, but it was given back today."""
    till = await open_tills(reconciliation={"crypto_days": 7})
    await till.settles(await till.invoice("20.00"), "0.02", state=State.REFUNDED)
    await till.execute("UPDATE deposit_receipts SET settled_at = NULL")

    assert 1 == (await reconciles(till)).checked


async def test_money_that_waited_for_its_rate_is_read_again(open_tills: OpenTill) -> None:
    """Finished eight days ago, settled for us today: the day it settled counts."""
    till = await open_tills(reconciliation={"crypto_days": 7})
    await credited(till)
    await till.execute("UPDATE deposit_payments SET state_since = now() - interval '8 days'")

    assert 1 == (await reconciles(till)).checked


@pytest.mark.parametrize("state", [State.WAITING, State.CONFIRMING, State.SENDING])
async def test_what_is_not_at_rest_is_read_though_polling_has_ended(
    till: Till, state: State
) -> None:
    """Nobody polls it any more, and it is neither paid nor given up: reconciling still looks."""
    invoice = await till.invoice("20.00")
    till.mint.becomes(invoice.provider_reference or "", state)
    await till.catches_up()
    await till.execute(
        "UPDATE deposit_payments SET due_at = NULL, state_since = now() - interval '40 days',"
        " created_at = now() - interval '40 days'"
    )

    assert 1 == (await reconciles(till)).checked


# Each kind of break


async def _amount_differs(till: Till, invoice: Invoice) -> None:
    assert invoice.provider_reference
    till.mint.arrives(invoice.provider_reference, "0.03")


async def _state_differs(till: Till, invoice: Invoice) -> None:
    """It was finished, and the provider goes back to confirming."""
    assert invoice.provider_reference
    till.mint.becomes(invoice.provider_reference, State.CONFIRMING)


async def _credited_not_settled(till: Till, invoice: Invoice) -> None:
    assert invoice.provider_reference
    till.mint.becomes(invoice.provider_reference, State.FINISHED, arrivals=())


async def _not_known(till: Till, invoice: Invoice) -> None:
    lose(till, invoice)


async def _unreadable(till: Till, invoice: Invoice) -> None:
    del invoice
    till.mint.replies.append(NoAnswer("html"))


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        (_amount_differs, BreakKind.AMOUNT_DIFFERS),
        (_state_differs, BreakKind.STATE_DIFFERS),
        (_credited_not_settled, BreakKind.CREDITED_NOT_SETTLED),
        (_not_known, BreakKind.NOT_KNOWN),
        (_unreadable, BreakKind.UNREADABLE),
    ],
)
async def test_a_difference_is_a_break_and_moves_no_money(
    till: Till, turn: Any, kind: BreakKind
) -> None:
    """Whatever differs about a credited payment: a break with both sides, an alert, no posting."""
    invoice = await credited(till)
    await turn(till, invoice)

    tally = await reconciles(till)

    (found,) = await open_breaks(till)
    assert (kind, 1) == (found.kind, tally.breaks)
    assert (invoice.provider_reference, invoice.user_id, None) == (
        found.subject,
        found.user_id,
        found.owner,
    )
    assert found.detail
    assert f"reconciliation_break:mint:{invoice.provider_reference}" in await till.alerts()
    assert 2000 == await till.balance()
    await till.assert_books()


async def test_settled_and_not_credited_is_a_break_with_its_reason(till: Till) -> None:
    """There is no rate for what came late: it waits, and operations see that it does."""
    invoice = await till.invoice("20.00")
    assert invoice.provider_reference
    await till.quote_ends(invoice)
    till.mint.usd_per_coin = None
    till.mint.arrives(invoice.provider_reference, "0.02")
    till.mint.becomes(invoice.provider_reference, State.FINISHED)
    await reconciles(till)
    (found,) = await open_breaks(till)
    assert BreakKind.SETTLED_NOT_CREDITED == found.kind
    assert "no rate yet" == found.detail["why"]

    till.mint.usd_per_coin = Decimal(1000)
    await reconciles(till)

    assert [] == await open_breaks(till)
    assert 2000 == await till.balance()


# Their life


async def test_a_break_is_opened_once_and_ages(till: Till) -> None:
    """Found again it is the same one: its beginning stays, its last sight moves, one alert."""
    invoice = await credited(till)
    lose(till, invoice)
    await reconciles(till)
    (first,) = await open_breaks(till)
    await reconciles(till)
    (again,) = await open_breaks(till)

    assert (first.id, first.opened_at) == (again.id, again.opened_at)
    assert first.last_seen_at < again.last_seen_at
    rows = await till.fetch("SELECT count FROM alerts WHERE kind = 'reconciliation_break'")
    assert [1] == [row["count"] for row in rows]


async def test_two_replicas_open_it_once(open_tills: OpenTill) -> None:
    """Both reconcile at the same moment."""
    mint = Mint()
    one, other = await open_tills(mint), await open_tills(mint)
    lose(one, await credited(one))

    await asyncio.gather(reconciles(one), reconciles(other), reconciles(one))

    assert 1 == len(await open_breaks(one))


async def test_a_break_that_is_gone_is_closed(till: Till) -> None:
    """The provider knows the payment again: closed by the run, its alert resolved."""
    invoice = await credited(till)
    assert invoice.provider_reference
    kept = till.mint.book[invoice.provider_reference]
    lose(till, invoice)
    await reconciles(till)
    till.mint.has(kept)
    tally = await reconciles(till)

    assert 0 == tally.breaks
    assert [] == await open_breaks(till)
    assert [("not_known", "system:reconciliation", "gone")] == await closed(till)
    assert [] == [key for key in await till.alerts() if key.startswith("reconciliation_break")]


async def test_one_difference_that_turns_into_another_is_two_breaks(till: Till) -> None:
    """Not known, then known with another amount: the first is gone, the second is open."""
    invoice = await credited(till)
    assert invoice.provider_reference
    kept = till.mint.book[invoice.provider_reference]
    lose(till, invoice)
    await reconciles(till)
    till.mint.has(kept)
    await _amount_differs(till, invoice)
    await reconciles(till)

    assert [BreakKind.AMOUNT_DIFFERS] == await kinds(till)
    assert ["not_known"] == [kind for kind, _, _ in await closed(till)]


async def test_a_break_is_taken_on_and_explained(till: Till) -> None:
    """Its owner is on it; explained, it is closed by that person, and all of it on record."""
    lose(till, await credited(till))
    await reconciles(till)
    (found,) = await open_breaks(till)

    taken = await till.db.run(lambda tx: breaks.take_on(tx, found.id, owner="person:jane"))
    await reconciles(till)
    (still,) = await open_breaks(till)
    await till.db.run(
        lambda tx: breaks.explain(
            tx, found.id, explanation="their outage", actor="person:jane", request_id="req_1"
        )
    )

    assert "person:jane" == taken.owner == still.owner
    assert [("not_known", "person:jane", "their outage")] == await closed(till)
    rows = await till.fetch("SELECT kind FROM audit_log WHERE kind LIKE 'break_%' ORDER BY id")
    assert ["break_taken_on", "break_explained"] == [row["kind"] for row in rows]
    assert [] == [key for key in await till.alerts() if key.startswith("reconciliation_break")]


async def test_the_alert_of_a_payment_ends_with_the_last_of_its_breaks(till: Till) -> None:
    """Two differ about one payment; two people explain them at the same moment."""
    invoice = await credited(till)
    assert invoice.provider_reference
    lose(till, invoice)
    await reconciles(till)
    await till.execute(
        "INSERT INTO reconciliation_breaks (id, provider, kind, subject, user_id, detail)"
        " SELECT gen_random_uuid(), provider, 'amount_differs', subject, user_id, detail"
        " FROM reconciliation_breaks"
    )
    key = f"reconciliation_break:mint:{invoice.provider_reference}"
    first, second = await open_breaks(till)

    async def explained(one: Break) -> None:
        await till.db.run(lambda tx: breaks.explain(tx, one.id, explanation="x", actor="person:x"))

    async def waits() -> bool:
        found = await till.fetch(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found[0]["count"])

    async with till.db.transaction() as tx:
        await breaks.explain(tx, first.id, explanation="x", actor="person:y")
        other = asyncio.create_task(explained(second), context=contextvars.Context())
        await asyncio.create_task(eventually(waits), context=contextvars.Context())
    await other

    assert key not in await till.alerts()


async def test_an_alert_stands_while_another_break_of_its_payment_is_open(till: Till) -> None:
    """Whoever explains one difference has not explained the other."""
    invoice = await credited(till)
    lose(till, invoice)
    await reconciles(till)
    await till.execute(
        "INSERT INTO reconciliation_breaks (id, provider, kind, subject, user_id, detail)"
        " SELECT gen_random_uuid(), provider, 'amount_differs', subject, user_id, detail"
        " FROM reconciliation_breaks"
    )
    first, _ = await open_breaks(till)

    await till.db.run(lambda tx: breaks.explain(tx, first.id, explanation="x", actor="person:x"))

    assert f"reconciliation_break:mint:{invoice.provider_reference}" in await till.alerts()


async def test_one_that_was_explained_and_is_still_there_is_opened_anew(till: Till) -> None:
    """An explanation closes what was seen, not what will be."""
    lose(till, await credited(till))
    await reconciles(till)
    (found,) = await open_breaks(till)
    await till.db.run(lambda tx: breaks.explain(tx, found.id, explanation="x", actor="person:x"))
    await reconciles(till)

    (again,) = await open_breaks(till)
    assert found.id != again.id


async def test_what_is_closed_cannot_be_taken_on_or_explained_again(till: Till) -> None:
    """Two people at once: one of them comes too late and is told so."""
    lose(till, await credited(till))
    await reconciles(till)
    (found,) = await open_breaks(till)

    async def explain(who: str) -> Any:
        return await till.db.run(
            lambda tx: breaks.explain(tx, found.id, explanation="x", actor=f"person:{who}")
        )

    results = await asyncio.gather(explain("a"), explain("b"), return_exceptions=True)
    assert [BreakNotFound] == [type(one) for one in results if isinstance(one, Exception)]
    with pytest.raises(BreakNotFound):
        await till.db.run(lambda tx: breaks.take_on(tx, found.id, owner="person:c"))


# One among many


async def test_an_error_of_one_payment_does_not_stop_the_others(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider's answer that nobody thought of, for one of three: the other two are credited."""
    invoices = [await till.invoice("20.00") for _ in range(3)]
    for invoice in invoices:
        assert invoice.provider_reference
        till.mint.arrives(invoice.provider_reference, "0.02")
        till.mint.becomes(invoice.provider_reference, State.FINISHED)
    poisoned = invoices[1].provider_reference
    original = Mint.read

    async def read(self: Mint, reference: str) -> Any:
        if reference == poisoned:
            raise RuntimeError("nobody thought of this")
        return await original(self, reference)

    monkeypatch.setattr(Mint, "read", read)
    tally = await reconciles(till)

    assert (3, 2, 1) == (tally.checked, tally.credited, tally.errors)
    assert 4000 == await till.balance()
    assert [BreakKind.UNREADABLE] == await kinds(till)
    await till.assert_books()


async def test_more_than_a_page_is_read_to_the_end(till: Till) -> None:
    """Three at a time would do; whatever the number, each is looked at once."""
    for _ in range(7):
        await till.invoice("20.00")
    till.mint.reads.clear()

    tally = await reconciles(till)

    assert 7 == tally.checked == len(set(till.mint.reads)) == len(till.mint.reads)
