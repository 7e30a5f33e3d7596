"""How a process serves, works, logs and forgets."""

from typing import Literal

from pydantic import Field, SecretStr

from payops.infra.settings.base import Group


class Auth(Group):
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


class Http(Group):
    rate_limit_per_minute: int = Field(
        600, ge=0, description="Abuse limit per principal or address, per process; 0 is off"
    )


class Console(Group):
    idle_minutes: int = Field(
        30, ge=1, le=24 * 60, description="After so long without a request sign in again"
    )
    minutes_max: int = Field(
        12 * 60, ge=1, le=7 * 24 * 60, description="After so long sign in again in any case"
    )


class Pool(Group):
    size: int = Field(10, ge=2, le=100, description="Connections per process")
    statement_cache_size: int = Field(
        256, ge=0, description="Prepared statements kept; 0 behind PgBouncer in transaction mode"
    )
    listen: bool = Field(True, description="Use LISTEN/NOTIFY wake-ups; false behind PgBouncer")


class Worker(Group):
    poll_ms: int = Field(
        500, ge=10, description="Fallback polling of due work; wake-ups are immediate"
    )
    concurrency: int = Field(32, ge=1, le=512, description="Calls to a rail at the same time")
    drain_seconds: int = Field(
        15, ge=1, le=60, description="How long a stopping process waits for what it began"
    )


class Audit(Group):
    seal_seconds: int = Field(5, ge=1, description="How often the chain is sealed")


class Retention(Group):
    idempotency_response_days: int = Field(30, ge=1, description="Stored answers")
    webhook_body_days: int = Field(90, ge=1, description="Sealed bodies of applied callbacks")
    job_runs_days: int = Field(30, ge=1, description="History of scheduled jobs")
    console_session_days: int = Field(30, ge=1, description="Sessions of the console, once over")
    phone_days: int = Field(
        2557, ge=1, description="Phone numbers of withdrawals at rest; seven years by Kenyan law"
    )


class Log(Group):
    format: Literal["json", "console"] = Field("json")
    level: Literal["debug", "info", "warning", "error"] = Field("info")
