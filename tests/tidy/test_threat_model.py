"""The threat model names tests that exist, for every threat."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))

ATTACKERS = (
    *("An outsider without credentials", "A user", "A forged or a lying provider"),
    *("A BETRIX insider", "A stolen database dump", "A stolen backup", "A stolen API key"),
)


def functions_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def threats() -> list[str]:
    """The rows of the tables of attackers."""
    tables = TEXT.partition("## Attackers")[2].partition("## What is left")[0]
    rows = re.findall(r"^\| (?!tries to |---)(.+) \|$", tables, re.MULTILINE)
    return [row for row in rows if not row.startswith("-")]


@pytest.mark.parametrize(("path", "test"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_every_test_that_is_named_exists(path: str, test: str) -> None:
    """A protection whose test is gone is a claim."""
    assert test in functions_in(ROOT / path)


@pytest.mark.parametrize("threat", threats(), ids=lambda row: row.partition(" |")[0])
def test_every_threat_names_the_test_that_shows_it_stopped(threat: str) -> None:
    """Three cells: what is tried, what stops it, which test shows that."""
    cells = threat.split(" | ")

    assert 3 == len(cells)
    assert "::" in cells[2]


def test_every_attacker_is_there() -> None:
    """Nobody is left out because nothing stops them."""
    headings = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)

    assert [] == [attacker for attacker in ATTACKERS if attacker not in headings]
