"""The timings and limits of payouts and of deposits."""

from decimal import Decimal

from pydantic import Field

from payops.infra.settings.base import Group, Names


class MpesaRetry(Group):
    max_attempts: int = Field(5, ge=1, le=10, description="Sends in all")
    base_delay_ms: int = Field(1000, ge=1, description="Doubled before each further send")
    jitter_ms: int = Field(1000, ge=0, description="Up to this much is added")
    lease_seconds: int = Field(
        60, ge=1, description="An attempt without an answer is `unresolved` after this"
    )


class MpesaStatus(Group):
    first_ask_seconds: int = Field(30, ge=1, description="When an unresolved payout is first asked")
    every_seconds: int = Field(60, ge=1, description="Then this, doubling up to an hour")
    sent_grace_seconds: int = Field(
        900, ge=1, description="When a sent payout without a callback is asked about"
    )
    unknown_answers_max: int = Field(
        5, ge=1, description="Spaced `not known` answers before a person must look"
    )
    alert_after_minutes: int = Field(
        30, ge=1, description="An unresolved payout older than this raises an alert"
    )


class Withdrawal(Group):
    min_kes: int = Field(10, ge=1, description="Smallest withdrawal, whole shillings")
    max_kes: int = Field(250_000, ge=1, description="Largest withdrawal, whole shillings")
    pending_max_minutes: int = Field(
        60, ge=1, description="Queued longer while the rail is down: failed and released"
    )


class Reconciliation(Group):
    mpesa_cron: str = Field("0 2 * * *", description="In UTC")
    mpesa_concurrency: int = Field(32, ge=1, le=256, description="Questions at the same time")
    crypto_cron: str = Field("15 2 * * *", description="In UTC")
    crypto_days: int = Field(
        7, ge=1, le=90, description="Deposits credited in this time are read back once more"
    )


class Crypto(Group):
    usd_kes_rate: Decimal | None = Field(
        None, gt=0, description="Shillings a dollar until operations record a rate"
    )
    rate_max_age_hours: int = Field(
        72, ge=1, description="A recorded rate older than this prices nothing in shillings"
    )
    max_usd: int = Field(10_000, ge=1, description="The largest invoice, whole dollars")
    auto_credit_max_usd: int = Field(
        10_000, ge=1, description="An arrival worth more waits for a person, whole dollars"
    )
    auto_credit_max_kes: int = Field(
        1_500_000, ge=1, description="Likewise for a wallet in shillings, whole shillings"
    )
    overpaid_percent: int = Field(
        10, ge=0, le=10_000, description="Credited this much above the price: an alert, no review"
    )
    outcome_coins: Names = Field(
        (), description="Coins that providers may settle in without a person looking; empty is any"
    )
    quote_minutes: int = Field(
        20, ge=1, description="How long a quote stands when the provider does not say"
    )
    poll_seconds: int = Field(
        30, ge=1, description="First read-back of a payment; then ever more seldom"
    )
    poll_days: int = Field(30, ge=1, description="For how long a payment is read back")
    give_up_hours: int = Field(
        6, ge=1, description="Read-backs that fail for this long go to a person if money was seen"
    )
    concurrency: int = Field(8, ge=1, le=64, description="Read-backs of one provider at a time")
    breaker_failures: int = Field(
        5, ge=1, description="Failures in a row after which a provider is not asked for a while"
    )
    breaker_seconds: int = Field(30, ge=1, description="How long until one trial is let through")
    metrics_cron: str = Field("0 * * * *", description="When the figures are taken, in UTC")
    metrics_window_hours: int = Field(
        24, ge=1, le=168, description="What ended in this time counts in the figures"
    )
    stuck_after_minutes: int = Field(30, ge=1, description="Without progress for this long: stuck")
