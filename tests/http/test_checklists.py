"""Checklists: every line is done on the running service, and what it saw is kept."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from payops import bootstrap
from payops.access.domain import Scope
from payops.app import checker_of
from payops.fraud.domain.rules import Mode
from payops.idempotency.domain import Keyed
from payops.idempotency.service import Desk
from payops.ledger import service as ledger
from payops.ops.checklists.domain import LINES, LISTS, Finding, ListName, Status
from payops.ops.checklists.parts import USER, By
from payops.ops.checklists.probes import _PROBES, dependencies
from payops.ops.checklists.service import Checker
from payops.webhooks.ports import Effect, Handled
from tests.support.house import House, opened
from tests.support.postgres import connected
from tests.support.sql import execute, fetch

JANE = By("person:jane")
BASE = "/api/ops/checklists"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def ran(house: House, name: str) -> dict[str, Any]:
    answer = await house.post(f"{BASE}/{name}", Scope.OPS_WRITE)
    assert 200 == answer.status_code, answer.text
    document: dict[str, Any] = answer.json()
    return document


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {item["id"]: item["status"] for item in document["items"]}


async def one(house: House, item: str, **changes: Any) -> Finding:
    """What a single probe finds, in a process that differs in ``changes``."""
    checker = checker_of(replace(house.services, **changes))
    return await checker._probes[item](JANE)


def test_every_line_has_a_probe_and_a_list() -> None:
    """
    A line without a probe would be ticked by hand, and one on no list by nobody.
    """
    assert set(LINES) == set(_PROBES)
    assert set(LINES) == {item for items in LISTS.values() for item in items}
    assert set(ListName) == set(LISTS)


async def test_a_sound_service_passes_what_can_be_shown(house: House) -> None:
    """What a test machine lacks asks for attention; nothing fails."""
    document = await ran(house, "pre-launch")

    found = statuses(document)
    assert document["ok"]
    assert list(LISTS[ListName.PRE_LAUNCH]) == list(found)
    assert {
        "migrations": "pass",
        "ledger": "pass",
        "audit_chain": "pass",
        "duplicate_request": "pass",
        "duplicate_webhook": "pass",
        "limits": "pass",
        "personal_data_sealed": "pass",
    } == {item: status for item, status in found.items() if status == "pass"}
    assert "fail" not in found.values()


@pytest.mark.parametrize("name", ["hourly", "daily", "weekly", "monthly"])
async def test_the_other_lists_run_as_well(house: House, name: str) -> None:
    """Each of their lines comes to something."""
    document = await ran(house, name)

    assert list(LISTS[ListName(name)]) == list(statuses(document))
    assert document["ok"], document


async def test_what_was_found_is_kept_with_its_evidence_and_a_name(house: House) -> None:
    """Also when the next run finds something else: then it says when it last passed."""
    await ran(house, "hourly")
    before = (await house.get(f"{BASE}/hourly", Scope.OPS_READ)).json()
    await house.notification()  # unreadable, so it is parked

    await ran(house, "hourly")

    after = (await house.get(f"{BASE}/hourly", Scope.OPS_READ)).json()
    then, now = ({i["id"]: i for i in document["items"]}["inbox"] for document in (before, after))
    assert ("pass", "attention") == (then["status"], now["status"])
    assert then["ranAt"] == now["lastPassedAt"]
    assert 1 == len(now["evidence"]["parked"])
    assert now["ranBy"].startswith("key:")


async def test_results_cannot_be_changed(house: House, url: str) -> None:
    """They are evidence: the database refuses."""
    await ran(house, "hourly")

    for statement in ("UPDATE check_results SET status = 'pass'", "DELETE FROM check_results"):
        async with connected(url) as connection:
            with pytest.raises(Exception, match="append-only"):
                await connection.execute(statement)


async def test_running_a_list_is_audited(house: House) -> None:
    """With how it came out."""
    await ran(house, "hourly")

    rows = await fetch(
        house.services.db, "SELECT subject, detail FROM audit_log WHERE kind = 'checklist_run'"
    )
    assert ["hourly"] == [row["subject"] for row in rows]
    assert "pass" in rows[0]["detail"]


async def test_a_list_that_never_ran_says_so(house: House) -> None:
    """Nothing is claimed of it."""
    document = (await house.get(f"{BASE}/monthly", Scope.OPS_READ)).json()

    assert {None} == {item.get("status") for item in document["items"]}
    assert "ranAt" not in document
    everything = (await house.get(BASE, Scope.OPS_READ)).json()
    assert [name.value for name in ListName] == [one["name"] for one in everything["data"]]


async def test_there_is_no_other_list(house: House) -> None:
    """And reading is no right to run."""
    assert 422 == (await house.get(f"{BASE}/yearly", Scope.OPS_READ)).status_code
    assert 403 == (await house.post(f"{BASE}/hourly", Scope.OPS_READ)).status_code


async def test_no_money_of_anybody_moves(house: House) -> None:
    """The user of the checks is left with nothing, however many check at once."""
    await house.withdrawal("amina")
    checker = checker_of(house.services)

    runs = await asyncio.gather(*(checker._probes["duplicate_request"](JANE) for _ in range(3)))

    async with house.services.db.transaction(read_only=True) as tx:
        own = await ledger.wallets(tx, USER)
        others = await ledger.wallets(tx, "amina")
    assert "fail" not in [finding.status.value for finding in runs]
    assert [(0, 0)] == [(wallet.available, wallet.held) for wallet in own]
    assert [(0, 10_000)] == [(wallet.available, wallet.held) for wallet in others]
    assert [] == await ledger.verify(house.services.db, bootstrap.INVARIANTS)


async def test_a_desk_that_forgets_keys_is_found(house: House) -> None:
    """
    Two effects for one request fail the line, and the money is taken back all the same.
    """

    class Forgetful(Desk[Any]):
        count = 0

        async def submit(self, keyed: Keyed[Any]) -> Any:
            self.count += 1
            forgotten = replace(
                keyed,
                key=replace(keyed.key, key=f"{keyed.key.key}-{self.count}"),
                command=replace(keyed.command, reference=f"{self.count}"),
            )
            return await super().submit(forgotten)

    decide = house.services.movement_desk._decide
    found = await one(
        house, "duplicate_request", movement_desk=Forgetful(house.services.db, decide)
    )

    assert Status.FAIL is found.status
    assert 0 == found.evidence["left"]


async def test_an_inbox_that_applies_twice_is_found(house: House) -> None:
    """An effect that is parked, or had more than once, is no effect once."""

    async def parks(tx: Any, reports: Any) -> list[Handled]:
        return [Handled(Effect.PARKED, "no") for _ in reports]

    channel = house.services.inbox._channels["payops-check"]
    house.services.inbox._channels = {
        **house.services.inbox._channels,
        "payops-check": replace(channel, handler=parks),
    }
    found = await one(house, "duplicate_webhook")

    assert Status.FAIL is found.status


async def test_a_limit_that_is_only_watched_is_told(house: House) -> None:
    """Rules in the shadow refuse nobody."""
    velocity = house.services.fraud.velocity
    velocity.given = tuple(replace(rule, mode=Mode.SHADOW) for rule in velocity.given)
    velocity.forget()

    found = await one(house, "limits")

    assert Status.ATTENTION is found.status
    assert "no velocity limit" in found.detail


async def test_books_that_are_wrong_fail(house: House, url: str) -> None:
    """And the list as a whole is not ok."""
    async with connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "INSERT INTO wallets (user_id, currency, available, held, version)"
            " VALUES ('x', 'KES', 5, 0, 1)"
        )

    document = await ran(house, "daily")

    assert not document["ok"]
    assert "fail" == statuses(document)["ledger"]


async def test_a_job_that_failed_fails_the_line(house: House) -> None:
    """And a nightly one that is a day late as well."""
    await execute(
        house.services.db,
        "INSERT INTO job_runs (job, slot, replica, status, lease_until, finished_at)"
        " VALUES ('reconcile-mpesa', now() - interval '2 days', 'r', 'done', now(), now()),"
        " ('ledger-fold', now(), 'r', 'failed', now(), now())",
    )

    assert Status.FAIL is (await one(house, "jobs")).status
    late = await one(house, "reconciliation")
    assert Status.FAIL is late.status
    assert "reconcile-mpesa" in late.detail


async def test_a_payout_that_is_stuck_fails_the_line(house: House) -> None:
    """After the time at which an alert is raised."""
    made = await house.withdrawal("amina")
    assert Status.PASS is (await one(house, "stuck_payments")).status
    await execute(
        house.services.db,
        "UPDATE withdrawals SET state = 'unresolved', first_sent_at = now() - interval '1 hour'"
        " WHERE user_id = $1",
        made["userId"],
    )

    found = await one(house, "stuck_payments")

    assert (Status.FAIL, 1) == (found.status, found.evidence["open"]["unresolved"])  # type: ignore[index]


async def test_a_secret_in_the_code_is_found(house: House) -> None:
    """Whatever its value: it is looked for as it is set."""
    auth = house.services.settings.auth
    source = Path(sys.modules["payops"].__file__ or "").parent / "worker.py"
    given = source.read_text().splitlines()[0].strip('"')
    spoilt = auth.model_copy(update={"jwt_key": SecretStr(given)})
    settings = house.services.settings.model_copy(update={"auth": spoilt})

    found = await one(house, "secrets", settings=settings)

    assert Status.FAIL is found.status
    assert ["PAYOPS_AUTH__JWT_KEY"] == found.evidence["inCode"]


async def test_a_probe_that_breaks_has_failed_and_stops_no_other(house: House) -> None:
    """The list goes on, and says what kind of fault it was and nothing of the rows."""

    async def breaks(_: By) -> Finding:
        raise LookupError("a row of somebody's")

    sound = checker_of(house.services)
    checker = Checker(house.services.db, {**sound._probes, "inbox": breaks})

    lines = {line.item: line.result for line in await checker.run(ListName.HOURLY, JANE)}

    broken = lines["inbox"]
    assert broken
    assert (Status.FAIL, "could not be carried out: LookupError") == (broken.status, broken.detail)
    assert lines["open_alerts"]


async def test_keys_that_are_old_are_told(house: House) -> None:
    """From when this service first saw them, or made them."""
    key = await house.key(Scope.OPS_READ)
    assert key
    await execute(house.services.db, "UPDATE api_keys SET created_at = now() - interval '2 years'")

    assert Status.ATTENTION is (await one(house, "api_keys")).status
    assert Status.PASS is (await one(house, "key_age")).status


async def test_reads_by_people_are_to_be_looked_at(house: House) -> None:
    """A read by the service itself is not."""
    made = await house.withdrawal("amina")
    assert Status.PASS is (await one(house, "personal_data_reads")).status

    answer = await house.post(
        f"/api/ops/withdrawals/{made['txId']}/phone",
        Scope.PII_READ,
        body={"purpose": "customer_support", "reason": "ticket 12345"},
    )

    assert 200 == answer.status_code
    found = await one(house, "personal_data_reads")
    assert Status.ATTENTION is found.status
    assert 1 == len(found.evidence["byPeople"])  # type: ignore[arg-type]


async def test_an_audit_of_dependencies_that_sees_nothing_is_not_believed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Only where a release known to be vulnerable is reported, silence means that all is well.
    """
    answers: list[list[str] | None] = []

    async def vulnerable(*_: str) -> list[str] | None:
        return answers.pop(0)

    monkeypatch.setattr(dependencies, "_vulnerable", vulnerable)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    found = []
    cases: list[list[list[str] | None]] = [
        [None],
        [[]],
        [["jinja2"], []],
        [["jinja2"], ["x 1 (CVE)"]],
    ]
    for case in cases:
        answers[:] = case
        found.append((await one(house, "dependency_audit")).status)

    assert [Status.ATTENTION, Status.ATTENTION, Status.PASS, Status.FAIL] == found


def test_answers_of_pip_audit_are_read() -> None:
    """What is no answer is none, and not the absence of trouble."""
    said = b'{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]},'
    said += b' {"name": "b", "version": "2", "vulns": []}, {"name": "c", "skip_reason": "x"}]}'

    assert ["a 1 (PYSEC-1)"] == dependencies._read(said)
    assert None is dependencies._read(b"")
    assert None is dependencies._read(b"[]")
