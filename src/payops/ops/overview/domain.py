"""What the overview tells, and how it is read from what the slices count."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from payops.deposits.service.measuring import Measured
from payops.deposits.service.reporting import Credited
from payops.infra.scheduling import JobHistory, Run, Status
from payops.webhooks.service import Figures as Waiting
from payops.withdrawals.domain import State
from payops.withdrawals.service.reporting import Due, Figures, Hour

HOURS: Final = 24
_UNCLEAR: Final = frozenset({State.UNRESOLVED, State.REVIEW})
_ENDED: Final = frozenset({Status.DONE, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Books:
    """What the last check of the ledger said. ``violations`` are names of invariants.

    ``is_right`` is false as well when the check itself failed: then nobody knows.
    """

    checked_at: datetime
    is_right: bool
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """``checks`` as ``/readyz`` has them; ``alerts`` are the open ones by severity."""

    checks: Mapping[str, str]
    halted: Sequence[str]
    alerts: Mapping[str, int]
    books: Books | None
    audit_sealed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Total:
    """Some withdrawals: how many, KES cents in all, the age of the oldest in seconds."""

    count: int = 0
    amount: int = 0
    oldest_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """Money held in withdrawals that are not final; ``unclear`` of it may have been paid."""

    held: Total
    unclear: Total
    by_state: Sequence[Figures]


@dataclass(frozen=True, slots=True)
class Work:
    """What waits for the worker, and for people."""

    withdrawals: Due
    inbox: Sequence[Waiting]
    deposits: Measured
    approvals: int


@dataclass(frozen=True, slots=True)
class LastRun:
    """A job and its newest run; ``overdue_minutes`` since the slot that should be done by now."""

    name: str
    when: str
    run: Run | None
    overdue_minutes: int | None


@dataclass(frozen=True, slots=True)
class Hourly:
    """One hour, from ``since`` on: withdrawals accepted in it, and deposits credited in it."""

    since: datetime
    withdrawals: Hour
    deposits: Sequence[Credited]


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours up to now, this one last, as they stood at ``read_at``; ``total`` of them all."""

    read_at: datetime
    total: Hour
    each: Sequence[Hourly] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it at ``at``. ``hours`` is ``None`` where they could not be counted in time."""

    at: datetime
    health: Health
    exposure: Exposure
    work: Work
    jobs: Sequence[LastRun]
    hours: Hours | None


def exposure_of(by_state: Sequence[Figures]) -> Exposure:
    return Exposure(
        held=_total(by_state),
        unclear=_total(one for one in by_state if one.state in _UNCLEAR),
        by_state=by_state,
    )


def books_of(checks: JobHistory | None) -> Books | None:
    """From the newest run that ended of the job that checks them; ``None``: there is none."""
    ended = [run for run in checks.runs if run.status in _ENDED] if checks else []
    if not ended:
        return None
    last = ended[0]
    at = last.finished_at or last.slot
    try:
        violations = tuple(json.loads(last.result or "")["violations"])
    except (ValueError, KeyError, TypeError):  # it failed, or its result was cut short
        return Books(at, is_right=False)
    return Books(at, last.status is Status.DONE and not violations, violations)


def first_hour(now: datetime) -> datetime:
    """When the oldest of the hours began that are told of at ``now``."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def hours_of(now: datetime, counted: Sequence[Hour], credited: Sequence[Credited]) -> Hours:
    """One for each hour, whether anything happened in it or not."""
    by_hour = {one.hour: one for one in counted}
    each = []
    for number in range(HOURS):
        since = first_hour(now) + timedelta(hours=number)
        of_hour = [one for one in credited if one.hour == since]
        each.append(Hourly(since, by_hour.get(since) or _nothing(since), of_hour))
    return Hours(now, by_hour.get(None) or _nothing(None), each)


def _nothing(hour: datetime | None) -> Hour:
    return Hour(hour, accepted=0, completed=0, failed=0, paid=0, p50=None, p95=None)


def _total(figures: Iterable[Figures]) -> Total:
    found = list(figures)
    return Total(
        sum(one.count for one in found),
        sum(one.amount_minor for one in found),
        max((one.oldest_seconds for one in found), default=0),
    )
