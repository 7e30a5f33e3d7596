"""What operations do at the keyboard, on withdrawals that are really under way.

Exit codes: 0 it is done, 1 a check found something, 2 the command makes no sense, 3 it cannot be
done. With ``--json`` there is exactly one document on standard output.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from payops.webhooks.domain import show
from payops.withdrawals.domain import State
from tests.support.commands import Ended, Payops
from tests.support.rail import OUTAGE, UNCLEAR
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, PHONE, Shop, running_shop
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow  # each command is a process of its own

NOBODY_S = "wd_01h455vb4pex5vsknk084sn02q"


@dataclass(frozen=True, slots=True)
class Office:
    """A shop that does business, and a keyboard beside it on the same database."""

    shop: Shop
    payops: Payops

    async def types(self, *arguments: str) -> Ended:
        return await asyncio.to_thread(self.payops.run, *arguments)

    async def gets(self, *arguments: str) -> Any:
        """The document of a command that does what it should."""
        ended = await self.types(*arguments, "--json")
        assert 0 == ended.code, ended.err
        return ended.json

    async def is_refused(self, *arguments: str) -> tuple[int, str]:
        """Exit code and error code of a command that is not carried out."""
        ended = await self.types(*arguments, "--json")
        assert "" == ended.out
        (line,) = ended.err.strip().splitlines()
        return ended.code, line.partition(":")[0]

    async def acted(self, kind: str) -> list[str]:
        """Who did acts of this kind, as the audit log has it."""
        rows = await self.shop.fetch("SELECT actor FROM audit_log WHERE kind = $1", kind)
        return [row["actor"] for row in rows]


@pytest.fixture
async def office(url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_shop(url, overrides={"mpesa_retry": {"base_delay_ms": 60_000}}) as shop:
        pii = shop.services.settings.pii
        assert pii.keys
        assert pii.index_key
        keys = {
            "PAYOPS_PII__KEYS": pii.keys.get_secret_value(),
            "PAYOPS_PII__INDEX_KEY": pii.index_key.get_secret_value(),
        }
        yield Office(shop, Payops.on(url, tmp_path, **keys))


def success(txid: str, **fields: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": 100, "status": "success"} | fields


async def test_withdrawals_are_listed_by_what_a_person_has_in_hand(office: Office) -> None:
    """The rail's id, the receipt, any id, a phone in any spelling; in pages."""
    shop = office.shop
    paid = await shop.is_sent(100)
    await shop.hears(success(paid, receipt="SLK4H7RTY9"))
    queued = await shop.accepts(100, user=BARAKA, to=OTHER_PHONE)

    async def listed(*filters: str) -> list[str]:
        page = await office.gets("withdrawals", "list", *filters)
        return [shown["txId"] for shown in page["data"]]

    first = await office.gets("withdrawals", "list", "--limit", "1")
    assert [queued] == [shown["txId"] for shown in first["data"]]
    assert [paid] == await listed("--cursor", first["nextCursor"])
    assert [paid] == await listed("--reference", "po_1", "--receipt", "SLK4H7RTY9")
    assert [] == await listed("--q", "SLK4H7RTY9", "--status", "pending", "--user", AMINA)
    assert [queued] == await listed("--phone", f"0{OTHER_PHONE.digits[3:]}")
    assert 1 == len(await office.acted("withdrawals_searched"))


async def test_a_withdrawal_is_shown_with_its_attempts_and_its_trail(office: Office) -> None:
    """The same in a table; the number is masked in both."""
    txid = await office.shop.is_sent(100)

    shown = await office.gets("withdrawals", "show", txid)
    table = await office.types("withdrawals", "show", txid)

    assert ("sent", "po_1") == (shown["status"], shown["providerReference"])
    assert [(1, "taken")] == [(one["number"], one["answer"]) for one in shown["attemptLog"]]
    assert {"withdrawal_initiated", "withdrawal_attempt", "withdrawal_sent"} <= {
        entry["kind"] for entry in shown["auditTrail"]
    }
    assert shown["phoneNumber"].endswith("••••0012")
    assert 0 == table.code
    assert all(text in table.out for text in (txid, "po_1", "taken", "withdrawal_sent"))


async def test_a_queued_withdrawal_is_made_due(office: Office) -> None:
    """By a person with a name, and the worker takes it from there."""
    txid = await office.shop.accepts(100)
    await office.shop.execute("UPDATE withdrawals SET due_at = now() + interval '1 hour'")
    assert 0 == await office.shop.sends()

    shown = await office.gets("withdrawals", "retry", txid, "--actor", "wanjiru")

    assert (txid, "pending") == (shown["txId"], shown["status"])
    assert ["person:wanjiru"] == await office.acted("withdrawal_retried")
    assert 1 == await office.shop.sends()


async def test_an_unclear_withdrawal_is_asked_about_and_not_sent(office: Office) -> None:
    """However often somebody types it."""
    txid = await office.shop.accepts(100)
    office.shop.rail.answers(UNCLEAR)
    await office.shop.sends()

    ended = await office.types("withdrawals", "retry", txid)

    assert (0, True) == (ended.code, f"{txid} is unresolved" in ended.out)
    await office.shop.sends()
    await office.shop.asks()
    assert ([txid], [txid]) == (office.shop.rail.sends, office.shop.rail.questions)


async def test_what_is_on_the_wire_or_gone_is_not_retried(office: Office) -> None:
    """Exit code 3, with the code the API would give."""
    shop = office.shop
    cancelled = await shop.accepts(100)
    await shop.cancels(cancelled)
    flying = await shop.accepts(100)
    shop.rail.holds()
    await shop.services.sender.send_due()
    await eventually(lambda: shop.rail.sends)

    assert (3, "nothing_to_retry") == await office.is_refused("withdrawals", "retry", flying)
    assert (3, "nothing_to_retry") == await office.is_refused("withdrawals", "retry", cancelled)
    assert (3, "withdrawal_not_found") == await office.is_refused("withdrawals", "retry", NOBODY_S)
    assert [] == await office.acted("withdrawal_retried")


async def test_a_queued_withdrawal_is_cancelled_once(office: Office) -> None:
    """The money is back; a repeat says the same and moves nothing."""
    shop = office.shop
    txid = await shop.accepts(100)

    first = await office.gets("withdrawals", "cancel", txid, "--actor", "wanjiru")
    again = await office.gets("withdrawals", "cancel", txid)

    assert ("cancelled", "cancelled") == (first["status"], again["status"])
    assert (100, 0) == await shop.balance()
    assert ["person:wanjiru"] == await office.acted("withdrawal_cancelled")
    await shop.assert_books()


async def test_what_is_queued_is_put_in_doubt_after_a_restore(office: Office) -> None:
    """First what it comes to, then the act; while halted, and by a person with a name."""
    shop = office.shop
    txid = await shop.accepts(100)
    why = ("--reason", "restored from a backup")
    everything = ("withdrawals", "doubt", "--all-pending", *why)
    refused = await office.is_refused(*everything, "--yes")
    assert (3, "withdrawals_not_halted") == refused
    await office.gets("switches", "halt", "withdrawals", *why)
    assert (3, "withdrawals_halted") == await office.is_refused("withdrawals", "cancel", txid)

    foreseen = await office.gets(*everything, "--dry-run")
    table = await office.types(*everything, "--dry-run")
    none = await office.gets(*everything, "--since", "2099-01-01T00:00:00+00:00", "--dry-run")
    assert (1, "100.00", True) == (
        foreseen["count"],
        foreseen["amount"]["amount"],
        foreseen["dryRun"],
    )
    assert (0, 0) == (table.code, none["count"])
    assert "1 of KES 100 would be put in doubt" in table.out
    assert State.PENDING == await shop.state_of(txid)

    made = await office.gets("withdrawals", "doubt", txid, *why, "--yes", "--actor", "wanjiru")

    assert (1, False) == (made["count"], made["dryRun"])
    assert State.UNRESOLVED == await shop.state_of(txid)
    assert ["person:wanjiru"] == await office.acted("withdrawal_unresolved")


@pytest.mark.parametrize(
    "options", [(), ("--all-pending", NOBODY_S), (NOBODY_S, "--since", "2026-11-23T01:59:00+00:00")]
)
async def test_whom_to_doubt_must_be_plain(office: Office, options: tuple[str, ...]) -> None:
    """All, or these; never what somebody may have meant."""
    typed = ("withdrawals", "doubt", *options, "--reason", "r", "--dry-run")

    ended = await office.types(*typed)

    assert (3, "") == (ended.code, ended.out)
    assert ended.err.startswith("validation_failed: ")


@pytest.mark.parametrize("answer", [None, OUTAGE])
async def test_what_may_have_left_is_not_cancelled(office: Office, answer: Any) -> None:
    """Sent, or between two attempts with one of them in doubt."""
    shop = office.shop
    txid = await shop.accepts(100)
    shop.rail.answers(*([answer] if answer else []))
    await shop.services.sender.send_due()

    async def is_answered() -> bool:
        return [None] != await shop.attempts(txid)

    await eventually(is_answered)
    before = await shop.state_of(txid)

    assert (3, "not_cancellable") == await office.is_refused("withdrawals", "cancel", txid)
    assert (before, (0, 100)) == (await shop.state_of(txid), await shop.balance())


async def test_notifications_are_listed_shown_and_replayed(office: Office) -> None:
    """One parked for a reason that is gone since is applied, and its alert is over."""
    shop = office.shop
    txid = await shop.is_sent(100)
    await shop.hears({"n": 1}, signed=False)
    await shop.execute("UPDATE withdrawals SET amount = 20000")
    await shop.hears(success(txid))  # by our books it is another sum
    await shop.execute("UPDATE withdrawals SET amount = 10000")
    (parked,) = (await office.gets("webhooks", "list", "--state", "parked"))["data"]
    assert ("lipana", txid) == (parked["source"], parked["subject"])

    shown = await office.gets("webhooks", "show", parked["id"])
    replayed = await office.gets("webhooks", "replay", parked["id"], "--actor", "wanjiru")

    assert (parked, "applied") == (shown, replayed["state"])
    assert State.COMPLETED == await shop.state_of(txid)
    assert ["person:wanjiru"] == await office.acted("webhook_replayed")
    assert f"webhook_parked:{parked['id']}" not in await shop.alerts()
    await shop.assert_books()


async def test_a_forged_notification_is_listed_and_never_replayed(office: Office) -> None:
    """Kept as evidence; no person's word makes its signature good."""
    await office.shop.hears({"n": 1}, signed=False)
    (delivery_id,) = await office.shop.delivery_ids()

    table = await office.types("webhooks", "list")

    assert (0, True) == (table.code, "rejected" in table.out)
    assert show(delivery_id) in table.out
    assert (3, "webhook_not_replayable") == await office.is_refused(
        "webhooks", "replay", show(delivery_id)
    )
    assert (3, "webhook_not_found") == await office.is_refused("webhooks", "show", "nonsense")


async def test_a_job_does_its_work_and_says_what_came_of_it(office: Office) -> None:
    """In the history too, with who ran it in the audit log."""
    shop = office.shop
    txid = await shop.is_sent(100)
    await shop.execute("UPDATE withdrawals SET created_at = now() - interval '1 day'")

    ran = await office.gets("jobs", "run", "alert-unclear", "--actor", "wanjiru")
    table = await office.types("jobs", "list")

    assert ("alert-unclear", "done") == (ran["name"], ran["status"])
    assert [f"withdrawal_unclear:{txid}"] == await shop.alerts()
    assert ["person:wanjiru"] == await office.acted("job_run")
    (line,) = [line for line in table.out.splitlines() if "alert-unclear" in line]
    assert "done" in line


async def test_a_job_that_fails_is_exit_code_1(office: Office) -> None:
    """With one document that says so, and the reason left to the log."""
    await office.shop.execute("ALTER TABLE alerts RENAME TO alerts_elsewhere")
    try:
        ended = await office.types("jobs", "run", "ledger-verify", "--json")
    finally:
        await office.shop.execute("ALTER TABLE alerts_elsewhere RENAME TO alerts")

    assert (1, "failed") == (ended.code, ended.json["status"])
    assert "ledger-verify failed" in ended.err


async def test_keys_are_shown_with_their_end_and_revoked_for_good(office: Office) -> None:
    """A table never shows the secret; a second revocation changes nothing; one unknown is 3."""
    made = await office.types(
        *("keys", "create", "--name", "console", "--scopes", "ops:read", "--expires-days", "30")
    )
    shown_id, secret = made.out.split()
    listed = await office.types("keys", "list")
    first = await office.gets("keys", "revoke", shown_id)
    again = await office.gets("keys", "revoke", shown_id)

    assert 0 == made.code
    assert "only time" in made.err
    assert shown_id in listed.out
    assert secret not in listed.out
    assert first["expiresAt"]
    assert first["revokedAt"] == again["revokedAt"]
    code, _ = await office.is_refused("keys", "revoke", "key_01h455vb4pex5vsknk084sn02q")
    assert 3 == code


async def test_a_number_is_shown_to_a_person_who_says_why(office: Office) -> None:
    """As often as over HTTP and no more; each look is on record, and none shows the number."""
    txid = await office.shop.is_sent(100)
    why = ("--purpose", "customer_support", "--reason", "ticket 4711", "--actor", "jane")

    def opens(*arguments: str) -> tuple[int, str, str]:
        process = office.payops.start(
            "withdrawals", "phone", *arguments, PAYOPS_PII__READS_PER_HOUR="1"
        )
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    first = await asyncio.to_thread(opens, txid, *why)
    second = await asyncio.to_thread(opens, txid, *why)
    curious = await office.types(
        "withdrawals", "phone", txid, "--purpose", "curiosity", "--reason", "ticket 4711"
    )
    (access,) = (await office.gets("pii", "accesses", "--subject", txid, "--who", "person:jane"))[
        "data"
    ]
    table = await office.types("pii", "accesses", "--purpose", "customer_support")

    assert (0, f"+{PHONE.digits}\n") == first[:2]
    assert (3, "", True) == (*second[:2], "personal_data_quota_reached" in second[2])
    assert (2, "") == (curious.code, curious.out)
    assert ("customer_support", "ticket 4711", "command line") == tuple(
        access[name] for name in ("purpose", "reason", "origin")
    )
    assert (0, True) == (table.code, "ticket 4711" in table.out)
    assert ["person:jane"] == await office.acted("personal_data_refused")


async def test_a_payout_that_was_paid_after_all_is_written_off_by_two_people(
    office: Office,
) -> None:
    """The loss is in the books once; a receipt in small letters is the same receipt."""
    txid = await office.shop.is_sent(100)
    await office.shop.hears(success(txid, status="failed"))
    command = ("withdrawals", "write-off", txid, "--reason", "their statement")

    asked = await office.gets(*command, "--receipt", "slk4h7rty9", "--actor", "jane")
    done = await office.types("approvals", "approve", asked["approvalId"], "--actor", "john")
    shown = await office.gets("withdrawals", "show", txid)
    house = await office.gets("ledger", "balances")
    nonsense = await office.types(*command, "--receipt", "?")
    again = await office.is_refused(*command, "--receipt", "SLK4H7RTY9")

    assert (0, "pending_approval") == (done.code, asked["status"])
    assert ("failed", "SLK4H7RTY9") == (shown["status"], shown["receipt"])
    assert "-100.00" == _amounts(house)["losses:mpesa"]
    assert (3, "not_writable_off") == again
    assert (3, True) == (nonsense.code, "/receipt" in nonsense.err)
    assert ["person:john"] == await office.acted("withdrawal_written_off")


async def test_what_a_provider_sent_is_shown_without_names_and_numbers(office: Office) -> None:
    """To a person who says why; the look is on record."""
    await office.shop.hears(
        {"status": "odd", "recipientName": "Amina W", "phone": OTHER_PHONE.digits}
    )
    (kept,) = await office.shop.fetch("SELECT id FROM webhook_deliveries")
    why = ("--purpose", "investigation", "--reason", "ticket 4711")

    told = await office.types("webhooks", "body", show(kept["id"]), *why)
    reply = await office.gets("webhooks", "body", show(kept["id"]), *why)

    assert (0, True, False) == (told.code, '"odd"' in told.out, "Amina" in told.out)
    assert (show(kept["id"]), "lipana") == (reply["id"], reply["source"])
    lookers = [who for who in await office.acted("personal_data_opened") if "person:" in who]
    assert 2 == len(lookers)


async def test_balances_are_told_of_the_house_and_of_a_user(office: Office) -> None:
    """Now, and as they stood; every amount with its currency."""
    shop = office.shop
    txid = await shop.is_sent(100)
    (before,) = await shop.fetch("SELECT now()::text AS at")
    await shop.hears(success(txid))
    await shop.funds(AMINA, 7)

    now = await office.gets("ledger", "balances", "--user", AMINA)
    then = await office.gets("ledger", "balances", "--user", AMINA, "--at", before["at"][:19])
    house = await office.gets("ledger", "balances")
    table = await office.types("ledger", "balances", "--user", AMINA)

    assert {"wallet:available": "7.00", "wallet:held": "0.00"} == _amounts(now)
    assert "0.00" == _amounts(then).get("wallet:available", "0.00")
    assert {"KES"} == {line["currency"] for line in now + house}
    assert "100.00" in {amount.lstrip("-") for amount in _amounts(house).values()}
    assert (0, True) == (table.code, "7.00" in table.out)
    assert [] == await office.gets("ledger", "balances", "--user", "nobody")


@pytest.mark.parametrize(
    "arguments",
    [
        ("withdrawals", "cancel", NOBODY_S, "--nonsense"),
        ("webhooks", "list", "--state", "nonsense", "--json"),
        ("jobs", "list", "--runs", "0"),
        ("keys", "create", "--name", "n", "--scopes", "ops:read", "--expires-days", "0"),
        ("ledger", "balances", "--at", "yesterday"),
        ("ledger", "balances", "--at", "2026-11-22"),  # of the house
    ],
    ids=" ".join,
)
async def test_what_makes_no_sense_is_exit_code_2(
    office: Office, arguments: tuple[str, ...]
) -> None:
    """Before anything is connected."""
    ended = await office.types(*arguments)

    assert (2, "") == (ended.code, ended.out)
    assert ended.err


def _amounts(lines: list[dict[str, str]]) -> dict[str, str]:
    return {line["account"]: line["amount"] for line in lines}
