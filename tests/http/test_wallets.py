"""Wallets, credits and debits as callers see them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from tests.support.api import AMINA, BARAKA, Api, code_of, running_api


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


async def moves(
    api: Api, way: str, key: str = "k", *, user: str = AMINA, **more: object
) -> httpx.Response:
    body = {"amount": "12.50", "currency": "KES", "reason": "stake", "reference": "bet-1"} | more
    return await api.back_end.post(
        f"/api/wallets/{user}/{way}", json=body, headers={"Idempotency-Key": key}
    )


async def test_a_credit_is_a_journal(api: Api) -> None:
    """
    201 with the entries, which sum to zero; the wallet has the money.
    """
    response = await moves(api, "credits")

    journal = response.json()
    assert (201, "credit", "bet-1") == (response.status_code, journal["kind"], journal["reference"])
    assert ["-12.50", "12.50"] == sorted(line["amount"]["amount"] for line in journal["entries"])
    wallets = (await api.amina.get(f"/api/wallets/{AMINA}")).json()
    money = {"amount": "12.50", "currency": "KES"}
    assert [money] == [wallet["available"] for wallet in wallets["wallets"]]


async def test_the_same_reference_is_the_same_movement(api: Api) -> None:
    """
    Under a new key: 200 with the first journal; with another amount or as a debit: 409.
    """
    first = await moves(api, "credits", "k-1")
    same = await moves(api, "credits", "k-2")
    other = await moves(api, "credits", "k-3", amount="13.00")
    turned = await moves(api, "debits", "k-4")

    assert (200, first.json()) == (same.status_code, same.json())
    assert [(409, "reference_reused")] * 2 == [code_of(other), code_of(turned)]


async def test_the_same_key_is_the_same_answer(api: Api) -> None:
    """
    Byte for byte, marked as a repeat.
    """
    first, again = await moves(api, "credits"), await moves(api, "credits")

    assert (201, first.content) == (again.status_code, again.content)
    assert "true" == again.headers["idempotent-replayed"]


async def test_a_debit_takes_what_is_there_and_no_more(api: Api) -> None:
    """
    Beyond the available, or of a wallet that does not exist: 422, nothing moves.
    """
    await moves(api, "credits", "k-1", amount=10)
    enough = await moves(api, "debits", "k-2", amount=4, reference="b")
    short = await moves(api, "debits", "k-3", amount="6.01", reference="c")
    nobody = await moves(api, "debits", "k-4", user=BARAKA)

    assert 201 == enough.status_code
    assert [(422, "insufficient_funds")] * 2 == [code_of(short), code_of(nobody)]
    assert (6, 0) == await api.shop.balance()


async def test_concurrent_debits_never_take_more_than_there_is(api: Api) -> None:
    """
    Of twenty debits of a tenth each, ten go through.
    """
    await moves(api, "credits", amount=100)

    answers = await asyncio.gather(
        *(moves(api, "debits", f"d-{n}", amount=10, reference=f"d-{n}") for n in range(20))
    )

    assert 10 == sum(answer.status_code == 201 for answer in answers)
    assert (0, 0) == await api.shop.balance()
    await api.shop.assert_books()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": "0"}, "/amount"),
        ({"amount": "1.001"}, "/amount"),
        ({"amount": "-5"}, "/amount"),
        ({"amount": 5.0}, "/amount"),
        ({"currency": "XXX"}, "/currency"),
        ({"reference": ""}, "/reference"),
        ({"reason": "x" * 201}, "/reason"),
    ],
)
async def test_what_a_movement_must_be(api: Api, body: dict[str, Any], pointer: str) -> None:
    """
    422 with a pointer to what is wrong.
    """
    response = await moves(api, "credits", **body)

    assert (422, "validation_failed") == code_of(response)
    assert [pointer] == [fault["pointer"] for fault in response.json()["errors"]]


async def test_a_user_reads_their_own_wallets_only_and_moves_none(api: Api) -> None:
    """
    Crediting oneself is not among an end user's scopes.
    """
    body = {"amount": 1, "currency": "KES", "reason": "r", "reference": "r"}
    answers = [
        await api.amina.get(f"/api/wallets/{BARAKA}"),
        await api.amina.get(f"/api/wallets/{BARAKA}/transactions"),
        await api.amina.post(
            f"/api/wallets/{AMINA}/credits", json=body, headers={"Idempotency-Key": "k"}
        ),
    ]

    assert [403, 403, 403] == [answer.status_code for answer in answers]


async def test_a_key_needs_the_scope(api: Api) -> None:
    """
    A key for withdrawals does not open wallets.
    """
    headers = await api.with_scopes(Scope.WITHDRAWALS_WRITE)

    assert 403 == (await api.stranger.get(f"/api/wallets/{AMINA}", headers=headers)).status_code


async def test_a_user_without_wallets_has_none(api: Api) -> None:
    """
    Nobody is created by being looked for.
    """
    assert {"userId": AMINA, "wallets": []} == (await api.amina.get(f"/api/wallets/{AMINA}")).json()


async def test_the_transactions_of_a_wallet_are_its_journals(api: Api) -> None:
    """
    Newest first, in pages.
    """
    for number in range(3):
        await moves(api, "credits", f"k-{number}", reference=f"r-{number}")

    first = (await api.amina.get(f"/api/wallets/{AMINA}/transactions?limit=2")).json()
    cursor = first["nextCursor"]
    rest = (await api.amina.get(f"/api/wallets/{AMINA}/transactions?cursor={cursor}")).json()

    assert ["r-2", "r-1"] == [journal["reference"] for journal in first["data"]]
    assert ["r-0"] == [journal["reference"] for journal in rest["data"]]
    assert [True, False] == [first["hasMore"], rest["hasMore"]]
