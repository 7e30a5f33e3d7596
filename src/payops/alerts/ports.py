"""What alerts need of a channel that reaches people, in their own words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from payops.alerts.domain import NoticeKind, Severity

_BEFORE: Final = {
    NoticeKind.RAISED: "",
    NoticeKind.WORSENED: "Worse: ",
    NoticeKind.RENEWED: "Again, by another: ",
    NoticeKind.ESCALATED: "Still open and not acknowledged: ",
    NoticeKind.ACKNOWLEDGED: "Acknowledged: ",
    NoticeKind.RESOLVED: "Over: ",
    NoticeKind.TEST: "Test: ",
}
_FACT_LENGTH_MAX: Final = 500
_FACTS_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message about an alert, already without anything personal.

    ``reference`` is the same for every copy of it; ``thread`` is the reference of the
    message that people first heard of this trouble by.
    """

    reference: str
    thread: str
    kind: NoticeKind
    alert_id: str  # as it is shown
    key: str
    alert_kind: str
    severity: Severity
    summary: str
    detail: Mapping[str, object]
    raised_at: datetime
    at: datetime
    runbook: str | None  # a link, or the page's name where there is no address to link to

    @property
    def headline(self) -> str:
        """The sentence to show first."""
        return f"{_BEFORE[self.kind]}{self.summary}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The detail as names and short texts."""
        return [
            (str(name)[:_FACT_LENGTH_MAX], _text_of(value)[:_FACT_LENGTH_MAX])
            for name, value in list(self.detail.items())[:_FACTS_MAX]
        ]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The channel has it and answers for it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The channel will not take this message, now or later. ``why`` holds no part of it."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It may not have got there: try again, no sooner than ``retry_after``."""

    why: str
    retry_after: timedelta | None = None


Delivery: TypeAlias = Delivered | Refused | Failed


class Notifier(Protocol):
    """A channel. ``deliver`` does not raise for what the network or the other side does.

    It may be called again with a notice that did arrive: where the channel can tell copies
    by a name, ``key`` or ``reference`` is it.
    """

    name: str

    async def deliver(self, notice: Notice) -> Delivery: ...


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
