"""One question finds a payment or a user by whatever a person has in hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.withdrawals.domain import read
from tests.support.house import PHONE, House, opened
from tests.support.sql import execute, fetch

READ, PII = Scope.OPS_READ, Scope.PII_READ
SEARCH = "/api/ops/search"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def hits(house: House, q: str, *scopes: Scope, **more: str) -> list[dict[str, Any]]:
    answer = await house.get(SEARCH, READ, *scopes, q=q, **more)
    assert 200 == answer.status_code, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def named(house: House, txid: str, kind: str, name: str) -> None:
    """What the rail's answer would have taught us."""
    column = {"payout": "provider_reference", "receipt": "receipt"}[kind]
    await execute(
        house.services.db, f"UPDATE withdrawals SET {column} = $2 WHERE id = $1", read(txid), name
    )
    await execute(
        house.services.db,
        "INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)"
        " SELECT rail, $2, $3, user_id, id FROM withdrawals WHERE id = $1",
        read(txid),
        kind,
        name,
    )


async def test_a_withdrawal_is_found_by_each_of_its_names(house: House) -> None:
    """Ours, the rail's, the receipt, the request's, the user, and the idempotency key."""
    made = await house.withdrawal("amina")
    await house.withdrawal("brian", "254700000002")
    txid = made["txId"]
    await named(house, txid, "payout", "po_77")
    await named(house, txid, "receipt", "SLK4H7RTY9")
    rows = await fetch(
        house.services.db,
        "SELECT w.request_id, k.key FROM withdrawals w"
        " JOIN idempotency_keys k ON k.resource = $2 WHERE w.id = $1",
        read(txid),
        txid,
    )
    request_id, key = rows[0]["request_id"], rows[0]["key"]

    for q, by in (
        (txid, "id"),
        ("po_77", "reference"),
        ("SLK4H7RTY9", "receipt"),
        (request_id, "request"),
        (key, "idempotency_key"),
    ):
        found = await hits(house, q)
        assert [("withdrawal", txid, by)] == [(h["kind"], h["id"], h["by"]) for h in found], q
    kinds = [(hit["kind"], hit["by"]) for hit in await hits(house, "amina")]
    assert [("user", "id"), ("withdrawal", "user")] == kinds


async def test_every_journal_is_found_by_its_id(house: House) -> None:
    """Also that of a hold, of which the audit log has the withdrawal only."""
    await house.withdrawal("amina")
    page = await house.get("/api/wallets/amina/transactions", Scope.WALLETS_READ)
    journals = {one["journalId"]: one["kind"] for one in page.json()["data"]}
    assert "withdrawal_held" in journals.values()

    for journal_id, kind in journals.items():
        (found,) = await hits(house, journal_id)
        assert ("journal", journal_id, "amina", kind) == tuple(
            found[name] for name in ("kind", "id", "userId", "status")
        )


async def test_a_number_is_found_in_any_spelling_and_that_is_recorded(house: House) -> None:
    """Through its blind index: nothing is opened."""
    made = await house.withdrawal("amina", PHONE)
    spellings = (f"0{PHONE[3:]}", f"+{PHONE}", PHONE[3:], f"+254 (0){PHONE[3:6]}-{PHONE[6:]}")

    for spelling in spellings:
        found = await hits(house, spelling, PII)
        assert [(made["txId"], "phone")] == [(hit["id"], hit["by"]) for hit in found], spelling

    rows = await fetch(
        house.services.db, "SELECT detail FROM audit_log WHERE kind = 'withdrawals_searched'"
    )
    assert len(spellings) == len(rows)
    assert [] == await fetch(house.services.db, "SELECT id FROM pii_access")


async def test_looking_for_a_number_needs_a_scope_of_its_own(house: House) -> None:
    """Whether it is a customer's is not everybody's business."""
    answer = await house.get(SEARCH, READ, q=f"0{PHONE[3:]}")

    assert (403, "scope_missing") == (answer.status_code, answer.json()["code"])


async def test_a_notification_and_a_journal_are_found_by_their_ids(house: House) -> None:
    """And what a notification was about, with it."""
    await house.withdrawal("amina")
    notification = await house.notification()
    journal = (
        await fetch(
            house.services.db,
            "SELECT subject FROM audit_log WHERE kind = 'wallet_credit_posted'",
        )
    )[0]["subject"]

    found = await hits(house, notification["id"])
    posted = await hits(house, journal)

    assert [("notification", "parked")] == [(hit["kind"], hit["status"]) for hit in found]
    assert [("journal", "amina", "credit")] == [
        (hit["kind"], hit["userId"], hit["status"]) for hit in posted
    ]


async def test_a_refusal_is_found_by_its_key(house: House) -> None:
    """It made nothing, but somebody asks why."""
    headers = {**await house.key(Scope.WITHDRAWALS_WRITE), "Idempotency-Key": "order-1"}
    body = {"userId": "amina", "amountKES": 100, "phoneNumber": PHONE}
    refused = await house.client.post("/api/withdrawals/mpesa", headers=headers, json=body)

    (found,) = await hits(house, "order-1")

    assert 422 == refused.status_code
    assert ("key", "order-1", "withdrawal 422") == (found["kind"], found["id"], found["status"])


async def test_a_user_narrows_the_search(house: House) -> None:
    """Two callers may have used the same key for two users."""
    headers = {**await house.key(Scope.WITHDRAWALS_WRITE), "Idempotency-Key": "order-1"}
    for user in ("amina", "brian"):
        body = {"userId": user, "amountKES": 100, "phoneNumber": PHONE}
        await house.client.post("/api/withdrawals/mpesa", headers=headers, json=body)

    assert 2 == len(await hits(house, "order-1"))
    (found,) = await hits(house, "order-1", userId="brian")
    assert "brian" == found["userId"]


@pytest.mark.parametrize(
    "q", ["nothing", "wd_01h455vb4pex5vsknk084sn02q", "inv_x", "jrn_x", "whk_x", "' OR 1=1 --", "%"]
)
async def test_what_goes_by_no_name_is_nothing(house: House, q: str) -> None:
    """And no fault, whatever is in it."""
    await house.withdrawal("amina")

    assert [] == await hits(house, q, PII)


async def test_a_question_has_bounds(house: House) -> None:
    """Nothing, or a book, is no name."""
    assert 422 == (await house.get(SEARCH, READ)).status_code
    assert 422 == (await house.get(SEARCH, READ, q="")).status_code
    assert 422 == (await house.get(SEARCH, READ, q="x" * 129)).status_code
