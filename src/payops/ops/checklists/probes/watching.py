"""Alerts, limits that were met, and notifications that wait."""

from datetime import datetime, timedelta
from typing import Final

from payops.alerts import service as alerts
from payops.alerts.domain import Severity
from payops.fraud.domain.rules import Mode
from payops.fraud.service import decisions
from payops.infra.settings import Environment
from payops.ops.checklists.domain import Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts
from payops.webhooks import service as webhooks
from payops.webhooks.domain import State, show

_SHOWN_MAX: Final = 5
_LISTED_MAX: Final = 100
_DAY: Final = timedelta(days=1)
_APPLIED_WITHIN: Final = timedelta(minutes=15)


async def alert_channels(parts: Parts, _: By) -> Finding:
    """Which channels are set; `payops alerts test` sends a message through each."""
    group = parts.settings.alerts
    channels = {
        "slack": group.slack_webhook_url,
        "pagerduty": group.pagerduty_routing_key,
        "email": group.smtp_url,
    }
    configured = [name for name, value in channels.items() if value is not None]
    if configured:
        detail = f"{', '.join(configured)}; `payops alerts test` tries them"
        return passed(detail, channels=configured)
    detail = "none is set: alerts go to the log only"
    is_production = parts.settings.env is Environment.PRODUCTION
    return (failed if is_production else attention)(detail, channels=configured)


async def open_alerts(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        found = await alerts.list_open(tx, _LISTED_MAX)
    keys = [alert.key for alert in found]
    if not found:
        return passed("none is open", open=keys)
    more = " and more" if len(keys) > _SHOWN_MAX else ""
    detail = f"{', '.join(keys[:_SHOWN_MAX])}{more}: docs/runbooks has a page for each kind"
    is_critical = any(alert.severity is Severity.CRITICAL for alert in found)
    return (failed if is_critical else attention)(detail, open=keys)


async def velocity_hits(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        hits = await decisions.hits(tx, now - _DAY)
    counts: dict[str, int] = {}
    for hit in hits:
        counts[hit.name] = counts.get(hit.name, 0) + hit.hits
    enforced = sum(hit.hits for hit in hits if hit.mode == Mode.ENFORCE)
    evidence = {"since": (now - _DAY).isoformat(), "byRule": counts, "refused": enforced}
    if not counts:
        return passed("nobody met a limit in a day", **evidence)
    detail = f"{enforced} refusals in a day: `payops velocity report` says when, rule by rule"
    return attention(detail, **evidence)


async def inbox(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        parked = await webhooks.deliveries(tx, state=State.PARKED, before=None, limit=_LISTED_MAX)
        pending = await webhooks.deliveries(tx, state=State.PENDING, before=None, limit=_LISTED_MAX)
    late = [show(one.id) for one in pending if one.received_at < now - _APPLIED_WITHIN]
    evidence = {
        "parked": [show(one.id) for one in parked],
        "pending": len(pending),
        "late": late,
    }
    if late or len(pending) == _LISTED_MAX:
        return failed(f"{len(late)} wait for their effect for too long", **evidence)
    if parked:
        detail = f"{len(parked)} are parked: `payops webhooks list --state parked`"
        return attention(detail, **evidence)
    return passed("nothing is parked and nothing waits", **evidence)
