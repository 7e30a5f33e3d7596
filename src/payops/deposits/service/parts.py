"""The use cases of deposits, put together over one registry of providers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from payops.deposits.ports import CryptoProvider
from payops.deposits.routing import Registered, Registry
from payops.deposits.service.case import Policy
from payops.deposits.service.invoicing import Invoicing
from payops.deposits.service.measuring import Measures
from payops.deposits.service.noticing import Notices
from payops.deposits.service.opening import Opening
from payops.deposits.service.rates import Rates
from payops.deposits.service.reading import Reader
from payops.deposits.service.requesting import Acceptance, Render
from payops.fraud.service.velocity import Velocity
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from payops.infra.settings import Settings
from payops.kernel.breaker import Breaker
from payops.kernel.money import KES, USD, Money
from payops.switches.service import Switchboard

_MARGIN_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What operations have set for deposits."""

    policy: Policy
    usd_kes_rate: Decimal | None
    rate_age_max: timedelta
    charge_max: Money
    lease: timedelta  # of an attempt: longer than a provider's time-out
    concurrency: int
    window: timedelta
    stuck_after: timedelta
    breaker_failures: int
    breaker_seconds: int


@dataclass(frozen=True, slots=True)
class Deposits:
    """Everything one process needs for deposits."""

    registry: Registry
    rates: Rates
    invoicing: Invoicing
    reader: Reader
    notices: Mapping[str, Notices]
    measures: Measures
    config: Config

    async def drained(self) -> None:
        """Return when no provider is being asked for an invoice."""
        await self.invoicing.drained()


def config_of(settings: Settings) -> Config:
    crypto = settings.crypto
    timeout = max(settings.nowpayments.timeout_seconds, settings.btcpay.timeout_seconds)
    return Config(
        policy=Policy(
            poll_first=timedelta(seconds=crypto.poll_seconds),
            poll_for=timedelta(days=crypto.poll_days),
            give_up_reading=timedelta(hours=crypto.give_up_hours),
            quote_lasts=timedelta(minutes=crypto.quote_minutes),
            cap_minor={
                KES.code: crypto.auto_credit_max_kes * 100,
                USD.code: crypto.auto_credit_max_usd * 100,
            },
            overpaid_percent=crypto.overpaid_percent,
            outcome_coins=frozenset(code.upper() for code in crypto.outcome_coins),
        ),
        usd_kes_rate=crypto.usd_kes_rate,
        rate_age_max=timedelta(hours=crypto.rate_max_age_hours),
        charge_max=Money.whole(crypto.max_usd, USD),
        # A page may need two calls, each as long as its time-out.
        lease=timedelta(seconds=2 * timeout + _MARGIN_SECONDS),
        concurrency=crypto.concurrency,
        window=timedelta(hours=crypto.metrics_window_hours),
        stuck_after=timedelta(minutes=crypto.stuck_after_minutes),
        breaker_failures=crypto.breaker_failures,
        breaker_seconds=crypto.breaker_seconds,
    )


def assemble(
    providers: Sequence[CryptoProvider],
    config: Config,
    *,
    db: Database,
    velocity: Velocity,
    switchboard: Switchboard,
    render: Render,
    metrics: Metrics,
) -> Deposits:
    registry = Registry([Registered(one, _breaker(config)) for one in providers])
    rates = Rates(config.usd_kes_rate, config.rate_age_max)
    opening = Opening(
        db=db,
        policy=config.policy,
        lease=config.lease,
        render=render,
        coin_of=registry.known_coin,
    )
    acceptance = Acceptance(velocity=velocity, switchboard=switchboard, render=render)
    invoicing = Invoicing(
        db=db,
        desk=Desk(db, acceptance.decide),
        registry=registry,
        rates=rates,
        opening=opening,
        switchboard=switchboard,
        charge_max=config.charge_max,
        metrics=metrics,
    )
    reader = Reader(
        db=db,
        registry=registry,
        rates=rates,
        opening=opening,
        policy=config.policy,
        concurrency=config.concurrency,
        metrics=metrics,
    )
    return Deposits(
        registry=registry,
        rates=rates,
        invoicing=invoicing,
        reader=reader,
        notices={name: Notices(name) for name in registry.names},
        measures=Measures(db, metrics, config.window, config.stuck_after),
        config=config,
    )


def _breaker(config: Config) -> Breaker:
    return Breaker(failures_max=config.breaker_failures, open_seconds=config.breaker_seconds)
