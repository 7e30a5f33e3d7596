"""Rules as values: what they say, what can be one, and what loosens one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.access.domain import person_of
from payops.fraud.domain.rules import (
    LIMIT_MAX,
    Action,
    Measure,
    Mode,
    Rule,
    Scope,
    Window,
    checked,
    defaults,
    loosens,
    merged,
)
from payops.fraud.errors import RuleInvalid
from tests.support.velocity import HOURLY


@pytest.mark.parametrize(
    ("scope", "action", "measure", "hours", "limit", "words"),
    [
        ("user", "withdrawal", "count", 1, 3, "Withdrawal limit exceeded (3/hour)."),
        ("user", "deposit", "count", 1, 5, "Deposit limit exceeded (5/hour)."),
        (
            "user",
            "withdrawal",
            "sum",
            None,
            50_000_000,
            "Daily withdrawal limit exceeded (KES 500,000/day).",
        ),
        (
            "recipient",
            "withdrawal",
            "sum",
            None,
            50_000_000,
            "Daily recipient limit exceeded (KES 500,000/day).",
        ),
        ("user", "withdrawal", "count", None, 10, "Daily withdrawal limit exceeded (10/day)."),
        (
            "user",
            "withdrawal",
            "sum",
            24,
            100_000,
            "Withdrawal limit exceeded (KES 1,000/24 hours).",
        ),
    ],
)
def test_a_refusal_says_the_limit(  # noqa: PLR0917 - one row each
    scope: str, action: str, measure: str, hours: int | None, limit: int, words: str
) -> None:
    """The agreed words; the window and the unit are the rule's own."""
    rule = Rule("a-rule", Scope(scope), Action(action), Measure(measure), Window(hours), limit)

    assert f"{words} Try again later." == rule.refusal


@pytest.mark.parametrize(
    ("before", "after", "does"),
    [
        ((3, "enforce"), (4, "enforce"), True),
        ((3, "enforce"), (2, "enforce"), False),
        ((3, "enforce"), (3, "shadow"), True),
        ((3, "enforce"), (3, "off"), True),
        ((3, "enforce"), (1, "off"), True),
        ((3, "shadow"), (300, "shadow"), False),
        ((3, "shadow"), (3, "off"), False),
        ((3, "shadow"), (3, "enforce"), False),
        ((3, "off"), (9, "enforce"), False),
    ],
)
def test_letting_more_pass_is_loosening(
    before: tuple[int, str],
    after: tuple[int, str],
    does: bool,  # noqa: FBT001 - one column of the table
) -> None:
    """A higher limit, or an enforced rule that is not enforced any more; nothing else."""
    one, other = (replace(HOURLY, limit=n, mode=Mode(m)) for n, m in (before, after))

    assert does is loosens(one, other)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Bad Name"}, "/name"),
        ({"name": "abc"}, "/name"),
        ({"limit": 0}, "/limit"),
        ({"limit": LIMIT_MAX + 1}, "/limit"),
        ({"window": Window(0)}, "/windowHours"),
        ({"window": Window(169)}, "/windowHours"),
        ({"action": Action.DEPOSIT, "measure": Measure.SUM}, "/measure"),
        ({"action": Action.DEPOSIT, "scope": Scope.RECIPIENT}, "/scope"),
    ],
)
def test_what_can_be_no_rule_is_refused(change: dict[str, object], pointer: str) -> None:
    """With a pointer to what is wrong."""
    with pytest.raises(RuleInvalid) as refused:
        checked(replace(HOURLY, **change))  # type: ignore[arg-type]

    assert [pointer] == [fault.pointer for fault in refused.value.faults]


def test_zero_in_the_settings_switches_a_rule_off() -> None:
    """Not: nothing is allowed."""
    rules = defaults(
        withdrawals_per_hour=0,
        deposits_per_hour=5,
        withdrawal_kes_per_day=0,
        recipient_kes_per_day=0,
    )

    assert ["user-deposits-per-hour"] == [rule.name for rule in rules if rule.is_on]


def test_a_change_overrides_a_setting_and_a_new_rule_follows() -> None:
    """By name; the settings hold for what nobody has changed."""
    stricter = replace(HOURLY, limit=1, version=4)
    other = replace(HOURLY, name="another-rule", version=1)

    found = merged([HOURLY], {other.name: other, stricter.name: stricter})

    assert (stricter, other) == found


@given(st.text(max_size=20))
def test_a_person_is_the_same_by_key_and_at_the_keyboard(name: str) -> None:
    """Case, and how they came in, make nobody a second person."""
    plain = person_of(name)

    spellings = (
        plain,
        f"person:{plain}",
        f" person: {plain} ",
        f"Person:person:{plain}\t",
        f" {plain.upper()} ",
    )
    assert {plain} == {person_of(one) for one in spellings} or (
        plain.casefold() != plain.upper().casefold()
    )


@pytest.mark.parametrize("owner", ["", " ", "person:", " person: ", "PERSON: person:"])
def test_a_prefix_alone_is_nobody(owner: str) -> None:
    """Whoever has no name approves nothing."""
    assert not person_of(owner)
