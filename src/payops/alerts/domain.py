"""What an alert is. Its key decides what counts as the same trouble again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

ID_PREFIX = "alr"


class Severity(StrEnum):
    """In ascending order: an open alert is only ever raised to a later one."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Trouble to be told of. ``key`` names it: ``rail_down:lipana``, ``unresolved:wd_…``.

    ``summary`` is one sentence for a person and ``detail`` the figures and ids behind it;
    neither holds personal data, for both leave the house when alerts are delivered.
    """

    key: str
    kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that nobody and nothing has resolved yet."""

    id: UUID
    key: str
    kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, object]
    raised_at: datetime
    last_seen_at: datetime
    count: int  # how often it was raised, the first time included
