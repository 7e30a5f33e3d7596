"""Jobs, reconciliations, and whether payments get where they should."""

from datetime import datetime, timedelta
from typing import Final

from payops.infra.scheduling import JobHistory, Status
from payops.ops.checklists.domain import Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts
from payops.reconciliation.service import breaks
from payops.withdrawals.domain import State
from payops.withdrawals.service import reporting

_RECONCILIATIONS: Final = ("reconcile-mpesa", "reconcile-crypto")
_NIGHTLY_WITHIN: Final = timedelta(hours=26)
_DAY: Final = timedelta(days=1)
_BREAKS_MAX: Final = 100
# A p95 that doubles, and is more than a minute longer, is worth a look; less is the weather.
_SLOWER: Final = 2
_SLOWER_SECONDS_MIN: Final = 60


async def reconciliation(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        history = {job.name: job for job in await parts.scheduler.history(tx, 1)}
        differences = await breaks.page(tx, before=None, limit=_BREAKS_MAX)
    runs = {name: _last_run(history[name]) for name in _RECONCILIATIONS if name in history}
    evidence = {"runs": runs, "breaks": len(differences)}
    bad = [
        name
        for name in runs
        if history[name].last_status in (Status.FAILED, Status.LOST)
        or (history[name].last_slot or now) < now - _NIGHTLY_WITHIN
    ]
    if bad:
        detail = f"{' and '.join(bad)} failed or did not run in time: `payops jobs run {bad[0]}`"
        return failed(detail, **evidence)
    never = [name for name in runs if history[name].last_slot is None]
    if never:
        return attention(
            f"{' and '.join(never)} never ran: `payops jobs run {never[0]}`", **evidence
        )
    if differences:
        return attention(f"{len(differences)} differences are open: explain each", **evidence)
    return passed("both ran within a day and no difference is open", **evidence)


async def jobs(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        history = await parts.scheduler.history(tx, 1)
    runs = {job.name: _last_run(job) for job in history}
    bad = [job.name for job in history if job.last_status in (Status.FAILED, Status.LOST)]
    if bad:
        return failed(
            f"ended badly: {', '.join(bad)}; docs/runbooks/scheduler-silent.md", runs=runs
        )
    never = [job.name for job in history if job.last_slot is None]
    if never:
        return attention(f"never ran so far: {', '.join(never)}", runs=runs)
    return passed(f"{len(runs)} jobs ran, the last time of each ended well", runs=runs)


async def transition_times(parts: Parts, _: By) -> Finding:
    """How long payouts and deposits take, today against the day before."""
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        today = await reporting.seconds_to_paid(tx, now - _DAY, now)
        before = await reporting.seconds_to_paid(tx, now - 2 * _DAY, now - _DAY)
    measured = await parts.deposits.measures.measure()
    figures = measured.figures
    evidence = {
        "payouts": {"p50": today.p50, "p95": today.p95, "paid": today.paid},
        "payoutsDayBefore": {"p50": before.p50, "p95": before.p95, "paid": before.paid},
        "depositsAvgWaitToPending": figures.avg_waited,
        "depositsAvgPendingToFinished": figures.avg_settling,
        "depositsSettledByHour": list(measured.settled),
    }
    if today.p95 is None and not figures.finished:
        return attention("nothing was paid or settled in a day: nothing to measure", **evidence)
    if today.p95 is not None and before.p95 is not None:
        grown = today.p95 - before.p95
        if today.p95 > _SLOWER * before.p95 and grown > _SLOWER_SECONDS_MIN:
            detail = f"p95 of payouts went from {before.p95} s to {today.p95} s in a day"
            return attention(detail, **evidence)
    shown = "none paid" if today.p95 is None else f"p50 {today.p50} s, p95 {today.p95} s"
    return passed(f"payouts: {shown}; {figures.finished} deposits settled", **evidence)


async def stuck_payments(parts: Parts, _: By) -> Finding:
    limit = parts.settings.mpesa_status.alert_after_minutes * 60
    async with parts.db.transaction(read_only=True) as tx:
        open_ones = {one.state: one for one in await reporting.open_now(tx)}
    figures = (await parts.deposits.measures.measure()).figures
    unclear = [
        one
        for state in (State.SENDING, State.SENT, State.UNRESOLVED)
        if (one := open_ones.get(state)) and one.oldest_seconds > limit
    ]
    review = open_ones.get(State.REVIEW)
    evidence = {
        "open": {state.value: one.count for state, one in open_ones.items()},
        "oldestSeconds": {state.value: one.oldest_seconds for state, one in open_ones.items()},
        "depositsStuckPaid": figures.stuck_paid,
        "depositsWaitingLong": figures.waiting_long,
        "depositsInReview": figures.review,
    }
    if unclear or figures.stuck_paid or (review and review.oldest_seconds > limit):
        states = ", ".join(one.state.value for one in unclear) or "review"
        what = f"payouts {states}" if unclear or review else f"{figures.stuck_paid} deposits"
        detail = f"{what} for more than {limit // 60} minutes: `payops withdrawals list`"
        return failed(detail, **evidence)
    if review or figures.review or figures.waiting_long:
        return attention("some wait for a person or for their payer", **evidence)
    return passed("nothing has been open for too long", **evidence)


def _last_run(job: JobHistory) -> dict[str, object]:
    return {
        "lastSlot": job.last_slot.isoformat() if job.last_slot else None,
        "lastStatus": job.last_status.value if job.last_status else None,
    }
