"""Checklists, search, stories, reports and exports at the keyboard."""

import json
from pathlib import Path

import pytest

from payops.ops.checklists.domain import LISTS, ListName
from tests.support.commands import Payops
from tests.support.postgres import apart, connected

pytestmark = pytest.mark.slow  # each command is a process of its own


@pytest.fixture
def payops(url: str, tmp_path: Path) -> Payops:
    return Payops.on(url, tmp_path)


def test_a_checklist_runs_and_remembers(payops: Payops) -> None:
    """Exit code 0 while nothing fails; the name at the keyboard is kept."""
    ran = payops.run("checklist", "pre-launch", "--json", "--actor", "jane")
    last = payops.run("checklist", "pre-launch", "--json", "--last", "--evidence")
    table = payops.run("checklist", "pre-launch", "--last")

    assert 0 == ran.code, ran.err
    assert ran.json["ok"]
    assert list(LISTS[ListName.PRE_LAUNCH]) == [item["id"] for item in ran.json["items"]]
    assert {"pass", "attention"} == {item["status"] for item in ran.json["items"]}
    assert [i["status"] for i in ran.json["items"]] == [i["status"] for i in last.json["items"]]
    assert all(item["evidence"] is not None for item in last.json["items"])
    assert "person:jane" in table.out


def test_a_line_that_fails_is_exit_code_1(payops: Payops, url: str) -> None:
    """And the table says which, in capitals."""

    async def spoil() -> None:
        async with connected(url) as connection:
            await connection.execute(
                "SET session_replication_role = replica;"
                " INSERT INTO wallets (user_id, currency, available, held, version)"
                " VALUES ('x', 'KES', 5, 0, 1)"
            )

    apart(spoil)

    ended = payops.run("checklist", "daily")

    assert 1 == ended.code
    assert "FAIL" in ended.out


def test_there_is_no_other_list(payops: Payops) -> None:
    """Usage, as of any command."""
    assert 2 == payops.run("checklist", "yearly").code


def test_nothing_is_found_with_exit_code_1(payops: Payops) -> None:
    """So that a script can tell; what is no id has no story."""
    found = payops.run("find", "nobody", "--json")

    assert (1, {"data": []}) == (found.code, found.json)
    assert 3 == payops.run("why", "wd_x").code
    assert 3 == payops.run("why", "inv_x", "--json").code


def test_a_report_goes_to_a_file_or_to_standard_output(payops: Payops, tmp_path: Path) -> None:
    """The same bytes either way."""
    out = tmp_path / "day.csv"
    day = ("report", "daily", "--date", "2026-01-31")

    shown = payops.run(*day, "--json")
    text = payops.run(*day, "--format", "csv")
    file = payops.run(*day, "--format", "csv", "--out", str(out))
    table = payops.run(*day)

    assert ("2026-01-31", []) == (shown.json["date"], shown.json["figures"])
    assert text.out.encode() == out.read_bytes().replace(b"\r\n", b"\n")
    assert (0, "") == (file.code, file.out)
    assert "2026-01-31 in Nairobi" in table.out


def test_an_export_is_checked_without_a_database(payops: Payops, tmp_path: Path) -> None:
    """Nor are there any settings: an auditor has neither."""
    payops.run("keys", "create", "--name", "n", "--scopes", "ops:read")
    out = str(tmp_path / "bundle")
    period = ("--from", "2020-01-01", "--to", "2200-01-01")

    made = payops.run("audit", "export", *period, "--out", out, "--json")
    again = payops.run("audit", "export", *period, "--out", out)
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    checked = payops.run("audit", "verify", "--bundle", out, "--json", PAYOPS_DATABASE_URL=nowhere)
    anchored = payops.run(
        "audit",
        "verify",
        "--bundle",
        out,
        "--anchor",
        made.json["chainEndsAt"],
        PAYOPS_DATABASE_URL=nowhere,
    )

    assert 0 == made.code, made.err
    assert 3 == again.code
    assert 0 == checked.code, checked.err
    assert made.json["manifestSha256"] == checked.json["manifestSha256"]
    assert 0 == anchored.code
    log = tmp_path / "bundle" / "audit_log.jsonl"
    log.write_text(log.read_text().replace("api_key_created", "api_key_revoked"))
    spoilt = payops.run("audit", "verify", "--bundle", out, "--json", PAYOPS_DATABASE_URL=nowhere)
    assert (1, False, "audit_log.jsonl") == (
        spoilt.code,
        spoilt.json["ok"],
        spoilt.json["firstBad"],
    )
    assert json.loads((tmp_path / "bundle" / "manifest.json").read_text())["madeBy"]
