"""Users and velocity rules from the command line: the same use cases as the API."""

from pathlib import Path

import pytest

from tests.support.commands import Payops

pytestmark = pytest.mark.slow


def test_a_user_is_blocked_shown_and_unblocked(own_url: str, tmp_path: Path) -> None:
    """With a reason and a name for the record; what is not there is said in one line."""
    payops = Payops.on(own_url, tmp_path)

    blocked = payops.run(
        "users", "block", "amina", "--reason", "a complaint", "--hours", "2", "--json",
        "--actor", "jane",
    )  # fmt: skip
    shown = payops.run("users", "show", "amina", "--json").json
    told = payops.run("users", "show", "amina")
    lifted = payops.run("users", "unblock", "amina", "--reason", "settled")
    again = payops.run("users", "unblock", "amina", "--reason", "settled")

    assert (0, "person:jane", []) == (
        blocked.code,
        blocked.json["blockedBy"],
        blocked.json["cancelled"],
    )
    assert (True, "a complaint") == (shown["isBlocked"], shown["block"]["reason"])
    assert "a complaint" in told.out
    assert (0, "amina is not blocked any more\n") == (lifted.code, lifted.out)
    assert (3, True) == (again.code, "user_not_blocked" in again.err)
    assert 2 == payops.run("users", "show", "no user id!").code
    assert 2 == payops.run("users", "block", "amina").code


def test_a_rule_is_changed_by_two_people(own_url: str, tmp_path: Path) -> None:
    """Who proposed it cannot approve it; another can; the report shows the rule as it is."""
    payops = Payops.on(own_url, tmp_path)
    rule = "user-withdrawals-per-hour"

    stricter = payops.run("velocity", "change", rule, "--limit", "1", "--reason", "r")
    looser = payops.run(
        "velocity", "change", rule, "--limit", "9", "--reason", "r", "--json", "--actor", "jane"
    ).json
    own = payops.run("velocity", "approve", looser["changeId"], "--actor", "Jane")
    listed = payops.run("velocity", "changes")
    other = payops.run("velocity", "approve", looser["changeId"], "--actor", "john", "--json")
    report = payops.run("velocity", "report", "--json").json

    assert (0, f"{rule} is at version 1 and in force\n") == (stricter.code, stricter.out)
    assert "pending_approval" == looser["status"]
    assert (3, True) == (own.code, "four_eyes_required" in own.err)
    assert looser["changeId"] in listed.out
    assert (0, "john") == (other.code, other.json["approvedBy"])
    assert (rule, 9, 2) == tuple(report["rules"][0][name] for name in ("name", "limit", "version"))


def test_a_rule_is_tried_made_and_seen(own_url: str, tmp_path: Path) -> None:
    """A backtest changes nothing; a new rule begins in the shadow; one can be taken back."""
    payops = Payops.on(own_url, tmp_path)

    tried = payops.run("velocity", "backtest", "--measure", "count", "--limit", "1")
    made = payops.run(
        "velocity", "make", "one-an-hour", "--measure", "count", "--limit", "1", "--hours", "1",
        "--reason", "to see", "--json",
    )  # fmt: skip
    seen = payops.run("velocity", "report")
    wrong = payops.run(
        "velocity", "make", "one-an-hour", "--measure", "sum", "--limit", "5", "--hours", "999",
        "--reason", "r",
    )  # fmt: skip

    assert (0, True) == (tried.code, "it would have stopped 0 (KES 0.00)" in tried.out)
    assert "shadow" == made.json["rule"]["mode"]
    assert "one-an-hour" in seen.out
    assert (3, True) == (wrong.code, "velocity_rule_invalid" in wrong.err)
