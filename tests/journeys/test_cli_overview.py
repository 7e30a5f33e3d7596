"""The overview at the keyboard: the same figures as the API, and a table to read at night."""

from pathlib import Path

import pytest

from tests.support.commands import Payops

pytestmark = pytest.mark.slow  # each command is a process of its own


@pytest.fixture
def payops(url: str, tmp_path: Path) -> Payops:
    return Payops.on(url, tmp_path)


def test_the_overview_is_one_document_or_one_table(payops: Payops) -> None:
    """With what was never done said in words."""
    document = payops.run("overview", "--json")
    table = payops.run("overview")

    assert (0, 0) == (document.code, table.code), document.err + table.err
    assert {"at", "health", "exposure", "work", "jobs", "hours"} == set(document.json)
    for said in ("never checked", "nothing", "KES 0.00 in 0", "0 accepted", "p50 and p95"):
        assert said in table.out


def test_the_table_says_what_is_wrong(payops: Payops) -> None:
    """A halt, its alert, and books that were checked."""
    payops.run("switches", "halt", "withdrawals", "--reason", "rail down")
    payops.run("jobs", "run", "ledger-verify")

    table = payops.run("overview").out

    (halted,) = [line for line in table.splitlines() if "halted" in line]
    assert "withdrawals" in halted
    assert "1 critical" in table
    assert "right at" in table
