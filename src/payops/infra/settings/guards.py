"""Fraud controls, personal data, and who is told of trouble."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from payops.infra.settings.base import Group, Names

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"


class Velocity(Group):
    withdrawals_per_hour: int = Field(3, ge=0, description="Per user; 0 is off")
    deposits_per_hour: int = Field(5, ge=0, description="Per user; 0 is off")
    withdrawal_kes_per_day: int = Field(
        500_000, ge=0, description="Per user and Nairobi day, whole shillings; 0 is off"
    )
    recipient_kes_per_day: int = Field(
        500_000,
        ge=0,
        description="Per phone number paid to and Nairobi day, over all users; 0 is off",
    )
    rules_remembered_seconds: int = Field(
        5, ge=0, le=60, description="How late a changed rule is noticed when no wake-up is heard"
    )
    anomaly_refusals: int = Field(
        10, ge=0, description="Velocity refusals of a user in an hour that raise an alert; 0 is off"
    )
    anomaly_block_minutes: int = Field(
        0, ge=0, description="For how long such a user is blocked as well; 0 is not"
    )


class Device(Group):
    policy: Literal["enforce", "monitor", "off"] = Field(
        "enforce", description="What a request from an unknown device or network leads to"
    )
    first_use: Literal["trust", "verify"] = Field(
        "trust", description="What a user's very first device and network lead to"
    )
    ipv4_prefix: int = Field(
        24, ge=8, le=32, description="Addresses alike so far are one network; 32 is exact"
    )
    ipv6_prefix: int = Field(48, ge=16, le=128, description="Likewise; 128 is exact")
    code_minutes: int = Field(10, ge=1, le=60, description="How long a code can be confirmed")
    code_tries: int = Field(5, ge=1, le=10, description="How often a code may be tried")


class Events(Group):
    """Signed events (Standard Webhooks) to the platform's back end."""

    url: str | None = Field(None, description="Where codes for users without e-mail are posted")
    secret: SecretStr | None = Field(None, description="Signs them: `whsec_` and base64")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.url is None) != (self.secret is None):
            raise ValueError("PAYOPS_EVENTS__URL and PAYOPS_EVENTS__SECRET need each other")
        return self


class Approvals(Group):
    expire_hours: int = Field(
        24, ge=1, le=720, description="What nobody has decided by then is closed without effect"
    )
    unblock_alone_max_kes: int = Field(
        100_000,
        ge=0,
        description="A user with more, available and held, is unblocked by two people",
    )


class Pii(Group):
    key_provider: Literal["environment", "file", "vault"] = Field(
        "environment", description="Where the keys below are read from"
    )
    key_file: str | None = Field(
        None, description="With `file`: a JSON object of `keys`, `index_key` and the like"
    )
    keys: SecretStr | None = Field(
        None, description="Key ring `k2:BASE64,k1:BASE64` of 32-byte keys; the first is primary"
    )
    index_key: SecretStr | None = Field(None, description="Blind index key, base64 of 32 bytes")
    index_key_previous: SecretStr | None = Field(
        None, description="Also searched while the index key is being rotated"
    )
    fingerprint_key: SecretStr | None = Field(
        None, description="Tells requests apart; unset, the index key: set it before rotating that"
    )
    reads_per_hour: int = Field(
        20, ge=0, description="What one person may open for one purpose; 0 is off"
    )
    reads_per_day: int = Field(100, ge=0, description="Likewise in a day; 0 is off")


class Vault(Group):
    url: str | None = Field(None, description="Address of HashiCorp Vault, without a path")
    mount: str = Field("secret", description="Where the KV version 2 engine is mounted")
    path: str = Field("payops", description="The secret there that holds the keys")
    token: SecretStr | None = Field(None, description="A token that may read it")
    role_id: str | None = Field(None, description="Or an AppRole")
    secret_id: SecretStr | None = Field(None, description="And the secret of the AppRole")
    role_mount: str = Field("approle", description="Where AppRole is mounted under `auth/`")
    namespace: str | None = Field(None, description="For Vault Enterprise")
    ca_file: str | None = Field(
        None, description="PEM of the authority that signed its certificate"
    )
    timeout_seconds: int = Field(5, ge=1, le=60, description="For one call")


class Alerts(Group):
    """Each channel is optional; alerts are always in the log."""

    slack_webhook_url: SecretStr | None = Field(
        None, description="Slack incoming webhook that alerts are posted to"
    )
    pagerduty_routing_key: SecretStr | None = Field(
        None, description="Integration key of a PagerDuty service (Events API v2)"
    )
    pagerduty_url: str = Field(
        PAGERDUTY_URL, description="Where PagerDuty takes events; without a path, `/v2/enqueue`"
    )
    smtp_url: SecretStr | None = Field(
        None, description="Mail relay: `smtp://` or `smtps://`, `user:password@` if it wants them"
    )
    email_from: str | None = Field(None, description="Sender of alerts by e-mail")
    email_to: Names = Field((), description="Who gets alerts by e-mail, comma-separated")
    runbook_base_url: str | None = Field(
        None, description="Where `docs/runbooks` can be read; alerts link to it"
    )
    quiet_minutes: int = Field(
        10, ge=0, description="Trouble must be gone this long before people are told it is over"
    )
    escalate_minutes: int = Field(
        30, ge=1, description="A critical alert nobody acknowledged is told again, then doubling"
    )
    give_up_hours: int = Field(24, ge=1, description="How long one message to one channel is tried")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.smtp_url is not None and not (self.email_from and self.email_to):
            raise ValueError(
                "PAYOPS_ALERTS__SMTP_URL needs PAYOPS_ALERTS__EMAIL_FROM and "
                "PAYOPS_ALERTS__EMAIL_TO"
            )
        return self
