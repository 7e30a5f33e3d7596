"""The rules, as data: what is looked at, and from where on it is trouble.

They watch what nobody's transaction notices: sums, rates, silence and lateness. Trouble that
one transaction sees, such as a contradiction or a parked notification, is raised there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from payops.alerts.domain import Severity
from payops.infra.db import Tx
from payops.infra.scheduling import Job
from payops.infra.settings.watching import Watching
from payops.ops.watching import queries
from payops.ops.watching.credentials import Credential

Figures: TypeAlias = Mapping[str, int]  # by subject: a rail, a job; "" is the whole


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rule may look at beside the database; ``now`` is the database's."""

    settings: Watching
    now: datetime
    jobs: Sequence[Job] = ()
    credentials: Sequence[Credential] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One figure by subject, compared with a setting of ``Watching``.

    ``name`` is the kind of the alert, and with the subject its key. ``unit`` is told with
    the figure. ``summary`` is one sentence for whoever is woken; the page that helps is in
    ``alerts.domain.RUNBOOKS``, as that of every alert.
    """

    name: str
    look: Callable[[Tx, Scene], Awaitable[Figures]]
    threshold: str
    unit: str
    severity: Severity
    summary: str

    def limit(self, settings: Watching) -> int:
        limit: int = getattr(settings, self.threshold)
        return limit


async def _exposure(tx: Tx, _: Scene) -> Figures:
    return await queries.figures(tx, queries.EXPOSURE)


async def _pending(tx: Tx, _: Scene) -> Figures:
    return await queries.figures(tx, queries.PENDING)


async def _failures(tx: Tx, scene: Scene) -> Figures:
    return await queries.figures(tx, queries.FAILURES, scene.settings.failure_count_min)


async def _silence(tx: Tx, scene: Scene) -> Figures:
    return await queries.figures(tx, queries.SILENCE, scene.settings.silence_minutes)


async def _inbox(tx: Tx, _: Scene) -> Figures:
    return await queries.figures(tx, queries.INBOX)


async def _rejected(tx: Tx, _: Scene) -> Figures:
    return await queries.figures(tx, queries.REJECTED)


async def _float(tx: Tx, scene: Scene) -> Figures:
    codes = [code.upper() for code in scene.settings.float_codes]
    return await queries.figures(tx, queries.FLOAT_REFUSALS, codes)


async def _reconciliations(tx: Tx, scene: Scene) -> Figures:
    names = [job.name for job in scene.jobs if job.name.startswith(_RECONCILES)]
    return await queries.figures(tx, queries.HOURS_SINCE_DONE, names)


async def _late_jobs(tx: Tx, scene: Scene) -> Figures:
    jobs = [job for job in scene.jobs if not job.name.startswith(_RECONCILES)]
    return await queries.late_jobs(tx, jobs, scene.now, scene.settings.job_late_minutes)


async def _key_age(tx: Tx, scene: Scene) -> Figures:
    keys = await queries.figures(tx, queries.API_KEY_DAYS)
    return {**keys, **await queries.credential_days(tx, scene.credentials, scene.now)}


_RECONCILES: Final = "reconcile-"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="payout_exposure",
        look=_exposure,
        threshold="exposure_kes",
        unit="KES",
        severity=Severity.CRITICAL,
        summary="Unclear payouts add up to more than may be in doubt.",
    ),
    Rule(
        name="payouts_waiting",
        look=_pending,
        threshold="pending_minutes",
        unit="minutes",
        severity=Severity.CRITICAL,
        summary="Withdrawals wait to be sent for too long.",
    ),
    Rule(
        name="payout_failures",
        look=_failures,
        threshold="failure_percent",
        unit="percent",
        severity=Severity.WARNING,
        summary="Unusually many payouts fail.",
    ),
    Rule(
        name="callbacks_silent",
        look=_silence,
        threshold="silence_minutes",
        unit="minutes",
        severity=Severity.WARNING,
        summary="Sent payouts wait, and the rail calls nothing back.",
    ),
    Rule(
        name="inbox_backlog",
        look=_inbox,
        threshold="inbox_seconds",
        unit="seconds",
        severity=Severity.CRITICAL,
        summary="Signed notifications do not have their effect.",
    ),
    Rule(
        name="signature_failures",
        look=_rejected,
        threshold="rejected_callbacks",
        unit="notifications",
        severity=Severity.WARNING,
        summary="Many notifications are badly signed: a wrong secret, or a forger.",
    ),
    Rule(
        name="float_low",
        look=_float,
        threshold="float_refusals",
        unit="refusals",
        severity=Severity.CRITICAL,
        summary="The rail refuses payouts because our float is too low.",
    ),
    Rule(
        name="reconciliation_overdue",
        look=_reconciliations,
        threshold="reconciliation_hours",
        unit="hours",
        severity=Severity.WARNING,
        summary="A provider was not reconciled for too long.",
    ),
    Rule(
        name="job_missed",
        look=_late_jobs,
        threshold="job_late_minutes",
        unit="minutes",
        severity=Severity.WARNING,
        summary="A timed job did not do its last slot.",
    ),
    Rule(
        name="key_old",
        look=_key_age,
        threshold="key_days",
        unit="days",
        severity=Severity.WARNING,
        summary="A key or a secret is in use for longer than it should be.",
    ),
)
