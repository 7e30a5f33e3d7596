"""What a rule would have done to what was accepted: the same rule, the same arithmetic.

What it would have refused would not have counted afterwards, so requests are taken one by
one and in order; adding up windows alone would refuse too many.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from payops.fraud.domain.rules import Rule, Window
from payops.fraud.domain.velocity import Done, judge


@dataclass(frozen=True, slots=True)
class Past:
    """One request of the past. ``whom``: the user, or the recipient, that a rule counts by."""

    whom: str
    user_id: str
    done: Done


@dataclass(slots=True)
class Backtest:
    """Of ``considered`` requests since ``since``, ``stopped`` would have been refused."""

    since: datetime
    considered: int = 0
    stopped: int = 0
    stopped_minor: int = 0
    users: set[str] = field(default_factory=set)
    whom: set[str] = field(default_factory=set)

    def stop(self, past: Past) -> None:
        self.stopped += 1
        self.stopped_minor += past.done.amount_minor
        self.users.add(past.user_id)
        self.whom.add(past.whom)


def replay(rule: Rule, history: Iterable[Past], since: datetime) -> Backtest:
    """Hold ``history`` against ``rule``; it is in order of ``whom`` and then of time.

    What was before ``since`` fills the first windows and is taken as it was.
    """
    found = Backtest(since)
    for _, requests in groupby(history, key=lambda past: past.whom):
        passed: list[Done] = []
        for past in requests:
            done = past.done
            passed = _still_counting(rule.window, passed, done.at)
            if done.at >= since:
                found.considered += 1
                if judge(rule, passed, done.amount_minor, done.at).is_hit:
                    found.stop(past)
                    continue
            passed.append(done)
    return found


def _still_counting(window: Window, passed: list[Done], now: datetime) -> list[Done]:
    """Without what has left the window, so that a long history costs no more than a short one."""
    start = window.start(now)
    if passed and not window.contains(passed[0].at, start):
        return [done for done in passed if window.contains(done.at, start)]
    return passed
