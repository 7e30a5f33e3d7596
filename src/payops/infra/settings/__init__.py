"""Everything that can be configured: read once, validated at start, passed down.

Environment names are ``PAYOPS_`` and, for groups, ``PAYOPS_GROUP__FIELD``. An empty value
is unset. No other package reads the environment, and no secret is ever printed.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from payops.infra.settings.base import Environment, Group, Names, Network, Networks, Role
from payops.infra.settings.database import address_of
from payops.infra.settings.guards import Alerts, Approvals, Device, Events, Pii, Vault, Velocity
from payops.infra.settings.money import (
    Crypto,
    MpesaRetry,
    MpesaStatus,
    Reconciliation,
    Withdrawal,
)
from payops.infra.settings.process import (
    Audit,
    Auth,
    Console,
    Http,
    Log,
    Pool,
    Retention,
    Worker,
)
from payops.infra.settings.providers import (
    SANDBOX_LIPANA_URL,
    SANDBOX_NOWPAYMENTS_URL,
    BtcPay,
    Lipana,
    NowPayments,
)
from payops.infra.settings.reporting import Reporting
from payops.infra.settings.watching import Watching

__all__ = [
    "PREFIX",
    "PUBLIC_URL",
    "SANDBOX_LIPANA_URL",
    "SANDBOX_NOWPAYMENTS_URL",
    "Alerts",
    "Approvals",
    "Audit",
    "Auth",
    "BtcPay",
    "Console",
    "Crypto",
    "Device",
    "Environment",
    "Events",
    "Http",
    "Lipana",
    "Log",
    "MpesaRetry",
    "MpesaStatus",
    "Names",
    "Network",
    "Networks",
    "NowPayments",
    "Pii",
    "Pool",
    "Reconciliation",
    "Reporting",
    "Retention",
    "Role",
    "Settings",
    "Vault",
    "Velocity",
    "Watching",
    "Withdrawal",
    "Worker",
    "names",
    "unknown_names",
]

PREFIX = "PAYOPS_"
PUBLIC_URL = "http://127.0.0.1:8000"

# Read by what only developers run, never by the service.
_FOR_DEVELOPERS = ("PAYOPS_DEV_", "PAYOPS_TEST_")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # not every reader of an error goes by setting_faults
        nested_model_default_partial_update=True,
    )

    env: Environment = Field(Environment.DEVELOPMENT, description="What the process may assume")
    role: Role = Field(Role.ALL, description="`api` serves, `worker` moves money, `all` does both")
    host: str = Field("127.0.0.1", description="Address to serve on")
    port: int = Field(8000, ge=0, le=65535, description="Port to serve on")
    database_url: SecretStr | None = Field(
        None, description="postgresql://user:pass@host:port/db?sslmode=verify-full&sslrootcert=file"
    )
    public_url: str = Field(PUBLIC_URL, description="Base of the callback and return URLs")
    trusted_proxies: Networks = Field(
        (), description="CIDRs whose X-Forwarded-For is believed, comma-separated"
    )
    auth: Auth = Auth()
    http: Http = Http()
    console: Console = Console()
    pool: Pool = Pool()
    worker: Worker = Worker()
    lipana: Lipana = Lipana()
    nowpayments: NowPayments = NowPayments()
    btcpay: BtcPay = BtcPay()
    mpesa_retry: MpesaRetry = MpesaRetry()
    mpesa_status: MpesaStatus = MpesaStatus()
    withdrawal: Withdrawal = Withdrawal()
    velocity: Velocity = Velocity()
    device: Device = Device()
    events: Events = Events()
    reconciliation: Reconciliation = Reconciliation()
    crypto: Crypto = Crypto()
    audit: Audit = Audit()
    retention: Retention = Retention()
    pii: Pii = Pii()
    vault: Vault = Vault()
    alerts: Alerts = Alerts()
    approvals: Approvals = Approvals()
    watching: Watching = Watching()
    reporting: Reporting = Reporting()
    log: Log = Log()

    @field_validator("database_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            address_of(url.get_secret_value())
        return url

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
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
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
