"""The composition root: the only place that knows which real part stands behind which port."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from payops.access import service as access
from payops.access.api import Gate
from payops.alerts import service as alerts
from payops.bootstrap.foundation import (
    Foundation,
    NotConfigured,
    gate,
    key_verifier,
    laid,
    needed,
    replica_name,
)
from payops.bootstrap.four_eyes import FourEyes, four_eyes
from payops.bootstrap.money_in import money_in
from payops.bootstrap.money_out import money_out
from payops.bootstrap.watching import alert_delivery, fraud_controls, report_jobs, scheduler_of
from payops.deposits.addresses.selftest import self_test
from payops.deposits.ports import CryptoProvider
from payops.deposits.service import keeping as deposits_keeping
from payops.deposits.service.parts import Deposits
from payops.fraud.service import devices
from payops.fraud.service.controls import Controls
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.http import HttpClient
from payops.infra.listening import Listener, Wakeups
from payops.infra.metrics import Metrics
from payops.infra.scheduling import Job, Scheduler
from payops.infra.settings import Settings
from payops.kernel.errors import PayopsError
from payops.ledger import schemas as ledger_wire
from payops.ledger import service as ledger
from payops.ledger.domain import Invariant
from payops.ledger.service import Movement, MovementDesk
from payops.ops import evidence
from payops.ops.checklists import notifying
from payops.ops.crypto.jobs import DepositJobs
from payops.ops.jobs import TimedJobs
from payops.ops.watching.credentials import in_use
from payops.ops.watching.jobs import Watch
from payops.pii.domain import SealedColumn
from payops.pii.sealing import Fingerprints, Keys
from payops.pii.service import KeyRefresh, PersonalData
from payops.providers.keys.choosing import key_provider
from payops.providers.keys.local import EnvironmentKeys
from payops.reconciliation.service import DepositReconciliation, Reconciliation
from payops.switches.service import Switchboard
from payops.webhooks import service as webhooks
from payops.webhooks.service import Channel, Inbox
from payops.withdrawals.ports import PayoutRail
from payops.withdrawals.service import erasing, keeping, requesting
from payops.withdrawals.service.asking import Inquiry
from payops.withdrawals.service.sending import Sender

__all__ = [
    "INVARIANTS",
    "SEALED_COLUMNS",
    "NotConfigured",
    "Services",
    "assemble",
    "build",
    "needed",
    "replica_name",
]

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *ledger.INVARIANTS,
    *keeping.INVARIANTS,
    *deposits_keeping.INVARIANTS,
    *evidence.INVARIANTS,
)

# What key rotation writes anew: every sealed column there is (a test looks for others).
SEALED_COLUMNS: Final[tuple[SealedColumn, ...]] = (
    erasing.SEALED,
    webhooks.SEALED,
    devices.ADDRESS_SEALED,
)


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
    key_refresh: KeyRefresh
    fraud: Controls
    withdrawal_desk: Desk[requesting.Request]
    movement_desk: Desk[Movement]
    sender: Sender
    inquiry: Inquiry
    reconciliation: Reconciliation
    deposits: Deposits
    deposit_reconciliation: DepositReconciliation
    deposit_clients: tuple[HttpClient, ...]
    switchboard: Switchboard
    inbox: Inbox
    alerts: alerts.AlertDelivery
    four_eyes: FourEyes
    scheduler: Scheduler
    checks: notifying.CheckSource

    async def close(self) -> None:
        """Let what is in flight end, then let go of the network and the database."""
        await asyncio.gather(self.withdrawal_desk.drained(), self.movement_desk.drained())
        await self.four_eyes.refunding.drained()
        await self.deposits.drained()
        await self.inbox.drained()
        await self.key_refresh.drained()
        with suppress(PayopsError):
            await self.keys.flush_last_used()
        if self.listener:
            await self.listener.stop()
        await self.alerts.close()
        for client in (self.http, *self.deposit_clients):
            await client.aclose()
        await self.db.close()


async def assemble(settings: Settings, *, rail: PayoutRail | None = None) -> Services:
    """As ``build``, with the keys fetched from wherever they are kept.

    Raises:
        KeysUnavailable: they cannot be had.
    """
    return build(settings, rail=rail, sealing=Keys.of(await key_provider(settings).fetch()))


def build(
    settings: Settings,
    *,
    rail: PayoutRail | None = None,
    sealing: Keys | None = None,
    crypto: Sequence[CryptoProvider] = (),
) -> Services:
    """All parts of a process, connected; nothing is started and nothing is called yet.

    Without ``sealing`` the keys are those of the settings themselves; without ``rail`` and
    ``crypto`` so are the providers.

    Raises:
        NotConfigured: a setting is missing; its variable is named.
        ValueError: a setting cannot be used; likewise.
    """
    self_test()
    base = laid(settings, sealing or Keys.of(EnvironmentKeys(settings.pii).material()))
    fraud = fraud_controls(settings, base)
    out = money_out(settings, base, fraud, rail)
    into = money_in(settings, base, fraud, crypto)
    checks = notifying.CheckSource()
    channels = out.channels | into.channels | {checks.name: notifying.channel_of(checks)}
    inbox = _inbox(base, channels)
    keys = key_verifier(settings, base)
    jobs = [
        *TimedJobs(settings, base.db, base.metrics, inbox, out.reconciliation, INVARIANTS).all(),
        *DepositJobs(settings, base.db, into.deposits, into.reconciliation).all(),
        *report_jobs(settings, base),
    ]
    return Services(
        settings=settings,
        db=base.db,
        http=base.http,
        metrics=base.metrics,
        wakeups=base.wakeups,
        listener=base.listener,
        gate=gate(settings, keys, base.http),
        keys=keys,
        fingerprints=base.fingerprints,
        personal_data=base.personal_data,
        key_refresh=base.key_refresh,
        fraud=fraud,
        withdrawal_desk=out.desk,
        movement_desk=Desk(base.db, MovementDesk(ledger_wire.rendered).decide),
        sender=out.sender,
        inquiry=out.inquiry,
        reconciliation=out.reconciliation,
        deposits=into.deposits,
        deposit_reconciliation=into.reconciliation,
        deposit_clients=into.clients,
        switchboard=base.switchboard,
        inbox=inbox,
        checks=checks,
        alerts=alert_delivery(settings, base),
        four_eyes=four_eyes(settings, base, fraud, into.deposits),
        scheduler=scheduler_of(base, [*jobs, _watch(settings, base, jobs)]),
    )


def _inbox(base: Foundation, channels: Mapping[str, Channel]) -> Inbox:
    return Inbox(
        db=base.db,
        channels=channels,
        personal_data=base.personal_data,
        fingerprints=base.fingerprints,
        metrics=base.metrics,
    )


def _watch(settings: Settings, base: Foundation, jobs: Sequence[Job]) -> Job:
    """The job that looks at the rules, the lateness of all other jobs among them."""
    return Watch(
        db=base.db,
        settings=settings.watching,
        jobs=jobs,
        credentials=lambda: in_use(settings, base.fingerprints, base.personal_data),
    ).job()
