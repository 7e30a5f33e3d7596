"""Everything that can be configured: read once, validated at start, passed down.

Environment names are ``PAYOPS_`` and, for groups, ``PAYOPS_GROUP__FIELD``. An empty value
is unset. No other module reads the environment, and no secret is ever printed.
"""

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "PAYOPS_"
PUBLIC_URL = "http://127.0.0.1:8000"
SANDBOX_LIPANA_URL = "http://127.0.0.1:8090/v1"

# Read by what only developers run, never by the service.
_FOR_DEVELOPERS = ("PAYOPS_DEV_", "PAYOPS_TEST_")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _split(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_split)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Role(StrEnum):
    ALL = "all"
    API = "api"
    WORKER = "worker"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Auth(_Group):
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        "HS256", description="The one algorithm end-user tokens may be signed with"
    )
    jwt_key: SecretStr | None = Field(
        None, description="HS256: the secret, at least 32 bytes; otherwise the public key in PEM"
    )
    jwt_jwks_url: str | None = Field(None, description="Where public keys are read from instead")
    jwt_issuer: str = Field("betrix", description="Required `iss`")
    jwt_audience: str = Field("payops", description="Required `aud`")
    jwt_leeway_seconds: int = Field(30, ge=0, le=300, description="Clock skew allowed")
    key_cache_seconds: int = Field(
        1, ge=0, le=60, description="How long a verified API key is believed without asking again"
    )


class Http(_Group):
    rate_limit_per_minute: int = Field(
        600, ge=0, description="Abuse limit per principal or address, per process; 0 is off"
    )


class Pool(_Group):
    size: int = Field(10, ge=2, le=100, description="Connections per process")
    statement_cache_size: int = Field(
        256, ge=0, description="Prepared statements kept; 0 behind PgBouncer in transaction mode"
    )
    listen: bool = Field(True, description="Use LISTEN/NOTIFY wake-ups; false behind PgBouncer")


class Worker(_Group):
    poll_ms: int = Field(
        500, ge=10, description="Fallback polling of due work; wake-ups are immediate"
    )
    concurrency: int = Field(32, ge=1, le=512, description="Calls to a rail at the same time")
    drain_seconds: int = Field(
        15, ge=1, le=60, description="How long a stopping process waits for what it began"
    )


class Lipana(_Group):
    base_url: str = Field(SANDBOX_LIPANA_URL, description="The rail's API, `/v1` included")
    api_key: SecretStr | None = Field(None, description="Sent as `x-api-key`")
    webhook_secret: SecretStr | None = Field(None, description="Verifies `x-lipana-signature`")
    webhook_secret_previous: SecretStr | None = Field(
        None, description="Also accepted while the secret is being rotated"
    )
    sends_reference: bool = Field(
        True, description="The rail takes our transaction id and de-duplicates on it"
    )
    timeout_seconds: int = Field(10, ge=1, le=60, description="For one call")
    breaker_failures: int = Field(
        10, ge=1, description="Consecutive failures that open the circuit breaker"
    )
    breaker_seconds: int = Field(30, ge=1, description="How long until one trial is let through")


class MpesaRetry(_Group):
    max_attempts: int = Field(5, ge=1, le=10, description="Sends in all")
    base_delay_ms: int = Field(1000, ge=1, description="Doubled before each further send")
    jitter_ms: int = Field(1000, ge=0, description="Up to this much is added")
    lease_seconds: int = Field(
        60, ge=1, description="An attempt without an answer is `unresolved` after this"
    )


class MpesaStatus(_Group):
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


class Withdrawal(_Group):
    min_kes: int = Field(10, ge=1, description="Smallest withdrawal, whole shillings")
    max_kes: int = Field(250_000, ge=1, description="Largest withdrawal, whole shillings")
    pending_max_minutes: int = Field(
        60, ge=1, description="Queued longer while the rail is down: failed and released"
    )


class Velocity(_Group):
    withdrawals_per_hour: int = Field(3, ge=0, description="Per user; 0 is off")
    deposits_per_hour: int = Field(5, ge=0, description="Per user; 0 is off")
    withdrawal_kes_per_day: int = Field(
        500_000, ge=0, description="Per user and Nairobi day, whole shillings; 0 is off"
    )


class Reconciliation(_Group):
    mpesa_cron: str = Field("0 2 * * *", description="In UTC")
    mpesa_concurrency: int = Field(32, ge=1, le=256, description="Questions at the same time")


class Audit(_Group):
    seal_seconds: int = Field(5, ge=1, description="How often the chain is sealed")


class Retention(_Group):
    idempotency_response_days: int = Field(30, ge=1, description="Stored answers")
    webhook_body_days: int = Field(90, ge=1, description="Sealed bodies of applied callbacks")
    job_runs_days: int = Field(30, ge=1, description="History of scheduled jobs")


class Pii(_Group):
    keys: SecretStr | None = Field(
        None, description="Key ring `k2:BASE64,k1:BASE64` of 32-byte keys; the first is primary"
    )
    index_key: SecretStr | None = Field(None, description="Blind index key, base64 of 32 bytes")


class Log(_Group):
    format: Literal["json", "console"] = Field("json")
    level: Literal["debug", "info", "warning", "error"] = Field("info")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    env: Environment = Field(Environment.DEVELOPMENT, description="What the process may assume")
    role: Role = Field(Role.ALL, description="`api` serves, `worker` moves money, `all` does both")
    host: str = Field("127.0.0.1", description="Address to serve on")
    port: int = Field(8000, ge=0, le=65535, description="Port to serve on")
    database_url: SecretStr | None = Field(None, description="postgresql://user:pass@host:port/db")
    public_url: str = Field(PUBLIC_URL, description="Base of the callback and return URLs")
    trusted_proxies: Networks = Field(
        (), description="CIDRs whose X-Forwarded-For is believed, comma-separated"
    )
    auth: Auth = Auth()
    http: Http = Http()
    pool: Pool = Pool()
    worker: Worker = Worker()
    lipana: Lipana = Lipana()
    mpesa_retry: MpesaRetry = MpesaRetry()
    mpesa_status: MpesaStatus = MpesaStatus()
    withdrawal: Withdrawal = Withdrawal()
    velocity: Velocity = Velocity()
    reconciliation: Reconciliation = Reconciliation()
    audit: Audit = Audit()
    retention: Retention = Retention()
    pii: Pii = Pii()
    log: Log = Log()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mpesa_retry.lease_seconds <= self.lipana.timeout_seconds:
            raise ValueError(
                "PAYOPS_MPESA_RETRY__LEASE_SECONDS must exceed PAYOPS_LIPANA__TIMEOUT_SECONDS"
            )
        if self.withdrawal.min_kes > self.withdrawal.max_kes:
            raise ValueError("PAYOPS_WITHDRAWAL__MIN_KES exceeds PAYOPS_WITHDRAWAL__MAX_KES")
        return self


def names(settings_type: type[BaseModel] = Settings, prefix: str = PREFIX) -> Mapping[str, Any]:
    """Every environment name with its field, in order of definition."""
    found: dict[str, Any] = {}
    for name, field in settings_type.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Group):
            found |= names(field.annotation, f"{prefix}{name.upper()}__")
        else:
            found[f"{prefix}{name.upper()}"] = field
    return found


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """Names that look like ours and mean nothing: most likely a typing error."""
    known = names()
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not name.startswith(_FOR_DEVELOPERS)
    )
