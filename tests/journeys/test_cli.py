"""The command line: one JSON document, four exit codes, no tracebacks."""

import asyncio
from pathlib import Path

import pytest

from tests.support.commands import Payops
from tests.support.postgres import apart, connected

_START_SECONDS_MAX = 60


@pytest.fixture
def payops(url: str, tmp_path: Path) -> Payops:
    return Payops.on(url, tmp_path)


def planted(url: str, sql: str) -> None:
    """Do what the application never would, past its triggers."""

    async def work() -> None:
        async with connected(url) as connection:
            await connection.execute(f"SET session_replication_role = replica; {sql}")

    apart(work)


def test_help_comes_without_loading_the_service(payops: Payops) -> None:
    """And lists every command with what it does."""
    with payops.start("--help", PYTHONPROFILEIMPORTTIME="1") as process:
        shown, imports = process.communicate(timeout=_START_SECONDS_MAX)

    assert 0 == process.returncode
    for name in ("serve", "demo", "withdrawals", "webhooks", "reconcile", "audit", "doctor"):
        assert f"  {name} " in shown
    imported = {line.rpartition("|")[2].strip() for line in imports.splitlines()}
    assert "payops.cli.main" in imported
    assert imported.isdisjoint({"payops.bootstrap", "sqlalchemy", "fastapi"})


def test_right_books_are_exit_code_0(payops: Payops) -> None:
    """Of the ledger and of the audit log; sealing comes first."""
    payops.run("keys", "create", "--name", "n", "--scopes", "ops:read")

    ledger = payops.run("ledger", "verify", "--json")
    audit = payops.run("audit", "verify", "--json")

    assert (0, {"ok": True, "violations": []}) == (ledger.code, ledger.json)
    assert (0, {"ok": True, "rows": 1, "firstBad": None}) == (audit.code, audit.json)


def test_a_touched_wallet_is_exit_code_1(payops: Payops, url: str) -> None:
    """With the invariant named."""
    planted(
        url,
        "INSERT INTO wallets (user_id, currency, available, held, version)"
        " VALUES ('x', 'KES', 5, 0, 1)",
    )

    ended = payops.run("ledger", "verify", "--json")

    assert (1, False) == (ended.code, ended.json["ok"])
    assert ["wallets_equal_their_entries"] == [v["name"] for v in ended.json["violations"]]


def test_a_touched_record_is_exit_code_1(payops: Payops, url: str) -> None:
    """With the first bad row named."""
    payops.run("keys", "create", "--name", "n", "--scopes", "ops:read")
    payops.run("audit", "verify")
    planted(url, "UPDATE audit_log SET actor = 'somebody-else'")

    ended = payops.run("audit", "verify", "--json")

    assert (1, False) == (ended.code, ended.json["ok"])
    assert ended.json["firstBad"].startswith("aud_")


def test_a_key_is_made_shown_once_and_revoked(payops: Payops, url: str) -> None:
    """And each act has the person's name on it, wherever the name stands."""
    made = payops.run(
        *("keys", "create", "--name", "n", "--owner", "jane", "--scopes", "ops:read,audit:read"),
        *("--json", "--actor", "jane"),
    ).json
    listed = payops.run("keys", "list", "--json").json
    revoked = payops.run("--actor=joe", "keys", "revoke", made["id"], "--json").json

    assert made["key"].startswith("sk_test_")
    assert [made["id"]] == [key["id"] for key in listed]
    assert "key" not in listed[0]
    assert revoked["revokedAt"]

    async def actors() -> list[str]:
        async with connected(url) as connection:
            rows = await connection.fetch("SELECT kind, actor FROM audit_log ORDER BY id")
            return [f"{row['kind']} {row['actor']}" for row in rows]

    assert ["api_key_created person:jane", "api_key_revoked person:joe"] == apart(actors)


def test_a_key_without_an_owner_is_whoever_makes_it(payops: Payops) -> None:
    """Two keys under two names do not make one person two."""
    made = payops.run(
        *("--actor", "jane", "keys", "create", "--name", "John", "--scopes", "ops:read", "--json")
    )
    nobody = payops.run("keys", "create", "--name", "n", "--owner", "", "--scopes", "ops:read")

    assert (0, "person:jane") == (made.code, made.json["owner"])
    assert (3, "") == (nobody.code, nobody.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("withdrawals", "list", "--status", "nonsense"),
        ("withdrawals", "list", "--limit", "0"),
        ("keys", "create", "--name", "n", "--scopes", "nonsense"),
        ("keys", "create", "--name", "n", "--scopes", "ops:read", "--expires-days", "9" * 12),
        ("keys", "revoke", "nonsense"),
        ("users", "block", "amina", "--reason", "r", "--hours", "9" * 12),
        ("audit", "verify", "--anchor", "nonsense"),
        ("reconcile", "mpesa", "--min-age", "-1"),
        ("--actor", "", "ledger", "verify"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_exit_code_2(payops: Payops, arguments: tuple[str, ...]) -> None:
    """Said on standard error; standard output stays empty."""
    ended = payops.run(*arguments)

    assert (2, "") == (ended.code, ended.out)
    assert ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("withdrawals", "show", "wd_01h455vb4pex5vsknk084sn02q", "--json"),
        ("withdrawals", "retry", "nonsense", "--json"),
        ("withdrawals", "list", "--phone", "12", "--json"),
        ("webhooks", "replay", "whk_01h455vb4pex5vsknk084sn02q", "--json"),
        ("jobs", "run", "nonsense", "--json"),
        ("tokens", "create", "--user", "not a user", "--json"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_exit_code_3(payops: Payops, arguments: tuple[str, ...]) -> None:
    """In one line."""
    ended = payops.run(*arguments)

    assert (3, "") == (ended.code, ended.out)
    assert 1 == len(ended.err.strip().splitlines())


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PAYOPS_DATABASE_URL", "postgresql://x@127.0.0.1:1/x", "database_unavailable"),
        ("PAYOPS_DATABASE_URL", "nonsense", "PAYOPS_DATABASE_URL"),
        ("PAYOPS_PORT", "nonsense", "PAYOPS_PORT"),
        ("PAYOPS_PII__KEYS", "nonsense", "PAYOPS_PII__KEYS"),
    ],
)
def test_bad_settings_are_exit_code_3(
    payops: Payops, variable: str, value: str, words: str
) -> None:
    """With the variable named and its value not shown."""
    broken = Payops(payops.folder, {**payops.environment, variable: value})
    ended = broken.run("ledger", "verify", "--json")

    assert (3, "") == (ended.code, ended.out)
    assert words in ended.err
    assert ended.err.strip()


def test_a_database_that_was_never_migrated_is_told(empty_url: str, tmp_path: Path) -> None:
    """With the command that mends it, which may be run twice."""
    payops = Payops.on(empty_url, tmp_path)

    before = payops.run("keys", "list")
    doctor = payops.run("doctor", "--json")
    first, second = payops.run("migrate"), payops.run("migrate", "--json")
    after = payops.run("doctor", "--json")

    assert 3 == before.code
    assert "payops migrate" in before.err
    assert (1, False) == (doctor.code, doctor.json["ok"])
    assert "run `payops migrate`" in [item.get("fix") for item in doctor.json["items"]]
    assert (0, 0) == (first.code, second.code)
    assert (0, True) == (after.code, after.json["ok"]), after.json


def test_the_doctor_names_what_is_wrong(payops: Payops) -> None:
    """Every fault at once, each with what mends it."""
    ended = payops.run(
        "doctor",
        "--json",
        without=("PAYOPS_PII__KEYS",),
        PAYOPS_NONSENSE="1",
        PAYOPS_DATABASE_URL="postgresql://x@127.0.0.1:1/x",
    )

    faults = [item for item in ended.json["items"] if item["status"] == "fail"]
    assert 1 == ended.code
    assert ["settings", "settings", "database"] == [fault["id"] for fault in faults]
    assert "PAYOPS_NONSENSE" in faults[0]["detail"]
    assert "PAYOPS_PII__KEYS" in faults[1]["detail"]
    assert all(fault["fix"] for fault in faults)


def test_tokens_are_for_development(payops: Payops) -> None:
    """In production the identity provider makes them."""
    made = payops.run("tokens", "create", "--user", "amina", "--ttl-hours", "2", "--json")
    refused = payops.run("tokens", "create", "--user", "amina", PAYOPS_ENV="production")

    assert (0, "amina") == (made.code, made.json["userId"])
    assert 2 == made.json["token"].count(".")
    assert (3, "") == (refused.code, refused.out)


def test_a_job_is_run_and_remembered(payops: Payops) -> None:
    """In the shape of the API."""
    run = payops.run("jobs", "run", "ledger-verify", "--json")
    listed = payops.run("jobs", "list", "--json")

    (job,) = [job for job in listed.json["data"] if job["name"] == "ledger-verify"]
    assert (0, "done") == (run.code, run.json["status"])
    assert run.json["slot"] == job["lastSlot"]
    assert {"name", "cron", "lastSlot", "lastStatus", "runs"} == set(job)


def test_nothing_to_reconcile_is_fine(payops: Payops) -> None:
    """The counts are all there."""
    ended = payops.run("reconcile", "mpesa", "--json")

    counts = dict.fromkeys(("checked", "completed", "failed", "unresolved", "errors"), 0)
    assert (0, counts) == (ended.code, ended.json)


def test_empty_lists_are_lists(payops: Payops) -> None:
    """As the API would answer."""
    for command in ("withdrawals", "webhooks"):
        ended = payops.run(command, "list", "--json")

        assert (0, {"data": [], "hasMore": False}) == (ended.code, ended.json)


def test_balances_are_folded(payops: Payops) -> None:
    """As the job does."""
    ended = payops.run("ledger", "fold", "--json")

    assert (0, {"accounts": 0}) == (ended.code, ended.json)


def test_the_specification_needs_no_settings(payops: Payops, tmp_path: Path) -> None:
    """And does not change with them."""
    printed = payops.run("openapi", PAYOPS_ROLE="worker")
    payops.run("openapi", "--out", "made.json")

    assert "/api/ops/withdrawals" in printed.json["paths"]
    assert printed.out == (tmp_path / "made.json").read_text()


async def test_tables_are_for_people(payops: Payops) -> None:
    """The same without --json; a list that goes to a file is not squeezed."""
    await asyncio.to_thread(payops.run, "keys", "create", "--name", "n", "--scopes", "ops:read")

    ended = await asyncio.to_thread(payops.run, "keys", "list")

    assert 0 == ended.code
    assert any("key_" in line and "ops:read" in line for line in ended.out.splitlines())
