"""Whether people are told: pure decisions, and waits."""

import ast
import importlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import payops
from payops.alerts.domain import (
    RUNBOOKS,
    Episode,
    Heard,
    NoticeKind,
    Policy,
    Severity,
    Verdict,
    judge,
    reminder_wait,
    retry_wait,
    runbook_page,
)
from payops.ops.watching.rules import RULES

SOURCE = Path(payops.__file__).parent
PAGES = Path(__file__).parents[3] / "docs" / "runbooks"

INFO, WARNING, CRITICAL = Severity
TELL, QUIET, WAIT = Verdict.TELL, Verdict.KEEP_QUIET, Verdict.WAIT
RAISED, WORSENED, OVER = NoticeKind.RAISED, NoticeKind.WORSENED, NoticeKind.RESOLVED
TEN = timedelta(minutes=10)
MINUTE = timedelta(minutes=1)

TOLD = Episode(WARNING, is_acknowledged=False)
TAKEN = Episode(WARNING, is_acknowledged=True)


@pytest.mark.parametrize(
    ("heard", "episode", "verdict"),
    [
        (Heard(RAISED, INFO, MINUTE), None, TELL),
        (Heard(RAISED, WARNING, MINUTE), TOLD, QUIET),
        (Heard(RAISED, INFO, MINUTE), TOLD, QUIET),
        (Heard(RAISED, CRITICAL, MINUTE), TOLD, TELL),
        (Heard(WORSENED, CRITICAL, MINUTE), TAKEN, TELL),
        (Heard(WORSENED, WARNING, MINUTE), TAKEN, QUIET),
        (Heard(NoticeKind.RENEWED, WARNING, MINUTE), TOLD, TELL),
        (Heard(NoticeKind.RENEWED, INFO, MINUTE), TAKEN, TELL),
        (Heard(NoticeKind.RENEWED, WARNING, MINUTE), None, TELL),
        (Heard(OVER, WARNING, MINUTE), TOLD, WAIT),
        (Heard(OVER, WARNING, TEN), TOLD, TELL),
        (Heard(OVER, WARNING, TEN), TAKEN, TELL),
        (Heard(OVER, WARNING, TEN), None, QUIET),
        (Heard(OVER, WARNING, MINUTE, back_after=MINUTE), TOLD, QUIET),
        (Heard(OVER, WARNING, TEN * 3, back_after=MINUTE), TOLD, QUIET),
        (Heard(OVER, WARNING, TEN * 3, back_after=TEN), TOLD, TELL),
        (Heard(NoticeKind.ACKNOWLEDGED, WARNING, MINUTE), TOLD, TELL),
        (Heard(NoticeKind.ACKNOWLEDGED, WARNING, MINUTE), TAKEN, QUIET),
        (Heard(NoticeKind.ACKNOWLEDGED, WARNING, MINUTE), None, QUIET),
        (Heard(NoticeKind.ESCALATED, CRITICAL, MINUTE), TOLD, TELL),
        (Heard(NoticeKind.ESCALATED, CRITICAL, MINUTE), TAKEN, QUIET),
        (Heard(NoticeKind.ESCALATED, CRITICAL, MINUTE), None, QUIET),
    ],
)
def test_what_people_know_decides_what_they_are_told(
    heard: Heard, episode: Episode | None, verdict: Verdict
) -> None:
    """News is told, its end once it lasts, and nothing twice."""
    assert verdict is judge(heard, episode, TEN)


def test_without_quiet_time_the_end_is_told_at_once() -> None:
    """Zero switches it off; a clock that runs backwards holds nothing back for long."""
    assert TELL is judge(Heard(OVER, WARNING, timedelta()), TOLD, timedelta())
    assert TELL is judge(Heard(OVER, WARNING, MINUTE, back_after=timedelta()), TOLD, timedelta())


def test_severities_are_in_order() -> None:
    """As numbers, for as words they are not."""
    assert [0, 1, 2] == [severity.rank for severity in (INFO, WARNING, CRITICAL)]


def test_reminders_come_at_growing_distances() -> None:
    """Half an hour, one, two, and so on, but twice a day at least."""
    policy = Policy(quiet=TEN, escalate=timedelta(minutes=30), give_up=timedelta(hours=24))
    minutes = [reminder_wait(count, policy) // MINUTE for count in range(8)]

    assert [30, 60, 120, 240, 480, 720, 720, 720] == minutes


def test_retries_back_off_with_jitter_and_heed_what_is_asked() -> None:
    """From five seconds to five minutes, a quarter more at most; Retry-After wins if longer."""
    shortest = [retry_wait(n, fraction=lambda: 0.0).total_seconds() for n in range(1, 9)]

    assert [5, 10, 20, 40, 80, 160, 300, 300] == shortest
    assert timedelta(minutes=6, seconds=15) == retry_wait(50, fraction=lambda: 1.0)
    assert timedelta(hours=1) == retry_wait(1, at_least=timedelta(hours=1))
    assert timedelta(seconds=5) == retry_wait(1, at_least=timedelta(), fraction=lambda: 0.0)


def test_every_runbook_that_is_named_exists() -> None:
    """A link that leads nowhere is found at night."""
    assert [] == [page for page in RUNBOOKS.values() if not (PAGES / f"{page}.md").exists()]


def kinds_raised() -> Iterator[str]:
    """The kinds of all alerts that the code makes."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Alert"):
                continue
            for keyword in (k for k in node.keywords if k.arg == "kind"):
                if isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)
                elif isinstance(keyword.value, ast.Name):
                    name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
                    yield str(getattr(importlib.import_module(name), keyword.value.id))


def test_a_page_for_a_kind_of_alert_is_linked() -> None:
    """Whoever is woken must find what to do: a page that is there, else the contents."""
    kinds = set(kinds_raised()) | {rule.name for rule in RULES}
    pages = {page.stem for page in PAGES.glob("*.md")}
    forgotten = {k for k in kinds if k.replace("_", "-") in pages} - set(RUNBOOKS)

    assert "ledger_out_of_balance" in kinds
    assert (set(), set()) == (forgotten, set(RUNBOOKS) - kinds)
    assert "README" == runbook_page("nobody_knows")
