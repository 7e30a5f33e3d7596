"""Operations find withdrawals by whatever they have in hand, and move them on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.withdrawals.domain import read
from tests.support.house import House, opened
from tests.support.sql import execute, fetch

READ, WRITE, AUDIT, PII = Scope.OPS_READ, Scope.OPS_WRITE, Scope.AUDIT_READ, Scope.PII_READ
LIST = "/api/ops/withdrawals"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def found(house: House, **parameters: str) -> list[str]:
    answer = await house.get(LIST, READ, PII, **parameters)
    assert 200 == answer.status_code, answer.text
    return [shown["txId"] for shown in answer.json()["data"]]


async def set_columns(house: House, txid: str, **values: Any) -> None:
    """What the rail's answers would have written."""
    sets = ", ".join(f"{name} = ${index}" for index, name in enumerate(values, 2))
    user = (await found_one(house, txid))["userId"]
    await execute(
        house.services.db,
        f"UPDATE withdrawals SET {sets} WHERE user_id = $1",
        user,
        *values.values(),
    )


async def set_names(house: House, txid: str, **names: str) -> None:
    """What a rail calls it, as its answers would have taught us."""
    columns = {"payout": "provider_reference", "receipt": "receipt"}
    await set_columns(house, txid, **{columns[kind]: name for kind, name in names.items()})
    for kind, name in names.items():
        await execute(
            house.services.db,
            "INSERT INTO payout_references (rail, kind, reference, user_id, withdrawal_id)"
            " SELECT rail, $2, $3, user_id, id FROM withdrawals WHERE id = $1",
            read(txid),
            kind,
            name,
        )


async def found_one(house: House, txid: str) -> dict[str, Any]:
    answer = await house.get(f"{LIST}/{txid}", READ)
    document: dict[str, Any] = answer.json()
    return document


async def test_the_list_has_all_users_newest_first(house: House) -> None:
    """In pages, as every list."""
    made = [(await house.withdrawal(user))["txId"] for user in ("amina", "brian", "cate")]

    first = (await house.get(LIST, READ, limit="2")).json()
    rest = (await house.get(LIST, READ, limit="2", cursor=first["nextCursor"])).json()

    assert made[::-1] == [w["txId"] for w in first["data"] + rest["data"]]
    assert (True, False) == (first["hasMore"], rest["hasMore"])


async def test_a_number_is_found_in_any_spelling(house: House) -> None:
    """Through its blind index; nothing is opened."""
    mine = await house.withdrawal("amina", "254700000001")
    await house.withdrawal("brian", "254700000002")

    for spelling in ("0700000001", "+254 700 000 001", "254700000001", "00254-700-000-001"):
        assert [mine["txId"]] == await found(house, phone=spelling), spelling
    assert [] == await found(house, phone="0700000003")


async def test_looking_for_a_number_needs_its_scope_and_is_recorded(house: House) -> None:
    """Who asks learns whether a number is a customer's: never without a trace."""
    await house.withdrawal()

    refused = await house.get(LIST, READ, phone="0700000001")
    await found(house, phone="0700000001")
    records = (await house.get("/api/ops/audit", AUDIT, kind="withdrawals_searched")).json()["data"]

    assert (403, "scope_missing") == (refused.status_code, refused.json()["code"])
    assert [{"by": "phone", "found": 1}] == [record["detail"] for record in records]


async def test_what_is_no_number_is_refused_without_an_echo(house: House) -> None:
    """As everywhere."""
    answer = await house.get(LIST, READ, PII, phone="0800 no number")

    assert (422, "invalid_phone_number") == (answer.status_code, answer.json()["code"])
    assert "0800" not in answer.text


async def test_a_withdrawal_is_found_by_any_of_its_ids(house: House) -> None:
    """Ours, the rail's, the receipt, the request's."""
    mine, other = await house.withdrawal("amina"), await house.withdrawal("brian")
    await set_names(house, mine["txId"], payout="po_77", receipt="SLK4H7RTY9")
    request_id = (await found_one(house, mine["txId"]))["requestId"]

    for name in (mine["txId"], "po_77", "SLK4H7RTY9", request_id):
        assert [mine["txId"]] == await found(house, q=name), name
    assert [mine["txId"]] == await found(house, receipt="SLK4H7RTY9")
    assert [mine["txId"]] == await found(house, reference="po_77")
    assert [other["txId"]] == await found(house, userId="brian", status="pending")
    assert [mine["txId"]] == await found(house, reference="po_77", q="SLK4H7RTY9", userId="amina")
    assert [] == await found(house, q=mine["txId"], userId="brian")
    assert [] == await found(house, reference="SLK4H7RTY9")
    assert [] == await found(house, receipt="po_77")
    assert [] == await found(house, reference="po_77", q=other["txId"])
    assert [] == await found(house, reference="po_78", q=request_id)
    assert [] == await found(house, q="wd_nonsense")
    assert [] == await found(house, status="completed")


async def test_one_withdrawal_is_shown_with_its_story(house: House) -> None:
    """Attempts and audit trail; the number stays masked."""
    mine = await house.withdrawal()

    shown = await found_one(house, mine["txId"])

    assert {**mine, "status": "pending"}.items() <= shown.items()
    assert [] == shown["attemptLog"]
    assert "withdrawal_initiated" in [record["kind"] for record in shown["auditTrail"]]
    assert "+2547••••0001" == shown["phoneNumber"]


@pytest.mark.parametrize("txid", ["wd_01h455vb4pex5vsknk084sn02q", "nonsense", "key_1"])
async def test_there_is_no_such_withdrawal(house: House, txid: str) -> None:
    """404, whatever the id looks like."""
    answer = await house.get(f"{LIST}/{txid}", READ)

    assert (404, "withdrawal_not_found") == (answer.status_code, answer.json()["code"])


async def test_a_queued_withdrawal_is_made_due(house: House) -> None:
    """It is sent at once rather than when it would have been tried again."""
    mine = await house.withdrawal()
    await execute(house.services.db, "UPDATE withdrawals SET due_at = now() + interval '1 hour'")

    answer = await house.post(f"{LIST}/{mine['txId']}/retry", WRITE)

    assert (202, "pending") == (answer.status_code, answer.json()["status"])
    assert [{"is_due": True}] == await fetch(
        house.services.db, "SELECT due_at <= now() AS is_due FROM withdrawals"
    )
    trail = (await found_one(house, mine["txId"]))["auditTrail"]
    assert ("withdrawal_retried", {"state": "pending", "does": "send"}) == (
        trail[-1]["kind"],
        trail[-1]["detail"],
    )
    assert trail[-1]["actor"].startswith("key:key_")


@pytest.mark.parametrize("state", ["sent", "unresolved", "review"])
async def test_what_may_have_been_paid_is_asked_about_and_not_sent(
    house: House, state: str
) -> None:
    """However much somebody wants it sent."""
    mine = await house.withdrawal()
    await set_columns(house, mine["txId"], state=state, attempts=1, is_doubtful=True)
    await execute(
        house.services.db,
        "INSERT INTO payout_attempts (user_id, withdrawal_id, number, answer, answered_at)"
        " SELECT user_id, id, 1, 'lost', now() FROM withdrawals",
    )

    answer = await house.post(f"{LIST}/{mine['txId']}/retry", WRITE)

    shown = await found_one(house, mine["txId"])
    assert (202, state) == (answer.status_code, shown["status"])
    assert "ask" == shown["auditTrail"][-1]["detail"]["does"]
    assert 1 == shown["attempts"]


async def test_an_attempt_on_the_wire_is_left_alone(house: House) -> None:
    """Its lease is what brings it back; a second send beside it could pay twice."""
    mine = await house.withdrawal()
    await set_columns(house, mine["txId"], state="sending", attempts=1)
    await execute(
        house.services.db,
        "INSERT INTO payout_attempts (user_id, withdrawal_id, number)"
        " SELECT user_id, id, 1 FROM withdrawals",
    )
    before = await fetch(house.services.db, "SELECT due_at FROM withdrawals")

    answer = await house.post(f"{LIST}/{mine['txId']}/retry", WRITE)

    assert (409, "nothing_to_retry") == (answer.status_code, answer.json()["code"])
    assert before == await fetch(house.services.db, "SELECT due_at FROM withdrawals")


async def test_a_cancelled_withdrawal_is_not_retried(house: House) -> None:
    """Its money is back in the wallet."""
    mine = await house.withdrawal()
    await house.post(f"/api/withdrawals/{mine['txId']}/cancel", Scope.WITHDRAWALS_WRITE)

    answer = await house.post(f"{LIST}/{mine['txId']}/retry", WRITE)

    assert (409, "nothing_to_retry") == (answer.status_code, answer.json()["code"])


DOUBT = f"{LIST}/doubt"


async def is_halted(house: House) -> None:
    body = {"name": "withdrawals", "halted": True, "reason": "failover"}
    assert 200 == (await house.post("/api/ops/switches", WRITE, body=body)).status_code


async def test_what_is_queued_is_put_in_doubt_while_halted(house: House) -> None:
    """Unless it is said otherwise, only what it would come to is answered."""
    mine = await house.withdrawal()
    everything = {"allPending": True, "reason": "failover"}
    early = await house.post(DOUBT, WRITE, body={**everything, "dryRun": False})
    await is_halted(house)

    foreseen = (await house.post(DOUBT, WRITE, body=everything)).json()
    assert "pending" == (await found_one(house, mine["txId"]))["status"]
    made = (await house.post(DOUBT, WRITE, body={**everything, "dryRun": False})).json()

    assert (409, "withdrawals_not_halted") == (early.status_code, early.json()["code"])
    assert (1, True, mine["amount"]) == (
        foreseen["count"],
        foreseen["dryRun"],
        foreseen["amount"],
    )
    assert {**foreseen, "dryRun": False} == made
    shown = await found_one(house, mine["txId"])
    assert ("unresolved", True) == (shown["status"], shown["isDoubtful"])
    assert {"event": "doubted", "reason": "failover"}.items() <= (
        shown["auditTrail"][-1]["detail"].items()
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/txIds"),
        ({"allPending": True, "txIds": ["wd_01h455vb4pex5vsknk084sn02q"]}, "/txIds"),
        (
            {"txIds": ["wd_01h455vb4pex5vsknk084sn02q"], "since": "2026-11-23T01:59:00+00:00"},
            "/since",
        ),
        ({"allPending": True, "since": "2026-11-23T01:59:00"}, "/since"),
        ({"txIds": []}, "/txIds"),
        ({"allPending": True, "reason": " "}, "/reason"),
    ],
)
async def test_whom_to_doubt_must_be_plain(
    house: House, body: dict[str, object], pointer: str
) -> None:
    """All, or these, and why; a time without a zone is none."""
    answer = await house.post(DOUBT, WRITE, body={"reason": "r", **body})

    assert (422, pointer) == (answer.status_code, answer.json()["errors"][0]["pointer"])


async def test_nobody_is_doubted_by_a_name_that_is_none(house: House) -> None:
    """One wrong id, and nothing happens to the others."""
    mine = await house.withdrawal()
    await is_halted(house)
    body = {"txIds": [mine["txId"], "nonsense"], "dryRun": False, "reason": "r"}

    answer = await house.post(DOUBT, WRITE, body=body)

    assert (404, "withdrawal_not_found") == (answer.status_code, answer.json()["code"])
    assert "pending" == (await found_one(house, mine["txId"]))["status"]


async def test_while_halted_nothing_is_cancelled(house: House) -> None:
    """503 and retryable: nobody knows yet whether it was paid."""
    mine = await house.withdrawal()
    await is_halted(house)

    answer = await house.post(f"/api/withdrawals/{mine['txId']}/cancel", Scope.WITHDRAWALS_WRITE)

    assert (503, "withdrawals_halted") == (answer.status_code, answer.json()["code"])
    assert "pending" == (await found_one(house, mine["txId"]))["status"]
