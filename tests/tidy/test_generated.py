"""What is made from the code is as the code would make it now; ``payops docs`` makes it anew."""

import re
from pathlib import Path

import pytest

from payops.cli import documents
from payops.cli.configuring import env_text, settings_table
from payops.infra.settings import names
from payops.ledger import entries
from payops.withdrawals.domain import TRANSITIONS, State

ROOT = Path(__file__).parents[2]


def test_no_generated_document_is_out_of_date() -> None:
    """
    `.env.example`, the OpenAPI document, and the tables and diagrams in texts are current.
    """
    assert [] == sorted(documents.stale(ROOT))


@pytest.mark.parametrize("path", [".env.example", "docs/states.md"])
def test_a_document_that_was_changed_is_noticed(path: str, tmp_path: Path) -> None:
    """
    The comparison sees one changed word, in a whole file and between the markers.
    """
    for name in (*documents.WITH_PARTS, *documents.FILES, "docs/errors.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    spoilt = tmp_path / path
    spoilt.write_text(spoilt.read_text().replace("pending", "waiting").replace("8000", "8001"))

    assert [path] == sorted(documents.stale(tmp_path))


def test_every_setting_is_in_the_example_and_in_the_table() -> None:
    """
    A setting that nobody can find is none.
    """
    example = re.findall(r"^(?:# )?(PAYOPS_[A-Z_0-9]+)=", env_text(), re.MULTILINE)
    table = re.findall(r"^\| `(PAYOPS_[A-Z_0-9]+)` \|", settings_table(), re.MULTILINE)

    assert list(names()) == example
    assert list(names()) == table


def test_no_secret_has_a_default() -> None:
    """
    The example is copied: a secret in it would be used.
    """
    secrets = [name for name, field in names().items() if "SecretStr" in str(field.annotation)]

    assert secrets
    assert [] == [name for name in secrets if f"\n{name}=\n" not in env_text()]


def test_every_state_has_its_meaning() -> None:
    """
    The diagram shows every transition, and the text below says what each state means.
    """
    text = (ROOT / "docs" / "states.md").read_text()
    arrows = re.findall(r"^    (\w+) --> (\w+): ", text, re.MULTILINE)
    meanings = re.findall(r"^\| `(\w+)` \| (?:held|left|available|given)", text, re.MULTILINE)

    assert {(before.value, after.value) for (before, _), after in TRANSITIONS.items()} == set(
        arrows
    )
    assert [state.value for state in State] == meanings


def test_every_journal_is_shown() -> None:
    """
    There is no way to post that `docs/money.md` does not show.
    """
    made = {
        name
        for name, value in vars(entries).items()
        if callable(value) and getattr(value, "__module__", "") == entries.__name__
    }
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "money.md").read_text(), re.MULTILINE)

    assert made == set(headings)
