"""The timed jobs: what runs when, once a slot whatever the number of replicas.

Each does what is due now and may run twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from payops.access import service as access
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.approvals import service as approvals
from payops.audit import service as audit
from payops.fraud.service import changing, velocity
from payops.idempotency.service import forget_old_answers
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from payops.infra.scheduling import Job, delete_history
from payops.infra.settings import Settings
from payops.ledger import service as ledger
from payops.ledger.domain import Invariant
from payops.reconciliation.service import Reconciliation
from payops.webhooks import service as webhooks
from payops.webhooks.service import Inbox
from payops.withdrawals.service import claiming, erasing, keeping

log = structlog.get_logger(__name__)

VERIFY_CRON: Final = "30 2 * * *"
RETENTION_CRON: Final = "0 3 * * *"
_LEDGER_ALERT: Final = "ledger_out_of_balance"


@dataclass(frozen=True, slots=True)
class TimedJobs:
    """The jobs over one process's services."""

    settings: Settings
    db: Database
    metrics: Metrics
    inbox: Inbox
    reconciliation: Reconciliation
    invariants: Sequence[Invariant]

    def all(self) -> list[Job]:
        seal_seconds = self.settings.audit.seal_seconds
        return [
            _nightly(
                "reconcile-mpesa", self.settings.reconciliation.mpesa_cron, self.reconcile_mpesa
            ),
            _nightly("ledger-verify", VERIFY_CRON, self.verify_ledger),
            _nightly("retention", RETENTION_CRON, self.forget),
            _every("webhook-drain", 60, self.inbox.drain),
            _every("audit-seal", seal_seconds, lambda: audit.seal(self.db), alone=True),
            _every("alert-unclear", 60, self.alert_unclear),
            _every("attempts-close", 60, self.close_attempts, alone=True),
            _every("approvals-expire", 60, self.expire_approvals, alone=True),
            _every("ledger-fold", 300, lambda: ledger.fold_house(self.db), alone=True),
        ]

    async def reconcile_mpesa(self) -> dict[str, int]:
        """Ask about everything sent and not final whose lease is surely over."""
        age = self.settings.mpesa_retry.lease_seconds
        return (await self.reconciliation.everything(min_age_seconds=age)).as_json()

    async def verify_ledger(self) -> dict[str, object]:
        """Check the books; what is broken is logged, counted, and open as an alert."""
        broken = [v.name for v in await ledger.verify(self.db, self.invariants)]
        self.metrics.set_ledger_violations(len(broken))
        async with self.db.transaction() as tx:
            if broken:
                await alerts.raise_alert(tx, _out_of_balance(broken))
            else:
                await alerts.resolve_alert(tx, _LEDGER_ALERT)
        return {"violations": broken}

    async def expire_approvals(self) -> int:
        """Close what has waited too long for a second person, rules asked to be looser too."""
        return await approvals.expire(self.db) + await changing.expire(self.db)

    async def alert_unclear(self) -> int:
        """Raise an alert for each payout that has stayed unclear for too long."""
        return await keeping.alert_unclear(
            self.db, older_than_minutes=self.settings.mpesa_status.alert_after_minutes
        )

    async def close_attempts(self) -> int:
        """End attempts that nobody will answer, of withdrawals that are past sending."""
        lease = timedelta(seconds=self.settings.mpesa_retry.lease_seconds)
        return await claiming.close_forgotten(self.db, lease=lease)

    async def forget(self) -> dict[str, int]:
        """Drop what is past its retention period (docs/personal-data.md)."""
        retention = self.settings.retention
        return {
            "answers": await forget_old_answers(
                self.db, older_than_days=retention.idempotency_response_days
            ),
            "bodies": await webhooks.forget_bodies(
                self.db, older_than_days=retention.webhook_body_days
            ),
            "rejected": await webhooks.forget_rejected(
                self.db, older_than_days=retention.webhook_body_days
            ),
            "phones": await erasing.forget_phones(self.db, older_than_days=retention.phone_days),
            "runs": await delete_history(self.db, timedelta(days=retention.job_runs_days)),
            "locks": await velocity.forget_locks(self.db),
            "sessions": await access.forget_sessions(
                self.db, older_than_days=retention.console_session_days
            ),
        }


def _nightly(name: str, cron: str, run: Callable[[], Awaitable[object]]) -> Job:
    """Caught up when the service was down at its hour."""
    return Job(name=name, cron=cron, timeout=timedelta(hours=1), run=run, catch_up=True, alone=True)


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


def _out_of_balance(broken: Sequence[str]) -> Alert:
    return Alert(
        key=_LEDGER_ALERT,
        kind=_LEDGER_ALERT,
        severity=Severity.CRITICAL,
        summary="The books are not right: halt, and find out before anything moves.",
        detail={"violations": list(broken)},
    )
