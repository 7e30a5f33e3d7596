"""The figures: counted in the database, averaged over a window; and what does not move is told."""

from datetime import timedelta

import pytest

from payops.deposits.domain.invoices import Checkout, Invoice
from payops.deposits.domain.states import State
from payops.deposits.errors import ProviderFailed
from payops.deposits.ports import AnswerLost
from payops.deposits.service import keeping
from payops.deposits.store.figures import Figures
from tests.support.till import OpenTill, Till

STUCK_AFTER = timedelta(minutes=30)


async def measured(till: Till) -> Figures:
    return (await till.services.deposits.measures.measure()).figures


async def looks(till: Till) -> int:
    """What the job of every minute does; how many are stuck."""
    found = await measured(till)
    return await keeping.alert_stuck(
        till.db, stuck_after=STUCK_AFTER, waiting_long=found.waiting_long
    )


async def sweeps(till: Till) -> int:
    return await keeping.end_unborn(
        till.db, older_than=timedelta(hours=24), deserted_after=timedelta(days=7)
    )


async def ago(till: Till, invoice: Invoice, minutes: int) -> None:
    """It has been in its state for that long."""
    await till.execute(
        "UPDATE invoices SET state_since = now() - make_interval(mins => $2) WHERE id = $1",
        invoice.id,
        minutes,
    )


async def in_state(till: Till, state: State, arrived: str = "0.02") -> Invoice:
    invoice = await till.invoice("20.00")
    if state in {State.EXPIRED, State.FAILED}:
        assert invoice.provider_reference
        till.mint.becomes(invoice.provider_reference, state)
        await till.hears(reference=invoice.provider_reference)
        return await till.look(invoice.shown_id)
    return await till.settles(invoice, arrived, state=state)


async def test_nothing_is_zero_and_averages_of_nothing_are_none(till: Till) -> None:
    """An empty table is no error."""
    found = await measured(till)

    assert Figures(0, 0, 0, 0, 0, 0, 0, 0, None, None) == found


async def test_each_state_is_counted_where_it_belongs(till: Till) -> None:
    """Waiting and confirming are pending; confirmed and sending are confirmed; failed is both."""
    await till.invoice("20.00")
    for state in (
        State.CONFIRMING,
        State.CONFIRMED,
        State.SENDING,
        State.FINISHED,
        State.FINISHED,
        State.EXPIRED,
        State.FAILED,
    ):
        await in_state(till, state)
    await in_state(till, State.PARTIALLY_PAID, "0.01")
    review = await till.invoice("20.00")
    await till.settles(review, "0.0001", state=State.FAILED)

    found = await measured(till)

    assert (2, 2, 2, 1, 2, 1) == (
        found.pending,
        found.confirmed,
        found.finished,
        found.partially_paid,
        found.failed,
        found.review,
    )


async def test_what_ended_before_the_window_is_not_counted(open_tills: OpenTill) -> None:
    """Yesterday's deposits are yesterday's; what is open is counted however old it is."""
    till = await open_tills(crypto={"metrics_window_hours": 2})
    old, waiting = await in_state(till, State.FINISHED), await till.invoice("20.00")
    await in_state(till, State.FINISHED)
    await _moved(till, old, hours=3)
    await ago(till, waiting, 60 * 24 * 20)

    found = await measured(till)

    assert (1, 1) == (found.finished, found.pending)


async def _moved(till: Till, invoice: Invoice, *, hours: int) -> None:
    """Its history happened that long ago; for once the append-only rows are rewritten."""
    await till.execute("ALTER TABLE deposit_transitions DISABLE TRIGGER USER")
    await till.execute(
        "UPDATE deposit_transitions SET at = at - make_interval(hours => $2) WHERE invoice_id = $1",
        invoice.id,
        hours,
    )
    await till.execute("ALTER TABLE deposit_transitions ENABLE TRIGGER USER")


async def test_waits_are_averaged_in_seconds(till: Till) -> None:
    """From the invoice to the money, and from the money to its settlement."""
    for waited, settling in ((100, 20), (300, 60)):
        invoice = await till.invoice("20.00")
        await till.execute(
            "UPDATE invoices SET created_at = now() - make_interval(secs => $2) WHERE id = $1",
            invoice.id,
            waited,
        )
        await till.settles(invoice, "0.02", state=State.CONFIRMING)
        await till.execute(
            "UPDATE deposit_payments SET seen_at = now() - make_interval(secs => $2)"
            " WHERE invoice_id = $1",
            invoice.id,
            settling,
        )
        await till.settles(invoice, "0.02", again=1)

    found = await measured(till)

    assert found.avg_waited is not None
    assert found.avg_settling is not None
    assert 200 <= found.avg_waited <= 205
    assert 40 <= found.avg_settling <= 45


async def test_one_that_settles_without_a_word_between_has_waited_and_not_settled(
    till: Till,
) -> None:
    """Straight from waiting to finished: there is a wait, and no time of settling."""
    await in_state(till, State.FINISHED)

    found = await measured(till)

    assert found.avg_waited is not None
    assert found.avg_settling is None


async def test_the_hours_are_told_one_by_one(till: Till) -> None:
    """As many as the window has, this hour last."""
    older = await in_state(till, State.FINISHED)
    await in_state(till, State.PARTIALLY_PAID, "0.01")
    await _moved(till, older, hours=2)

    found = await till.services.deposits.measures.measure()

    assert 24 == len(found.settled)
    assert (1, 0, 1) == found.settled[-3:]
    assert 2 == sum(found.settled)


@pytest.mark.parametrize(
    ("state", "minutes", "waiting_long", "stuck_paid"),
    [
        (State.WAITING, 29, 0, 0),
        (State.WAITING, 31, 1, 0),
        (State.CONFIRMING, 29, 0, 0),
        (State.CONFIRMING, 31, 0, 1),
        (State.CONFIRMED, 31, 0, 1),
        (State.SENDING, 31, 0, 1),
        (State.FINISHED, 31, 0, 0),
        (State.EXPIRED, 31, 0, 0),
    ],
)
async def test_without_progress_for_too_long_is_stuck(
    till: Till, state: State, minutes: int, waiting_long: int, stuck_paid: int
) -> None:
    """Nobody pays is one thing, paid and not settled another; what is at rest is neither."""
    waiting = state is State.WAITING
    invoice = await till.invoice("20.00") if waiting else await in_state(till, state)
    await ago(till, invoice, minutes)

    found = await measured(till)

    assert (waiting_long, stuck_paid) == (found.waiting_long, found.stuck_paid)


async def test_a_stuck_deposit_alerts_once_an_episode_and_resolves_when_it_moves(
    till: Till,
) -> None:
    """Looked at ten times it is one alert; it moves, and that is over; stuck again, it is new."""
    invoice = await in_state(till, State.CONFIRMING)
    key = f"deposit_stuck:{invoice.shown_id}"
    assert 0 == await looks(till)
    await ago(till, invoice, 31)
    for _ in range(10):
        assert 1 == await looks(till)
    rows = await till.fetch(
        "SELECT a.severity, count(n.*) AS told FROM alerts a"
        " JOIN alert_notices n ON n.alert_id = a.id WHERE a.key = $1 GROUP BY 1",
        key,
    )
    assert [("critical", 1)] == [(row["severity"], row["told"]) for row in rows]

    await till.settles(invoice, "0.02", state=State.CONFIRMED, again=1)
    assert key not in await till.alerts()
    await ago(till, invoice, 31)
    await looks(till)
    assert key in await till.alerts()
    await till.settles(invoice, "0.02", again=2)
    assert key not in await till.alerts()


async def test_invoices_that_nobody_pays_share_one_alert_of_a_lower_severity(till: Till) -> None:
    """However many; it is over when the last of them is."""
    invoices = [await till.invoice("20.00") for _ in range(3)]
    for invoice in invoices:
        await ago(till, invoice, 31)
    await looks(till)
    rows = await till.fetch("SELECT severity, detail FROM alerts WHERE key = 'deposits_waiting'")
    assert [("warning", 3)] == [(row["severity"], row["detail"]["invoices"]) for row in rows]
    assert ["deposits_waiting"] == await till.alerts()

    for number, invoice in enumerate(invoices):
        await till.settles(invoice, "0.02", again=number)
    await looks(till)
    assert [] == await till.alerts()


async def test_a_page_that_nobody_used_expires_and_opens_again_when_money_comes(
    till: Till,
) -> None:
    """A week without a coin picked: expired; a payment after all is credited."""
    page = await till.invoice("20.00", coin=None, checkout=Checkout.HOSTED)
    other = await till.invoice("20.00")
    for invoice in (page, other):
        await ago(till, invoice, 60 * 24 * 7 + 1)

    assert 1 == await sweeps(till)

    assert State.EXPIRED == (await till.look(page.shown_id)).state
    assert State.WAITING == (await till.look(other.shown_id)).state
    assert 0 == await sweeps(till)


async def test_what_no_provider_answered_for_ends_after_a_day(till: Till) -> None:
    """Unknown for a day: failed; younger ones may still be asked for again."""
    for key in ("a", "b"):
        till.mint.answers.append(AnswerLost("reset"))
        with pytest.raises(ProviderFailed):
            await till.asks_for("20.00", key=key)
    await till.execute(
        "UPDATE invoices SET state_since = now() - interval '25 hours'"
        " WHERE id = (SELECT min(id::text)::uuid FROM invoices)"
    )

    assert 1 == await sweeps(till)

    rows = await till.fetch("SELECT state FROM invoices ORDER BY id")
    assert ["failed", "unknown"] == [row["state"] for row in rows]


async def test_money_for_an_invoice_that_was_given_up_is_not_lost(till: Till) -> None:
    """Its first attempt is heard of two days later: a person looks, nothing is credited."""
    till.mint.answers.append(AnswerLost("reset"))
    with pytest.raises(ProviderFailed):
        await till.asks_for("20.00")
    opened = till.mint.opens(till.mint.intents[0])
    await till.execute("UPDATE invoices SET state_since = now() - interval '25 hours'")
    await sweeps(till)

    till.mint.arrives(opened.reference, "0.02")
    till.mint.becomes(opened.reference, State.FINISHED)
    await till.hears(reference=opened.reference, status="finished", order=opened.order_id)

    (row,) = await till.fetch("SELECT state, reasons FROM invoices")
    assert ("review", ["orphan"]) == (row["state"], list(row["reasons"]))
    assert 0 == await till.balance()


async def test_how_long_each_phase_took_is_observed_once(till: Till) -> None:
    """One observation a phase that ended, in the histogram of this process."""
    invoice = await till.invoice("20.00")
    await till.settles(invoice, "0.02", state=State.CONFIRMING)
    await till.settles(invoice, "0.02", again=1)
    await till.settles(invoice, "0.02", again=2)
    rendered = till.services.metrics.render().decode()
    for phase in ("wait_to_pending", "pending_to_finished"):
        assert f'payops_deposit_phase_seconds_count{{phase="{phase}"}} 1.0' in rendered


async def test_every_process_shows_the_gauges_whoever_ran_the_job(
    open_tills: OpenTill, till: Till
) -> None:
    """A replica that never measured for a job has the same figures, and an average of its own."""
    other = await open_tills(till.mint)
    await in_state(till, State.FINISHED)
    await till.invoice("20.00")

    await other.services.deposits.measures.set_figures()

    rendered = other.services.metrics.render().decode()
    assert 'payops_deposits{phase="pending"} 1.0' in rendered
    assert 'payops_deposits{phase="finished"} 1.0' in rendered
    assert 'payops_deposit_average_seconds{phase="wait_to_pending"}' in rendered
