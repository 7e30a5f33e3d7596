"""Money in: the providers of deposits and everything that opens, reads and credits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from payops.bootstrap.foundation import Foundation
from payops.deposits import schemas as wire
from payops.deposits.ports import CryptoProvider
from payops.deposits.service import parts
from payops.deposits.service.parts import Deposits
from payops.fraud.service.controls import Controls
from payops.infra.http import HttpClient
from payops.infra.settings import Settings
from payops.providers.deposits import providers_of
from payops.reconciliation.service import DepositReconciliation
from payops.webhooks.service import Channel


@dataclass(frozen=True, slots=True)
class MoneyIn:
    deposits: Deposits
    reconciliation: DepositReconciliation
    clients: tuple[HttpClient, ...]
    channels: dict[str, Channel]


def money_in(
    settings: Settings, base: Foundation, fraud: Controls, given: Sequence[CryptoProvider]
) -> MoneyIn:
    """Over the providers ``given``, or else over those that the settings name."""
    configured = [] if given else providers_of(settings)
    providers = [*given, *(one.provider for one in configured)]
    deposits = parts.assemble(
        providers,
        parts.config_of(settings),
        db=base.db,
        velocity=fraud.velocity,
        switchboard=base.switchboard,
        render=wire.rendered,
        metrics=base.metrics,
    )
    return MoneyIn(
        deposits=deposits,
        reconciliation=DepositReconciliation(
            base.db,
            deposits.reader,
            base.metrics,
            settings.crypto.concurrency,
            timedelta(days=settings.reconciliation.crypto_days),
        ),
        clients=tuple(one.http for one in configured),
        channels={
            one.name: Channel(
                one.notifications, deposits.notices[one.name], audited_as="deposit_webhook_error"
            )
            for one in providers
        },
    )
