"""Money out: the rail and everything that sends, asks and settles through it."""

from dataclasses import dataclass
from datetime import timedelta

from payops.bootstrap.foundation import Foundation, needed
from payops.fraud.service.controls import Controls
from payops.idempotency.service import Desk
from payops.infra.http import HttpClient
from payops.infra.settings import Settings
from payops.kernel.breaker import Breaker
from payops.kernel.retrying import Backoff
from payops.providers.lipana.adapter import LipanaRail
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.providers.lipana.client import LipanaClient
from payops.reconciliation.service import Reconciliation
from payops.webhooks.service import Channel
from payops.withdrawals import schemas as wire
from payops.withdrawals.ports import PayoutRail
from payops.withdrawals.service import requesting
from payops.withdrawals.service.asking import Inquiry
from payops.withdrawals.service.claiming import Claims
from payops.withdrawals.service.deciding import Policy
from payops.withdrawals.service.requesting import Acceptance, AmountLimits
from payops.withdrawals.service.sending import Sender
from payops.withdrawals.service.settling import Settlement


@dataclass(frozen=True, slots=True)
class MoneyOut:
    desk: Desk[requesting.Request]
    sender: Sender
    inquiry: Inquiry
    reconciliation: Reconciliation
    channels: dict[str, Channel]


def money_out(
    settings: Settings, base: Foundation, fraud: Controls, rail: PayoutRail | None
) -> MoneyOut:
    """Over ``rail``, or else over the one that the settings name."""
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
    return MoneyOut(
        desk=Desk(base.db, _acceptance(settings, rail, base, fraud).decide),
        sender=_sender(settings, base, rail, policy),
        inquiry=inquiry,
        reconciliation=Reconciliation(inquiry, settings.reconciliation.mpesa_concurrency),
        channels={
            rail.name: Channel(
                _callbacks(settings), settlement.settle, audited_as="withdrawal_webhook_error"
            )
        },
    )


def _acceptance(
    settings: Settings, rail: PayoutRail, base: Foundation, fraud: Controls
) -> Acceptance:
    limits = settings.withdrawal
    return Acceptance(
        rail=rail.name,
        amounts=AmountLimits(limits.min_kes, limits.max_kes),
        guard=fraud.guard,
        switchboard=base.switchboard,
        personal_data=base.personal_data,
        render=wire.rendered,
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


def _sender(settings: Settings, base: Foundation, rail: PayoutRail, policy: Policy) -> Sender:
    claims = Claims(
        db=base.db,
        rail=rail.name,
        deduplicates=rail.deduplicates,
        policy=policy,
        lease=timedelta(seconds=settings.mpesa_retry.lease_seconds),
        pending_max=timedelta(minutes=settings.withdrawal.pending_max_minutes),
        personal_data=base.personal_data,
        metrics=base.metrics,
        switchboard=base.switchboard,
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
