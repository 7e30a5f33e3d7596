"""One probe for each line of the lists. Each does what its line says, and says what it saw."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from payops.ops.checklists.domain import Finding
from payops.ops.checklists.parts import By, Parts
from payops.ops.checklists.probes import (
    books,
    dependencies,
    keys,
    people,
    requests,
    running,
    secrecy,
    watching,
)

_PROBES: Final[Mapping[str, Callable[[Parts, By], Awaitable[Finding]]]] = MappingProxyType(
    {
        "migrations": books.migrations,
        "ledger": books.ledger_verified,
        "audit_chain": books.audit_chain,
        "duplicate_request": requests.duplicate_request,
        "duplicate_webhook": requests.duplicate_webhook,
        "limits": requests.limits,
        "devices": requests.devices,
        "personal_data_sealed": people.personal_data_sealed,
        "personal_data_reads": people.personal_data_reads,
        "secrets": secrecy.secrets,
        "alert_channels": watching.alert_channels,
        "open_alerts": watching.open_alerts,
        "velocity_hits": watching.velocity_hits,
        "inbox": watching.inbox,
        "reconciliation": running.reconciliation,
        "jobs": running.jobs,
        "transition_times": running.transition_times,
        "stuck_payments": running.stuck_payments,
        "key_age": keys.key_age,
        "api_keys": keys.api_keys,
        "dependency_audit": dependencies.dependency_audit,
    }
)


def probes_of(parts: Parts) -> dict[str, Callable[[By], Awaitable[Finding]]]:
    """Every probe, over the services of this process."""
    return {item: partial(probe, parts) for item, probe in _PROBES.items()}
