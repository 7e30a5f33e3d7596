"""The composition root: the only place that knows which real part stands behind which port."""

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from pydantic import SecretStr

from payops.access import service as access
from payops.access.api import Gate
from payops.fraud.domain import WithdrawalLimits
from payops.idempotency.service import Desk
from payops.infra import db as database
from payops.infra.db import Database
from payops.infra.http import HttpClient
from payops.infra.listening import Listener, Wakeups
from payops.infra.metrics import Metrics
from payops.infra.scheduling import Run, Scheduler
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
from payops.ops.jobs import TimedJobs
from payops.pii.sealing import BlindIndex, Fingerprints, KeyRing, Sealer, parse_key
from payops.pii.service import PersonalData
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.providers.lipana.client import LipanaClient
from payops.reconciliation.service import Reconciliation
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
    base = _foundation(settings)
    rail = rail or _lipana(settings, base.http)
    policy = _policy(settings)
    settlement = Settlement(rail.name, policy, base.personal_data, base.metrics)
    inquiry = Inquiry(
        db=base.db,
        rail=rail,
        policy=policy,
        personal_data=base.personal_data,
        settlement=settlement,
        metrics=base.metrics,
    )
    reconciliation = Reconciliation(inquiry, settings.reconciliation.mpesa_concurrency)
    inbox = Inbox(
        db=base.db,
        channels={rail.name: Channel(_callbacks(settings), settlement.settle)},
        personal_data=base.personal_data,
        fingerprints=base.fingerprints,
        metrics=base.metrics,
    )
    keys = _keys(settings, base)
    return Services(
        settings=settings,
        db=base.db,
        http=base.http,
        metrics=base.metrics,
        wakeups=base.wakeups,
        listener=base.listener,
        gate=_gate(settings, keys, base.http),
        keys=keys,
        fingerprints=base.fingerprints,
        personal_data=base.personal_data,
        withdrawal_desk=Desk(base.db, _acceptance(settings, rail, base).decide),
        movement_desk=Desk(base.db, MovementDesk(ledger_wire.rendered).decide),
        sender=_sender(settings, base, rail, policy),
        inquiry=inquiry,
        reconciliation=reconciliation,
        inbox=inbox,
        scheduler=_scheduler(settings, base, inbox, reconciliation),
    )


@dataclass(frozen=True, slots=True)
class _Foundation:
    """What every slice stands on, in this process."""

    db: Database
    http: HttpClient
    metrics: Metrics
    wakeups: Wakeups
    listener: Listener | None
    personal_data: PersonalData
    fingerprints: Fingerprints


def _foundation(settings: Settings) -> _Foundation:
    url = needed(settings.database_url, "PAYOPS_DATABASE_URL")
    index_key = parse_key(needed(settings.pii.index_key, "PAYOPS_PII__INDEX_KEY"))
    ring = KeyRing.parse(needed(settings.pii.keys, "PAYOPS_PII__KEYS"))
    db = database.connect(
        url,
        pool_size=settings.pool.size,
        statement_cache_size=settings.pool.statement_cache_size,
        notify=settings.pool.listen,
    )
    metrics, wakeups = Metrics(), Wakeups()
    db.on_wake(wakeups.wake)
    metrics.on_render(lambda: metrics.set_pool(db.pool_status()))
    return _Foundation(
        db=db,
        http=HttpClient(
            timeout_seconds=settings.lipana.timeout_seconds,
            # A call that waits for a connection of ours would look like the rail's outage.
            connections_max=2 * settings.worker.concurrency
            + 2 * settings.reconciliation.mpesa_concurrency
            + 8,
        ),
        metrics=metrics,
        wakeups=wakeups,
        listener=_listener(url, wakeups, metrics) if settings.pool.listen else None,
        personal_data=PersonalData(Sealer(ring), BlindIndex(index_key)),
        fingerprints=Fingerprints(index_key),
    )


def _acceptance(settings: Settings, rail: PayoutRail, base: _Foundation) -> Acceptance:
    limits, velocity = settings.withdrawal, settings.velocity
    return Acceptance(
        rail=rail.name,
        amounts=AmountLimits(limits.min_kes, limits.max_kes),
        velocity=WithdrawalLimits(velocity.withdrawals_per_hour, velocity.withdrawal_kes_per_day),
        personal_data=base.personal_data,
        render=withdrawals_wire.rendered,
    )


def _keys(settings: Settings, base: _Foundation) -> access.KeyVerifier:
    keys = access.KeyVerifier(
        base.db,
        live=settings.env is Environment.PRODUCTION,
        cache_seconds=settings.auth.key_cache_seconds,
    )
    base.wakeups.call(access.KEYS_TOPIC, keys.forget)
    return keys


def _scheduler(
    settings: Settings, base: _Foundation, inbox: Inbox, reconciliation: Reconciliation
) -> Scheduler:
    async def ended(run: Run, milliseconds: int) -> None:
        base.metrics.observe_job(run.job, run.status.value, milliseconds / 1000)

    return Scheduler(
        base.db,
        TimedJobs(settings, base.db, base.metrics, inbox, reconciliation, INVARIANTS).all(),
        clock=SystemClock(),
        replica=replica_name(),
        ended=ended,
    )


def needed(secret: SecretStr | None, name: str) -> str:
    """Raises ``NotConfigured``."""
    if secret is None:
        raise NotConfigured(f"{name} is not set")
    return secret.get_secret_value()


def replica_name() -> str:
    """Which process wrote a row: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


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


def _sender(settings: Settings, base: _Foundation, rail: PayoutRail, policy: Policy) -> Sender:
    claims = Claims(
        db=base.db,
        rail=rail.name,
        deduplicates=rail.deduplicates,
        policy=policy,
        lease=timedelta(seconds=settings.mpesa_retry.lease_seconds),
        pending_max=timedelta(minutes=settings.withdrawal.pending_max_minutes),
        personal_data=base.personal_data,
        metrics=base.metrics,
    )
    breaker = Breaker(
        failures_max=settings.lipana.breaker_failures,
        open_seconds=settings.lipana.breaker_seconds,
    )
    return Sender(
        db=base.db,
        rail=rail,
        breaker=breaker,
        claims=claims,
        policy=policy,
        metrics=base.metrics,
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
