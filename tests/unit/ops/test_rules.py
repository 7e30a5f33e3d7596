"""The rules as they are declared: whole, distinct, and known wherever they are named."""

import re
from pathlib import Path

import pytest

from payops.alerts.domain import RUNBOOKS
from payops.infra.settings import names
from payops.infra.settings.watching import Watching
from payops.ops.watching.rules import RULES, Rule

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_leads_to_its_page(rule: Rule) -> None:
    """The page is there, is the one that the message links, and names the alert."""
    page = ROOT / "docs" / "runbooks" / f"{RUNBOOKS[rule.name]}.md"

    assert f"`{rule.name}`" in page.read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_a_threshold_that_can_be_set(rule: Rule) -> None:
    """And that is more than nothing by default."""
    assert f"PAYOPS_WATCHING__{rule.threshold.upper()}" in names()
    assert rule.limit(Watching()) > 0


def test_every_rule_and_every_threshold_is_in_the_document() -> None:
    """With its severity and its setting, in the order of the code."""
    text = (ROOT / "docs" / "alerts.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| `PAYOPS_WATCHING__(\w+)`.*\| (\w+) \|$", text, re.MULTILINE
    )

    assert [(r.name, r.threshold.upper(), r.severity.value) for r in RULES] == rows


def test_no_two_rules_say_the_same() -> None:
    """An alert's kind says which rule it is of, and a summary is one sentence."""
    assert len(RULES) == len({rule.name for rule in RULES}) == len({rule.summary for rule in RULES})
    assert all(re.fullmatch(r"[A-Z][^.]+\.", rule.summary) for rule in RULES)
