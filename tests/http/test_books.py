"""Over HTTP: what the accounts hold, and whether the audit log is as it was written."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payops.access.domain import Scope
from tests.support.house import House, opened
from tests.support.sql import execute

READ, AUDIT = Scope.OPS_READ, Scope.AUDIT_READ
BALANCES, VERIFY = "/api/ops/ledger/balances", "/api/ops/audit/verify"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def held(house: House, **parameters: str) -> dict[str, str]:
    answer = await house.get(BALANCES, READ, **parameters)
    assert 200 == answer.status_code, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    assert {"KES"} >= {line["balance"]["currency"] for line in data}
    return {line["account"]: line["balance"]["amount"] for line in data}


async def test_balances_are_told_of_the_house_and_of_a_user(house: House) -> None:
    """Now, and of the user as they stood; of a user nobody knows there are none."""
    before = datetime.now(UTC) - timedelta(days=1)
    await house.withdrawal("amina")

    assert {"wallet:available": "0.00", "wallet:held": "100.00"} == await held(
        house, userId="amina"
    )
    assert {"100.00"} == {amount.lstrip("-") for amount in (await held(house)).values()}
    then = await held(house, userId="amina", at=before.isoformat())
    assert {"0.00"} >= set(then.values())
    assert {} == await held(house, userId="nobody")


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"at": "2026-11-22T12:00:00Z"}, "/query/at"),  # of the house
        ({"userId": "amina", "at": "2026-11-22T12:00:00"}, "/query/at"),  # whose time?
        ({"userId": "amina", "at": "0001-01-01T00:00:00+14:00"}, "/query/at"),
        ({"userId": "no user id!"}, "/query/userId"),
    ],
)
async def test_what_has_no_balance_is_refused(
    house: House, parameters: dict[str, str], pointer: str
) -> None:
    """A moment goes with a user and has an offset; a user's id looks like one."""
    answer = await house.get(BALANCES, READ, **parameters)

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
    assert [pointer] == [fault["pointer"] for fault in answer.json()["errors"]]


async def test_the_audit_log_is_sealed_and_checked(house: House) -> None:
    """What was just done is part of it, and the head can be held against it later."""
    await house.withdrawal()

    right = (await house.get(VERIFY, AUDIT)).json()
    later = (await house.get(VERIFY, AUDIT, anchor=right["head"])).json()

    assert right["ok"]
    assert right["rows"] >= 1
    assert (True, right["rows"]) == (later["ok"], later["rows"])


async def test_a_record_that_was_touched_is_named(house: House) -> None:
    """As is a chain that is not the one an anchor was taken of."""
    await house.withdrawal()
    head = (await house.get(VERIFY, AUDIT)).json()["head"]
    other = f"{head.partition(':')[0]}:{'0' * 64}"
    forged = (await house.get(VERIFY, AUDIT, anchor=other)).json()
    await execute(
        house.services.db,
        "ALTER TABLE audit_log DISABLE TRIGGER USER;"
        " UPDATE audit_log SET actor = 'somebody-else';"
        " ALTER TABLE audit_log ENABLE TRIGGER USER",
    )

    touched = (await house.get(VERIFY, AUDIT)).json()

    assert (False, False) == (forged["ok"], touched["ok"])
    assert forged["firstBad"].startswith("block ")
    assert touched["firstBad"].startswith("aud_")
    assert touched["reason"]


@pytest.mark.parametrize("anchor", ["", "nonsense", "1:zz", f"1:{'z' * 64}", "1" * 200])
async def test_what_is_no_anchor_is_refused(house: House, anchor: str) -> None:
    """Before anything is looked at."""
    answer = await house.get(VERIFY, AUDIT, anchor=anchor)

    assert (422, "validation_failed") == (answer.status_code, answer.json()["code"])
    assert ["/query/anchor"] == [fault["pointer"] for fault in answer.json()["errors"]]


async def test_each_has_a_scope_of_its_own(house: House) -> None:
    """Operations see balances and auditors the chain, not the other way round."""
    answers = [await house.get(BALANCES, AUDIT), await house.get(VERIFY, READ)]

    assert [403, 403] == [answer.status_code for answer in answers]
