"""Velocity: how many, and how much, in a window. Pure; the caller brings the history.

The history must be read in the transaction that will add to it, after what protects it was
locked (the user's wallet, a recipient's row): then no race can pass a limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from payops.fraud.domain.rules import Action, Measure, Mode, Rule, Scope
from payops.fraud.errors import VelocityLimitExceeded


@dataclass(frozen=True, slots=True)
class Done:
    """Something accepted earlier that counts: when, and how much in minor units.

    ``is_failed``: nothing came of it; some rules then do not count it.
    """

    at: datetime
    amount_minor: int
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule made of one request.

    ``used`` is what counted before it, ``adds`` what it would add, in the rule's own unit.
    ``frees_seconds``: until some of what is used leaves the window. ``wait_seconds``: until
    the same request would pass; 0 when it does.
    """

    rule: Rule
    used: int
    adds: int
    frees_seconds: int
    wait_seconds: int

    @property
    def is_hit(self) -> bool:
        return self.wait_seconds > 0

    @property
    def remaining(self) -> int:
        """What is left once the request is accepted."""
        return max(0, self.rule.limit - self.used - self.adds)

    @property
    def json(self) -> str:
        """As it is kept in a decision. Names and modes need no escaping; every request has some."""
        rule = self.rule
        return (
            f'{{"rule":"{rule.name}","version":{rule.version},"mode":"{rule.mode}",'
            f'"limit":{rule.limit},"used":{self.used},"adds":{self.adds},'
            f'"hit":{"true" if self.wait_seconds else "false"}}}'
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What all rules together made of one request."""

    findings: tuple[Finding, ...] = ()

    @property
    def refusal(self) -> VelocityLimitExceeded | None:
        """Of several limits that are met, the one that takes longest to pass is told."""
        hits = [f for f in self.findings if f.is_hit and f.rule.mode is Mode.ENFORCE]
        if not hits:
            return None
        worst = max(hits, key=lambda finding: finding.wait_seconds)
        return VelocityLimitExceeded(worst.rule.refusal, retry_after_seconds=worst.wait_seconds)

    @property
    def header(self) -> str:
        """What is left, as the ``RateLimit`` field has it; sums in whole shillings.

        A recipient's rules stay out: what others have sent to a number is not the caller's.
        """
        return ", ".join(
            f'"{f.rule.name}";r={f.remaining // f.rule.measure.unit};t={f.frees_seconds}'
            for f in self.findings
            if f.rule.scope is Scope.USER and f.rule.mode is Mode.ENFORCE
        )


class RuleSet:
    """The rules in force at one moment; those that are off are not looked at."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        # Sorted out once: every request asks.
        self._on = {
            (action, scope): tuple(
                r for r in self.rules if r.is_on and r.action is action and r.scope is scope
            )
            for action in Action
            for scope in Scope
        }
        self._moment: datetime | None = None
        self._starts: dict[str, datetime] = {}

    def of(self, action: Action, scope: Scope) -> tuple[Rule, ...]:
        return self._on[action, scope]

    def reach(self, action: Action, now: datetime, *, scope: Scope = Scope.USER) -> datetime | None:
        """How far back a history must go for every rule; ``None``: none is needed."""
        return min((rule.window.start(now) for rule in self.of(action, scope)), default=None)

    def for_withdrawals(
        self,
        of_user: Sequence[Done],
        of_recipient: Sequence[Done],
        amount_minor: int,
        now: datetime,
    ) -> Assessment:
        """What the rules make of a withdrawal; histories are in order of time."""
        starts = self._starts_at(now)
        found = [
            judge(rule, of_user, amount_minor, now, starts[rule.name])
            for rule in self._on[Action.WITHDRAWAL, Scope.USER]
        ]
        found += [
            judge(rule, of_recipient, amount_minor, now, starts[rule.name])
            for rule in self._on[Action.WITHDRAWAL, Scope.RECIPIENT]
        ]
        return Assessment(tuple(found))

    def for_deposits(self, history: Sequence[Done], now: datetime) -> Assessment:
        """What the rules make of one more invoice; ``history`` is in order of time."""
        rules = self._on[Action.DEPOSIT, Scope.USER]
        starts = self._starts_at(now)
        return Assessment(tuple(judge(rule, history, 0, now, starts[rule.name]) for rule in rules))

    def _starts_at(self, now: datetime) -> dict[str, datetime]:
        """Where each window begins: the same for all requests of a batch, so found once."""
        if now != self._moment:
            self._starts = {r.name: r.window.start(now) for r in self.rules if r.is_on}
            self._moment = now
        return self._starts


def judge(
    rule: Rule,
    history: Sequence[Done],
    amount_minor: int,
    now: datetime,
    start: datetime | None = None,
) -> Finding:
    """Hold one request at ``now`` against ``rule``; ``history`` is in order of time.

    ``start`` is where the rule's window begins, for who knows it already.
    """
    is_sum, is_day = rule.measure is Measure.SUM, rule.window.hours is None
    start = start or rule.window.start(now)
    used, oldest = 0, None
    for done in reversed(history):  # a long history is not walked beyond the window
        if done.at < start or (done.at == start and not is_day):
            break
        if rule.counts_failed or not done.is_failed:
            used += done.amount_minor if is_sum else 1
            oldest = done.at
    adds = amount_minor if is_sum else 1
    frees_at = rule.window.end(start if is_day else oldest or now)
    wait = 0
    if used + adds > rule.limit:
        wait = _seconds_until(_passes_at(rule, history, rule.limit - adds, start, now), now)
    return Finding(rule, used, adds, _seconds_until(frees_at, now), wait)


def _passes_at(
    rule: Rule, history: Sequence[Done], room: int, start: datetime, now: datetime
) -> datetime:
    """When no more than ``room`` is used; what could never pass waits for a whole window."""
    if rule.window.hours is None:
        return rule.window.end(start)
    counted = [
        done for done in history if done.at > start and (rule.counts_failed or not done.is_failed)
    ]
    weights = [done.amount_minor if rule.measure is Measure.SUM else 1 for done in counted]
    used = sum(weights)
    for done, weight in zip(counted, weights, strict=True):
        used -= weight
        if used <= room:
            return rule.window.end(done.at)
    return rule.window.end(now)


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, ceil((moment - now).total_seconds()))
