"""The composition root: the only place that knows which real part stands behind which port."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from pydantic import SecretStr

from payops.access import service as access
from payops.access.api import Gate
from payops.audit import service as audit
from payops.fraud.domain import WithdrawalLimits
from payops.idempotency.service import Desk, forget_old_answers
from payops.infra import db as database
from payops.infra.db import Database
from payops.infra.http import HttpClient
from payops.infra.listening import Listener, Wakeups
from payops.infra.metrics import Metrics
from payops.infra.scheduling import Job, Run, Scheduler, delete_history
from payops.infra.settings import Environment, Settings
from payops.infra.web.limiting import RateLimit
from payops.kernel.breaker import Breaker
from payops.kernel.clock import SystemClock
from payops.kernel.errors import PayopsError
from payops.kernel.retrying import Backoff
from payops.ledger import schemas as ledger_wire
from payops.ledger import service as ledger
from payops.ledger.domain import Invariant
from payops.ledger.service import Movement, MovementDesk
from payops.pii.sealing import BlindIndex, Fingerprints, KeyRing, Sealer, parse_key
from payops.pii.service import PersonalData
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.providers.lipana.client import LipanaClient
from payops.reconciliation.service import Reconciliation
from payops.webhooks import service as webhooks
from payops.webhooks.service import Channel, Inbox
from payops.withdrawals import schemas as withdrawals_wire
from payops.withdrawals.ports import PayoutRail
from payops.withdrawals.service import keeping, requesting
from payops.withdrawals.service.asking import Inquiry
from payops.withdrawals.service.claiming import Claims
from payops.withdrawals.service.deciding import Policy
from payops.withdrawals.service.requesting import Acceptance, AmountLimits
from payops.withdrawals.service.sending import Sender
from payops.withdrawals.service.settling import Settlement

log = structlog.get_logger(__name__)

INVARIANTS: Final[tuple[Invariant, ...]] = (*ledger.INVARIANTS, *keeping.INVARIANTS)


class NotConfigured(ValueError):
    """A setting that this role needs is missing; the text names the variable."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything one process is made of. Close it when done."""

    settings: Settings
    db: Database
    http: HttpClient
    metrics: Metrics
    wakeups: Wakeups
    listener: Listener | None
    gate: Gate
    keys: access.KeyVerifier
    fingerprints: Fingerprints
    personal_data: PersonalData
    withdrawal_desk: Desk[requesting.Request]
    movement_desk: Desk[Movement]
    sender: Sender
    inquiry: Inquiry
    reconciliation: Reconciliation
    inbox: Inbox
    scheduler: Scheduler

    async def close(self) -> None:
        """Let what is in flight end, then let go of the network and the database."""
        await asyncio.gather(self.withdrawal_desk.drained(), self.movement_desk.drained())
        await self.inbox.drained()
        with suppress(PayopsError):
            await self.keys.flush_last_used()
        if self.listener:
            await self.listener.stop()
        await self.http.aclose()
        await self.db.close()


def build(settings: Settings, *, rail: PayoutRail | None = None) -> Services:
    """All parts of a process, connected; nothing is started and nothing is called yet.

    Raises:
        NotConfigured: a setting is missing; its variable is named.
        ValueError: a setting cannot be used; likewise.
    """
    url = needed(settings.database_url, "PAYOPS_DATABASE_URL")
    db = database.connect(
        url,
        pool_size=settings.pool.size,
        statement_cache_size=settings.pool.statement_cache_size,
        notify=settings.pool.listen,
    )
    http = HttpClient(timeout_seconds=settings.lipana.timeout_seconds)
    metrics, wakeups = Metrics(), Wakeups()
    db.on_wake(wakeups.wake)
    index_key = parse_key(needed(settings.pii.index_key, "PAYOPS_PII__INDEX_KEY"))
    ring = KeyRing.parse(needed(settings.pii.keys, "PAYOPS_PII__KEYS"))
    personal_data = PersonalData(Sealer(ring), BlindIndex(index_key))
    fingerprints = Fingerprints(index_key)
    rail = rail or _lipana(settings, http)
    policy = _policy(settings)
    settlement = Settlement(rail.name, policy, personal_data, metrics)
    inquiry = Inquiry(
        db=db,
        rail=rail,
        policy=policy,
        personal_data=personal_data,
        settlement=settlement,
        metrics=metrics,
    )
    acceptance = Acceptance(
        rail=rail.name,
        amounts=AmountLimits(settings.withdrawal.min_kes, settings.withdrawal.max_kes),
        velocity=WithdrawalLimits(
            settings.velocity.withdrawals_per_hour, settings.velocity.withdrawal_kes_per_day
        ),
        personal_data=personal_data,
        render=withdrawals_wire.rendered,
    )
    inbox = Inbox(
        db=db,
        channels={rail.name: Channel(_callbacks(settings), settlement.settle)},
        personal_data=personal_data,
        fingerprints=fingerprints,
        metrics=metrics,
    )
    reconciliation = Reconciliation(inquiry, settings.reconciliation.mpesa_concurrency)
    keys = access.KeyVerifier(
        db,
        live=settings.env is Environment.PRODUCTION,
        cache_seconds=settings.auth.key_cache_seconds,
    )
    wakeups.call(access.KEYS_TOPIC, keys.forget)
    metrics.on_render(lambda: metrics.set_pool(db.pool_status()))
    return Services(
        settings=settings,
        db=db,
        http=http,
        metrics=metrics,
        wakeups=wakeups,
        listener=_listener(url, wakeups, metrics) if settings.pool.listen else None,
        gate=_gate(settings, keys, http),
        keys=keys,
        fingerprints=fingerprints,
        personal_data=personal_data,
        withdrawal_desk=Desk(db, acceptance.decide),
        movement_desk=Desk(db, MovementDesk(ledger_wire.rendered).decide),
        sender=_sender(settings, db, rail, policy, personal_data, metrics),
        inquiry=inquiry,
        reconciliation=reconciliation,
        inbox=inbox,
        scheduler=Scheduler(
            db,
            jobs(settings, db, metrics, inbox, reconciliation),
            clock=SystemClock(),
            replica=replica_name(),
            ended=_job_ended(metrics),
        ),
    )


def jobs(
    settings: Settings,
    db: Database,
    metrics: Metrics,
    inbox: Inbox,
    reconciliation: Reconciliation,
) -> list[Job]:
    """The timed jobs. Each does what is due now and may run twice."""
    retention = settings.retention

    async def reconcile_mpesa() -> dict[str, int]:
        grace = settings.mpesa_retry.lease_seconds
        return (await reconciliation.everything(min_age_seconds=grace)).as_json()

    async def verify_ledger() -> dict[str, object]:
        broken = await ledger.verify(db, INVARIANTS)
        metrics.set_ledger({}, len(broken))
        for violation in broken:
            log.error("ledger.violated", invariant=violation.name, meaning=violation.meaning)
        return {"violations": [violation.name for violation in broken]}

    async def figures() -> None:
        await inbox.refresh_figures()
        await keeping.refresh_figures(
            db, metrics, alert_after_minutes=settings.mpesa_status.alert_after_minutes
        )

    async def forget() -> dict[str, int]:
        return {
            "answers": await forget_old_answers(
                db, older_than_days=retention.idempotency_response_days
            ),
            "bodies": await webhooks.forget_bodies(db, older_than_days=retention.webhook_body_days),
            "runs": await delete_history(db, timedelta(days=retention.job_runs_days)),
        }

    every = _every
    return [
        Job(
            name="reconcile-mpesa",
            cron=settings.reconciliation.mpesa_cron,
            timeout=timedelta(hours=1),
            run=reconcile_mpesa,
            catch_up=True,
            alone=True,
        ),
        Job(
            name="ledger-verify",
            cron="30 2 * * *",
            timeout=timedelta(hours=1),
            run=verify_ledger,
            catch_up=True,
            alone=True,
        ),
        Job(
            name="retention",
            cron="0 3 * * *",
            timeout=timedelta(hours=1),
            run=forget,
            catch_up=True,
            alone=True,
        ),
        every("webhook-drain", 60, inbox.drain),
        every("audit-seal", settings.audit.seal_seconds, lambda: audit.seal(db), alone=True),
        every("figures", 15, figures),
        every("ledger-fold", 300, lambda: ledger.fold_house(db), alone=True),
    ]


def needed(secret: SecretStr | None, name: str) -> str:
    """Raises ``NotConfigured``."""
    if secret is None:
        raise NotConfigured(f"{name} is not set")
    return secret.get_secret_value()


def replica_name() -> str:
    """Which process wrote a row: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _every(
    name: str, seconds: int, run: Callable[[], Awaitable[object]], *, alone: bool = False
) -> Job:
    return Job(
        name=name,
        every=timedelta(seconds=seconds),
        timeout=timedelta(minutes=5),
        run=run,
        alone=alone,
    )


def _policy(settings: Settings) -> Policy:
    retry, status = settings.mpesa_retry, settings.mpesa_status
    return Policy(
        retry=Backoff(
            retry.max_attempts,
            timedelta(milliseconds=retry.base_delay_ms),
            timedelta(milliseconds=retry.jitter_ms),
        ),
        first_ask=timedelta(seconds=status.first_ask_seconds),
        ask_every=timedelta(seconds=status.every_seconds),
        sent_grace=timedelta(seconds=status.sent_grace_seconds),
        unknown_answers_max=status.unknown_answers_max,
    )


def _lipana(settings: Settings, http: HttpClient) -> LipanaRail:
    lipana = settings.lipana
    client = LipanaClient(
        http,
        base_url=lipana.base_url,
        api_key=needed(lipana.api_key, "PAYOPS_LIPANA__API_KEY"),
    )
    return LipanaRail(
        client, public_url=settings.public_url, sends_reference=lipana.sends_reference
    )


def _callbacks(settings: Settings) -> LipanaCallbacks:
    secret = needed(settings.lipana.webhook_secret, "PAYOPS_LIPANA__WEBHOOK_SECRET")
    previous = settings.lipana.webhook_secret_previous
    return LipanaCallbacks(
        (secret.encode(), previous.get_secret_value().encode() if previous else b"")
    )


def _sender(  # noqa: PLR0917 - the parts of one sender
    settings: Settings,
    db: Database,
    rail: PayoutRail,
    policy: Policy,
    personal_data: PersonalData,
    metrics: Metrics,
) -> Sender:
    claims = Claims(
        db=db,
        rail=rail.name,
        deduplicates=rail.deduplicates,
        policy=policy,
        lease=timedelta(seconds=settings.mpesa_retry.lease_seconds),
        pending_max=timedelta(minutes=settings.withdrawal.pending_max_minutes),
        personal_data=personal_data,
        metrics=metrics,
    )
    breaker = Breaker(
        failures_max=settings.lipana.breaker_failures,
        open_seconds=settings.lipana.breaker_seconds,
    )
    return Sender(
        db=db,
        rail=rail,
        breaker=breaker,
        claims=claims,
        policy=policy,
        metrics=metrics,
        concurrency=settings.worker.concurrency,
    )


def _gate(settings: Settings, keys: access.KeyVerifier, http: HttpClient) -> Gate:
    async def fetch(url: str) -> bytes:
        return (await http.request("GET", url)).body

    source = access.key_source_of(settings.auth, fetch)
    tokens = access.TokenVerifier(settings.auth, source)
    return Gate(access.Authenticator(keys, tokens), RateLimit(settings.http.rate_limit_per_minute))


def _listener(url: str, wakeups: Wakeups, metrics: Metrics) -> Listener:
    return Listener(
        url, wakeups, changed=lambda connected: metrics.set_listening(is_connected=connected)
    )


def _job_ended(metrics: Metrics) -> Callable[[Run, int], Awaitable[None]]:
    async def ended(run: Run, milliseconds: int) -> None:
        metrics.observe_job(run.job, run.status.value, milliseconds / 1000)

    return ended
