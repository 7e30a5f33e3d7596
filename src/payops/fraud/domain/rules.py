"""Velocity rules as data: what is counted, over which window, up to what, and how seriously.

A limit is a count, or a sum in KES cents. What identifies a rule (scope, action, measure,
window, whether failed ones count) never changes under its name; limit and mode do.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

from payops.fraud.errors import RuleInvalid
from payops.kernel.errors import Fault

NAIROBI: Final = timezone(timedelta(hours=3), "EAT")  # Kenya has had no other since 1960
HOURS_MAX: Final = 168
LIMIT_MAX: Final = 10**15  # in cents as in payops.kernel.money: far above any real limit
NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{2,62}[a-z0-9]$"

_NAME: Final = re.compile(NAME_PATTERN, re.ASCII)


class Scope(StrEnum):
    USER = "user"
    RECIPIENT = "recipient"  # a phone number, across all users who pay to it


class Action(StrEnum):
    WITHDRAWAL = "withdrawal"
    DEPOSIT = "deposit"


class Measure(StrEnum):
    COUNT = "count"
    SUM = "sum"

    @property
    def unit(self) -> int:
        """What one of a shown limit is in a stored one: a shilling has a hundred cents."""
        return 100 if self is Measure.SUM else 1


class Mode(StrEnum):
    ENFORCE = "enforce"
    SHADOW = "shadow"  # recorded, and lets pass
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Window:
    """The last ``hours``, or with ``None`` the day in Nairobi."""

    hours: int | None = None

    def start(self, now: datetime) -> datetime:
        """What is later than this counts; of a day, what is not earlier (see ``contains``)."""
        if self.hours is None:
            return now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
        return now - timedelta(hours=self.hours)

    def contains(self, moment: datetime, start: datetime) -> bool:
        """Whether ``moment`` is inside; what is exactly ``hours`` old has left."""
        return moment >= start if self.hours is None else moment > start

    def end(self, start: datetime) -> datetime:
        """The end of a window that began at ``start``."""
        return start + (timedelta(days=1) if self.hours is None else timedelta(hours=self.hours))

    @property
    def text(self) -> str:
        match self.hours:
            case None:
                return "day"
            case 1:
                return "hour"
            case hours:
                return f"{hours} hours"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit. ``version`` 0 is the settings' own; each change makes the next one."""

    name: str
    scope: Scope
    action: Action
    measure: Measure
    window: Window
    limit: int
    mode: Mode = Mode.ENFORCE
    counts_failed: bool = True
    version: int = 0

    @property
    def is_on(self) -> bool:
        """Then it is evaluated, though perhaps only in the shadow."""
        return self.mode is not Mode.OFF

    @property
    def shown_limit(self) -> int:
        """A count, or whole shillings."""
        return self.limit // self.measure.unit

    @property
    def refusal(self) -> str:
        """What a caller who meets it is told."""
        what = "recipient" if self.scope is Scope.RECIPIENT else str(self.action)
        daily = f"Daily {what}" if self.window.hours is None else what.capitalize()
        size = f"{'KES ' if self.measure is Measure.SUM else ''}{self.shown_limit:,}"
        return f"{daily} limit exceeded ({size}/{self.window.text}). Try again later."

    def as_json(self) -> dict[str, object]:
        """All of it, as it is shown and as it is kept beside a change."""
        return {
            "scope": self.scope.value,
            "action": self.action.value,
            "measure": self.measure.value,
            "windowHours": self.window.hours,
            "limit": self.shown_limit,
            "mode": self.mode.value,
            "countsFailed": self.counts_failed,
        }


def checked(rule: Rule) -> Rule:
    """``rule`` if there can be such a one.

    Raises:
        RuleInvalid: with a pointer to what is wrong.
    """
    faults = []
    if not _NAME.fullmatch(rule.name):
        faults.append(Fault("/name", "is 4 to 64 lower-case letters, digits and hyphens"))
    if not 0 < rule.limit <= LIMIT_MAX:
        faults.append(Fault("/limit", f"is 1 to {LIMIT_MAX:,}"))
    if rule.window.hours is not None and not 1 <= rule.window.hours <= HOURS_MAX:
        faults.append(Fault("/windowHours", f"is 1 to {HOURS_MAX}, or left out for the day"))
    if rule.action is Action.DEPOSIT and rule.measure is Measure.SUM:
        faults.append(Fault("/measure", "of deposits is count: an invoice has brought nothing yet"))
    if rule.action is Action.DEPOSIT and rule.scope is Scope.RECIPIENT:
        faults.append(Fault("/scope", "of deposits is user: nobody else receives one"))
    if faults:
        raise RuleInvalid(faults=faults)
    return rule


def loosens(before: Rule, after: Rule) -> bool:
    """Whether ``after`` lets something pass that ``before`` refuses; that needs two people."""
    if before.mode is not Mode.ENFORCE:
        return False
    return after.mode is not Mode.ENFORCE or after.limit > before.limit


def defaults(
    *,
    withdrawals_per_hour: int,
    deposits_per_hour: int,
    withdrawal_kes_per_day: int,
    recipient_kes_per_day: int,
) -> tuple[Rule, ...]:
    """The rules of the settings: counts and whole shillings, zero for off.

    A failed payout brought the recipient nothing, so it does not count towards what M-Pesa
    lets a number receive; towards the user's own limits it does.
    """
    user, recipient = Scope.USER, Scope.RECIPIENT
    withdrawal, deposit = Action.WITHDRAWAL, Action.DEPOSIT
    count, total, hour, day = Measure.COUNT, Measure.SUM, Window(1), Window()
    rules = (
        Rule("user-withdrawals-per-hour", user, withdrawal, count, hour, withdrawals_per_hour),
        Rule("user-deposits-per-hour", user, deposit, count, hour, deposits_per_hour),
        Rule(
            "user-withdrawal-kes-per-day",
            user,
            withdrawal,
            total,
            day,
            withdrawal_kes_per_day * 100,
        ),
        Rule(
            "recipient-withdrawal-kes-per-day",
            recipient,
            withdrawal,
            total,
            day,
            recipient_kes_per_day * 100,
            counts_failed=False,
        ),
    )
    return tuple(rule if rule.limit else _off(rule) for rule in rules)


def merged(given: Iterable[Rule], changed: Mapping[str, Rule]) -> tuple[Rule, ...]:
    """``given`` as ``changed`` has them, and then the rules that only ``changed`` has."""
    first = [changed.get(rule.name, rule) for rule in given]
    known = {rule.name for rule in first}
    return (*first, *(changed[name] for name in sorted(changed.keys() - known)))


def _off(rule: Rule) -> Rule:
    return Rule(
        rule.name,
        rule.scope,
        rule.action,
        rule.measure,
        rule.window,
        rule.limit,
        Mode.OFF,
        rule.counts_failed,
    )
