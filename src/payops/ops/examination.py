"""What can be wrong with the settings and the database of a process, and what mends it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from payops.alerts import service as alerts
from payops.infra.db import Database, DatabaseUnavailable, Tx
from payops.infra.migrating import current_revision, head_revision
from payops.infra.settings import Environment, Settings, unknown_names
from payops.infra.settings.database import address_of
from payops.kernel.clock import Clock, SystemClock
from payops.ops.readiness import unsafe

_POSTGRES_MIN: Final = 15
_SKEW_MAX: Final = timedelta(seconds=30)
_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``fix`` says what to do, and is empty when all is well."""

    check: str
    detail: str
    fix: str = ""

    @property
    def is_well(self) -> bool:
        return not self.fix


def problem(check: str, detail: str, fix: str) -> Finding:
    return Finding(check, detail, fix)


def of_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("environment", f"{settings.env}, role {settings.role}")
    for name in unknown_names(environ):
        yield problem("settings", f"{name} means nothing", "correct its spelling, or remove it")
    needed = {
        "PAYOPS_PII__KEYS": settings.pii.keys,
        "PAYOPS_PII__INDEX_KEY": settings.pii.index_key,
        "PAYOPS_LIPANA__API_KEY": settings.lipana.api_key,
        "PAYOPS_LIPANA__WEBHOOK_SECRET": settings.lipana.webhook_secret,
    }
    for name in (name for name, value in needed.items() if value is None):
        yield problem("settings", f"{name} is not set", "set it; .env.example says what it is")
    yield Finding("alert channels", ", ".join(_channels(settings)) or "none: the log only")
    if settings.reporting.email_to and settings.alerts.smtp_url is None:
        found = "PAYOPS_REPORTING__EMAIL_TO is set and PAYOPS_ALERTS__SMTP_URL is not"
        yield problem("reports", found, "set the relay, or nobody to send reports to")
    if settings.env is Environment.PRODUCTION:
        for fault in unsafe(settings):
            yield problem("production", fault, "set it to what production uses")
        yield from _unverified(settings)
        if settings.device.policy == "enforce" and settings.events.url is None:
            # Mail alone is not enough: a caller with an API key brings no address.
            found = "PAYOPS_EVENTS__URL is not set: nobody gets the code of a new device"
            yield problem("devices", found, "set it, or PAYOPS_DEVICE__POLICY=monitor meanwhile")


def _unverified(settings: Settings) -> Iterator[Finding]:
    """Encrypted for whoever answers: one who can be in the way can be the database."""
    if settings.database_url is None:
        return
    address = address_of(settings.database_url.get_secret_value())
    if address.is_encrypted and not address.is_verified:
        found = (
            f"PAYOPS_DATABASE_URL: sslmode={address.sslmode} does not prove which server answers"
        )
        yield problem("production", found, "use sslmode=verify-full, with sslrootcert")


def _channels(settings: Settings) -> Iterator[str]:
    alerts_to = settings.alerts
    if alerts_to.slack_webhook_url:
        yield "slack"
    if alerts_to.pagerduty_routing_key:
        yield "pagerduty"
    if alerts_to.smtp_url:
        yield "email"


async def of_database(db: Database, clock: Clock | None = None) -> list[Finding]:
    """Reads only; what cannot be reached is a finding as well."""
    try:
        async with db.transaction(read_only=True) as tx:
            found = [await _version(tx), await _clock(tx, clock or SystemClock())]
            schema = await _schema(tx)
            found.append(schema)
            if schema.is_well:
                found.append(await _alerts(tx))
    except DatabaseUnavailable as error:
        why = str(error.__cause__ or error)
        return [problem("database", why, "start it, or correct PAYOPS_DATABASE_URL")]
    return found


async def _version(tx: Tx) -> Finding:
    number: int = await tx.fetchval("SELECT current_setting('server_version_num')::int")
    major = number // 10_000
    if major < _POSTGRES_MIN:
        return problem(
            "database", f"PostgreSQL {major}", f"use PostgreSQL {_POSTGRES_MIN} or newer"
        )
    if await tx.fetchval("SELECT pg_is_in_recovery()"):
        mend = "name the primary, or several hosts and target_session_attrs=read-write"
        return problem("database", f"PostgreSQL {major}, a standby: it takes no writes", mend)
    return Finding("database", f"PostgreSQL {major}")


async def _clock(tx: Tx, clock: Clock) -> Finding:
    theirs: datetime = await tx.fetchval("SELECT clock_timestamp()")
    apart = abs(theirs - clock.now())
    detail = f"{apart / timedelta(milliseconds=1):.0f} ms from the database's"
    if apart > _SKEW_MAX:
        return problem("clock", detail, "synchronise the clocks; ids and tokens depend on them")
    return Finding("clock", detail)


async def _schema(tx: Tx) -> Finding:
    current, head = await current_revision(tx), head_revision()
    if current != head:
        detail = f"the schema is at {current or 'nothing'}, this version wants {head}"
        return problem("schema", detail, "run `payops migrate`")
    return Finding("schema", f"at {head}")


async def _alerts(tx: Tx) -> Finding:
    found = await alerts.list_open(tx, _SHOWN_MAX + 1)
    if not found:
        return Finding("alerts", "none is open")
    more = " and more" if len(found) > _SHOWN_MAX else ""
    keys = ", ".join(alert.key for alert in found[:_SHOWN_MAX])
    return problem("alerts", f"{keys}{more}", "docs/runbooks has a page for each kind")
