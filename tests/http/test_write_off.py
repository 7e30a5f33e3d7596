"""Writing a payout off over HTTP: what is asked for, and what is refused before anybody decides."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.access.service import create_key
from tests.support.api import Api, code_of, running_api

OPS = "/api/ops"
ASKED = {"receipt": "SLK4H7RTY9", "reason": "their statement"}


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


async def failed(api: Api) -> str:
    txid = await api.shop.is_sent(100)
    await api.shop.hears({"transactionId": txid, "amountKES": 100, "status": "failed"})
    return txid


async def losses(api: Api) -> list[int]:
    rows = await api.shop.fetch("SELECT amount FROM entries WHERE account = 'losses:mpesa'")
    return [row["amount"] for row in rows]


async def test_it_waits_for_a_second_person_and_is_done_then(api: Api) -> None:
    """Who decides sees what it comes to; nothing is booked before."""
    txid = await failed(api)

    asked = await api.back_end.post(f"{OPS}/withdrawals/{txid}/write-off", json=ASKED)
    before = await losses(api)
    (listed,) = (await api.back_end.get(f"{OPS}/approvals")).json()["data"]
    john = await create_key(api.services.db, name="o", owner="john", scopes=list(Scope), live=False)
    approved = await api.stranger.post(
        f"{OPS}/approvals/{asked.json()['approvalId']}/approve",
        headers={"Authorization": f"Bearer {john.text}"},
    )

    assert (202, 200) == (asked.status_code, approved.status_code), approved.text
    assert ("withdrawal_write_off", txid, {"receipt": "SLK4H7RTY9"}) == (
        listed["action"],
        listed["subject"],
        listed["asked"],
    )
    assert ([], [-10_000]) == (before, await losses(api))
    story = (await api.back_end.get(f"{OPS}/withdrawals/{txid}/why")).json()["text"]
    assert "written off" in story.replace("_", " ")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "/receipt"),
        ({**ASKED, "receipt": ""}, "/receipt"),
        ({**ASKED, "receipt": "no receipt!"}, "/receipt"),
        ({"receipt": "SLK4H7RTY9"}, "/reason"),
        ({**ASKED, "amount": "1"}, "/amount"),
    ],
)
async def test_without_a_receipt_and_a_root_cause_nothing_is_asked_for(
    api: Api, body: dict[str, str], pointer: str
) -> None:
    """422, and nobody has anything to decide."""
    txid = await failed(api)

    answer = await api.back_end.post(f"{OPS}/withdrawals/{txid}/write-off", json=body)

    assert (422, "validation_failed") == code_of(answer)
    assert [pointer] == [fault["pointer"] for fault in answer.json()["errors"]]
    assert [] == (await api.back_end.get(f"{OPS}/approvals")).json()["data"]


async def test_what_is_not_lost_or_not_there_is_refused(api: Api) -> None:
    """409 for what is under way, 404 for what nobody knows."""
    waits = await api.shop.accepts(100)

    answers = [
        await api.back_end.post(f"{OPS}/withdrawals/{txid}/write-off", json=ASKED)
        for txid in (waits, "wd_01h455vb4pex5vsknk084sn02q", "x")
    ]

    assert [(409, "not_writable_off"), *[(404, "withdrawal_not_found")] * 2] == [
        code_of(answer) for answer in answers
    ]
